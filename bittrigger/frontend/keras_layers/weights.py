"""Weights as Keras computes with them, the true quantisers called here, and the matrices that they make."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.flat.calls import Call
from bittrigger.frontend.keras_layers.positions import window
from bittrigger.frontend.kernels import NO_QUANTIZER, Float32Array, check_finite
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.nodes.wire import ZERO

Facts = dict[str, Any]


def quantized(name: str, what: str, quantizer: Any, variable: Any) -> Float32Array:
    """A weight as Keras computes with it, the quantiser applied."""
    raw = np.asarray(variable, dtype=np.float32)
    check_finite(name, what, raw)
    if quantizer is None:
        return raw
    if int(getattr(quantizer, "integer", 0)) < 0:
        raise UnsupportedModelError(
            f"layer {name!r}: {what} quantizer {quantizer} has fewer than 0 integer bits, which QKeras itself cannot "
            "compute; allowed are 0 and more; use more bits"
        )
    noise = getattr(quantizer, "qnoise_factor", 1.0)
    if float(noise) != 1.0:
        raise UnsupportedModelError(
            f"layer {name!r}: {what} quantizer {quantizer} has qnoise_factor={float(noise):g}, so that Keras mixes the float "
            "weights in; allowed is 1, where gradual quantisation ends; call update_qnoise_factor(1.0) and save the model again"
        )
    values = np.asarray(quantizer(variable), dtype=np.float32)
    check_finite(name, f"quantised {what}", values)
    return values


def _scale(quantizer: Any, shape: Any, place: Callable[[Float32Array], Float32Array]) -> Facts:
    """The scale of a quantiser that has just been called, for every weight of a kernel; nothing where it has none.

    Args:
        shape: of the variable.
        place: makes of an array of that shape one of the shape of the kernel.
    """
    scale = getattr(quantizer, "scale", None)
    if scale is None or isinstance(scale, str):
        return {}
    values = np.broadcast_to(np.asarray(scale, dtype=np.float32), tuple(int(n) for n in shape))
    return {attributes.SCALE: place(np.array(values))}


def described(quantizer: Any) -> str:
    """A quantiser of weights in words."""
    return NO_QUANTIZER if quantizer is None else str(quantizer)


def bias(call: Call, size: int, variable: Any = None) -> Float32Array:
    """The bias of a layer, zeros where it has none.

    Args:
        variable: what is quantised; by default the layer's own.
    """
    layer = call.layer
    if variable is None:
        if not layer.use_bias:
            return np.zeros(size, dtype=np.float32)
        variable = layer.bias
    return quantized(call.name, "bias", getattr(layer, "bias_quantizer_internal", None), variable)


def dense(call: Call) -> Facts:
    """A matrix on the last axis."""
    layer = call.layer
    quantizer = getattr(layer, "kernel_quantizer_internal", None)
    kernel = quantized(call.name, "kernel", quantizer, layer.kernel)
    kernel = kernel.reshape(kernel.shape[-2:])  # that of a convolution over one position has an axis more
    return {
        attributes.KIND: "dense",
        attributes.KERNEL: kernel,
        **_scale(quantizer, layer.kernel.shape, lambda scale: scale.reshape(kernel.shape)),
        attributes.QUANTIZER: described(quantizer),
        attributes.BIAS: bias(call, kernel.shape[1]),
    }


def convolution(call: Call) -> Facts:
    """A kernel for what one window covers, taps first, and the windows."""
    layer = call.layer
    depthwise, folded = "Depthwise" in call.class_name, call.class_name.endswith("Batchnorm")
    quantizer = getattr(layer, "depthwise_quantizer_internal" if depthwise else "kernel_quantizer_internal", None)
    raw, added = layer.get_folded_weights() if folded else (layer.depthwise_kernel if depthwise else layer.kernel, None)
    kernel = quantized(call.name, "kernel", quantizer, raw)
    channels = call.own_input_shape[-1]

    def place(values: Float32Array) -> Float32Array:
        return (depthwise_matrix if depthwise else grouped_matrix)(values, channels)

    matrix = place(kernel)
    return {
        **_scale(quantizer, kernel.shape, place),
        **window(call, layer.kernel_size, layer.dilation_rate),
        attributes.KIND: "convolution",
        attributes.KERNEL: matrix,
        attributes.QUANTIZER: described(quantizer),
        attributes.BIAS: bias(call, matrix.shape[1], added),
    }


def depthwise_matrix(kernel: Float32Array, channels: int) -> Float32Array:
    """The matrix of a depthwise kernel `(…, channels, multiplier)` on what a window covers, taps first."""
    taps, columns = math.prod(kernel.shape[:-2]), kernel.shape[-1]
    whole = np.zeros((taps, channels, channels, columns), dtype=np.float32)
    whole[:, np.arange(channels), np.arange(channels)] = kernel.reshape(taps, channels, columns)
    return whole.reshape(taps * channels, -1)


def grouped_matrix(kernel: Float32Array, channels: int) -> Float32Array:
    """The matrix of a kernel `(…, channels of a group, filters)` on what a window covers, taps first."""
    taps, rows, columns = math.prod(kernel.shape[:-2]), kernel.shape[-2], kernel.shape[-1]
    groups = channels // rows
    whole = np.zeros((taps, groups, rows, groups, columns // groups), dtype=np.float32)
    parts = kernel.reshape(taps, rows, groups, columns // groups)
    for group in range(groups):
        whole[:, group, :, group] = parts[:, :, group]
    return whole.reshape(taps * channels, -1)


def separable(call: Call) -> Facts:
    """A depthwise kernel on the windows, and a dense one behind it."""
    layer = call.layer
    quantizers = [getattr(layer, f"{part}_quantizer_internal", None) for part in ("depthwise", "pointwise")]
    deep = quantized(call.name, "depthwise kernel", quantizers[0], layer.depthwise_kernel)
    point = quantized(call.name, "pointwise kernel", quantizers[1], layer.pointwise_kernel)
    point = point.reshape(point.shape[-2:])
    return {
        **window(call, layer.kernel_size, layer.dilation_rate),
        attributes.KIND: "separable",
        attributes.KERNEL: depthwise_matrix(deep, call.own_input_shape[-1]),
        attributes.POINTWISE: point,
        attributes.QUANTIZER: " and ".join(map(described, quantizers)),
        attributes.BIAS: bias(call, point.shape[1]),
    }


def transposed(call: Call) -> Facts:
    """A transposed convolution as one on windows: an output sees the inputs that would spread onto it, the others are zeros."""
    layer = call.layer
    *positions, channels = call.own_input_shape
    settings = (layer.data_format, set(layer.dilation_rate), layer.output_padding)
    if settings != ("channels_last", {1}, None):
        raise UnsupportedModelError(
            f"layer {call.name!r}: {call.class_name} with data_format, dilation_rate and output_padding {settings}; allowed are "
            "'channels_last', 1 and None; build the layer with these"
        )
    quantizer = getattr(layer, "kernel_quantizer_internal", None)
    kernel = quantized(call.name, "kernel", quantizer, layer.kernel)  # (taps…, filters, channels)
    taps = math.prod(kernel.shape[:-2])
    matrix = kernel.reshape(taps, kernel.shape[-2], channels).transpose(0, 2, 1).reshape(taps * channels, -1)
    places = _spread_onto(
        positions, layer.kernel_size, layer.strides, call.own_shape[:-1], same=layer.padding == "same"
    )
    return {
        attributes.KIND: "convolution",
        attributes.INDICES: places,
        attributes.SHAPE: [*places.shape[:-1], channels],
        attributes.KERNEL: matrix,
        attributes.QUANTIZER: described(quantizer),
        attributes.BIAS: bias(call, matrix.shape[1]),
    }


def _spread_onto(positions: Any, size: Any, strides: Any, outputs: Any, *, same: bool) -> IntArray:
    """For each output and tap the position that spreads onto it, or ``ZERO``: `(*outputs, taps)`."""
    found, outside = np.zeros((*outputs, *size), dtype=np.int64), np.zeros((*outputs, *size), dtype=bool)
    axes = zip(positions, size, strides, outputs, strict=True)
    for k, (n, taps, stride, count) in enumerate(axes):
        before = max(taps - stride, 0) // 2 if same else 0
        place = np.arange(count)[:, None] + before - np.arange(taps)[None, :]
        shape = [1] * found.ndim
        shape[k], shape[len(outputs) + k] = place.shape
        from_, rest = np.divmod(place, stride)
        outside = outside | ((rest != 0) | (from_ < 0) | (from_ >= n)).reshape(shape)
        found = found * n + from_.reshape(shape)
    return np.where(outside, ZERO, found).reshape(*outputs, -1)


def batchnorm(call: Call) -> Facts:
    """``x * multiplier + offset``."""
    inverse, offset = factor_and_offset(call.name, call.layer)
    axes = [call.layer.axis] if isinstance(call.layer.axis, int) else list(call.layer.axis)
    return affine(call, inverse, offset, axes)


def factor_and_offset(name: str, layer: Any) -> tuple[Float32Array, Float32Array]:
    """What a batch normalisation multiplies with and adds, both computed as ``tf.nn.batch_normalization`` does."""
    import tensorflow as tf

    def part(what: str, short: str) -> Any:
        quantizer = getattr(layer, f"{short}_quantizer_internal", None)
        return tf.constant(quantized(name, what, quantizer, getattr(layer, what)))

    inverse = tf.math.rsqrt(part("moving_variance", "variance") + layer.epsilon)
    if layer.scale:
        inverse = inverse * part("gamma", "gamma")
    offset = -part("moving_mean", "mean") * inverse
    if layer.center:
        offset = part("beta", "beta") - part("moving_mean", "mean") * inverse
    return np.asarray(inverse, dtype=np.float32), np.asarray(offset, dtype=np.float32)


def affine(call: Call, multiplier: Any, offset: Any, axes: list[int]) -> Facts:
    """``x * multiplier + offset``, each rounded to float32, with parameters along ``axes``, which count the batch."""
    rank = len(call.own_input_shape)
    places = sorted(axis - 1 if axis > 0 else rank + axis for axis in axes)
    shape = tuple(n if k in places else 1 for k, n in enumerate(call.own_input_shape))
    first = min(places, default=rank)
    made = []
    for what, values in (("scale", multiplier), ("offset", offset)):
        whole = np.broadcast_to(
            np.asarray(values, dtype=np.float32).reshape(shape), (*shape[:first], *call.own_input_shape[first:])
        )
        check_finite(call.name, what, whole.ravel())
        made.append(whole.ravel())
    return {attributes.KIND: "batchnorm", attributes.MULTIPLIER: made[0], attributes.OFFSET: made[1]}


def einsum(call: Call) -> Facts:
    """A kernel on some axes of the operand: codes brought in order, a matrix on them, and the order of the results.

    Raises:
        UnsupportedModelError: if a letter of the equation stands in all three, so that each index has a kernel of its own.
    """
    layer = call.layer
    left, result = layer.equation.replace(" ", "").split("->")
    source, weight = left.split(",")
    if "." in layer.equation or set(source) & set(weight) & set(result) or len(set(source)) < len(source):
        raise UnsupportedModelError(
            f"layer {call.name!r}: equation {layer.equation!r}; allowed are letters, none of which stands in the operand, the "
            "kernel and the result alike; use a Dense, or a Conv with groups"
        )
    kept, summed = [c for c in source[1:] if c in result], [c for c in source if c not in result]
    behind = [*kept, *(c for c in weight if c not in source)]
    sizes = dict(zip(source[1:], call.own_input_shape, strict=True)) | dict(
        zip(weight, layer.kernel.shape, strict=True)
    )
    kernel = np.asarray(layer.kernel, dtype=np.float32)
    check_finite(call.name, "kernel", kernel)
    matrix = kernel.transpose([weight.index(c) for c in (*summed, *behind[len(kept) :])])
    matrix = matrix.reshape(math.prod(sizes[c] for c in summed), -1)
    codes = np.arange(math.prod(call.own_input_shape)).reshape(call.own_input_shape)
    made = np.arange(math.prod(call.own_shape)).reshape([sizes[c] for c in behind])
    added = np.zeros(call.own_shape, dtype=np.float32)
    if layer.bias is not None:
        added = np.broadcast_to(np.asarray(layer.bias, dtype=np.float32), call.own_shape)
    each = added.transpose([result[1:].index(c) for c in behind]).reshape(-1, matrix.shape[1])
    if (each != each[0]).any():
        raise UnsupportedModelError(
            f"layer {call.name!r}: its bias differs between positions; allowed is one for each column of the kernel; leave out "
            "the other letters of bias_axes"
        )
    return {
        attributes.KIND: "einsum",
        attributes.INDICES: codes.transpose([source.index(c) - 1 for c in (*kept, *summed)]).reshape(
            -1, matrix.shape[0]
        ),
        attributes.KERNEL: matrix,
        attributes.QUANTIZER: NO_QUANTIZER,
        attributes.BIAS: each[0],
        attributes.TERMS: made.transpose([behind.index(c) for c in result[1:]]).ravel(),
        attributes.SHAPE: list(call.own_shape),
    }


def interpolation(call: Call) -> Facts:
    """An UpSampling2D that interpolates: a matrix on the positions of each channel, found by what it makes of single ones."""
    import tensorflow as tf

    layer = call.layer
    if layer.data_format != "channels_last" or layer.interpolation != "bilinear":
        raise UnsupportedModelError(
            f"layer {call.name!r}: interpolation {layer.interpolation!r} with data_format {layer.data_format!r}; allowed are "
            "'nearest' and 'bilinear' with 'channels_last'; use one of these"
        )
    *positions, channels = call.own_input_shape
    size, count = math.prod(positions), math.prod(call.own_shape[:-1])
    single = np.eye(size, dtype=np.float32).reshape(size, *positions, 1)
    return {
        attributes.KIND: "einsum",
        attributes.INDICES: np.arange(size * channels).reshape(size, channels).T,
        attributes.KERNEL: np.asarray(layer.call(tf.constant(single)), dtype=np.float32).reshape(size, count),
        attributes.QUANTIZER: "bilinear",
        attributes.BIAS: np.zeros(count, dtype=np.float32),
        attributes.TERMS: np.arange(channels * count).reshape(channels, count).T.ravel(),
        attributes.SHAPE: list(call.own_shape),
    }


def rescaling(call: Call) -> Facts:
    """``x * scale + offset``, numbers or one of each feature."""
    scale, offset = (np.asarray(value, dtype=np.float32) for value in (call.layer.scale, call.layer.offset))
    pair = np.broadcast_arrays(scale, offset)
    return affine(call, pair[0], pair[1], [-1] if pair[0].size > 1 else [])


def normalization(call: Call) -> Facts:
    """``(x - mean) / max(sqrt(variance), 1e-7)``: of powers of two it is a scale, else a division of each code."""
    import tensorflow as tf

    layer = call.layer
    if layer.invert:
        raise UnsupportedModelError(
            f"layer {call.name!r}: Normalization with invert=True; allowed is False; use a Rescaling"
        )
    deviation = tf.maximum(tf.sqrt(layer.variance), tf.keras.backend.epsilon())
    mean, deviation = (
        np.broadcast_to(np.asarray(value, dtype=np.float32), (1, *call.own_input_shape)).ravel()
        for value in (layer.mean, deviation)
    )
    check_finite(call.name, "mean", mean)
    check_finite(call.name, "variance", deviation)
    return {attributes.KIND: "parametric", attributes.FUNCTION: "normalise", attributes.PARAMETERS: [mean, deviation]}


def prelu(call: Call) -> Facts:
    """``max(x, 0) - alpha * max(-x, 0)`` with a slope of each channel, or of each code."""
    slope = np.broadcast_to(np.asarray(call.layer.alpha, dtype=np.float32), call.own_input_shape).ravel()
    check_finite(call.name, "alpha", slope)
    return {attributes.KIND: "parametric", attributes.FUNCTION: "prelu", attributes.PARAMETERS: [slope]}


def embedding(call: Call) -> Facts:
    """A vector for each whole number, a table of as many values for each of its elements."""
    if call.layer.mask_zero:
        raise UnsupportedModelError(
            f"layer {call.name!r}: Embedding with mask_zero=True marks steps, which differ from event to event; allowed is "
            "False; build it without"
        )
    table = np.asarray(call.layer.embeddings, dtype=np.float32)
    check_finite(call.name, "embeddings", table)
    return {attributes.KIND: "embedding", attributes.PARAMETERS: [table], attributes.SHAPE: list(call.own_shape)}
