"""The absmean kernel quantizer for QKeras layers. Importing this module imports TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from bittrigger.errors import ConfigError
from bittrigger.ternary import SMALLEST_SCALE
from bittrigger.train.keras_types import Tensor

__all__ = ["absmean_ternary"]


class absmean_ternary:  # noqa: N801  named as the quantizers of QKeras are
    """Kernel quantizer: ternary by the absmean rule, dequantised by a power of two.

    Values are `a * clip(round(W / beta), -1, 1)` with `beta = max(mean|W|, 1e-8)` and `a` the power
    of two next to `beta` on the logarithmic axis. Both follow the latent kernel at each step.
    The gradient is the identity (straight-through); `beta` and `a` get none.

    BitHEP dequantises by `beta` itself; the power of two makes the product exact in hardware.
    Latent kernels are not clipped: `max()` is infinite for the constraint that QKeras derives.

    Source: BitNet b1.58, arXiv:2402.17764; BitHEP, arXiv:2504.03387.
    """

    bits = 2

    def __call__(self, x: Tensor) -> Tensor:
        """Return the ternary kernel, float32, same shape as the latent kernel `x`."""
        latent = tf.convert_to_tensor(x)
        codes, scale = self.codes_and_scale(latent)
        quantized = tf.cast(codes * scale, latent.dtype)
        # The bracket is exactly zero, so no rounding disturbs the value; `x + (q - x)` would.
        return tf.stop_gradient(quantized) + (latent - tf.stop_gradient(latent))

    @staticmethod
    def codes_and_scale(x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes in {-1, 0, +1}, shaped as `x`, and the scalar scale; both float64."""
        latent = tf.cast(x, tf.float64)
        beta = tf.maximum(tf.reduce_mean(tf.abs(latent)), tf.constant(SMALLEST_SCALE, tf.float64))
        codes = tf.clip_by_value(tf.round(latent / beta), -1.0, 1.0)
        exponent = tf.round(tf.math.log(beta) / tf.constant(np.log(2.0), tf.float64))
        return codes, tf.pow(tf.constant(2.0, tf.float64), exponent)

    def max(self) -> float:
        """Return the upper bound of the latent kernel: none."""
        return float("inf")

    def min(self) -> float:
        """Return the lower bound of the latent kernel: none."""
        return float("-inf")

    def get_config(self) -> dict[str, Any]:
        """Return the options for Keras' serialisation: there are none."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> absmean_ternary:
        """Return the quantizer that `get_config` describes.

        Raises:
            ConfigError: `config` holds an option.
        """
        if config:
            raise ConfigError(f"absmean_ternary: unknown options {sorted(config)}; expected none")
        return cls()
