"""Which positions the windows of convolutions and poolings cover, with the padding of ONNX."""

from __future__ import annotations

import math

import numpy as np

from bittrigger.frontend.qonnx.constants import axes_of, whole
from bittrigger.frontend.qonnx.file import OnnxNode
from bittrigger.frontend.qonnx.tensors import MAX_CODES, Shape, refused
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.nodes.wire import ZERO


def window_places(node: OnnxNode, positions: Shape, size: Shape) -> IntArray:
    """The number of the position under each tap of each window, or ``ZERO`` where it lies outside: `(*outputs, taps)`.

    Raises:
        UnsupportedModelError: if the window does not fit, or an option is unknown.
    """
    count = len(positions)
    strides, dilations = steps_of(node, count)
    given = axes_of(node, "kernel_shape")
    if given and tuple(given) != tuple(size):
        raise refused(node, f"kernel_shape {given[:8]}", f"allowed is that of the kernel, {tuple(size)}")
    pads = pads_of(node, positions, size, strides, dilations)
    if any(not 0 <= pad < max(n, reach, 2) for pad, n, reach in zip(pads, positions * 2, tuple(size) * 2, strict=True)):
        raise refused(node, f"pads {pads[:8]}", "allowed are pads of less than its operand or kernel")
    outputs = tuple(
        _windows(n, before, after, (taps - 1) * step + 1, stride, up=_rounds_up(node))
        for n, taps, stride, step, before, after in zip(
            positions, size, strides, dilations, pads[:count], pads[count:], strict=True
        )
    )
    if min(outputs) < 1:
        raise refused(node, f"a window of {tuple(size)} on {positions}", "allowed are windows that fit")
    if math.prod(outputs) * math.prod(size) > 16 * MAX_CODES:
        raise refused(
            node, f"{math.prod(outputs)} windows of {math.prod(size)}", "allowed are fewer; use a smaller image"
        )
    axes = [
        stride * np.arange(number)[:, None] + step * np.arange(taps)[None, :] - before
        for number, taps, stride, step, before in zip(outputs, size, strides, dilations, pads[:count], strict=True)
    ]
    found = np.zeros((*outputs, *size), dtype=np.int64)
    outside = np.zeros(found.shape, dtype=bool)
    for k, (axis, n) in enumerate(zip(axes, positions, strict=True)):
        shape = [1] * found.ndim
        shape[k], shape[count + k] = axis.shape
        spread = axis.reshape(shape)
        found = found * n + spread
        outside = outside | (spread < 0) | (spread >= n)
    return np.where(outside, ZERO, found).reshape(*outputs, math.prod(size))


def steps_of(node: OnnxNode, count: int) -> tuple[list[int], list[int]]:
    """The strides and dilations of ``count`` axes."""
    return _each(node, "strides", count), _each(node, "dilations", count)


def _windows(n: int, before: int, after: int, reach: int, stride: int, *, up: bool) -> int:
    """How many windows there are; with ``ceil_mode`` one more that ends behind the padding, if it begins before it."""
    room = n + before + after - reach
    count = room // stride + 1
    return count + 1 if up and room > 0 and room % stride and count * stride < n + before else count


def _rounds_up(node: OnnxNode) -> bool:
    if not whole(node, "ceil_mode", 0):
        return False
    if node.kind == "AveragePool" or node.attributes.get("auto_pad", "NOTSET") != "NOTSET":
        raise refused(node, "ceil_mode is 1", "allowed is 0 for means and with auto_pad")
    return True


def _each(node: OnnxNode, name: str, count: int) -> list[int]:
    found = axes_of(node, name) or [1] * count
    if len(found) != count or min(found) < 1:
        raise refused(node, f"{name} {found[:8]}", f"allowed are {count} positive numbers")
    return found


def pads_of(node: OnnxNode, positions: Shape, size: Shape, strides: list[int], dilations: list[int]) -> list[int]:
    """What lies outside before the first position of each axis, and then behind the last."""
    mode = str(node.attributes.get("auto_pad", "NOTSET"))
    count = len(positions)
    if mode in ("NOTSET", "VALID"):
        pads = axes_of(node, "pads") if mode == "NOTSET" else []
        if pads and len(pads) != 2 * count:
            raise refused(node, f"pads {pads[:8]}", f"allowed are {2 * count} numbers")
        return pads or [0] * 2 * count
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise refused(node, f"auto_pad {mode[:40]!r}", "allowed are NOTSET, VALID, SAME_UPPER and SAME_LOWER")
    if max(dilations) > 1:
        raise refused(node, f"auto_pad {mode} of dilated windows, which programs pad differently", "allowed are pads")
    before, after = [], []
    for n, taps, stride, step in zip(positions, size, strides, dilations, strict=True):
        total = max((-(-n // stride) - 1) * stride + (taps - 1) * step + 1 - n, 0)
        least = total // 2
        before.append(least if mode == "SAME_UPPER" else total - least)
        after.append(total - before[-1])
    return before + after
