"""Names for Keras objects in annotations: TensorFlow 2.14 and QKeras 0.9 ship no type stubs."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["Layer", "Loss", "Model", "Option", "Quantizer", "Tensor"]

Layer: TypeAlias = Any
"""A `tf.keras.layers.Layer`."""

Loss: TypeAlias = Any
"""A `tf.keras.losses.Loss`, or its name."""

Model: TypeAlias = Any
"""A `tf.keras.Model`."""

Option: TypeAlias = Any
"""An argument of a Keras layer or model, in any of the forms that Keras takes."""

Quantizer: TypeAlias = Any
"""A QKeras quantizer object, or `absmean_ternary`."""

Tensor: TypeAlias = Any
"""A `tf.Tensor`, `tf.Variable` or what converts to one."""
