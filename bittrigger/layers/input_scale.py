"""Scales of the inputs that are trained with the network and stay outside of the firmware. Imports TensorFlow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from bittrigger.layers.keras_types import Option, Tensor

__all__ = ["InputScale"]

STEP = 4.0
"""How far the logarithm of a scale, and an offset, move for each unit of their weight: Adam moves all weights alike."""


@tf.keras.utils.register_keras_serializable(package="bittrigger")
class InputScale(tf.keras.layers.Layer):  # type: ignore[misc]
    """Computes `x * scale + offset` with a trained scale above 0 and a trained offset for each feature.

    A ternary layer gives the same slope to all features that it takes; this is where a feature that matters in a
    narrow range gets a steeper one, and what lies beyond saturates in the input quantizer behind. It stands in front of
    the network that is converted: fold `affine()` into the standardisation of the data.

    Inputs and outputs are `(events, features)`.
    """

    def build(self, input_shape: Option) -> None:
        """Create the weights; the layer starts as the identity."""
        for name in ("log_scale", "shift"):
            setattr(self, name, self.add_weight(name=name, shape=(input_shape[-1],), initializer="zeros"))
        super().build(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the scaled inputs, same shape."""
        return inputs * tf.exp(STEP * self.log_scale) + STEP * self.shift

    def affine(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return scale and offset, each of shape `(features,)`."""
        log_scale, shift = (weight.numpy().astype(np.float64) for weight in (self.log_scale, self.shift))
        return np.exp(STEP * log_scale), STEP * shift
