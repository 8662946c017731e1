"""Where the codes of a layer's result come from: windows, poolings and layers that only move codes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.flat.calls import Call, Shape
from bittrigger.frontend.keras_layers.windows import Window, window_positions
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.nodes.wire import ZERO

Facts = dict[str, Any]


def repeated(facts: Facts, call: Call) -> Facts:
    """``facts`` of a layer for each index of the axes over which it is repeated."""
    count = math.prod(call.lead)
    if not call.lead:
        return facts
    made = dict(facts)
    shape = call.own_input_shape
    size = {
        "convolution": math.prod(shape[:-1]),
        "separable": math.prod(shape[:-1]),
        "average": math.prod(shape[:-1]),
        "maxpooling": math.prod(shape[:-1]),
    }.get(str(facts[attributes.KIND]), math.prod(shape))
    for key in (attributes.INDICES, attributes.TERMS):
        if key in facts:
            own = np.asarray(facts[key])
            places = own[None] + size * np.arange(count).reshape(-1, *(1,) * own.ndim)
            places = np.where(own[None] == ZERO, ZERO, places)
            kept = call.lead if key == attributes.INDICES else (-1,)
            made[key] = places.reshape(*kept, *own.shape[0 if key == attributes.INDICES else 1 :])
    if attributes.SHAPE in facts:
        made[attributes.SHAPE] = list(call.shape)
    return made


def _each(value: Any, count: int) -> tuple[int, ...]:
    return tuple(int(n) for n in value) if isinstance(value, tuple | list) else (int(value),) * count


def window(call: Call, size: Any, dilation: Any = 1) -> Facts:
    """The windows of a convolution or pooling.

    Raises:
        UnsupportedModelError: if the axes are in another order, or nothing is left.
    """
    layer = call.layer
    if layer.data_format != "channels_last":
        raise UnsupportedModelError(
            f"layer {call.name!r}: data_format {layer.data_format!r}, which TensorFlow itself does not compute on a CPU, so that "
            "nothing can be compared; allowed is 'channels_last'; put a Permute before it"
        )
    *positions, channels = call.own_input_shape
    count = len(positions)
    found = Window(_each(size, count), _each(layer.strides, count), _each(dilation, count), layer.padding)
    places = window_positions(positions, found)
    if not places.size:
        raise UnsupportedModelError(
            f"layer {call.name!r}: a window of {found.size} on {tuple(positions)} positions leaves nothing; allowed are "
            "windows that fit; use padding='same' or a smaller one"
        )
    return {attributes.INDICES: places, attributes.SHAPE: [*places.shape[:-1], channels]}


def pooling(call: Call) -> Facts:
    """The windows of a pooling, or one window over all positions."""
    layer = call.layer
    if "Global" not in call.class_name:
        return window(call, layer.pool_size)
    if layer.data_format != "channels_last":
        raise UnsupportedModelError(
            f"layer {call.name!r}: a pooling with data_format {layer.data_format!r}; allowed is 'channels_last'; put a Permute "
            "before it"
        )
    *positions, _ = call.own_input_shape
    return {attributes.INDICES: np.arange(math.prod(positions)), attributes.SHAPE: list(call.own_shape)}


def quantised_mean(call: Call) -> Facts:
    """What QKeras' average poolings do to the mean: times the number of values, times the quantised inverse of it."""
    layer, facts = call.layer, pooling(call) | {attributes.KIND: "average"}
    if layer.average_quantizer is None:
        return facts
    count = int(np.asarray(facts[attributes.INDICES]).shape[-1])
    inverse = np.float32(layer.average_quantizer_internal(1.0 / count))
    return facts | {attributes.FACTOR: [float(count), float(inverse)]}


def numbers(shapes: tuple[Shape, ...]) -> list[Any]:
    """The numbers of the codes of some tensors, one tensor after the other, counted from 1, as tensors of one event."""
    import tensorflow as tf

    first, made = 1, []
    for shape in shapes:
        size = math.prod(shape)
        made.append(tf.reshape(tf.range(first, first + size, dtype=tf.float32), (1, *shape)))
        first += size
    return made


def moved(result: Any) -> IntArray:
    """Which codes a layer has moved where, from what it makes of ``numbers``; those that it makes up are zeros."""
    return np.asarray(np.asarray(result)[0], dtype=np.int64) - 1


def wire(call: Call) -> Facts:
    """Where each code of the result comes from, found by the layer itself: it moves the numbers of the codes."""
    places = moved(call.layer.call(*numbers((call.own_input_shape,))))
    return {attributes.KIND: "wire", attributes.INDICES: places, attributes.SHAPE: list(places.shape)}
