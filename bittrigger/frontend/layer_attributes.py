"""What each Keras layer computes at inference, as plain arrays and dictionaries; the true quantisers are called here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.attributes import unsupported_layer
from bittrigger.frontend.functions import SQUARE, STATIC
from bittrigger.frontend.kernels import Float32Array, check_finite
from bittrigger.frontend.windows import Window, window_positions
from bittrigger.layers.pointwise import is_pointwise
from bittrigger.system.legacy_keras import is_of_keras_2

Facts = dict[str, Any]


def layer_facts(layer: Any) -> Facts:  # noqa: C901, PLR0911, PLR0912 - one return a class
    """The attributes of the node that stands for ``layer`` itself, without its ``activation`` argument.

    Raises:
        UnsupportedModelError: if the class is not supported, a setting has no exact meaning, or a weight is not finite.
    """
    name = _class(layer)
    if name not in (*attributes.ALLOWED_LAYERS, *attributes.AT_OUTPUT, _BIT_ACTIVATION):
        raise unsupported_layer(layer.name, name)
    _check_dtype(layer)
    match name:
        case "Dense" | "QDense":
            return _dense(layer)
        case _ if name in attributes.CONVOLUTIONS:
            return _dense(layer) if is_pointwise(layer) else _convolution(layer)
        case _ if name in attributes.AVERAGES:
            return _pooling(layer) | {attributes.KIND: "average"}
        case _ if name in attributes.MAXIMA:
            return _pooling(layer) | {attributes.KIND: "maxpooling"}
        case _ if name in attributes.WIRES:
            return _wire(layer)
        case "BatchNormalization" | "QBatchNormalization":
            return _batchnorm(layer)
        case "Activation":
            return {attributes.KIND: "function", attributes.FUNCTION: function_spec(layer.name, layer.activation)}
        case "QActivation":
            return {attributes.KIND: "function", attributes.FUNCTION: function_spec(layer.name, layer.quantizer)}
        case _ if name == _BIT_ACTIVATION:
            return _bit_activation(layer)
        case "ReLU" | "LeakyReLU" | "ELU" | "ThresholdedReLU":
            return {attributes.KIND: "function", attributes.FUNCTION: _layer_spec(name, layer)}
        case "Softmax" | "Multiply":  # the latter of a tensor with itself: `check_model` lets no other pass
            spec = {"module": "keras", "class_name": SQUARE if name == "Multiply" else "softmax", "config": {}}
            return {attributes.KIND: "function", attributes.FUNCTION: spec}
        case "Flatten" | "Reshape":
            return {attributes.KIND: "reshape", attributes.SHAPE: _shape(layer, layer.output_shape)}
        case "InputLayer":
            return {attributes.KIND: "input"}
        case _:
            return {attributes.KIND: name.lower()}


_BIT_ACTIVATION = "bittrigger.layers.activations.BitActivation"


def _bit_activation(layer: Any) -> Facts:
    spec = static_spec(layer)
    if spec is not None:
        return {attributes.KIND: "function", attributes.FUNCTION: spec}
    return {attributes.KIND: "dynamic", attributes.DYNAMIC: layer.input_config()}


def static_spec(layer: Any) -> Facts | None:
    """What the static quantiser at the input of a layer of ours is now, as ``function_spec`` describes one; None without it."""
    static = layer.quantizer_now()
    if static is None:
        return None
    config = {"bits": static.bits, "signed": static.signed, "integer": static.integer}
    return {"module": "bittrigger", "class_name": STATIC, "config": config}


def activation_facts(layer: Any) -> Facts:
    """The attributes of the node that hls4ml makes of the ``activation`` argument of ``layer``."""
    return {attributes.KIND: "function", attributes.FUNCTION: function_spec(layer.name, layer.activation)}


def _class(layer: Any) -> str:
    """The class of a layer of Keras or QKeras itself, or the full path of a class of somebody else."""
    kind = type(layer)
    if is_of_keras_2(kind) or kind.__module__.split(".")[0] in ("qkeras", "tensorflow"):
        return str(kind.__name__)
    return f"{kind.__module__}.{kind.__name__}"


def _check_dtype(layer: Any) -> None:
    found = {str(layer.dtype), str(getattr(layer, "compute_dtype", "float32"))}
    if found != {"float32"}:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: it computes in {', '.join(sorted(found - {'float32'}))}; allowed is float32; build the "
            "model with the float32 policy"
        )


def _layer_spec(name: str, layer: Any) -> Facts:
    config = {key: value for key, value in layer.get_config().items() if key in _LAYER_SETTINGS}
    return {"module": "keras", "class_name": name, "config": {key: _number(value) for key, value in config.items()}}


_LAYER_SETTINGS = ("max_value", "negative_slope", "threshold", "alpha", "theta")


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def function_spec(layer: str, function: Any) -> Facts:
    """The plain description of an activation function or quantiser, from which it can be rebuilt.

    Raises:
        UnsupportedModelError: if it has a setting that Keras does not save, so that the model changes when it is saved.
    """
    import qkeras
    import tensorflow as tf

    if hasattr(function, "get_config"):
        kind = type(function)
        if getattr(qkeras, kind.__name__, None) is not kind:
            raise UnsupportedModelError(
                f"layer {layer!r}: activation {kind.__module__}.{kind.__name__} is not one of QKeras; its meaning is not "
                "known; allowed are the quantisers of QKeras; use one of these"
            )
        spec = {"module": "qkeras", "class_name": kind.__name__, "config": _plain(function.get_config())}
        check_saved_settings(layer, function)
        return spec
    name = str(getattr(function, "__name__", function))
    for module, home in (("keras", tf.keras.activations), ("qkeras", qkeras.quantizers)):
        if getattr(home, name, None) is function:
            return {"module": module, "class_name": name, "config": {}}
    raise UnsupportedModelError(
        f"layer {layer!r}: activation {name!r} is a function of your own; its meaning is not known; allowed are those of "
        "Keras and QKeras; use one of these"
    )


def _plain(config: Mapping[str, Any]) -> Facts:
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in config.items()}


def check_saved_settings(layer: str, quantizer: Any) -> None:
    """Refuse a quantiser with a setting that its ``get_config`` leaves out: it would change when the model is saved.

    Raises:
        UnsupportedModelError: if such a setting differs from its default.
    """
    rebuilt = type(quantizer).from_config(quantizer.get_config())
    for key in ("is_quantized_clip", "scale_axis", "use_ste", "temperature", "use_real_sigmoid", "log2_rounding"):
        value, saved = getattr(quantizer, key, None), getattr(rebuilt, key, None)
        if value != saved:
            raise UnsupportedModelError(
                f"layer {layer!r}: {quantizer} has {key}={value!r}, which QKeras does not save, so that the model changes "
                f"to {key}={saved!r} when it is saved and loaded; allowed is {saved!r}; leave it at its default"
            )


def _quantized(layer: Any, what: str, quantizer: Any, variable: Any) -> Float32Array:
    """A weight as Keras computes with it, the quantiser applied."""
    raw = np.asarray(variable, dtype=np.float32)
    check_finite(layer.name, what, raw)
    if quantizer is None:
        return raw
    if int(getattr(quantizer, "integer", 0)) < 0:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: {what} quantizer {quantizer} has fewer than 0 integer bits, which QKeras itself cannot "
            "compute; allowed are 0 and more; use more bits"
        )
    values = np.asarray(quantizer(variable), dtype=np.float32)
    check_finite(layer.name, f"quantised {what}", values)
    return values


def _dense(layer: Any) -> Facts:
    quantizer = getattr(layer, "kernel_quantizer_internal", None)
    kernel = _quantized(layer, "kernel", quantizer, layer.kernel)
    kernel = kernel.reshape(kernel.shape[-2:])  # that of a convolution over one position has an axis more
    facts = {
        attributes.KIND: "dense",
        attributes.KERNEL: kernel,
        **_scale(quantizer, layer.kernel.shape, lambda scale: scale.reshape(kernel.shape)),
        attributes.QUANTIZER: "no quantizer" if quantizer is None else str(quantizer),
        attributes.BIAS: np.zeros(kernel.shape[1], dtype=np.float32),
    }
    if layer.use_bias:
        facts[attributes.BIAS] = _quantized(layer, "bias", getattr(layer, "bias_quantizer_internal", None), layer.bias)
    return facts


def _shape(layer: Any, shape: Any) -> list[int]:
    """A shape of Keras without the batch.

    Raises:
        UnsupportedModelError: if an axis has no size.
    """
    if isinstance(shape, list):
        (shape,) = shape
    if None in shape[1:]:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: a tensor of shape {tuple(shape[1:])}; allowed are known sizes; give the Input a shape"
        )
    return [int(n) for n in shape[1:]]


def _window(layer: Any, size: Any, dilation: Any = 1) -> Facts:
    """The windows of a convolution or pooling.

    Raises:
        UnsupportedModelError: if the axes are in another order, or nothing is left.
    """
    if layer.data_format != "channels_last":
        raise UnsupportedModelError(
            f"layer {layer.name!r}: data_format {layer.data_format!r}; allowed is 'channels_last'; put a Permute before it"
        )
    *positions, channels = _shape(layer, layer.input_shape)

    def each(value: Any) -> tuple[int, ...]:
        return tuple(int(n) for n in value) if isinstance(value, tuple | list) else (int(value),) * len(positions)

    window = Window(each(size), each(layer.strides), each(dilation), layer.padding)
    found = window_positions(positions, window)
    if not found.size:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: a window of {window.size} on {tuple(positions)} positions leaves nothing; allowed are "
            "windows that fit; use padding='same' or a smaller one"
        )
    return {attributes.INDICES: found, attributes.SHAPE: [*found.shape[:-1], channels]}


def _convolution(layer: Any) -> Facts:
    """A kernel for what one window covers, taps first, and the windows."""
    kind = type(layer).__name__
    depthwise = "Depthwise" in kind
    quantizer = getattr(layer, "depthwise_quantizer_internal" if depthwise else "kernel_quantizer_internal", None)
    raw = layer.depthwise_kernel if depthwise else layer.kernel
    kernel = _quantized(layer, "kernel", quantizer, raw)
    channels = int(layer.input_shape[-1])

    def place(values: Float32Array) -> Float32Array:
        return _window_matrix(values, channels, depthwise=depthwise)

    matrix = place(kernel)
    facts = {
        **_scale(quantizer, kernel.shape, place),
        **_window(layer, layer.kernel_size, layer.dilation_rate),
        attributes.KIND: "convolution",
        attributes.KERNEL: matrix,
        attributes.QUANTIZER: "no quantizer" if quantizer is None else str(quantizer),
        attributes.BIAS: np.zeros(matrix.shape[1], dtype=np.float32),
    }
    if layer.use_bias:
        facts[attributes.BIAS] = _quantized(layer, "bias", getattr(layer, "bias_quantizer_internal", None), layer.bias)
    return facts


def _window_matrix(kernel: Float32Array, channels: int, *, depthwise: bool) -> Float32Array:
    """The kernel of a convolution as one matrix on what a window covers, taps first."""
    taps, rows, columns = int(np.prod(kernel.shape[:-2])), kernel.shape[-2], kernel.shape[-1]
    kernel = kernel.reshape(taps, rows, columns)
    if depthwise:
        whole = np.zeros((taps, channels, channels, columns), dtype=np.float32)
        whole[:, np.arange(channels), np.arange(channels)] = kernel
    else:
        groups = channels // rows
        whole = np.zeros((taps, groups, rows, groups, columns // groups), dtype=np.float32)
        parts = kernel.reshape(taps, rows, groups, columns // groups)
        for group in range(groups):
            whole[:, group, :, group] = parts[:, :, group]
    return whole.reshape(taps * channels, -1)


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


def _pooling(layer: Any) -> Facts:
    """The windows of a pooling, or one window over all positions."""
    if not type(layer).__name__.startswith("Global"):
        return _window(layer, layer.pool_size)
    if layer.data_format != "channels_last" or layer.keepdims:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: a pooling with data_format {layer.data_format!r} and keepdims={layer.keepdims}; allowed are "
            "'channels_last' and False; put a Reshape behind it"
        )
    *positions, channels = _shape(layer, layer.input_shape)
    return {attributes.INDICES: np.arange(int(np.prod(positions))), attributes.SHAPE: [channels]}


def _wire(layer: Any) -> Facts:
    """Where each code of the result comes from, found by the layer itself: it moves the numbers of the codes."""
    import tensorflow as tf

    if getattr(layer, "interpolation", "nearest") != "nearest":
        raise UnsupportedModelError(
            f"layer {layer.name!r}: interpolation {layer.interpolation!r} computes; allowed is 'nearest'; use that one"
        )
    shape = _shape(layer, layer.input_shape)
    numbers = tf.reshape(tf.range(1, int(np.prod(shape)) + 1, dtype=tf.float32), (1, *shape))
    moved = np.asarray(layer(numbers))[0].astype(np.int64) - 1
    return {attributes.KIND: "wire", attributes.INDICES: moved, attributes.SHAPE: list(moved.shape)}


def _batchnorm(layer: Any) -> Facts:
    """``x * multiplier + offset`` with both factors computed as ``tf.nn.batch_normalization`` does."""
    import tensorflow as tf

    def part(name: str, short: str) -> Any:
        return tf.constant(
            _quantized(layer, name, getattr(layer, f"{short}_quantizer_internal", None), getattr(layer, name))
        )

    rank = len(layer.input_shape)
    axis = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    if axis not in ([rank - 1], [-1]):
        raise UnsupportedModelError(
            f"layer {layer.name!r}: batch normalisation over axis {axis} of {rank} axes; allowed is the last; put a Permute, "
            "Reshape or Flatten before it"
        )
    inverse = tf.math.rsqrt(part("moving_variance", "variance") + layer.epsilon)
    if layer.scale:
        inverse = inverse * part("gamma", "gamma")
    offset = -part("moving_mean", "mean") * inverse
    if layer.center:
        offset = part("beta", "beta") - part("moving_mean", "mean") * inverse
    multiplier, shift = np.asarray(inverse, dtype=np.float32), np.asarray(offset, dtype=np.float32)
    check_finite(layer.name, "scale", multiplier)
    check_finite(layer.name, "offset", shift)
    return {attributes.KIND: "batchnorm", attributes.MULTIPLIER: multiplier, attributes.OFFSET: shift}
