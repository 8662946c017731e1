"""Sums of codes: averages, sums and differences of layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.chains import Divide, Parametric, Scale
from bittrigger.frontend.kernels import aligned
from bittrigger.frontend.lower.kernels import operand_ranges
from bittrigger.frontend.lower.walk import Walk
from bittrigger.frontend.nodes.positions import add_step, positions
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.nodes.wire import ZERO


def average(walk: Walk, node: Any) -> Signal:
    """The mean of each window, of each channel."""
    (source,) = walk.operands(node)
    windows, channels = np.asarray(attributes.read(node, attributes.INDICES)), source.shape[-1]
    count, outputs = windows.shape[-1], math.prod(windows.shape[:-1])
    windows = windows.reshape(outputs, 1, count)
    places = np.where(windows == ZERO, ZERO, windows * channels + np.arange(channels)[None, :, None]).reshape(-1, count)
    mean = _mean_at_border(walk, node, source, places) if (places == ZERO).any() else _mean(walk, node, source, places)
    for factor in node.get_attr(attributes.FACTOR) or ():
        ones = np.ones(math.prod(mean.shape) // mean.copies if mean.copies > 1 else math.prod(mean.shape), np.float32)
        scale = Scale(node.name, np.float32(factor) * ones, 0 * ones)
        mean = add_step(mean, scale, math.prod(mean.shape) // ones.size)
    return mean


def _mean(walk: Walk, node: Any, source: Signal, terms: IntArray) -> Signal:
    """The mean of the codes in each row of ``terms``: a sum with its point moved, or a division in float32."""
    shape = tuple(int(n) for n in attributes.read(node, attributes.SHAPE))
    count = terms.shape[1]
    shift = count.bit_length() - 1
    if count == 1 << shift:
        return sums_of(walk, node.name, source, terms, shape, shift=shift)
    return add_step(sums_of(walk, node.name, source, terms, shape), Divide(node.name, count))


def _mean_at_border(walk: Walk, node: Any, source: Signal, terms: IntArray) -> Signal:
    """The mean of the codes in each row of ``terms`` that are there: Keras divides by their number."""
    shape = tuple(int(n) for n in attributes.read(node, attributes.SHAPE))
    part = walk.builder.joined(f"{node.name}_operand", source.parts)
    wired = walk.builder.wire(f"{node.name}_windows", (part,), terms)
    rows, size = terms.shape
    total = sums_of(
        walk, node.name, Signal((wired,), (rows * size,)), np.arange(rows * size).reshape(rows, size), shape
    )
    counts = (terms != ZERO).sum(axis=1).astype(np.float32)
    return add_step(total, Parametric(node.name, "normalise", (np.zeros(rows, dtype=np.float32), counts)), 1)


def mean_over(walk: Walk, node: Any) -> Signal:
    """The mean along some axes."""
    (source,) = walk.operands(node)
    return _mean(walk, node, source, np.asarray(attributes.read(node, attributes.TERMS)))


def sum_over(walk: Walk, node: Any) -> Signal:
    """The sum along some axes."""
    (source,) = walk.operands(node)
    shape = tuple(int(n) for n in attributes.read(node, attributes.SHAPE))
    return sums_of(walk, node.name, source, np.asarray(attributes.read(node, attributes.TERMS)), shape)


def sums_of(
    walk: Walk, name: str, source: Signal, terms: IntArray, shape: tuple[int, ...], *, shift: int = 0
) -> Signal:
    """Sums of codes of ``source``, divided by ``2**shift``: one for each row of ``terms``, the numbers of its codes.

    One sum, repeated, where all read codes of the same ranges; else one matrix.
    """
    reach = walk.builder.operand(source.parts)
    rows, size = terms.shape
    alike = all(tuple(reach[k] for k in row) == tuple(reach[k] for k in terms[0]) for row in terms)
    if alike and rows > 1:
        part = walk.builder.joined(f"{name}_operand", source.parts)
        if not np.array_equal(terms.ravel(), np.arange(len(reach))):
            part = walk.builder.wire(f"{name}_operand", (part,), terms)
        read = Signal((part,), shape)
        weights, copies = np.ones((size, 1), dtype=np.int64), rows
    else:
        read, copies = source, 1
        weights = np.zeros((len(reach), rows), dtype=np.int64)
        for column, row in enumerate(terms):
            weights[row, column] = 1
    fracs = walk.builder.fracs(read.parts)[: weights.shape[0]]
    weights = aligned(name, weights, fracs)
    bias = np.zeros(weights.shape[1], dtype=np.int64)
    ideal = walk.beyond_float32(name, weights, bias, operand_ranges(walk.builder, read, copies))
    linear = walk.builder.linear(name, read.parts, weights, bias, int(fracs.max()) + shift, copies)
    return Signal(read.parts, shape, linear, copies=copies, ideal=ideal)


def met(operands: Sequence[Signal]) -> tuple[tuple[str, ...], IntArray, tuple[int, ...]]:
    """Which codes meet where tensors are joined code by code: nodes, for each operand their numbers, and the common shape.

    Axes of one element are repeated, as everywhere in Keras.
    """
    shape = np.broadcast_shapes(*(operand.shape for operand in operands))
    first, places = 0, []
    for operand in operands:
        size = math.prod(operand.shape)
        places.append(np.broadcast_to(first + np.arange(size).reshape(operand.shape), shape).ravel())
        first += size
    return tuple(part for operand in operands for part in operand.parts), np.stack(places), tuple(shape)


def _sum(walk: Walk, node: Any, signs: Sequence[int]) -> Signal:
    operands = walk.operands(node)
    parts, places, shape = met(operands)
    copies = positions(shape)
    size = math.prod(shape) // copies
    if copies > 1 or any(operand.shape != shape for operand in operands):
        part = walk.builder.joined(f"{node.name}_operand", parts)
        order = places.reshape(len(signs), copies, size).swapaxes(0, 1)
        parts = (walk.builder.wire(f"{node.name}_operand", (part,), order),)
    fracs = walk.builder.fracs(parts)[: len(signs) * size]
    rows = np.concatenate([sign * np.eye(size, dtype=np.int64) for sign in signs])
    weights = aligned(node.name, rows, fracs)
    bias = np.zeros(size, dtype=np.int64)
    joined = Signal(parts, shape, copies=copies)
    ideal = walk.beyond_float32(node.name, weights, bias, operand_ranges(walk.builder, joined, copies))
    linear = walk.builder.linear(node.name, parts, weights, bias, int(fracs.max()), copies)
    return replace(joined, linear=linear, ideal=ideal)


def add(walk: Walk, node: Any) -> Signal:
    """The sum of the operands, code by code."""
    return _sum(walk, node, [1] * len(node.inputs))


def subtract(walk: Walk, node: Any) -> Signal:
    """The first operand less the second, code by code."""
    return _sum(walk, node, (1, -1))


def average_of(walk: Walk, node: Any) -> Signal:
    """The mean of the operands, code by code."""
    count, total = len(node.inputs), add(walk, node)
    shift = count.bit_length() - 1
    if count == 1 << shift and total.linear is not None:
        return replace(total, linear=replace(total.linear, frac=total.linear.frac + shift))
    return add_step(total, Divide(node.name, count))
