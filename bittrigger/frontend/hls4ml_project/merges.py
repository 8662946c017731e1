"""Sums, differences, squares, concatenations and poolings of a project."""

from __future__ import annotations

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.hls4ml_project.accumulate import SHIFTED_ALIKE, Terms, accumulated
from bittrigger.frontend.hls4ml_project.hls_types import HlsType
from bittrigger.frontend.hls4ml_project.project import Call
from bittrigger.frontend.hls4ml_project.walk import Signal, Walk
from bittrigger.ir.extremum import Extremum
from bittrigger.ir.fixed import FixedPoint, Interval, Overflow, Rounding
from bittrigger.ir.graph import Linear, Lookup, Requantize, frozen_array

MAX_TABLE = 1 << 16
"""Most entries of a table."""


def add(walk: Walk, call: Call) -> None:
    """``nnet::add``."""
    _sum(walk, call, 1)


def subtract(walk: Walk, call: Call) -> None:
    """``nnet::subtract``."""
    _sum(walk, call, -1)


def _sum(walk: Walk, call: Call, sign: int) -> None:
    walk.check_counts(call, (4,), (3,))
    owner = walk.owner(call)
    first, second = (walk.read(name, owner) for name in call.arguments[:2])
    kind = walk.project.type(call.parameters[2], owner)
    sizes = [walk.builder[signal.node].size for signal in (first, second)]
    if sizes[0] != sizes[1]:
        raise UnsupportedModelError(f"{owner}: operands of {sizes[0]} and {sizes[1]} elements; allowed are as many")
    frac = max(first.type.frac, second.type.frac)
    size, name = sizes[0], call.arguments[2]
    terms = [np.eye(size, dtype=np.int64) << (frac - first.type.frac)]
    terms += [sign * np.eye(size, dtype=np.int64) << (frac - second.type.frac)]
    zeros = np.zeros(size, dtype=np.int64)
    linear = walk.builder.linear(name, (first.node, second.node), np.concatenate(terms), zeros, frac)
    walk.write(call, name, walk.assign(name, walk.builder.add(linear), kind), kind)


def dot(walk: Walk, call: Call) -> None:
    """``nnet::dot1d`` of an array with itself: a sum of squares, each rounded to the accumulator."""
    walk.check_counts(call, (4,), (3,))
    owner = walk.owner(call)
    config = walk.config(call.parameters[3], owner)
    first, second = (walk.read(name, owner) for name in call.arguments[:2])
    if first.node != second.node:
        raise UnsupportedModelError(f"{owner}: a product of two arrays; allowed is an array with itself")
    kind, accumulator = walk.project.type(call.parameters[2], owner), walk.type_of(config, "accum_t")
    span = walk.hull(first.node)
    if span.hi - span.lo >= MAX_TABLE:
        raise UnsupportedModelError(
            f"{owner}: squares of {span.hi - span.lo + 1} different codes; allowed are {MAX_TABLE}, each an entry of a table"
        )
    name = call.arguments[2]
    codes = np.arange(span.lo, span.hi + 1)
    size, frac = walk.builder[first.node].size, 2 * first.type.frac
    table = (tuple(codes.tolist()),), (tuple((codes * codes).tolist()),)
    squares = walk.builder.add(Lookup(f"{name}_squares", (first.node,), *table, frac, size))
    rounded = walk.assign(f"{name}_products", squares, accumulator)
    ones = frozen_array(np.ones((size, 1), dtype=np.int64))
    sums = Linear(name, (rounded,), ones, frozen_array(np.zeros(1, dtype=np.int64)), accumulator.frac)
    reached = Interval(0, size * max(span.lo**2, span.hi**2))
    if accumulator.overflow is not Overflow.WRAP and reached.hi > accumulator.fixed.interval.hi << max(
        frac - accumulator.frac, 0
    ):
        raise UnsupportedModelError(
            f"{owner}: its accumulator {accumulator.fixed} saturates; allowed are wide enough ones"
        )
    total = walk.assign(name, walk.builder.add(sums), accumulator)
    walk.write(call, name, walk.assign(name, total, kind), kind)


def concatenate(walk: Walk, call: Call) -> None:
    """``nnet::concatenate1d``: both operands assigned to the result's type, one after the other."""
    walk.check_counts(call, (4,), (3,))
    owner = walk.owner(call)
    kind = walk.project.type(call.parameters[2], owner)
    name = call.arguments[2]
    parts = [walk.assign(name, walk.read(part, owner).node, kind) for part in call.arguments[:2]]
    walk.write(call, name, walk.builder.joined(name, parts), kind)


def global_pooling(walk: Walk, call: Call) -> None:
    """``nnet::global_pooling1d_cl`` and its form for images: the mean, or the largest, of each channel."""
    walk.check_counts(call, (3,), (2,))
    owner = walk.owner(call)
    config = walk.config(call.parameters[2], owner)
    source = walk.read(call.arguments[0], owner)
    kind = walk.project.type(call.parameters[1], owner)
    channels, size = walk.number(config, "n_filt"), walk.builder[source.node].size
    if channels < 1 or size % channels:
        raise UnsupportedModelError(f"{owner}: {size} elements of {channels} channels")
    count = size // channels
    name = call.arguments[1]
    order = np.arange(size).reshape(count, channels).T
    gathered = walk.builder.wire(f"{name}_channels", (source.node,), order)
    operation = config.values.get("pool_op", "Max")
    accumulator = walk.type_of(config, "accum_t") if "accum_t" in config.values else source.type
    if operation == "Average":
        mean = _mean(walk, owner, name, Signal(gathered, source.type), count, channels, config_type=call.parameters[2])
        mean = mean if walk.has_typed_average else walk.assign(name, mean, source.type)
        walk.write(call, name, walk.assign(name, mean, kind), kind)
        return
    largest = walk.builder.add(Extremum(name, (gathered,), source.type.frac, copies=channels))
    walk.write(call, name, walk.assign(name, walk.assign(name, largest, accumulator), kind), kind)


def _mean(  # noqa: PLR0917
    walk: Walk, owner: str, name: str, source: Signal, count: int, channels: int, *, config_type: str
) -> str:
    """The sum in the accumulator, divided by the number of its terms, rounded towards zero."""
    accumulator = walk.type_of(walk.config(config_type, owner), "accum_t")
    if (
        not walk.has_typed_average
    ):  # hls4ml before 0.8: as many bits more as the sum takes, and back to the operand's type
        fixed = source.type.fixed
        wide = FixedPoint(fixed.signed, fixed.width + (count - 1).bit_length(), fixed.frac)
        accumulator = HlsType(wide, source.type.rounding, source.type.overflow)
    if accumulator.frac < source.type.frac:
        if accumulator.rounding not in SHIFTED_ALIKE:
            raise UnsupportedModelError(
                f"{owner}: its accumulator {accumulator.fixed} rounds (AP_{accumulator.rounding.value}); allowed are finer ones"
            )
        size, drop = walk.builder[source.node].size, source.type.frac - accumulator.frac
        lo, hi = -(1 << 61), (1 << 61) - 1
        rounded = Requantize(
            f"{name}_rounded", (source.node,), size, drop, accumulator.rounding, lo, hi, accumulator.frac
        )
        source = Signal(walk.builder.add(rounded), accumulator)
    ones = np.full((count, 1), 1 << (accumulator.frac - source.type.frac), dtype=np.int64)
    terms = Terms(source.node, ones, np.arange(count), channels)
    total = accumulated(walk, f"{name}_sums", terms, np.zeros(1, dtype=np.int64), accumulator)
    if count & (count - 1) == 0:
        places = count.bit_length() - 1
        lo, hi = -(1 << 61), (1 << 61) - 1
        return walk.builder.add(
            Requantize(f"{name}_mean", (total,), channels, places, Rounding.TRN_ZERO, lo, hi, accumulator.frac)
        )
    span = walk.hull(total)
    values = range(-(-span.lo // count) if span.lo < 0 else span.lo // count, max(span.hi // count, 0) + 1)
    if len(values) > MAX_TABLE:
        raise UnsupportedModelError(
            f"{owner}: a mean over {count} takes a table of {len(values)} entries; allowed are {MAX_TABLE}"
        )
    starts = [value * count if value > 0 else (value - 1) * count + 1 for value in values]
    starts[0] = min(starts[0], span.lo)
    table = (tuple(starts),), (tuple(values),)
    return walk.builder.add(Lookup(f"{name}_mean", (total,), *table, accumulator.frac, channels))
