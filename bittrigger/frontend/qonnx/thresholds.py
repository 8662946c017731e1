"""MultiThreshold of QONNX and FINN: how many thresholds of its channel a value reaches, times a scale, plus a bias."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.chains import THRESHOLDS
from bittrigger.frontend.qonnx.constants import real
from bittrigger.frontend.qonnx.file import OnnxNode
from bittrigger.frontend.qonnx.tensors import Array, Constant, Tensor, Walk, is_power_of_two, refused

MAX_STEPS = 1 << 16
"""Most thresholds of a channel."""

MAX_THRESHOLDS = 1 << 20
"""Most thresholds of a node."""

_LAYOUTS = {2: "NC", 3: "NWC", 4: "NCHW"}
"""Where the channels are for want of an attribute, by the number of axes with the batch."""


def multi_threshold(walk: Walk, node: OnnxNode) -> Tensor:
    """A MultiThreshold: the order of its thresholds means nothing, as they are counted."""
    source = walk.plain(node, walk.operand(node))
    given = walk.values[node.inputs[1]]
    if not isinstance(given, Constant):
        raise refused(node, "its thresholds are no constant", "allowed are trained thresholds")
    axis = channel_axis(node, len(source.shape) + 1) - 1
    rows = ascending(node, given.values, source.shape[axis])
    factor, offset = (real(node, name, default) for name, default in (("out_scale", 1.0), ("out_bias", 0.0)))
    last = (*(k for k in range(len(source.shape)) if k != axis), axis)
    source = walk.ordered(node, source, last)
    made = walk.made(node, "parametric", [source], source, **{
        attributes.FUNCTION: THRESHOLDS, attributes.PARAMETERS: [rows]})  # fmt: skip
    if not offset and factor > 0 and not is_power_of_two(np.array(factor)):
        return replace(made, scale=np.float32(factor))
    return made if (factor, offset) == (1.0, 0.0) else walk.affine(node, made, factor, offset)


def channel_axis(node: OnnxNode, rank: int) -> int:
    """The axis of the channels, the batch counted: that of the layout which it names, or which QONNX guesses."""
    layout = str(node.attributes.get("data_layout", "")) or _LAYOUTS.get(rank, "")
    axis = layout.find("C") if "C" in layout else 1
    if not 0 < axis < rank:
        raise refused(
            node, f"data_layout {layout[:20]!r} of {rank} axes", "allowed are N first and C behind it, as NCHW and NHWC"
        )
    return axis


def ascending(node: OnnxNode, thresholds: Array, channels: int) -> Array:
    """The thresholds `(steps, channels)` in ascending order."""
    if thresholds.ndim != 2 or thresholds.shape[0] not in (1, channels) or not thresholds.size:
        raise refused(
            node, f"thresholds of shape {thresholds.shape} for {channels} channels", "allowed is a row for each, or one"
        )
    if thresholds.shape[1] > MAX_STEPS or thresholds.shape[1] * channels > MAX_THRESHOLDS:
        raise refused(
            node,
            f"{thresholds.shape[1]:,} thresholds of {channels:,} channels",
            f"allowed are {MAX_STEPS:,} of a channel and {MAX_THRESHOLDS:,} of all",
        )
    values = thresholds.astype(np.float32)
    if np.isnan(values).any() or (values != thresholds).any():
        raise refused(
            node, "a threshold is no number of float32", "allowed are such numbers; did the training diverge?"
        )
    return np.broadcast_to(np.sort(values, axis=1).T, (thresholds.shape[1], channels))
