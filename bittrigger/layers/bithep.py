"""The linear layer of BitHEP as its authors train it, for studies of physics. Importing this module imports TensorFlow.

The scale of the activations is `127 / max|x|` of each token and that of the kernel `mean|W|`, both plain float32: a
trigger would need a divider and multipliers for them. So it is float arithmetic on quantised values ("fake quantisation"),
it has no bits of its own, and conversion refuses it. `BitLinear` is the layer for firmware.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from bittrigger.errors import ConfigError
from bittrigger.layers.keras_types import Option, Tensor
from bittrigger.layers.quantizers import HALF, absmean, absmean_ternary

__all__ = ["BitHepLinear", "absmax_quantize", "bithep_ternary", "torch_initializers"]

ACTIVATION_BITS = 8

SMALLEST_MAXIMUM = 1e-8
"""Floor of the largest magnitude of a token, so that a token of zeros stays zeros."""


def absmax_quantize(x: Tensor, bits: int = ACTIVATION_BITS) -> Tensor:
    """Return `clip(round(s x), -Q - 1, Q) / s` with `Q = 2^(bits-1) - 1` and `s = Q / max(max|x|, 1e-8)`.

    There is one `s` for each token, that is for all indices but the last. Rounding is half to even. The gradient is the
    identity (straight-through), `s` gets none.

    Args:
        x: float32, `(..., features)`.
        bits: width of a code, 2 to 16.

    Source: BitHEP, arXiv:2504.03387, and its code `ramonpeter/hep-bitnet`.
    """
    highest = float((1 << (bits - 1)) - 1)
    largest = tf.reduce_max(tf.abs(x), axis=-1, keepdims=True)
    scale = highest / tf.maximum(largest, SMALLEST_MAXIMUM)
    quantized = tf.clip_by_value(tf.round(x * scale), -highest - 1, highest) / scale
    return tf.stop_gradient(quantized) + (x - tf.stop_gradient(x))


@tf.keras.utils.register_keras_serializable(package="bittrigger")
class bithep_ternary(absmean_ternary):  # noqa: N801  named as the quantizers of QKeras are
    """Kernel quantizer of BitHEP: `beta * clip(round(W / beta), -1, 1)` with `beta = max(mean|W|, 1e-8)` in float32.

    It is `absmean_ternary` without the rounding of its scale to a few bits, and has no options.

    Source: BitHEP, arXiv:2504.03387.
    """

    def __init__(self) -> None:
        super().__init__(threshold_factor=HALF)
        self.scale_bits = 24  # the significand of a float32

    def codes_and_scale(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes in {-1, 0, +1}, shaped as `x`, and `beta`; both float64."""
        codes, _ = super().codes_and_scale(x)
        return codes, absmean(tf.cast(x, tf.float64))

    def get_config(self) -> dict[str, Any]:
        """Return no options."""
        return {}


def torch_initializers(n_in: int) -> dict[str, Any]:
    """Return kernel and bias initialisers of a dense layer as PyTorch has them: uniform within `1 / sqrt(n_in)`.

    Args:
        n_in: number of inputs, at least 1.
    """
    limit = 1 / math.sqrt(n_in)
    names = ("kernel_initializer", "bias_initializer")
    return {name: tf.keras.initializers.RandomUniform(-limit, limit) for name in names}


@tf.keras.utils.register_keras_serializable(package="bittrigger")
class BitHepLinear(tf.keras.layers.Dense):  # type: ignore[misc]
    """BitHEP's `BitLinear158b`: a ternary kernel times `mean|W|`, 8-bit activations scaled token by token, a float bias.

    `y = absmax_quantize(x) @ bithep_ternary()(kernel) + bias` on `(..., n_in)`, without a normalisation. Initial weights
    are uniform within `1 / sqrt(n_in)`, as in PyTorch. It is for training only.

    Args:
        units: number of outputs.
        activation_bits: width of the activations, 2 to 16.
        options: further options of Dense; an activation is not one of them.

    Raises:
        ConfigError: an option is unknown or out of range.

    Source: BitHEP, arXiv:2504.03387, and its code `ramonpeter/hep-bitnet`.
    """

    def __init__(self, units: int, activation_bits: int = ACTIVATION_BITS, **options: Option) -> None:
        if options.get("activation", "linear") not in ("linear", None, tf.keras.activations.linear):
            raise ConfigError(
                f"BitHepLinear: activation {options['activation']!r}; allowed is none; put a layer with it behind this one"
            )
        if not 2 <= activation_bits <= 16:
            raise ConfigError(f"BitHepLinear: activation_bits {activation_bits}; allowed are 2 to 16")
        super().__init__(units, **options)
        self.activation_bits = int(activation_bits)
        self.kernel_quantizer_internal = bithep_ternary()
        self.bias_quantizer_internal = None
        self._as_torch = [name for name in torch_initializers(1) if name not in options]

    def build(self, input_shape: Option) -> None:
        """Create the latent kernel and the bias.

        Raises:
            ConfigError: the layer computes in another type than float32.
        """
        if self.compute_dtype != "float32":
            raise ConfigError(
                f"layer {self.name!r}: it computes in {self.compute_dtype}; allowed is float32, as in the paper; leave dtype "
                "and policy at their defaults"
            )
        initializers = torch_initializers(int(input_shape[-1]))
        for name in self._as_torch:
            setattr(self, name, initializers[name])
        super().build(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the outputs, `(..., units)`."""
        kernel = self.kernel_quantizer_internal(self.kernel)
        outputs = tf.tensordot(absmax_quantize(inputs, self.activation_bits), kernel, 1)
        return outputs + self.bias if self.use_bias else outputs

    def get_config(self) -> dict[str, Any]:
        """Return the options for Keras' serialisation; the initialisers only if they were given."""
        config = {key: value for key, value in super().get_config().items() if key not in self._as_torch}
        return {**config, "activation_bits": self.activation_bits}
