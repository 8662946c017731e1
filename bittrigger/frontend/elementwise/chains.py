"""Chains of elementwise float32 operations behind exact integers, tabulated on every code that can occur."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from typing import assert_never

import numpy as np

from bittrigger.errors import Float32RoundsError, InternalError, UnsupportedModelError
from bittrigger.frontend.elementwise.functions.function import Function
from bittrigger.frontend.kernels import Float32Array
from bittrigger.ir.fixed import IntArray, Interval

MAX_POINTS = 1 << 28
"""Most codes, summed over the channels of a layer, that are tabulated: some seconds of work."""

MAX_ENDS = 1 << 18
"""Most ends of pieces at which TensorFlow's scalar code is compared with its vector code: some seconds of work."""

MAX_RUNS = 1 << 24
"""Most pieces of all tables of a layer that are kept."""

_BATCH = 1 << 20

THRESHOLDS = "thresholds"


@dataclass(frozen=True, eq=False)
class AddBias:
    """``x + bias``, rounded to float32; `bias` is `(n,)`."""

    layer: str
    bias: Float32Array


@dataclass(frozen=True, eq=False)
class Scale:
    """``x * multiplier + offset``, each rounded to float32: a BatchNormalization; both are `(n,)`."""

    layer: str
    multiplier: Float32Array
    offset: Float32Array


@dataclass(frozen=True, eq=False)
class Apply:
    """An activation function or quantiser."""

    layer: str
    function: Function


@dataclass(frozen=True, eq=False)
class Divide:
    """``x / divisor``, rounded to float32: the end of a mean."""

    layer: str
    divisor: int


@dataclass(frozen=True, eq=False)
class Parametric:
    """A function with numbers of its own for each channel.

    Attributes:
        function: ``normalise``: ``(x - p0) / p1``; ``prelu``: ``max(x, 0) - p0 * max(-x, 0)``; ``gather``: ``p0[x]``;
            ``thresholds``: how many of the ascending ``p0`` are at most ``x``.
        parameters: arrays whose last axis is that of the channels.
    """

    layer: str
    function: str
    parameters: tuple[Float32Array, ...]


Step = AddBias | Scale | Apply | Divide | Parametric


def apply_step(step: Step, values: Float32Array, channels: IntArray) -> Float32Array:
    """The float32 results of one step, as Keras computes them.

    Args:
        values: `(points,)`.
        channels: `(points,)`, the channel of each point.
    """
    match step:
        case AddBias():
            return np.add(values, step.bias[channels], dtype=np.float32)
        case Scale():
            scaled = np.multiply(values, step.multiplier[channels], dtype=np.float32)
            return np.add(scaled, step.offset[channels], dtype=np.float32)
        case Apply():
            return step.function.apply(values)
        case Divide():
            return np.divide(values, np.float32(step.divisor), dtype=np.float32)
        case Parametric():
            return _apply_parametric(step, values, channels)
        case _:
            assert_never(step)


def _apply_parametric(step: Parametric, values: Float32Array, channels: IntArray) -> Float32Array:
    first = step.parameters[0]
    match step.function:
        case "normalise":
            centred = np.subtract(values, first[channels], dtype=np.float32)
            return np.divide(centred, step.parameters[1][channels], dtype=np.float32)
        case "prelu":
            below = np.multiply(-first[channels], np.maximum(-values, np.float32(0)), dtype=np.float32)
            return np.add(np.maximum(values, np.float32(0)), below, dtype=np.float32)
        case "gather":
            return np.asarray(first[values.astype(np.int64), channels], dtype=np.float32)
        case "thresholds":
            return counts_below(first, values, channels)
        case name:
            raise InternalError(f"no function {name!r} of channels")


def counts_below(thresholds: Float32Array, values: Float32Array, channels: IntArray) -> Float32Array:
    """How many of the ascending thresholds `(steps, n)` of its channel are at most each value."""
    made = np.zeros(len(values), dtype=np.float32)
    for channel in np.unique(channels).tolist():
        mine = channels == channel
        made[mine] = np.searchsorted(thresholds[:, channel], values[mine], side="right")
    return made


def apply_steps(steps: Sequence[Step], values: Float32Array, channels: IntArray) -> Float32Array:
    """The float32 results of a chain, shape `(points,)`."""
    for step in steps:
        values = apply_step(step, values, channels)
    return values


@dataclass(frozen=True, slots=True)
class StridedInterval:
    """The codes that one channel can take: ``lo, lo + stride, …, hi``; ``stride`` 0 stands for a constant."""

    lo: int
    hi: int
    stride: int

    @property
    def points(self) -> int:
        """How many codes there are."""
        return 1 if self.stride == 0 else (self.hi - self.lo) // self.stride + 1

    @property
    def interval(self) -> Interval:
        """The hull of the codes."""
        return Interval(self.lo, self.hi)

    def union(self, other: StridedInterval) -> StridedInterval:
        """The fewest equally spaced codes that hold those of both."""
        stride = math.gcd(self.stride, other.stride, self.lo - other.lo)
        return StridedInterval(min(self.lo, other.lo), max(self.hi, other.hi), stride)

    def codes(self, start: int, stop: int) -> IntArray:
        """The codes number ``start`` to ``stop - 1``."""
        return self.lo + self.stride * np.arange(start, stop, dtype=np.int64)


def reach_of_one_copy(reach: tuple[StridedInterval, ...], copies: int) -> tuple[StridedInterval, ...]:
    """The codes that each channel can take in any of ``copies`` equal parts of ``reach``."""
    size = len(reach) // copies
    first = reach[:size]
    if reach == first * copies:
        return first
    return tuple(reduce(StridedInterval.union, reach[k::size]) for k in range(size))


@dataclass(frozen=True, eq=False)
class FloatSegments:
    """The float32 function of one channel: constant from ``first[k]`` to ``last[k]``."""

    first: IntArray
    last: IntArray
    value: Float32Array


def _batches(reach: Sequence[StridedInterval]) -> Iterator[tuple[IntArray, IntArray]]:
    """All codes and their channels, channel after channel, in pieces of at most ``_BATCH`` codes."""
    codes: list[IntArray] = []
    owners: list[IntArray] = []
    filled = 0
    for channel, span in enumerate(reach):
        start = 0
        while start < span.points:
            stop = min(span.points, start + _BATCH - filled)
            codes.append(span.codes(start, stop))
            owners.append(np.full(stop - start, channel, dtype=np.int64))
            filled += stop - start
            start = stop
            if filled == _BATCH:
                yield np.concatenate(codes), np.concatenate(owners)
                codes, owners, filled = [], [], 0
    if filled:
        yield np.concatenate(codes), np.concatenate(owners)


def as_floats(codes: IntArray, frac: int) -> Float32Array:
    """The float32 values of codes; exact, because every code that is tabulated has at most 24 significant bits."""
    return np.ldexp(codes.astype(np.float64), -frac).astype(np.float32)


def tabulate(layer: str, steps: Sequence[Step], reach: Sequence[StridedInterval], frac: int) -> list[FloatSegments]:
    """The composed function of each channel, on every code that can occur; channels that are alike share one object.

    Args:
        layer: name of the last layer, for messages.
        steps: the chain.
        reach: the codes of each channel.
        frac: their fractional bits.

    Raises:
        UnsupportedModelError: if there are too many codes, or a result is not finite.
    """
    first, inverse = distinct_channels(steps, reach)
    if len(first) < len(reach):
        steps, reach = [_at(step, first) for step in steps], [reach[channel] for channel in first]
    runs = _tabulate(layer, steps, reach, frac)
    return [runs[k] for k in inverse]


def distinct_channels(steps: Sequence[Step], reach: Sequence[StridedInterval]) -> tuple[IntArray, IntArray]:
    """The first channel of each function on each set of codes, and for every channel the number of its own.

    Constituents of a set share their functions, so few of many channels are distinct.
    """
    numbers: dict[tuple[object, ...], int] = {}
    first: list[int] = []
    inverse: list[int] = []
    parameters = [_of_each(array) for step in steps for array in _parameters(step)]
    for channel, span in enumerate(reach):
        key = (span, *(values[channel] for values in parameters))
        if key not in numbers:
            numbers[key] = len(first)
            first.append(channel)
        inverse.append(numbers[key])
    return np.array(first, dtype=np.int64), np.array(inverse, dtype=np.int64)


def _of_each(array: Float32Array) -> list[object]:
    """The numbers of each channel, as something that can be compared."""
    return [row.tobytes() for row in np.ascontiguousarray(array.T)] if array.ndim > 1 else array.tolist()


def _parameters(step: Step) -> tuple[Float32Array, ...]:
    """The numbers of ``step`` that a channel has of its own."""
    match step:
        case AddBias():
            return (step.bias,)
        case Scale():
            return (step.multiplier, step.offset)
        case Parametric():
            return step.parameters
        case Apply() | Divide():
            return ()
        case _:
            assert_never(step)


def _at(step: Step, channels: IntArray) -> Step:
    """``step`` on some of its channels."""
    match step:
        case AddBias():
            return AddBias(step.layer, step.bias[channels])
        case Scale():
            return Scale(step.layer, step.multiplier[channels], step.offset[channels])
        case Parametric():
            return replace(step, parameters=tuple(array[..., channels] for array in step.parameters))
        case Apply() | Divide():
            return step
        case _:
            assert_never(step)


def _tabulate(layer: str, steps: Sequence[Step], reach: Sequence[StridedInterval], frac: int) -> list[FloatSegments]:
    points = sum(span.points for span in reach)
    if points > MAX_POINTS:
        raise _too_many(
            layer,
            f"{points} codes can occur before it, too many to tabulate its float32 results; allowed are {MAX_POINTS}",
        )
    pieces: list[tuple[IntArray, IntArray, IntArray, Float32Array]] = []
    kept = 0
    for codes, owners in _batches(reach):
        values = apply_steps(steps, as_floats(codes, frac), owners)
        if not np.isfinite(values).all():
            raise UnsupportedModelError(
                f"layer {layer!r}: its result is not finite for some input; allowed are finite values; look for a NaN or "
                "a huge scale in the layers before it"
            )
        starts = np.flatnonzero(np.r_[True, (values[1:] != values[:-1]) | (owners[1:] != owners[:-1])])
        stops = np.r_[starts[1:], len(codes)] - 1
        pieces.append((owners[starts], codes[starts], codes[stops], values[starts]))
        kept += len(starts)
        if kept > MAX_RUNS:
            raise _too_many(layer, f"its tables have more than {MAX_RUNS} pieces")
    owner, first, last, value = (np.concatenate([piece[k] for piece in pieces]) for k in range(4))
    edges = np.searchsorted(owner, np.arange(len(reach) + 1))
    return [_merged(first[a:b], last[a:b], value[a:b]) for a, b in pairwise(edges)]


def _too_many(layer: str, fact: str) -> Float32RoundsError:
    return Float32RoundsError(f"layer {layer!r}: {fact}; use a coarser quantiser before it")


def _merged(first: IntArray, last: IntArray, value: Float32Array) -> FloatSegments:
    """Segments with neighbours of one value joined, which occur where a batch ended."""
    starts = np.flatnonzero(np.r_[True, value[1:] != value[:-1]])
    stops = np.r_[starts[1:], len(first)] - 1
    return FloatSegments(first[starts], last[stops], value[starts])


def ambiguous_codes(steps: Sequence[Step], runs: Sequence[FloatSegments], frac: int) -> int:
    """Run ends at which TensorFlow's scalar code gives another result than its vector code.

    Functions that differ between the two do so by one rounding, so only the ends of a run can be affected.
    """
    if not any(isinstance(step, Apply) and step.function.varies for step in steps):
        return 0
    distinct = {id(run): run for run in runs}.values()
    if (count := 2 * sum(len(run.first) for run in distinct)) > MAX_ENDS:
        raise _too_many(steps[-1].layer, f"its tables have {count} ends, each of which is computed by itself")
    alike = all(isinstance(step, Apply) for step in steps)
    ends = {
        (0 if alike else channel, int(code)): float(value)
        for channel, run in enumerate(runs)
        for codes in (run.first, run.last)
        for code, value in zip(codes, run.value, strict=True)
    }
    return sum(
        float(apply_steps(steps, as_floats(np.array([code]), frac), np.array([channel]))[0]) != value
        for (channel, code), value in ends.items()
    )
