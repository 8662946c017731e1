"""Operators of FINN's streamlined graphs in floating point, as qonnx computes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from bittrigger.frontend.qonnx.constants import real
from bittrigger.frontend.qonnx.file import Array, OnnxNode
from bittrigger.frontend.qonnx.finn import dropped_bits, windows_of_average, windows_of_finn
from bittrigger.frontend.qonnx.thresholds import ascending, channel_axis
from bittrigger.ir.nodes.wire import ZERO

COMPUTED = ("MultiThreshold", "XnorPopcountMatMul", "QuantAvgPool2d", "Im2Col")
"""What ``computed`` knows."""


def computed(node: OnnxNode, x: Array, rest: list[Array]) -> Any:
    """The result of a node on events `(events, …)`, in the precision of ``x``."""
    match node.kind:
        case "MultiThreshold":
            axis = channel_axis(node, x.ndim)
            rows = ascending(node, rest[0], x.shape[axis])
            moved = np.moveaxis(x, axis, 0)
            counts = [np.searchsorted(rows[:, k], part, side="right") for k, part in enumerate(moved)]
            found = np.moveaxis(np.stack(counts), 0, axis).astype(x.dtype)
            scale, bias = (x.dtype.type(real(node, *pair)) for pair in (("out_scale", 1.0), ("out_bias", 0.0)))
            return scale * found + bias
        case "XnorPopcountMatMul":
            half = x.dtype.type(0.5)
            return ((2 * x - 1) @ (2 * rest[0] - 1) + x.dtype.type(x.shape[-1])) * half
        case "QuantAvgPool2d":
            last = node.attributes.get("data_layout", "NCHW") == "NHWC"
            images = np.moveaxis(x, -1, 1) if last else x
            places = windows_of_average(node, images.shape[2:])
            sums = images.reshape(*images.shape[:2], -1)[:, :, places].sum(axis=-1)
            cut = np.floor(np.rint(sums) * x.dtype.type(2.0 ** -dropped_bits(node)))
            return np.moveaxis(cut, 1, -1) if last else cut
        case _:
            places = windows_of_finn(node, (x.shape[1], x.shape[2]))
            flat = x.reshape(len(x), -1, x.shape[-1])
            padded = np.concatenate([flat, np.zeros_like(flat[:, :1])], axis=1)
            taken = padded[:, np.where(places == ZERO, flat.shape[1], places)]
            return taken.reshape(len(x), *places.shape[:2], -1)
