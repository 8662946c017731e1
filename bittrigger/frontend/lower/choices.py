"""Layers that choose among codes or order them anew, and compute no sum."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from bittrigger.frontend import attributes
from bittrigger.frontend.lower.sums import met
from bittrigger.frontend.lower.walk import Walk
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.wire import ZERO


def max_pooling(walk: Walk, node: Any) -> Signal:
    """The largest code of each window, of each channel."""
    (source,) = walk.operands(node)
    windows, channels = np.asarray(attributes.read(node, attributes.INDICES)), source.shape[-1]
    outputs, taps = math.prod(windows.shape[:-1]), windows.shape[-1]
    windows = windows.reshape(outputs, taps)
    inside = windows[
        np.arange(outputs), (windows != ZERO).argmax(axis=1)
    ]  # one that is there, in place of those that are not
    windows = np.where(windows == ZERO, inside[:, None], windows)
    terms = windows[:, None, :] * channels + np.arange(channels)[None, :, None]
    shape = tuple(int(n) for n in attributes.read(node, attributes.SHAPE))
    part = walk.builder.joined(f"{node.name}_operand", source.parts)
    return _extremum(walk, node.name, part, terms.reshape(-1, taps), shape)


def _extremum(
    walk: Walk, name: str, part: str, terms: IntArray, shape: tuple[int, ...], *, least: bool = False
) -> Signal:
    """The largest or least of the codes of ``part`` in each row of ``terms``."""
    wire = walk.builder.wire(f"{name}_operand", (part,), terms)
    if terms.shape[1] == 1:
        return Signal((wire,), shape)
    made = Extremum(name, (wire,), walk.builder[wire].frac, least, terms.shape[0])
    return Signal((walk.builder.add(made),), shape)


def _pick(walk: Walk, node: Any, *, least: bool) -> Signal:
    parts, places, shape = met(walk.operands(node))
    part = walk.builder.joined(f"{node.name}_operand", parts)
    return _extremum(walk, node.name, part, places.T, shape, least=least)


def maximum(walk: Walk, node: Any) -> Signal:
    """The largest of the operands, code by code."""
    return _pick(walk, node, least=False)


def minimum(walk: Walk, node: Any) -> Signal:
    """The least of the operands, code by code."""
    return _pick(walk, node, least=True)


def _over(walk: Walk, node: Any, *, least: bool) -> Signal:
    (source,) = walk.operands(node)
    part = walk.builder.joined(f"{node.name}_operand", source.parts)
    shape = tuple(int(n) for n in attributes.read(node, attributes.SHAPE))
    return _extremum(walk, node.name, part, np.asarray(attributes.read(node, attributes.TERMS)), shape, least=least)


def max_over(walk: Walk, node: Any) -> Signal:
    """The largest code along some axes."""
    return _over(walk, node, least=False)


def min_over(walk: Walk, node: Any) -> Signal:
    """The least code along some axes."""
    return _over(walk, node, least=True)


def reshape(walk: Walk, node: Any) -> Signal:
    """The same codes, counted otherwise."""
    shape = tuple(int(n) for n in attributes.read(node, attributes.SHAPE))
    return replace(walk.signals[node.inputs[0]], shape=shape)


def wire(walk: Walk, node: Any) -> Signal:
    """Codes in another order."""
    parts = [part for source in walk.operands(node) for part in source.parts]
    indices = np.asarray(attributes.read(node, attributes.INDICES))
    part = walk.builder.joined(f"{node.name}_operand", parts)
    return Signal((walk.builder.wire(node.name, (part,), indices),), indices.shape)


def concatenate(walk: Walk, node: Any) -> Signal:
    """The operands side by side along one axis."""
    operands = walk.operands(node)
    axis, rank = int(attributes.read(node, attributes.AXIS)), len(operands[0].shape)
    parts = tuple(part for operand in operands for part in operand.parts)
    firsts = np.cumsum([0, *(math.prod(operand.shape) for operand in operands)])
    numbers = [
        first + np.arange(math.prod(operand.shape)).reshape(operand.shape)
        for first, operand in zip(firsts, operands, strict=False)
    ]
    order = np.concatenate(numbers, axis=axis)
    if axis == -rank and len(set(parts)) == len(parts):
        return Signal(parts, order.shape)
    part = walk.builder.joined(f"{node.name}_operand", parts)
    return Signal((walk.builder.wire(node.name, (part,), order),), order.shape)
