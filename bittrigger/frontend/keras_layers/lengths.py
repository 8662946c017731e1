"""Normalisations of each event's own: what a LayerNormalization or UnitNormalization divides, and by what."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.flat.calls import Call
from bittrigger.frontend.kernels import check_finite

Facts = dict[str, Any]


def lengths(call: Call) -> Facts:
    """Its factors and offsets, one for each code of a vector, and what is added to the variance.

    Raises:
        UnsupportedModelError: if its axes are not the last ones, or its epsilon is 0.
    """
    layer, shape = call.layer, call.own_input_shape
    given = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    places = sorted(axis - 1 if axis > 0 else len(shape) + axis for axis in given)
    if places != list(range(len(shape) - len(places), len(shape))):
        raise UnsupportedModelError(
            f"layer {call.name!r}: it normalises along axes {given} of {len(shape) + 1}; allowed are the last ones; put a "
            "Permute before and behind it"
        )
    size, centred = math.prod(shape[-len(places) :]), call.class_name == "LayerNormalization"
    arrays = []
    for what, present, value in (("gamma", "scale", 1.0), ("beta", "center", 0.0)):
        own = centred and getattr(layer, present)
        array = np.asarray(getattr(layer, what), dtype=np.float32).ravel() if own else np.full(size, value, np.float32)
        check_finite(call.name, what, array)
        arrays.append(array)
    epsilon = float(np.float32(layer.epsilon)) if centred else 0.0
    if centred and not epsilon > 0:
        raise UnsupportedModelError(
            f"layer {call.name!r}: epsilon is {layer.epsilon}, so that it divides 0 by 0 where all codes are the same; allowed "
            "are positive numbers; leave it at 0.001"
        )
    return {
        attributes.KIND: "lengths",
        attributes.PARAMETERS: arrays,
        attributes.EPSILON: epsilon,
        attributes.CENTRED: centred,
        attributes.SHAPE: list(call.own_shape),
    }
