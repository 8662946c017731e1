"""From a chain of elementwise float32 operations to the cheapest integer nodes that equal it on every code.

A ``Signal`` is what flows between the layers while a network is lowered: codes of nodes that stand already, perhaps an
accumulator that is not yet a node, and elementwise operations that Keras would apply to it in float32. ``lower_elementwise``
turns it into codes: it tabulates the operations on every code that can occur and looks for integers that give the same results.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bittrigger.errors import Float32RoundsError, UnsupportedModelError
from bittrigger.frontend.elementwise.chains import (
    AddBias,
    Apply,
    FloatSegments,
    Step,
    ambiguous_codes,
    tabulate,
)
from bittrigger.frontend.elementwise.exact import affine_part
from bittrigger.frontend.elementwise.functions import ALLOWED
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.elementwise.requantizer_fit import Segments
from bittrigger.frontend.elementwise.thresholds import counted_floats, grid_of_counts, grid_of_step
from bittrigger.frontend.kernels import common_fraction_bits
from bittrigger.frontend.nodes.bends import bent, first_bend
from bittrigger.frontend.nodes.builder import Builder, units
from bittrigger.frontend.nodes.division import rounded_quotient
from bittrigger.frontend.nodes.ideal import ideal_plan, plain_quantizer
from bittrigger.frontend.nodes.pieces import beside_a_line
from bittrigger.frontend.nodes.plans import MAX_BREAKPOINTS, Plan, fits_and_tables, reach_under
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import FLOAT32_BITS, FloatArray, Interval, Rounding
from bittrigger.ir.graph import Linear, Lookup, Requantize
from bittrigger.ir.nodes.block_floating_point import ShiftUp

_log = logging.getLogger(__name__)

MAX_CODE_BITS = 32
"""Widest result that is taken for a value on a grid rather than for an arbitrary float32."""

LARGE_TABLE = 16
"""Steps of a channel from which on a table is worth a warning."""

HUGE_TABLE = 256
"""Steps of a channel from which on exact arithmetic takes the place of a table that float32's roundings need."""

MAX_VALUE_BITS = 18
"""Widest value of a ``Lookup`` whose results no quantiser has rounded."""


def lower_elementwise(builder: Builder, signal: Signal, *, scaled: bool = False, exactly: bool = False) -> Signal:
    """The same tensor as codes of nodes.

    Args:
        scaled: whether the codes may keep an exponent; else they are multiplied back.
        exactly: whether only the bits of float32 will do, whatever grade the design may have.

    Raises:
        Float32RoundsError: if no integers give the bits of float32, and nothing else will do.
        UnsupportedModelError: if no integers of reasonable size equal what Keras computes.
    """
    if signal.exponent is not None:
        if scaled and not signal.steps:
            return _with_nodes(builder, signal)
        signal = unscaled(builder, signal)
    if signal.is_settled:
        return signal
    signal = _beyond_float32(builder, _without_repeats(_one_grid(builder, signal)))
    before = () if signal.linear is None else (signal.linear,)
    if not signal.steps:
        return _emitted(builder, signal, before)
    direct = _as_requantizer(builder, signal)
    if direct is not None:
        return _emitted(builder, signal, (*before, direct))
    return _ideally(builder, signal) if signal.ideal else _as_keras(builder, signal, exactly=exactly)


def _beyond_float32(builder: Builder, signal: Signal) -> Signal:
    """The signal, in exact arithmetic where float32 cannot hold the codes under its steps; never so in an exact design."""
    if signal.ideal or not signal.steps or not builder.account.ideal:
        return signal
    reach, _ = reach_under(builder, signal)
    bits = [
        (max(abs(span.lo), abs(span.hi)) // max(int(unit), 1)).bit_length()
        for span, unit in zip(reach, units(reach), strict=True)
    ]
    return replace(signal, ideal=max(bits) > FLOAT32_BITS + 1)


def _as_keras(builder: Builder, signal: Signal, *, exactly: bool) -> Signal:
    """The signal with the bits of float32, or, where that rounds and it will do, in exact arithmetic."""
    try:
        plan = _cheapest(builder, signal)
        if not (exactly or builder.account.exact):
            _check_table(signal, plan)
    except Float32RoundsError as refusal:
        if exactly:
            raise
        builder.account.rounds(refusal)
        return _ideally(builder, signal)
    last = signal.steps[-1]
    if isinstance(plan.nodes[-1], Lookup) and not (isinstance(last, Apply) and last.function.tabulated):
        _note_table(plan.nodes[-1])
    return _emitted(builder, signal, plan.nodes)


def _ideally(builder: Builder, signal: Signal) -> Signal:
    """The signal in exact arithmetic; what stands before a quantiser in the midst of its steps is settled by itself."""
    closed = next((k for k in range(len(signal.steps) - 1, 0, -1) if _is_closed(signal.steps[k - 1])), 0)
    if closed:
        first = lower_elementwise(builder, replace(signal, steps=signal.steps[:closed]))
        rest = replace(first, steps=signal.steps[closed:], copies=signal.copies, ideal=True)
        return _ideally(builder, _one_grid(builder, rest))
    try:
        nodes = ideal_plan(builder, signal).nodes
        large = isinstance(nodes[-1], Lookup) and max(map(len, nodes[-1].starts)) > HUGE_TABLE
        if large and (place := first_bend(signal)) is not None and (lines := _bent(builder, signal, place)) is not None:
            return lines
        return _emitted(builder, signal, nodes)
    except UnsupportedModelError:
        if (divided := rounded_quotient(builder, signal)) is not None:
            return divided
        if (place := first_bend(signal)) is not None and (lines := _bent(builder, signal, place)) is not None:
            return lines
        behind = affine_part(signal.steps) + 1
        if behind >= len(signal.steps) or not _is_relu(signal.steps[behind - 1]):
            raise
    first = lower_elementwise(builder, replace(signal, steps=signal.steps[:behind]))  # a ReLU keeps every bit
    rest = replace(first, steps=signal.steps[behind:], copies=signal.copies, ideal=True)
    return _ideally(builder, _one_grid(builder, rest))


def _bent(builder: Builder, signal: Signal, place: int) -> Signal | None:
    """The signal with its first function written as two lines; None where these are too wide."""
    before = lower_elementwise(builder, replace(signal, steps=signal.steps[:place]))
    lines = bent(builder, replace(before, steps=signal.steps[place:], copies=signal.copies, ideal=True))
    return None if lines is None else lower_elementwise(builder, lines)


def _is_relu(step: Step) -> bool:
    return isinstance(step, Apply) and step.function.is_relu


def _is_closed(step: Step) -> bool:
    return grid_of_step(step) is not None


def _check_table(signal: Signal, plan: Plan) -> None:
    """Refuse a large table that reproduces roundings of float32 of a line: there the definition will do, which takes none.

    At an output whose type was declared a table is large sooner.

    Raises:
        Float32RoundsError: if it is one.
    """
    last, node = signal.steps[-1], plan.nodes[-1]
    if not isinstance(last, Apply) or affine_part(signal.steps) < len(signal.steps) - 1 or not isinstance(node, Lookup):
        return
    steps = max(map(len, node.starts)) - 1
    if steps > (LARGE_TABLE if last.function.declared else HUGE_TABLE):
        what = "the values of its output" if last.function.declared else "the values before it"
        raise Float32RoundsError(
            f"layer {last.layer!r}: float32 rounds {what}, and only a table of {steps} steps gives its bits; allowed is exact "
            "arithmetic; leave out --require exact"
        )


def _without_repeats(signal: Signal) -> Signal:
    """The signal without a plain quantiser that changes nothing of what the quantiser before it delivers."""
    steps: list[Step] = []
    for step in signal.steps:
        before = steps[-1] if steps else None
        if not (isinstance(before, Apply) and isinstance(step, Apply) and _changes_nothing(step, before)):
            steps.append(step)
    return replace(signal, steps=tuple(steps))


def _changes_nothing(step: Apply, before: Apply) -> bool:
    """Whether every value that ``before`` delivers is one that the plain quantiser ``step`` delivers too."""
    wide, narrow = step.function.grid, before.function.grid
    if wide is None or narrow is None or not (step.function.plain and before.function.plain):
        return False
    if before.function.trusted < math.inf or wide.frac < narrow.frac:
        return False
    more = wide.frac - narrow.frac
    return wide.lo <= narrow.lo << more and narrow.hi << more <= wide.hi


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
    operands, copies = with_exponents(builder, part, signal.exponent), builder[signal.exponent].size
    scaled = builder.add(ShiftUp(f"{part}_scaled", operands, node.size, node.frac, copies))
    return replace(signal, parts=(scaled,), exponent=None)


def with_exponents(builder: Builder, part: str, exponent: str) -> tuple[str, ...]:
    """What a shifter of the codes of ``part`` reads: where there are several exponents, each behind the codes of its part."""
    copies, size = builder[exponent].size, builder[part].size
    if copies == 1:
        return part, exponent
    codes, behind = np.arange(size).reshape(copies, -1), size + np.arange(copies)[:, None]
    return (builder.wire(f"{part}_with_exponents", (part, exponent), np.concatenate([codes, behind], axis=1)),)


def _emitted(builder: Builder, signal: Signal, nodes: Sequence[Linear | Requantize | Lookup]) -> Signal:
    """The signal once ``nodes`` stand, each behind the one before; a requantiser that changes nothing is left out."""
    parts = signal.parts
    for node in nodes:
        if not _is_identity(builder, parts, node):
            inputs = node.inputs if node is nodes[0] else parts
            parts = (builder.add(replace(node, inputs=inputs)),)
    return Signal(parts, signal.shape)


def _is_identity(builder: Builder, parts: tuple[str, ...], node: Linear | Requantize | Lookup) -> bool:
    if not isinstance(node, Requantize) or node.shift != 0 or (builder.fracs(parts) != node.frac).any():
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


def _as_requantizer(builder: Builder, signal: Signal) -> Requantize | None:
    """The requantiser of a chain that is a plain quantiser, perhaps behind ReLUs; None for any other chain.

    Where values come that far beyond the range that Keras leaves the quantiser's grid, it is none.
    """
    found = plain_quantizer(signal.steps)
    if found is None:
        return None
    last, grid = found
    reach, frac = reach_under(builder, signal)
    furthest = max(max(abs(span.lo), abs(span.hi)) for span in reach)
    if not signal.ideal and furthest > math.ldexp(last.function.trusted, frac):
        return None
    shift = frac - grid.frac
    rounding = Rounding.RND_CONV if shift > 0 else Rounding.TRN
    copies = signal.copies
    size = copies * len(reach)
    return Requantize(last.layer, signal.parts, size, shift, rounding, grid.lo, grid.hi, grid.frac, copies=copies)


def _cheapest(builder: Builder, signal: Signal) -> Plan:
    reach, frac = reach_under(builder, signal)
    last = signal.steps[-1]
    direct = grid_of_counts(signal.steps[0]) is not None
    floats = counted_floats(signal.steps, reach, frac) if direct else tabulate(last.layer, signal.steps, reach, frac)
    unsure = ambiguous_codes(signal.steps, floats, frac)
    if unsure:
        raise Float32RoundsError(
            f"layer {last.layer!r}: for {unsure} values its result depends on the position in the batch, because "
            "TensorFlow's vector and scalar code round differently; allowed are functions with one result; use a coarser "
            "quantiser behind it, or, for a sigmoid, quantized_sigmoid with use_real_sigmoid=False"
        )
    grid = _grid_of(signal, floats)
    runs = _each_once(lambda run: _as_codes(run, grid.frac), floats)
    intended = last.function.grid if isinstance(last, Apply) else None
    narrow = intended is not None or Interval(grid.lo, grid.hi).width <= MAX_VALUE_BITS
    plans = fits_and_tables(builder, signal, runs, grid, table=narrow)
    if not plans and narrow and (pieces := beside_a_line(builder, signal, runs, grid)) is not None:
        return pieces
    if not plans:
        steps = max(run.breakpoints for run in runs)
        if isinstance(last, Apply) and intended not in (None, grid):
            raise _far(last, f"in {steps} steps")
        raise _no_integers(signal, f"they take {Interval(grid.lo, grid.hi).width} bits in up to {steps} steps")
    return min(plans, key=lambda plan: plan.cost)


def _note_table(node: Lookup) -> None:
    steps = max(map(len, node.starts)) - 1
    if steps > LARGE_TABLE:
        _log.warning(
            "layer %r: no integer multiplier gives the float32 results for every input, so each of its %d channels becomes a "
            "table of up to %d steps; fewer bits before it, or scales that are powers of two, make it smaller",
            node.name,
            len(node.starts),
            steps,
        )


def _no_integers(signal: Signal, fact: str) -> Float32RoundsError:
    first, last = signal.steps[0], signal.steps[-1]
    if isinstance(last, AddBias):
        return Float32RoundsError(
            f"layer {last.layer!r}: Keras rounds the sums with its bias to float32, and {fact}; allowed are biases on a "
            "power-of-two grid, or a quantised activation behind the layer; set bias_quantizer, for example to "
            "quantized_bits(16, 7, alpha=1)"
        )
    if isinstance(last, Apply) and last.function.grid is not None:
        return Float32RoundsError(
            f"layer {last.layer!r}: no integer multiplier gives the float32 results of {last.function.text} for every input, and "
            f"{fact}; allowed are tables of up to {MAX_BREAKPOINTS} steps; use fewer bits in the activation or before it, or "
            "scales that are powers of two"
        )
    chain = " -> ".join(dict.fromkeys(repr(step.layer) for step in (first, last)))
    return Float32RoundsError(
        f"layer {last.layer!r}: the float32 results of {chain} lie on no integer grid; {fact}; allowed behind float "
        f"operations are quantised activations ({ALLOWED}); put a QActivation behind this layer, or round what it delivers with "
        f"--layer-precision '{last.layer}=fixed<16,6>'"
    )


def _far(last: Apply, fact: str) -> Float32RoundsError:
    return Float32RoundsError(
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
