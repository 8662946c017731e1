"""BitLinear, BitConv1D and BitConv2D: trainable layers with ternary or binary kernels. Imports TensorFlow."""

from __future__ import annotations

from typing import Any

import qkeras
import tensorflow as tf

from bittrigger.errors import ConfigError
from bittrigger.layers.activations import QuantizedInput, StaticQuantizer, quantizer_of
from bittrigger.layers.adder_cost import adder_bits_loss
from bittrigger.layers.keras_types import Option, Quantizer, Tensor
from bittrigger.layers.quantizers import absmean_binary, absmean_ternary
from bittrigger.layers.widths import rounded_width

__all__ = ["BitConv1D", "BitConv2D", "BitLinear", "kernel_quantizer_of"]

BIAS_QUANTIZER = "quantized_bits(12,3,alpha=1)"
"""Steps of 1/256 in [-8, 8)."""

_KERNEL_QUANTIZERS: dict[str, type[absmean_ternary] | type[absmean_binary]] = {
    "ternary": absmean_ternary,
    "binary": absmean_binary,
}

_LEFT_OUT = ("activation", "kernel_range", "bias_range")
"""Settings of QKeras' layers that ours do not have."""


def kernel_quantizer_of(setting: object) -> Quantizer:
    """Return the kernel quantizer that a layer was given.

    Args:
        setting: "ternary", "binary", `absmean_ternary(...)`, `absmean_binary(...)`, or the saved form of one of these.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(setting, absmean_ternary | absmean_binary):
        return setting
    if isinstance(setting, str) and setting in _KERNEL_QUANTIZERS:
        return _KERNEL_QUANTIZERS[setting]()
    if isinstance(setting, dict) and isinstance(setting.get("config"), dict):
        for kind in _KERNEL_QUANTIZERS.values():
            if setting.get("class_name") == kind.__name__:
                return kind.from_config(setting["config"])
    raise ConfigError(
        f"kernel quantizer {setting}; allowed are 'ternary', 'binary', absmean_ternary(...) and absmean_binary(...); "
        "use QDense for another one"
    )


class _BitKernel(QuantizedInput):
    """What the layers share: quantizers in front of the layer of QKeras that follows in the order of bases."""

    def __init__(
        self,
        *sizes: Option,
        kernel_quantizer: Option = "ternary",
        input_quantizer: Option = None,
        use_bias: bool = True,
        bias_quantizer: Option = BIAS_QUANTIZER,
        kernel_initializer: Option = "he_normal",
        bias_initializer: Option = "zeros",
        kernel_constraint: Option = None,
        cost_strength: float = 0.0,
        operand_bits: int = 8,
        **kwargs: Option,
    ) -> None:
        activation = kwargs.pop("activation", None)
        if activation not in (None, "linear", tf.keras.activations.linear):
            raise ConfigError(
                f"{type(self).__name__}: activation {activation!r}; allowed is none; use the input quantizer of the next "
                "layer, unsigned for a ReLU, or a BitActivation behind this one"
            )
        quantizer = kernel_quantizer_of(kernel_quantizer)
        if cost_strength < 0 or (cost_strength > 0 and not isinstance(quantizer, absmean_ternary)):
            raise ConfigError(
                f"{type(self).__name__}: cost_strength {cost_strength} with {quantizer}; allowed are 0, and positive "
                "numbers for ternary kernels, whose zeros save adders"
            )
        super().__init__(  # type: ignore[call-arg]
            *sizes,
            kernel_quantizer=quantizer,
            use_bias=use_bias,
            bias_quantizer=bias_quantizer if use_bias else None,
            **kwargs,
        )
        # QKeras bounds kernels, and wraps their initialisers, by the range of its quantizers; latent kernels have none.
        self.kernel_initializer = tf.keras.initializers.get(kernel_initializer)
        self.bias_initializer = tf.keras.initializers.get(bias_initializer)
        self.kernel_constraint = tf.keras.constraints.get(kernel_constraint)
        self.input_quantizer = None if input_quantizer is None else quantizer_of(input_quantizer)
        self.cost_strength = float(cost_strength)
        self.operand_bits = operand_bits if self.input_quantizer is None else self.input_quantizer.bits

    def build(self, input_shape: Option) -> None:
        """Create the latent kernel, the bias and the range of the input quantizer."""
        super().build(input_shape)  # type: ignore[misc]
        self.add_range(self)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the layer's outputs; if `cost_strength` is set, its adders are added to the losses of the model."""
        if self.cost_strength > 0:
            width = self.operand_bits
            if isinstance(self.input_quantizer, StaticQuantizer) and self.width_bits is not None:
                width = rounded_width(self.width_bits, self.input_quantizer)
            bits = adder_bits_loss(self.kernel, self.kernel_quantizer_internal, width)  # type: ignore[attr-defined]
            self.add_loss(self.cost_strength * bits)  # type: ignore[attr-defined]
        return super().call(self.quantize_input(inputs))  # type: ignore[misc]

    def get_config(self) -> dict[str, Any]:
        """Return the options for Keras' serialisation: plain numbers and names."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        quantizer: Any = self.kernel_quantizer_internal  # type: ignore[attr-defined]
        return {
            **{key: value for key, value in config.items() if key not in _LEFT_OUT},
            "kernel_quantizer": {"class_name": type(quantizer).__name__, "config": quantizer.get_config()},
            "input_quantizer": self.input_config(),
            "cost_strength": self.cost_strength,
            "operand_bits": self.operand_bits,
        }


@tf.keras.utils.register_keras_serializable(package="bittrigger")
class BitLinear(_BitKernel, qkeras.QDense):  # type: ignore[misc]
    """A dense layer with a ternary or binary kernel: in firmware it is adders, and needs no multiplier.

    `y = q(x) @ (a * codes) + bias`, each factor on a power-of-two grid, so that Keras' float32 result is exact and the
    firmware has the same bits. Gradients pass straight through all quantizers. Inputs are `(events, ..., n_in)`,
    outputs `(events, ..., units)`.

    Args:
        units: number of outputs.
        kernel_quantizer: "ternary" (the absmean rule), "binary", or `absmean_ternary(...)`, `absmean_binary(...)`.
        input_quantizer: `StaticQuantizer(...)`, `DynamicQuantizer(...)` or a number of bits (static); quantises the inputs.
            None if the layer before does.
        use_bias: whether there is a bias.
        bias_quantizer: quantizer of QKeras for the bias, on a power-of-two grid.
        kernel_initializer: as for Dense.
        bias_initializer: as for Dense.
        kernel_constraint: as for Dense.
        cost_strength: loss for each bit of an adder; see `bittrigger.layers.adder_cost`.
        operand_bits: width of the inputs for that cost; the input quantizer's if there is one.
        options: further options of QDense; an activation is not one of them.

    Raises:
        ConfigError: an option is unknown or out of range.
    """

    def __init__(self, units: int, **options: Option) -> None:
        super().__init__(units, **options)


@tf.keras.utils.register_keras_serializable(package="bittrigger")
class BitConv1D(_BitKernel, qkeras.QConv1D):  # type: ignore[misc]
    """A one-dimensional convolution with a ternary or binary kernel.

    Args: `filters`, `kernel_size` and the further options of QConv1D, and those of `BitLinear`.
    """

    def __init__(self, filters: int, kernel_size: Option, **options: Option) -> None:
        super().__init__(filters, kernel_size, **options)


@tf.keras.utils.register_keras_serializable(package="bittrigger")
class BitConv2D(_BitKernel, qkeras.QConv2D):  # type: ignore[misc]
    """A two-dimensional convolution with a ternary or binary kernel.

    Args: `filters`, `kernel_size` and the further options of QConv2D, and those of `BitLinear`.
    """

    def __init__(self, filters: int, kernel_size: Option, **options: Option) -> None:
        super().__init__(filters, kernel_size, **options)
