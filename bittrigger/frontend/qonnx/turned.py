"""Transposed convolutions: a Conv with its kernel turned round, on positions with zeros between them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bittrigger.frontend import attributes
from bittrigger.frontend.qonnx.constants import MAX_VALUES, axes_of, check_size, whole
from bittrigger.frontend.qonnx.file import Array, Attribute, OnnxNode, unused
from bittrigger.frontend.qonnx.linear import convolution
from bittrigger.frontend.qonnx.tensors import Constant, Shape, Tensor, Walk, refused
from bittrigger.frontend.qonnx.windows import steps_of
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.nodes.wire import ZERO

_PACK = "allowed are kernels that are constants"


def transposed(walk: Walk, node: OnnxNode, source: Tensor) -> Tensor:
    """A ConvTranspose on `(channels, positions…)`."""
    kernel = walk.values[node.inputs[1]]
    rank, groups = len(source.shape), whole(node, "group", 1)
    fits = isinstance(kernel, Constant) and kernel.values.ndim == rank + 1 and kernel.values.shape[0] == source.shape[0]
    if not isinstance(kernel, Constant) or not fits or groups < 1 or source.shape[0] % groups:
        raise refused(node, f"{groups} groups of {source.shape}, or a kernel that is no constant of as many", _PACK)
    if "output_shape" in node.attributes or str(node.attributes.get("auto_pad", "NOTSET")) not in ("NOTSET", "VALID"):
        raise refused(
            node, "it says output_shape or auto_pad", "allowed are pads and output_padding; export it with these"
        )
    axes = _spread(node, source.shape[1:], kernel.values.shape[2:])
    check_size([source.shape[0], *(len(axis) for axis in axes)])
    numbers = source.numbers
    for place, axis in enumerate(axes, start=1):
        there = np.expand_dims(axis, [k for k in range(rank) if k != place]) != ZERO
        numbers = np.where(there, np.take(numbers, np.maximum(axis, 0), axis=place), ZERO)
    like = replace(source, shape=numbers.shape, order=tuple(range(rank)))
    source = walk.made(node, "wire", [source], like, **{attributes.INDICES: numbers})
    name = unused(f"{node.outputs[0]}#kernel", walk.values, walk.readers)
    scale = None if kernel.scale is None else _turned(kernel.scale, groups)
    walk.values[name] = Constant(_turned(kernel.values, groups), scale)
    options: dict[str, Attribute] = {"dilations": steps_of(node, rank - 1)[1], "group": groups}
    inputs = (node.inputs[0], name, *node.inputs[2:])
    return convolution(walk, replace(node, kind="Conv", inputs=inputs, attributes=options), source)


def _turned(kernel: Array, groups: int) -> Array:
    """The kernel of the Conv."""
    apart = kernel.reshape(groups, -1, *kernel.shape[1:]).swapaxes(1, 2)
    return np.flip(apart.reshape(-1, *apart.shape[2:]), axis=tuple(range(2, kernel.ndim)))


def _ends(node: OnnxNode, count: int) -> tuple[list[int], list[int], list[int]]:
    """What is cut off before and behind each axis, and what is added behind it."""
    pads, more = axes_of(node, "pads") or [0] * 2 * count, axes_of(node, "output_padding") or [0] * count
    if len(pads) != 2 * count or len(more) != count or min(*pads, *more) < 0:
        raise refused(node, f"pads {pads[:8]}, output_padding {more[:8]}", f"allowed are {count} of each end")
    return pads[:count], pads[count:], more


def _spread(node: OnnxNode, positions: Shape, size: Shape) -> list[IntArray]:
    """For each axis the position that stands in each place that the kernel goes over, or ``ZERO``."""
    strides, dilations = steps_of(node, len(positions))
    axes = []
    for n, taps, step, gap, before, after, extra in zip(
        positions, size, dilations, strides, *_ends(node, len(positions)), strict=True
    ):
        reach = step * (taps - 1)
        length = (n - 1) * gap + 2 * reach + 1 + extra - before - after
        if not reach < length <= MAX_VALUES or extra >= max(gap, step):
            raise refused(node, f"pads {before} and {after}, {extra} more", "allowed are those that leave something")
        place = np.arange(length) - reach + before
        axes.append(np.where((place % gap == 0) & (place >= 0) & (place < n * gap), place // gap, ZERO))
    return axes


def computed(node: OnnxNode, x: Array, rest: list[Array]) -> Array:
    """A ConvTranspose in floating point: each position gives its kernel times it, which meet, and are cut off at the ends."""
    kernel, count, groups = rest[0], x.ndim - 2, whole(node, "group", 1)
    strides, dilations = steps_of(node, count)
    before, after, more = _ends(node, count)
    positions, size = x.shape[2:], kernel.shape[2:]
    lengths = [
        (n - 1) * gap + step * (taps - 1) + 1 + extra
        for n, taps, gap, step, extra in zip(positions, size, strides, dilations, more, strict=True)
    ]
    made = np.zeros((len(x), kernel.shape[1] * groups, *lengths), dtype=x.dtype)
    parts = np.stack(np.split(x, groups, axis=1), axis=1)
    own = kernel.reshape(groups, -1, kernel.shape[1], math.prod(size))
    for number, taps in enumerate(np.ndindex(*size)):
        terms = np.einsum("egc...,gco->ego...", parts, own[..., number])
        reached = [
            slice(tap * step, tap * step + (n - 1) * gap + 1, gap)
            for tap, step, gap, n in zip(taps, dilations, strides, positions, strict=True)
        ]
        made[(slice(None), slice(None), *reached)] += terms.reshape(len(x), -1, *positions)
    kept = [slice(first, n - last) for first, last, n in zip(before, after, lengths, strict=True)]
    made = made[(slice(None), slice(None), *kept)]
    return made if len(rest) < 2 else made + rest[1].reshape(1, -1, *(1,) * count)
