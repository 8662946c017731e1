"""Normalisations: by numbers that were fixed in training, and by those of an event."""

from __future__ import annotations

from typing import Any

import numpy as np

from bittrigger.frontend.pytorch.values import Call, Known, Value, Wire


def batch_norm(call: Call) -> Value:
    """One by the mean and the variance of the training, with or without a scale and an offset."""
    source, *numbers = call.args[:5]
    if call.argument(5, "training", default=False) or any(number is None for number in numbers[2:]):
        raise call.refused("it normalises with what the events give", "allowed is a model in model.eval()")
    parts = [
        number
        if number is not None
        else Known((numbers[3] if fill else numbers[2]).tensor.new_full(numbers[2].tensor.shape, fill))
        for number, fill in zip(numbers, (1.0, 0.0, 0.0, 1.0), strict=True)
    ]
    return call.made("BatchNormalization", source, *parts, epsilon=float(call.argument(7, "eps", 1e-5)))


def layer_norm(call: Call) -> Value:
    """One by the mean and the variance of the last axis."""
    return _of_last_axis(call, "LayerNormalization", call.argument(3, "bias"), call.argument(4, "eps"))


def rms_norm(call: Call) -> Value:
    """One by the mean square of the last axis."""
    return _of_last_axis(call, "RMSNormalization", None, call.argument(3, "eps"))


def _of_last_axis(call: Call, kind: str, bias: Any, epsilon: float | None) -> Wire:
    source, shape, weight = call.wire(call.args[0]), list(call.args[1]), call.argument(2, "weight")
    if len(shape) != 1:
        raise call.refused(f"it normalises {len(shape)} axes", "allowed is the last one; use flatten before it")
    numbers = [np.ones(shape, np.float32) if weight is None else weight.array]
    numbers += [] if bias is None else [bias.array]
    names = [call.writer.constant(array) for array in numbers]
    least = float(np.finfo(np.float32).eps) if epsilon is None else float(epsilon)
    return Wire(call.writer.one(call.owner, kind, source.name, *names, axis=-1, epsilon=least), call.shape)
