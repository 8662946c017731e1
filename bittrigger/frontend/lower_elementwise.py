"""From a chain of elementwise float32 operations to the cheapest integer nodes that equal it on every code.

A ``Signal`` is what flows between the layers while a network is lowered: codes of nodes that stand already, perhaps an
accumulator that is not yet a node, and elementwise operations that Keras would apply to it in float32. ``lower_elementwise``
turns it into codes: it tabulates the operations on every code that can occur and looks for integers that give the same results.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.builder import Builder, Reaches
from bittrigger.frontend.elementwise import (
    AddBias,
    Apply,
    FloatSegments,
    Step,
    ambiguous_codes,
    reach_of_one_copy,
    tabulate,
)
from bittrigger.frontend.functions import ALLOWED, Grid
from bittrigger.frontend.kernels import common_fraction_bits
from bittrigger.frontend.requantizer_fit import Affine, Segments, fit_channel
from bittrigger.ir.block_floating_point import ShiftUp
from bittrigger.ir.fixed import MAX_WIDTH, FloatArray, IntArray, Interval, Rounding
from bittrigger.ir.graph import Linear, Lookup, Requantize, frozen_array

_log = logging.getLogger(__name__)

MAX_BREAKPOINTS = 4096
"""Most steps of one channel of a ``Lookup``."""

MAX_CODE_BITS = 32
"""Widest result that is taken for a value on a grid rather than for an arbitrary float32."""

LARGE_TABLE = 16
"""Steps of a channel from which on a table is worth a warning."""

MAX_VALUE_BITS = 18
"""Widest value of a ``Lookup`` whose results no quantiser has rounded."""

_LOOKUP_COST = 0.5
_CLIP_COST = 0.5


@dataclass(frozen=True, eq=False)
class Signal:
    """A tensor of a network that is being lowered.

    Attributes:
        parts: nodes that deliver its codes, in order; what ``linear`` reads if there is one.
        shape: its shape in Keras, without the batch.
        linear: an accumulator that is no node yet, so that scales and offsets can be folded into it.
        steps: float32 operations on top.
        exponent: the node whose code is log2 of a scale that all codes of an event share, or None.
        copies: into how many equal parts the codes fall that ``linear`` and ``steps`` treat alike.
    """

    parts: tuple[str, ...]
    shape: tuple[int, ...]
    linear: Linear | None = None
    steps: tuple[Step, ...] = ()
    exponent: str | None = None
    copies: int = 1

    @property
    def is_settled(self) -> bool:
        """Whether the signal is codes of nodes, perhaps with an exponent, and nothing else."""
        return self.linear is None and not self.steps


@dataclass(frozen=True, eq=False)
class _Plan:
    """One way to write a chain: nodes of which each reads the one before it, and what they cost, in adders about."""

    cost: float
    nodes: tuple[Linear | Requantize | Lookup, ...]


def lower_elementwise(builder: Builder, signal: Signal, *, scaled: bool = False) -> Signal:
    """The same tensor as codes of nodes.

    Args:
        scaled: whether the codes may keep an exponent; else they are multiplied back.

    Raises:
        UnsupportedModelError: if no integers of reasonable size equal what Keras computes.
    """
    if signal.exponent is not None:
        if scaled and not signal.steps:
            return _with_nodes(builder, signal)
        signal = unscaled(builder, signal)
    if signal.is_settled:
        return signal
    signal = _one_grid(builder, signal)
    before = () if signal.linear is None else (signal.linear,)
    if not signal.steps:
        return _emitted(builder, signal, before)
    direct = _plain_quantizer(builder, signal)
    if direct is not None:
        return _emitted(builder, signal, (*before, direct))
    return _emitted(builder, signal, _cheapest(builder, signal).nodes)


def _with_nodes(builder: Builder, signal: Signal) -> Signal:
    """The signal with its accumulator made a node."""
    if signal.linear is None:
        return signal
    return replace(signal, parts=(builder.add(signal.linear),), linear=None)


def unscaled(builder: Builder, signal: Signal) -> Signal:
    """The signal with its codes, which are those of one node, multiplied by their scale; the steps stay on top."""
    signal = _with_nodes(builder, signal)
    if signal.exponent is None:
        return signal
    (part,) = signal.parts
    node = builder[part]
    scaled = builder.add(ShiftUp(f"{part}_scaled", (part, signal.exponent), node.size, node.frac))
    return replace(signal, parts=(scaled,), exponent=None)


def _emitted(builder: Builder, signal: Signal, nodes: Sequence[Linear | Requantize | Lookup]) -> Signal:
    """The signal once ``nodes`` stand, each behind the one before; a requantiser that changes nothing is left out."""
    parts = signal.parts
    for node in nodes:
        if not _is_identity(builder, parts, node):
            inputs = node.inputs if node is nodes[0] else parts
            parts = (builder.add(replace(node, inputs=inputs)),)
    return Signal(parts, signal.shape)


def _is_identity(builder: Builder, parts: tuple[str, ...], node: Linear | Requantize | Lookup) -> bool:
    if not isinstance(node, Requantize) or node.shift != 0:
        return False
    return all(node.lo <= span.lo and span.hi <= node.hi for span in builder.operand(parts))


def _one_grid(builder: Builder, signal: Signal) -> Signal:
    """The signal with one number of fractional bits for all its elements, by free shifts."""
    if signal.linear is not None or not signal.steps:
        return signal
    if signal.copies > 1 and len(signal.parts) > 1:
        return replace(signal, parts=(builder.joined(f"{signal.steps[0].layer}_operand", signal.parts),))
    fracs = builder.fracs(signal.parts)
    frac = int(fracs.max())
    if (fracs == frac).all():
        return signal
    weights = np.diag(np.left_shift(np.int64(1), frac - fracs))
    name = f"{signal.steps[0].layer}_align"
    return replace(signal, linear=builder.linear(name, signal.parts, weights, np.zeros(len(fracs), np.int64), frac))


def _reach(builder: Builder, signal: Signal) -> tuple[Reaches, int]:
    """The codes of one copy under the steps, and their fractional bits."""
    if signal.linear is not None:
        reach, frac = builder.preview(signal.linear), signal.linear.frac
    else:
        reach, frac = builder.operand(signal.parts), builder[signal.parts[0]].frac
    return reach_of_one_copy(reach, signal.copies), frac


def _plain_quantizer(builder: Builder, signal: Signal) -> Requantize | None:
    """The requantiser of a chain that is a plain quantiser, perhaps behind ReLUs; None for any other chain.

    Where values come that far beyond the range that Keras leaves the quantiser's grid, it is none.
    """
    *before, last = signal.steps
    if not isinstance(last, Apply) or last.function.grid is None or not last.function.plain:
        return None
    if not all(isinstance(step, Apply) and step.function.is_relu for step in before):
        return None
    grid = last.function.grid
    reach, frac = _reach(builder, signal)
    if max(max(abs(span.lo), abs(span.hi)) for span in reach) > math.ldexp(last.function.trusted, frac):
        return None
    lo = max(grid.lo, 0) if before else grid.lo
    shift = frac - grid.frac
    rounding = Rounding.RND_CONV if shift > 0 else Rounding.TRN
    copies = signal.copies
    size = copies * len(reach)
    return Requantize(last.layer, signal.parts, size, shift, rounding, lo, grid.hi, grid.frac, copies=copies)


def _cheapest(builder: Builder, signal: Signal) -> _Plan:
    reach, frac = _reach(builder, signal)
    last = signal.steps[-1]
    floats = tabulate(last.layer, signal.steps, reach, frac)
    unsure = ambiguous_codes(signal.steps, floats, frac)
    if unsure:
        raise UnsupportedModelError(
            f"layer {last.layer!r}: for {unsure} values its result depends on the position in the batch, because "
            "TensorFlow's vector and scalar code round differently; allowed are functions with one result; use a coarser "
            "quantiser behind it, or, for a sigmoid, quantized_sigmoid with use_real_sigmoid=False"
        )
    grid = _grid_of(signal, floats)
    runs = _each_once(lambda run: _as_codes(run, grid.frac), floats)
    plans = [
        plan
        for rounding in (Rounding.TRN, Rounding.RND_CONV)
        if (fits := _fit_all(runs, rounding, grid)) is not None
        for plan in _affine_plans(builder, signal, fits, grid, rounding)
    ]
    intended = last.function.grid if isinstance(last, Apply) else None
    narrow = intended is not None or Interval(grid.lo, grid.hi).width <= MAX_VALUE_BITS
    if narrow and all(run.breakpoints <= MAX_BREAKPOINTS for run in runs):
        plans.append(_lookup_plan(signal, runs, grid.frac))
    if not plans:
        steps = max(run.breakpoints for run in runs)
        if isinstance(last, Apply) and intended not in (None, grid):
            raise _far(last, f"in {steps} steps")
        raise _no_integers(signal, f"they take {Interval(grid.lo, grid.hi).width} bits in up to {steps} steps")
    if len(plans) == 1 and isinstance(plans[0].nodes[-1], Lookup):
        _note_table(last.layer, runs)
    return min(plans, key=lambda plan: plan.cost)


def _note_table(layer: str, runs: Sequence[Segments]) -> None:
    steps = max(run.breakpoints for run in runs)
    if steps > LARGE_TABLE:
        _log.warning(
            "layer %r: no integer multiplier gives Keras' float32 results for every input, so each of its %d channels becomes a "
            "table of up to %d steps; fewer bits before it, or scales that are powers of two, make it smaller",
            layer,
            len(runs),
            steps,
        )


def _no_integers(signal: Signal, fact: str) -> UnsupportedModelError:
    first, last = signal.steps[0], signal.steps[-1]
    if isinstance(last, AddBias):
        return UnsupportedModelError(
            f"layer {last.layer!r}: Keras rounds the sums with its bias to float32, and {fact}; allowed are biases on a "
            "power-of-two grid, or a quantised activation behind the layer; set bias_quantizer, for example to "
            "quantized_bits(16, 7, alpha=1)"
        )
    if isinstance(last, Apply) and last.function.grid is not None:
        return UnsupportedModelError(
            f"layer {last.layer!r}: no integer multiplier gives the float32 results of {last.function.text} for every input, and "
            f"{fact}; allowed are tables of up to {MAX_BREAKPOINTS} steps; use fewer bits in the activation or before it, or "
            "scales that are powers of two"
        )
    chain = " -> ".join(dict.fromkeys(repr(step.layer) for step in (first, last)))
    return UnsupportedModelError(
        f"layer {last.layer!r}: the float32 results of {chain} lie on no integer grid; {fact}; allowed behind float "
        f"operations are quantised activations ({ALLOWED}); put a QActivation behind this layer"
    )


def _far(last: Apply, fact: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"layer {last.layer!r}: values beyond {last.function.trusted:g} reach {last.function.text}, where Keras' float32 rounds "
        f"x + (q(x) - x) off its grid, {fact}; allowed are values within 2^24 steps of a quantiser, or tables of up to "
        f"{MAX_BREAKPOINTS} steps; use a quantiser of a coarser step, or smaller values before it"
    )


def _grid_of(signal: Signal, floats: Sequence[FloatSegments]) -> Grid:
    """The codes of the results: those that the last quantiser means, else the coarsest grid that holds every result."""
    last = signal.steps[-1]
    values = np.unique(np.concatenate([run.value for run in floats])).astype(np.float64)
    intended = last.function.grid if isinstance(last, Apply) else None
    if intended is not None and _holds(intended, values):
        return intended
    frac = common_fraction_bits(values)
    lowest, highest = np.ldexp(values[[0, -1]], frac)
    if max(-lowest, highest) >= 2.0**MAX_CODE_BITS:
        fact = f"they need more than {MAX_CODE_BITS} bits"
        raise _far(last, fact) if isinstance(last, Apply) and intended else _no_integers(signal, fact)
    if isinstance(last, Apply) and intended:
        _log.warning(
            "layer %r: beyond %g Keras rounds x + (q(x) - x) and leaves the grid of %s; the design follows Keras, which takes a "
            "table; smaller values before it, or a coarser step, make it smaller",
            last.layer,
            last.function.trusted,
            last.function.text,
        )
    return Grid(frac, int(lowest), int(highest))


def _holds(grid: Grid, values: FloatArray) -> bool:
    codes = np.ldexp(values, grid.frac)
    return bool(((codes == np.rint(codes)) & (codes >= grid.lo) & (codes <= grid.hi)).all())


def _each_once(function: Callable[[FloatSegments], Segments], items: Sequence[FloatSegments]) -> list[Segments]:
    """The result for each item, computed once for those that are one object."""
    results = {key: function(item) for key, item in {id(item): item for item in items}.items()}
    return [results[id(item)] for item in items]


def _as_codes(run: FloatSegments, frac: int) -> Segments:
    codes = np.rint(np.ldexp(run.value.astype(np.float64), frac)).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    stops = np.r_[starts[1:], len(codes)] - 1
    return Segments(run.first[starts], run.last[stops], codes[starts])


def _fit_all(runs: Sequence[Segments], rounding: Rounding, grid: Grid) -> list[Affine] | None:
    distinct = {id(run): run for run in runs}
    fits: dict[int, Affine] = {}
    for key, run in distinct.items():
        fit = fit_channel(run, rounding, grid.lo, grid.hi)
        if fit is None:
            return None
        fits[key] = fit
    shift = max(fit.shift for fit in fits.values())
    common = {key: fit.at_shift(shift) for key, fit in fits.items()}
    widest = max(max(abs(fit.multiplier), abs(fit.offset)).bit_length() for fit in common.values())
    return None if widest > MAX_WIDTH else [common[id(run)] for run in runs]


def _affine_plans(
    builder: Builder, signal: Signal, fits: Sequence[Affine], grid: Grid, rounding: Rounding
) -> list[_Plan]:
    """Ways to write ``clip(round((a * m + c) / 2**s))``: folded into the layer before, or with a layer of its own."""
    multipliers = np.array([fit.multiplier for fit in fits], dtype=np.int64)
    offsets = np.array([fit.offset for fit in fits], dtype=np.int64)
    size, shift, last = len(fits), fits[0].shift, signal.steps[-1].layer
    if shift == 0:
        rounding = Rounding.TRN
    copies = signal.copies
    result = Requantize(last, signal.parts, copies * size, shift, rounding, grid.lo, grid.hi, grid.frac, copies=copies)
    cost = size * (2 * _CLIP_COST + (rounding is not Rounding.TRN))
    frac = grid.frac + shift
    if signal.linear is None:
        common = _common_power(multipliers, offsets)
        if common is not None:
            shifted = replace(result, shift=shift - common)
            return [_Plan(cost, (shifted if shifted.shift > 0 else replace(shifted, rounding=Rounding.TRN),))]
        before: tuple[Linear, ...] = ()
    elif all(fit.is_power_of_two for fit in fits):
        weights, bias = signal.linear.weights * multipliers, signal.linear.bias * multipliers + offsets
        folded = replace(signal.linear, weights=frozen_array(weights), bias=frozen_array(bias), frac=frac)
        return [_Plan(cost, (folded, result))]
    else:
        before = (signal.linear,)
    taken = (last, *(node.name for node in before))
    name = next((step.layer for step in signal.steps if step.layer not in taken), f"{last}_scale")
    adders = sum(max(fit.digits - 1, 0) + (fit.offset != 0) for fit in fits)
    if before:
        scale = Linear(name, (), frozen_array(np.diag(multipliers)), frozen_array(offsets), frac, copies)
    else:
        scale = builder.linear(name, signal.parts, np.diag(multipliers), offsets, frac, copies)
    return [_Plan(cost + adders, (*before, scale, result))]


def _common_power(multipliers: IntArray, offsets: IntArray) -> int | None:
    """The exponent if every multiplier is one power of two and every offset is zero, so that a shift does it all."""
    power = int(multipliers[0])
    if power <= 0 or power & (power - 1) or (multipliers != power).any() or offsets.any():
        return None
    return power.bit_length() - 1


def _lookup_plan(signal: Signal, runs: Sequence[Segments], frac: int) -> _Plan:
    lookup = Lookup(
        signal.steps[-1].layer,
        signal.parts,
        tuple(tuple(run.first.tolist()) for run in runs),
        tuple(tuple(run.value.tolist()) for run in runs),
        frac,
        signal.copies,
    )
    cost = _LOOKUP_COST * sum(run.breakpoints for run in runs)
    return _Plan(cost, (lookup,) if signal.linear is None else (signal.linear, lookup))
