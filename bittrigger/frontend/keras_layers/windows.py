"""Which positions the windows of convolutions and poolings cover, in the order in which Keras goes through them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bittrigger.ir.fixed import IntArray
from bittrigger.ir.nodes.wire import ZERO


@dataclass(frozen=True)
class Window:
    """A window and how it moves, one number an axis.

    Attributes:
        padding: ``valid``, ``same`` or ``causal`` (all of it before the first position).
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str


def window_positions(shape: Sequence[int], window: Window) -> IntArray:
    """The number of the position under each tap of each window, or ``ZERO`` where it lies outside.

    Args:
        shape: positions along each axis.

    Returns:
        `(*outputs, taps)`; no output along an axis that is shorter than the window.
    """
    axes = [
        _axis(n, size, stride, dilation, window.padding)
        for n, size, stride, dilation in zip(shape, window.size, window.strides, window.dilation, strict=True)
    ]
    outputs = tuple(axis.shape[0] for axis in axes)
    found = np.zeros((*outputs, *window.size), dtype=np.int64)
    outside = np.zeros(found.shape, dtype=bool)
    for k, (axis, n) in enumerate(zip(axes, shape, strict=True)):
        place = [1] * found.ndim
        place[k], place[len(axes) + k] = axis.shape
        spread = axis.reshape(place)
        found = found * n + spread
        outside = outside | (spread < 0) | (spread >= n)
    return np.where(outside, ZERO, found).reshape(*outputs, math.prod(window.size))


def _axis(n: int, size: int, stride: int, dilation: int, padding: str) -> IntArray:
    """The coordinate under each tap of each window along one axis, `(outputs, size)`; some may lie outside of ``0..n-1``."""
    reach = (size - 1) * dilation + 1
    match padding:
        case "same":
            outputs = -(-n // stride)
            before = max((outputs - 1) * stride + reach - n, 0) // 2
        case "causal":
            outputs, before = -(-n // stride), reach - 1
        case _:
            outputs, before = max(0, -(-(n - reach + 1) // stride)), 0
    return stride * np.arange(outputs)[:, None] + dilation * np.arange(size)[None, :] - before


def elements(positions: IntArray, channels: int) -> IntArray:
    """The numbers of the codes at ``positions``, all channels of a position side by side: `(…, taps * channels)`."""
    codes = positions[..., None] * channels + np.arange(channels)
    return np.where(positions[..., None] == ZERO, ZERO, codes).reshape(*positions.shape[:-1], -1)
