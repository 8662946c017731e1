"""Products of two signals: layers that multiply tensors code by code, and those that sum such products."""

from __future__ import annotations

from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.chains import Apply, reach_of_one_copy
from bittrigger.frontend.elementwise.functions import function_from_spec
from bittrigger.frontend.elementwise.functions.keras import SQUARE
from bittrigger.frontend.lower.sums import met, sums_of
from bittrigger.frontend.lower.walk import Walk
from bittrigger.frontend.nodes.builder import units
from bittrigger.frontend.nodes.elementwise import lower_elementwise
from bittrigger.frontend.nodes.positions import add_step
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.nodes.product import Product

TABLE_BITS = 7
"""Widest code whose square is a table rather than a product: as many LUTs as a multiplier has, in one cycle less."""


def multiply(walk: Walk, node: Any) -> Signal:
    """The product of the operands, code by code; a tensor times itself is a function of each code where that is cheaper."""
    alone = list(node.inputs) == [node.inputs[0]] * 2
    if alone and (chain := _square_in_chain(walk, node)) is not None:
        return chain
    first, *others = walk.operands(node)
    if alone:
        return _square(walk, node.name, first)
    for other in others:
        _, places, shape = met([first, other])
        left, right = (walk.builder.joined(f"{node.name}_operand", signal.parts) for signal in (first, other))
        pairs = np.stack([places[0], places[1] - places[1].min()], axis=1)
        first = Signal((product(walk, node.name, left, right, pairs),), shape)
    return first


def contract(walk: Walk, node: Any) -> Signal:
    """Sums of products of codes of two tensors."""
    terms = np.asarray(attributes.read(node, attributes.TERMS))
    shape = tuple(int(n) for n in attributes.read(node, attributes.SHAPE))
    results, count, _ = terms.shape
    left, right = (walk.builder.joined(f"{node.name}_operand", signal.parts) for signal in walk.operands(node))
    pairs = terms.reshape(-1, 2)
    if left == right:
        pairs = np.sort(pairs, axis=1)
    distinct, which = _in_order(pairs)
    if left == right and (distinct[:, 0] == distinct[:, 1]).all():
        made = squares(walk, node.name, left, distinct[:, 0])
    else:
        made = product(walk, f"{node.name}_products", left, right, distinct)
    if count == 1:
        return Signal((walk.builder.wire(node.name, (made,), which),), shape)
    return sums_of(walk, node.name, Signal((made,), (len(distinct),)), which.reshape(results, count), shape)


def _in_order(pairs: IntArray) -> tuple[IntArray, IntArray]:
    """The distinct rows of ``pairs`` as they come, so that sums of products read these one after the other; and which each is."""
    _, first, which = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    return pairs[np.sort(first)], place[which.ravel()]


def _squaring(layer: str) -> Apply:
    """The square of each code as a function of Keras."""
    return Apply(layer, function_from_spec(layer, {"module": "keras", "class_name": SQUARE, "config": {}}))


def _square_in_chain(walk: Walk, node: Any) -> Signal | None:
    """A tensor times itself as one more float operation on it, where it is no codes and cannot be; a quantiser will follow."""
    signal = walk.signals[node.inputs[0]]
    if not signal.steps or signal.exponent is not None:
        return None
    try:
        walk.operands(node)
    except UnsupportedModelError:
        return add_step(signal, _squaring(node.name))
    return None


def _square(walk: Walk, name: str, source: Signal) -> Signal:
    part = walk.builder.joined(f"{name}_operand", source.parts)
    reach = walk.builder.reach(part)
    if max(span.interval.width for span in reach) <= TABLE_BITS + 1:  # what follows may make the table narrower
        return add_step(Signal((part,), source.shape), _squaring(name))
    return Signal((squares(walk, name, part, np.arange(len(reach))),), source.shape)


def squares(walk: Walk, name: str, part: str, places: IntArray) -> str:
    """The node of the squares of some codes of ``part``."""
    wired = walk.builder.wire(f"{name}_operand", (part,), places)
    if max(span.interval.width for span in walk.builder.reach(wired)) <= TABLE_BITS:
        signal = add_step(Signal((wired,), (len(places),)), _squaring(f"{name}_squares"), len(places))
        (made,) = lower_elementwise(walk.builder, signal).parts
        return made
    frac = 2 * walk.builder[wired].frac
    made = walk.builder.add(Product(f"{name}_squares", (wired,), frac, len(places)))
    _check_exact(walk, name, made)
    return made


def product(walk: Walk, name: str, left: str, right: str, pairs: IntArray) -> str:
    """The node of the products of codes of ``left`` and ``right`` with the numbers ``pairs``: `(results, 2)`."""
    builder = walk.builder
    frac = builder[left].frac + builder[right].frac
    size = builder[left].size
    if builder[right].frac != builder[left].frac:
        ones = np.ones((1, 1), dtype=np.int64)
        alike = len(set(builder.reach(right))) == 1
        weights = ones if alike else np.eye(builder[right].size, dtype=np.int64)
        zeros = np.zeros(weights.shape[0], dtype=np.int64)
        copies = builder[right].size if alike else 1
        right = builder.add(builder.linear(f"{right}_codes", (right,), weights, zeros, builder[left].frac, copies))
    sources = (left,) if left == right else (left, right)
    places = pairs + np.array([0, 0 if left == right else size])
    wired = builder.wire(f"{name}_factors", sources, places)
    made = builder.add(Product(name, (wired,), frac, len(pairs)))
    _check_exact(walk, name, made)
    return made


def _check_exact(walk: Walk, name: str, part: str) -> None:
    """Note where Keras' float32 cannot hold a product."""
    reach = reach_of_one_copy(walk.builder.reach(part), walk.builder[part].size)
    ones, none = np.ones((1, 1), dtype=np.int64), np.zeros(1, dtype=np.int64)
    walk.beyond_float32(name, ones, none, (tuple(span.interval for span in reach), units(reach)))
