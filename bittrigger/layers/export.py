"""Export of a trained model into stock QKeras layers. Importing this module imports TensorFlow."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import qkeras
import tensorflow as tf

from bittrigger.errors import UnsupportedModelError
from bittrigger.layers.keras_types import Layer, Model, Quantizer
from bittrigger.layers.quantizers import MAX_SCALE_BITS, absmean_binary, absmean_ternary
from bittrigger.layers.stock import stock_kernel_quantizer, stock_layers, with_windows

__all__ = ["export_stock", "ternary_codes"]

_ALLOWED = "layers of bittrigger, QDense, QConv1D, QConv2D, QActivation, BatchNormalization or a layer without weights of its own"

_KERNELS = (qkeras.QDense, qkeras.QConv1D, qkeras.QConv2D)

_WITHOUT_WEIGHTS = (
    "Activation",
    "ReLU",
    "LeakyReLU",
    "Flatten",
    *(
        f"{kind}{axes}D"
        for kind in (
            "GlobalAveragePooling",
            "AveragePooling",
            "GlobalMaxPooling",
            "MaxPooling",
            "ZeroPadding",
            "Cropping",
        )
        for axes in (1, 2)
    ),
    *("UpSampling1D", "UpSampling2D", "Permute", "RepeatVector"),
    "Reshape",
    "Dropout",
    "Concatenate",
    "Add",
    "Subtract",
    "Maximum",
    "Minimum",
    "Multiply",
)


def export_stock(model: Model) -> Model:
    """Return a copy of `model` that holds stock QKeras layers and values on their grids only.

    BitLinear and BitActivation become QActivation and QDense, as `stock_layers` does it.
    Each ternary kernel becomes exactly {-a, 0, +a} under `ternary(alpha=a, threshold=a/2)`, which
    leaves these values as they are. Other kernels and the biases are replaced by what their
    quantizer makes of them. QActivation and BatchNormalization layers are copied. The copy loads
    with `qkeras.utils.load_qmodel(path, compile=False)` alone, and its quantised kernels and biases
    equal those of `model` on every bit.

    Args:
        model: a Keras model of BitLinear, BitActivation, QDense, QActivation and BatchNormalization layers and of such
            without weights. Kernels are quantised by `absmean_ternary()`, `absmean_binary()`, by `ternary` or `binary`
            with a power of two as alpha, or by `quantized_bits` with alpha=1; biases by
            `quantized_bits` with alpha=1.

    Raises:
        UnsupportedModelError: a layer or quantizer is none of these, or a quantizer does not
            reproduce the stored values.

    Source: `ternary`, `binary` and `quantized_bits` of QKeras 0.9.0, `qkeras/quantizers.py`.
    """
    model = stock_layers(model)
    exported = tf.keras.models.clone_model(model, clone_function=_stock_layer)
    for layer, copy in zip(model.layers, exported.layers, strict=True):
        if isinstance(layer, _KERNELS):
            copy.set_weights(_grid_values(layer))
            _check_copy(layer, copy)
        elif layer.weights:
            copy.set_weights(layer.get_weights())
    return exported


def ternary_codes(layer: Layer) -> tuple[npt.NDArray[np.int8], float]:
    """Return the ternary codes of a QDense layer, shape `(inputs, units)`, and their scale.

    Args:
        layer: a QDense layer with an `absmean_ternary` or `ternary` kernel quantizer.

    Raises:
        UnsupportedModelError: the kernel quantizer is another one, or its alpha is not a number.
    """
    quantizer = layer.kernel_quantizer_internal
    if isinstance(quantizer, absmean_ternary):
        codes, scale = quantizer.codes_and_scale(layer.kernel)
        return codes.numpy().astype(np.int8), float(scale.numpy())
    if type(quantizer) is qkeras.ternary:
        scale = _few_bits(layer, quantizer.alpha)
        quantized = quantizer(layer.kernel).numpy()
        return np.sign(quantized).astype(np.int8), scale
    raise UnsupportedModelError(
        f"layer {layer.name!r}: kernel quantizer {_name(quantizer)} is not ternary; "
        "expected absmean_ternary() or ternary(alpha=<power of two>)"
    )


def _stock_layer(layer: Layer) -> Layer:
    """Return an untrained stock layer in the place of `layer`."""
    if isinstance(layer, _KERNELS):
        return _stock_kernel_layer(layer)
    plain = type(layer).__module__.startswith(("keras.", "tf_keras.")) and type(layer).__name__ in _WITHOUT_WEIGHTS
    if plain or isinstance(layer, qkeras.QActivation | tf.keras.layers.BatchNormalization):
        return type(layer).from_config(layer.get_config())
    raise UnsupportedModelError(f"layer {layer.name!r}: {type(layer).__name__} cannot be exported; expected {_ALLOWED}")


def _stock_kernel_layer(layer: Layer) -> Layer:
    """Return an untrained QDense or QConv with the stock counterparts of the quantizers of `layer`."""
    if layer.activation is not tf.keras.activations.linear:
        raise UnsupportedModelError(
            f"layer {layer.name!r}: it has an activation of its own; expected none, followed by a QActivation layer"
        )
    bias_quantizer = layer.bias_quantizer_internal
    if layer.use_bias and not _is_fixed_point(bias_quantizer):
        raise UnsupportedModelError(
            f"layer {layer.name!r}: bias quantizer {_name(bias_quantizer)}; expected quantized_bits(..., alpha=1)"
        )
    dense = isinstance(layer, qkeras.QDense)
    kind = qkeras.QDense if dense else with_windows(type(layer), layer)
    return kind(
        layer.units if dense else layer.filters,
        name=layer.name,
        use_bias=layer.use_bias,
        kernel_initializer="zeros",
        bias_initializer="zeros",
        kernel_quantizer=_stock_kernel_quantizer(layer),
        bias_quantizer=_copy_quantizer(bias_quantizer) if layer.use_bias else None,
    )


def _stock_kernel_quantizer(layer: Layer) -> Quantizer:
    """Return the stock quantizer that leaves the exported kernel of `layer` as it is."""
    quantizer = layer.kernel_quantizer_internal
    if isinstance(quantizer, absmean_ternary | absmean_binary):
        return stock_kernel_quantizer(quantizer, layer.kernel)
    if type(quantizer) is qkeras.ternary:
        _, scale = ternary_codes(layer)
        return qkeras.ternary(alpha=scale, threshold=scale / 2)
    if type(quantizer) is qkeras.binary and not quantizer.use_01:
        _few_bits(layer, quantizer.alpha)
        return _copy_quantizer(quantizer)
    if _is_fixed_point(quantizer):
        return _copy_quantizer(quantizer)
    raise UnsupportedModelError(
        f"layer {layer.name!r}: kernel quantizer {_name(quantizer)} cannot be exported; expected "
        "absmean_ternary(), ternary or binary with a power of two as alpha, "
        "or quantized_bits(..., alpha=1)"
    )


def _grid_values(layer: Layer) -> list[npt.NDArray[np.float32]]:
    """Return the kernel and, if there is one, the bias of a layer as its quantizers see them."""
    quantizer = layer.kernel_quantizer_internal
    if isinstance(quantizer, absmean_ternary) or type(quantizer) is qkeras.ternary:
        codes, scale = ternary_codes(layer)
        values = [codes.astype(np.float32) * np.float32(scale)]
    else:
        values = [quantizer(layer.kernel).numpy()]
    if layer.use_bias:
        values.append(layer.bias_quantizer_internal(layer.bias).numpy())
    return values


def _check_copy(layer: Layer, copy: Layer) -> None:
    """Compare the quantised weights of a layer and its copy, with no tolerance.

    Raises:
        UnsupportedModelError: a value differs.
    """
    pairs = [("kernel", layer.kernel_quantizer_internal, copy.kernel_quantizer_internal)]
    if layer.use_bias:
        pairs.append(("bias", layer.bias_quantizer_internal, copy.bias_quantizer_internal))
    for part, quantizer, stock in pairs:
        before = quantizer(getattr(layer, part)).numpy()
        after = stock(getattr(copy, part)).numpy()
        if not np.array_equal(before, after):
            raise UnsupportedModelError(
                f"layer {layer.name!r}: {_name(stock)} does not reproduce the {part} of "
                f"{_name(quantizer)}; expected values on its grid"
            )


def _is_fixed_point(quantizer: Quantizer) -> bool:
    """Return whether `quantizer` is a plain `quantized_bits` without a scale of its own."""
    return type(quantizer) is qkeras.quantized_bits and (
        quantizer.alpha is None or (isinstance(quantizer.alpha, int | float) and quantizer.alpha == 1)
    )


def _few_bits(layer: Layer, alpha: object) -> float:
    """Return `alpha` as a float.

    Raises:
        UnsupportedModelError: it is no number above 0, or one with more significant bits than `MAX_SCALE_BITS`.
    """
    number = float(alpha) if isinstance(alpha, int | float) else 0.0
    mantissa = math.ldexp(math.frexp(number)[0], MAX_SCALE_BITS)
    if not number > 0 or not mantissa.is_integer():
        raise UnsupportedModelError(
            f"layer {layer.name!r}: kernel quantizer {_name(layer.kernel_quantizer_internal)} has "
            f"alpha={alpha!r}; expected a number that is a power of two, or one of {MAX_SCALE_BITS} significant bits"
        )
    return number


def _copy_quantizer(quantizer: Quantizer) -> Quantizer:
    """Return a fresh quantizer with the options of `quantizer`."""
    return type(quantizer).from_config(quantizer.get_config())


def _name(quantizer: Quantizer) -> str:
    """Return how a quantizer is written in a model definition."""
    return str(quantizer)
