"""Sums of products as the C++ of hls4ml makes them: each product in the accumulator's type, then one added after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.hls4ml_project.hls_types import HlsType
from bittrigger.frontend.hls4ml_project.walk import Signal, Walk
from bittrigger.ir.fixed import NO_LIMITS, IntArray, Overflow, Rounding
from bittrigger.ir.graph import Linear, Requantize, frozen_array

SHIFTED_ALIKE = (Rounding.TRN, Rounding.RND, Rounding.RND_MIN_INF)
"""Rounding modes under which ``round(x + n) == round(x) + n`` for every integer ``n``."""

MAX_PRODUCTS = 1 << 16
"""Most products of a layer that are rounded one by one."""

MAX_STEPS = 256
"""Most additions of a layer that are limited one by one."""


@dataclass(frozen=True, eq=False)
class Terms:
    """What the sums of a layer add: ``codes @ weights`` of each copy, on the accumulator's grid.

    Attributes:
        weights: `(n_codes, n_out)`.
        inputs: for each code of a copy the input that it belongs to: products are added in the order of the inputs.
    """

    node: str
    weights: IntArray
    inputs: IntArray
    copies: int


def products_on_grid(  # noqa: PLR0917
    walk: Walk, name: str, source: Signal, matrix: IntArray, frac: int, kind: HlsType, copies: int
) -> Terms:
    """The products of ``source`` and a matrix with ``frac`` fractional bits, each rounded by itself to ``kind``.

    Raises:
        UnsupportedModelError: if they lie too far beside the grid, or too many of them are rounded.
    """
    drop = source.type.frac + frac - kind.frac
    if abs(drop) > 60:
        raise UnsupportedModelError(
            f"layer {name!r}: products lie {drop} bits beside their accumulator; allowed are 60"
        )
    matrix, drop = matrix << max(-drop, 0), max(drop, 0)
    plain = Terms(source.node, matrix, np.arange(len(matrix)), copies)
    if kind.overflow is not Overflow.WRAP and not _products_fit(walk, plain, drop, kind):
        return _rounded(walk, name, source, (np.zeros_like(matrix), matrix), drop, kind, copies)
    whole, rest = matrix >> drop, matrix & ((1 << drop) - 1)
    if kind.rounding not in SHIFTED_ALIKE:
        inexact = rest != 0
        whole, rest = np.where(inexact, 0, whole), np.where(inexact, matrix, 0)
    if not rest.any():
        return Terms(source.node, whole, np.arange(len(matrix)), copies)
    return _rounded(walk, name, source, (whole, rest), drop, kind, copies)


def _products_fit(walk: Walk, terms: Terms, drop: int, kind: HlsType) -> bool:
    """Whether no single product, rounded, leaves an accumulator that saturates."""
    allowed = kind.limits
    steps = _reached(walk, terms)
    least = min(int(low.min()) for low, _ in steps) >> drop
    return least >= allowed.lo and -(-max(int(high.max()) for _, high in steps) >> drop) <= allowed.hi


def _rounded(  # noqa: PLR0917
    walk: Walk, name: str, source: Signal, parts: tuple[IntArray, IntArray], drop: int, kind: HlsType, copies: int
) -> Terms:
    """Products of which some do not lie on the grid: each different one is made once, and rounded."""
    whole, rest = parts
    n_in, n_out = whole.shape
    inputs, outputs = np.nonzero(rest)
    pairs, which = np.unique(np.stack([inputs, rest[inputs, outputs]], axis=1), axis=0, return_inverse=True)
    count = len(pairs)
    if count > MAX_PRODUCTS:
        raise UnsupportedModelError(
            f"layer {name!r}: {count} products are rounded one by one; allowed are {MAX_PRODUCTS}; a finer accumulator "
            "(accum_t) rounds none"
        )
    factors = np.zeros((n_in, count), dtype=np.int64)
    factors[pairs[:, 0], np.arange(count)] = pairs[:, 1]
    zeros = frozen_array(np.zeros(count, dtype=np.int64))
    limits = NO_LIMITS
    if kind.overflow is not Overflow.WRAP:
        limits = kind.limits.lo, kind.limits.hi
    finer = kind.frac + drop
    products = walk.builder.add(Linear(f"{name}_products", (source.node,), frozen_array(factors), zeros, finer, copies))
    rounded = walk.builder.add(
        Requantize(
            f"{name}_rounded", (products,), copies * count, drop, kind.rounding, *limits, kind.frac, copies=copies
        )
    )
    chosen = np.zeros((count, n_out), dtype=np.int64)
    chosen[which.ravel(), outputs] = 1
    if not whole.any():
        return Terms(rounded, chosen, pairs[:, 0], copies)
    # The whole multiples read the operand as numbers on the accumulator's grid.
    operand = walk.builder.add(
        Requantize(
            f"{name}_operand", (source.node,), n_in * copies, 0, Rounding.TRN, *NO_LIMITS, kind.frac, copies=copies
        )
    )
    joined = side_by_side(walk, f"{name}_terms", (operand, rounded), copies)
    return Terms(joined, np.concatenate([whole, chosen]), np.concatenate([np.arange(n_in), pairs[:, 0]]), copies)


def side_by_side(walk: Walk, name: str, nodes: tuple[str, str], copies: int) -> str:
    """For each copy the codes of the first node, then those of the second."""
    sizes = [walk.builder[node].size for node in nodes]
    blocks = [np.arange(size).reshape(copies, -1) for size in sizes]
    return walk.builder.wire(name, nodes, np.concatenate([blocks[0], sizes[0] + blocks[1]], axis=1))


def accumulated(walk: Walk, name: str, terms: Terms, bias: IntArray, kind: HlsType) -> str:
    """The sums, in an accumulator of ``kind`` that starts at ``bias`` and wraps or saturates at each addition.

    Raises:
        UnsupportedModelError: if too many additions may saturate.
    """
    steps = _reached(walk, terms)
    start = np.stack([bias, bias]).astype(object)
    groups = _groups(start, steps, kind) if kind.overflow is not Overflow.WRAP else [list(range(len(steps)))]
    if len(groups) > MAX_STEPS:
        raise UnsupportedModelError(
            f"layer {name!r}: its accumulator {kind.fixed} may saturate at {len(groups)} additions; allowed are {MAX_STEPS}; "
            "let it wrap, or make it wider"
        )
    node = _first(walk, name, terms, bias, groups[0], kind)
    for group in groups[1:]:
        node = _next(walk, name, terms, node, group, kind)
    return node


def _reached(walk: Walk, terms: Terms) -> list[tuple[IntArray, IntArray]]:
    """What each input adds to each sum at least and at most."""
    spans = walk.builder.reach(terms.node)
    size = len(spans) // terms.copies
    lows = np.array([min(span.lo for span in spans[k::size]) for k in range(size)], dtype=object)[:, None]
    highs = np.array([max(span.hi for span in spans[k::size]) for k in range(size)], dtype=object)[:, None]
    weights = terms.weights.astype(object)
    least, most = np.minimum(lows * weights, highs * weights), np.maximum(lows * weights, highs * weights)
    order = range(int(terms.inputs.max()) + 1)
    return [(least[terms.inputs == k].sum(axis=0), most[terms.inputs == k].sum(axis=0)) for k in order]


def _groups(start: IntArray, steps: list[tuple[IntArray, IntArray]], kind: HlsType) -> list[list[int]]:
    """The inputs in order, cut behind each that may let a sum leave the accumulator."""
    allowed = kind.limits
    low, high = start[0], start[1]
    groups: list[list[int]] = [[]]
    for number, (least, most) in enumerate(steps):
        low, high = low + least, high + most
        groups[-1].append(number)
        if low.min() < allowed.lo or high.max() > allowed.hi:
            low, high = np.clip(low, allowed.lo, allowed.hi), np.clip(high, allowed.lo, allowed.hi)
            groups.append([])
    return [group for group in groups if group]


def _first(  # noqa: PLR0917
    walk: Walk, name: str, terms: Terms, bias: IntArray, group: list[int], kind: HlsType
) -> str:
    weights = np.where(np.isin(terms.inputs, group)[:, None], terms.weights, 0)
    sums = Linear(name, (terms.node,), frozen_array(weights), frozen_array(bias), kind.frac, terms.copies)
    return walk.assign(name, walk.builder.add(sums), kind)


def _next(  # noqa: PLR0917
    walk: Walk, name: str, terms: Terms, before: str, group: list[int], kind: HlsType
) -> str:
    """One more group added to the accumulator, which is limited then."""
    rows = np.flatnonzero(np.isin(terms.inputs, group))
    size = walk.builder[terms.node].size // terms.copies
    places = np.arange(terms.copies)[:, None] * size + rows
    # Whole multiples read the operand as numbers on the accumulator's grid, so that one wire can hold both.
    source = walk.builder[terms.node]
    picked = walk.builder.wire(f"{name}_next", (terms.node,), places)
    if source.frac != kind.frac:
        picked = walk.builder.add(
            Requantize(f"{name}_next", (picked,), places.size, 0, Rounding.TRN, *NO_LIMITS, kind.frac)
        )
    joined = side_by_side(walk, f"{name}_next", (before, picked), terms.copies)
    n_out = terms.weights.shape[1]
    weights = frozen_array(np.concatenate([np.eye(n_out, dtype=np.int64), terms.weights[rows]]))
    zeros = frozen_array(np.zeros(n_out, dtype=np.int64))
    sums = walk.builder.add(Linear(name, (joined,), weights, zeros, kind.frac, terms.copies))
    return walk.assign(name, sums, kind)
