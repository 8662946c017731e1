"""The absmean kernel quantizers for QKeras layers. Importing this module imports TensorFlow."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from bittrigger.errors import ConfigError
from bittrigger.layers.keras_types import Tensor
from bittrigger.layers.ternary import SMALLEST_SCALE

__all__ = ["MAX_SCALE_BITS", "KeepMagnitude", "absmean_binary", "absmean_ternary"]

MAX_SCALE_BITS = 8
"""Most significant bits of a scale: each one beyond the first may cost an adder for every output."""

HALF = 0.5
"""The threshold of RoundClip in units of beta."""

Self = TypeVar("Self", bound="_Absmean")


class _Absmean:
    """What both quantizers share: the scale, the straight-through gradient, and the options.

    Latent kernels are not clipped: `max()` is infinite for the constraint that QKeras derives.
    """

    bits = 2

    def __init__(self, scale_bits: int = 1) -> None:
        if not 1 <= scale_bits <= MAX_SCALE_BITS:
            raise ConfigError(f"{type(self).__name__}: scale_bits {scale_bits}; allowed are 1 to {MAX_SCALE_BITS}")
        self.scale_bits = int(scale_bits)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the quantised kernel, float32, same shape as the latent kernel `x`."""
        latent = tf.convert_to_tensor(x)
        codes, scale = self.codes_and_scale(latent)
        quantized = tf.cast(codes * scale, latent.dtype)
        # The bracket is exactly zero, so no rounding disturbs the value; `x + (q - x)` would.
        return tf.stop_gradient(quantized) + (latent - tf.stop_gradient(latent))

    def __str__(self) -> str:
        """Return how it is written in a model definition, without the options that stand at their default."""
        default = type(self)().get_config()
        options = ",".join(f"{key}={value}" for key, value in self.get_config().items() if value != default[key])
        return f"{type(self).__name__}({options})"

    def codes_and_scale(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes, shaped as `x`, and the scalar scale; both float64."""
        raise NotImplementedError

    def _scale(self, beta: Tensor) -> Tensor:
        """Return `beta` rounded to `scale_bits` significant bits, on the logarithmic axis if that is one."""
        two = tf.constant(2.0, tf.float64)
        exponent = tf.math.log(beta) / tf.constant(np.log(2.0), tf.float64)
        if self.scale_bits == 1:
            return tf.pow(two, tf.round(exponent))
        step = tf.pow(two, tf.floor(exponent) - (self.scale_bits - 1))
        return tf.round(beta / step) * step

    def max(self) -> float:
        """Return the upper bound of the latent kernel: none."""
        return float("inf")

    def min(self) -> float:
        """Return the lower bound of the latent kernel: none."""
        return float("-inf")

    def get_config(self) -> dict[str, Any]:
        """Return the options for Keras' serialisation."""
        return {"scale_bits": self.scale_bits}

    @classmethod
    def from_config(cls: type[Self], config: dict[str, Any]) -> Self:
        """Return the quantizer that `get_config` describes.

        Raises:
            ConfigError: `config` holds an unknown option, or one that is out of range.
        """
        known = cls().get_config()
        unknown = sorted(set(config) - set(known))
        if unknown:
            raise ConfigError(f"{cls.__name__}: unknown options {unknown}; expected {', '.join(known)}")
        return cls(**config)


@tf.keras.utils.register_keras_serializable(package="bittrigger")
class absmean_ternary(_Absmean):  # noqa: N801  named as the quantizers of QKeras are
    """Kernel quantizer: ternary by the absmean rule, dequantised by a scale that hardware multiplies by exactly.

    Values are `a * clip(round(W / (2 f beta)), -1, 1)` with `beta = max(mean|W|, 1e-8)`: a weight is zero
    up to the magnitude `f beta`. `a` is the power of two next to `beta` on the logarithmic axis, or `beta`
    with a few significant bits. All follow the latent kernel at each step. The gradient is the identity
    (straight-through); `beta` and `a` get none.

    BitHEP dequantises by `beta` itself; few bits make the product exact in hardware.

    Args:
        threshold_factor: `f`, above 0 and up to 4; 0.5 is RoundClip. A larger one gives more zeros and fewer adders.
        scale_bits: significant bits of `a`, 1 (a power of two, which costs nothing) to 8.

    Raises:
        ConfigError: an option is out of range.

    Source: BitNet b1.58, arXiv:2402.17764; BitHEP, arXiv:2504.03387.
    """

    def __init__(self, threshold_factor: float = HALF, scale_bits: int = 1) -> None:
        super().__init__(scale_bits)
        if not 0 < threshold_factor <= 4:
            raise ConfigError(
                f"absmean_ternary: threshold_factor {threshold_factor}; allowed are values above 0 and up to 4, in units "
                "of the mean magnitude; 0.5 is the absmean rule"
            )
        self.threshold_factor = float(threshold_factor)

    def codes_and_scale(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes in {-1, 0, +1}, shaped as `x`, and the scalar scale; both float64."""
        latent = tf.cast(x, tf.float64)
        beta = absmean(latent)
        codes = tf.clip_by_value(tf.round(latent / (2 * self.edge(beta))), -1.0, 1.0)
        return codes, self._scale(beta)

    def edge(self, beta: Tensor) -> Tensor:
        """Return the magnitude up to which a weight is zero, a scalar, for the mean magnitude `beta` of its kernel."""
        return beta * self.threshold_factor

    def get_config(self) -> dict[str, Any]:
        """Return the options for Keras' serialisation."""
        return {"threshold_factor": self.threshold_factor, **super().get_config()}


@tf.keras.utils.register_keras_serializable(package="bittrigger")
class absmean_binary(_Absmean):  # noqa: N801
    """Kernel quantizer: `a` where a weight lies above the mean of the kernel, else `-a`.

    `a` is `max(mean|W|, 1e-8)` with `scale_bits` significant bits, as for `absmean_ternary`, and so is the gradient.
    A weight on the mean counts as below it, as in BitNet, so that each weight is one bit.

    Args:
        scale_bits: significant bits of `a`, 1 (a power of two, which costs nothing) to 8.

    Raises:
        ConfigError: an option is out of range.

    Source: BitNet, arXiv:2310.11453, equations 1 to 3; BitHEP, arXiv:2504.03387.
    """

    bits = 1

    def codes_and_scale(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes in {-1, +1}, shaped as `x`, and the scalar scale; both float64."""
        latent = tf.cast(x, tf.float64)
        above = latent > tf.reduce_mean(latent)
        return tf.where(above, tf.ones_like(latent), -tf.ones_like(latent)), self._scale(absmean(latent))


@tf.keras.utils.register_keras_serializable(package="bittrigger")
class KeepMagnitude(tf.keras.constraints.Constraint):  # type: ignore[misc]
    """Kernel constraint: after each step the latent kernel is multiplied so that its mean magnitude is `magnitude`.

    The codes do not depend on the magnitude, but a scale of one significant bit does: where the mean crosses the middle
    between two powers of two, all outputs of the layer double or halve within one step, and training starts over.

    Args:
        magnitude: above 0; a power of two is farthest from such a jump.

    Raises:
        ConfigError: `magnitude` is not above 0.
    """

    def __init__(self, magnitude: float) -> None:
        if not magnitude > 0:
            raise ConfigError(f"KeepMagnitude: magnitude {magnitude}; expected a number above 0, such as 0.25")
        self.magnitude = float(magnitude)

    def __call__(self, w: Tensor) -> Tensor:
        """Return the kernel with that mean magnitude; one of zeros stays."""
        return w * (self.magnitude / tf.maximum(tf.reduce_mean(tf.abs(w)), SMALLEST_SCALE))

    def get_config(self) -> dict[str, Any]:
        """Return the options for Keras' serialisation."""
        return {"magnitude": self.magnitude}


def absmean(latent: Tensor) -> Tensor:
    """Return `max(mean|W|, 1e-8)` of a float64 kernel."""
    return tf.maximum(tf.reduce_mean(tf.abs(latent)), tf.constant(SMALLEST_SCALE, tf.float64))
