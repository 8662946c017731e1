"""Sums, differences, squares, concatenations and poolings of a project."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.elementwise.chains import AddBias
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.elementwise.requantizer_fit import Segments
from bittrigger.frontend.hls4ml_project.accumulate import SHIFTED_ALIKE, Terms, accumulated
from bittrigger.frontend.hls4ml_project.hls_types import HlsType
from bittrigger.frontend.hls4ml_project.project import Call
from bittrigger.frontend.hls4ml_project.walk import MAX_WIDE, Walk
from bittrigger.frontend.hls4ml_project.walk import Signal as Array
from bittrigger.frontend.nodes.plans import fits_and_tables
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import NO_LIMITS, FixedPoint, Rounding
from bittrigger.ir.graph import Lookup, Requantize
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.product import Product

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
    if sizes[0] != sizes[1] or sizes[0] > MAX_WIDE:
        raise UnsupportedModelError(
            f"{owner}: operands of {sizes[0]} and {sizes[1]} elements; allowed are as many, up to {MAX_WIDE}"
        )
    frac = max(first.type.frac, second.type.frac)
    size, name = sizes[0], call.arguments[2]
    terms = [np.eye(size, dtype=np.int64) << (frac - first.type.frac)]
    terms += [sign * np.eye(size, dtype=np.int64) << (frac - second.type.frac)]
    zeros = np.zeros(size, dtype=np.int64)
    linear = walk.builder.linear(name, (first.node, second.node), np.concatenate(terms), zeros, frac)
    walk.write(call, name, walk.assign(name, walk.builder.add(linear), kind), kind)


def multiply(walk: Walk, call: Call) -> None:
    """``nnet::multiply``: the products of two arrays, element by element."""
    walk.check_counts(call, (4,), (3,))
    kind = walk.project.type(call.parameters[2], walk.owner(call))
    name = call.arguments[2]
    walk.write(call, name, walk.assign(name, _products(walk, call, name), kind), kind)


def dot(walk: Walk, call: Call) -> None:
    """``nnet::dot1d``: the products of two arrays in the accumulator, added one after the other."""
    walk.check_counts(call, (4,), (3,))
    owner = walk.owner(call)
    accumulator = walk.type_of(walk.config(call.parameters[3], owner), "accum_t")
    kind = walk.project.type(call.parameters[2], owner)
    name = call.arguments[2]
    products = walk.assign(f"{name}_products", _products(walk, call, f"{name}_products"), accumulator)
    size = walk.builder[products].size
    terms = Terms(products, np.ones((size, 1), dtype=np.int64), np.arange(size), 1)
    total = accumulated(walk, name, terms, np.zeros(1, dtype=np.int64), accumulator)
    walk.write(call, name, walk.assign(name, total, kind), kind)


def _products(walk: Walk, call: Call, name: str) -> str:
    """The exact products of the elements of two arrays, or the squares of one."""
    owner = walk.owner(call)
    first, second = (walk.read(operand, owner) for operand in call.arguments[:2])
    sizes = [walk.builder[signal.node].size for signal in (first, second)]
    if sizes[0] != sizes[1]:
        raise UnsupportedModelError(f"{owner}: operands of {sizes[0]} and {sizes[1]} elements; allowed are as many")
    size, frac = sizes[0], first.type.frac + second.type.frac
    if first.node == second.node:
        return walk.builder.add(Product(name, (first.node,), frac, size))
    node = second.node
    if second.type.frac != first.type.frac:  # a wire joins codes of one grid; what they mean is the product's matter
        lo, hi = NO_LIMITS
        node = walk.builder.add(Requantize(f"{name}_operand", (node,), size, 0, Rounding.TRN, lo, hi, first.type.frac))
    pairs = np.stack([np.arange(size), size + np.arange(size)], axis=1)
    return walk.builder.add(Product(name, (walk.builder.wire(f"{name}_pairs", (first.node, node), pairs),), frac, size))


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
        mean = _mean(walk, owner, name, Array(gathered, source.type), count, channels, config_type=call.parameters[2])
        mean = mean if walk.has_typed_average else walk.assign(name, mean, source.type)
        walk.write(call, name, walk.assign(name, mean, kind), kind)
        return
    largest = walk.builder.add(Extremum(name, (gathered,), source.type.frac, copies=channels))
    walk.write(call, name, walk.assign(name, walk.assign(name, largest, accumulator), kind), kind)


def _mean(  # noqa: PLR0917
    walk: Walk, owner: str, name: str, source: Array, count: int, channels: int, *, config_type: str
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
        lo, hi = NO_LIMITS
        rounded = Requantize(
            f"{name}_rounded", (source.node,), size, drop, accumulator.rounding, lo, hi, accumulator.frac
        )
        source = Array(walk.builder.add(rounded), accumulator)
    ones = np.full((count, 1), 1 << (accumulator.frac - source.type.frac), dtype=np.int64)
    terms = Terms(source.node, ones, np.arange(count), channels)
    total = accumulated(walk, f"{name}_sums", terms, np.zeros(1, dtype=np.int64), accumulator)
    if count & (count - 1) == 0:
        places = count.bit_length() - 1
        lo, hi = NO_LIMITS
        return walk.builder.add(
            Requantize(f"{name}_mean", (total,), channels, places, Rounding.TRN_ZERO, lo, hi, accumulator.frac)
        )
    return _divided(walk, owner, name, total, count)


def _divided(walk: Walk, owner: str, name: str, total: str, count: int) -> str:
    """Codes divided by a number, rounded towards zero: a product that is shifted, or a table."""
    span, node = walk.hull(total), walk.builder[total]
    values = np.arange(int(span.lo / count), int(span.hi / count) + 1)
    if len(values) > MAX_TABLE:
        raise UnsupportedModelError(f"{owner}: a mean over {count} has {len(values)} values; allowed are {MAX_TABLE}")
    first = np.where(values > 0, values * count, (values - 1) * count + 1)
    first[0] = span.lo
    runs = Segments(first, np.r_[first[1:] - 1, span.hi], values)
    marks = (AddBias(f"{name}_mean", np.zeros(1, dtype=np.float32)),)
    signal = Signal((total,), (node.size,), None, marks, copies=node.size)
    plans = fits_and_tables(walk.builder, signal, [runs], Grid(node.frac, int(values[0]), int(values[-1])), table=True)
    if not plans:
        table = (tuple(first.tolist()),), (tuple(values.tolist()),)
        return walk.builder.add(Lookup(f"{name}_mean", (total,), *table, node.frac, node.size))
    for item in min(plans, key=lambda plan: plan.cost).nodes:
        total = walk.builder.add(replace(item, inputs=(total,)))
    return total
