"""The width of an activation quantizer as a weight that training changes. Importing this module imports TensorFlow.

The weight is a real number from 2 to the `bits` of the settings; what the quantizer uses is that number rounded, so Keras
computes with whole widths at every step and the firmware has the same bits. The gradient goes straight through this rounding.
With the range `2**r` fixed, a width of `w` bits has the step `2**(r - w + sign)`, and the derivatives of a quantised value are

    -ln 2 * step * (round(x / step) - x / step)    within the range
    +ln 2 * step                                   above the highest code, which lies a step below the range
    0                                              below the lowest code

They are not scaled, unlike those of the range: the sum of loss and adder cost is then weighed as it stands. To second order in
the step, the first of them has the mean of the derivative of the quantisation's part of the loss.

Source: Mixed Precision DNNs, arXiv:1905.11452, for a step and a range with straight-through gradients, from which the width
follows; here range and width are kept instead, as exponents of two.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from bittrigger.layers.keras_types import Layer, Model, Tensor

if TYPE_CHECKING:
    from bittrigger.layers.activations import StaticQuantizer

__all__ = ["LEAST_BITS", "add_width", "at_width", "model_widths", "rounded_width", "width_of"]

LEAST_BITS = 2

_LN2 = math.log(2.0)


def add_width(layer: Layer, settings: StaticQuantizer) -> Tensor:
    """Create and return the weight of `layer` that holds the width; it starts at `settings.bits`, and stays within bounds."""
    return layer.add_weight(
        name="width_bits",
        shape=(),
        dtype="float32",
        initializer=tf.keras.initializers.Constant(float(settings.bits)),
        # Beyond a bound there would be no gradient that leads back.
        constraint=lambda width: tf.clip_by_value(width, float(LEAST_BITS), float(settings.bits)),
    )


def width_of(weight: Tensor, settings: StaticQuantizer) -> int:
    """Return the whole number of bits that a layer rounds its width to."""
    return int(np.clip(np.rint(np.float32(weight)), LEAST_BITS, settings.bits))


def rounded_width(weight: Tensor, settings: StaticQuantizer) -> Tensor:
    """Return the width as a whole number, a float32 scalar; its gradient goes straight through the rounding."""
    within = tf.clip_by_value(tf.cast(weight, tf.float32), float(LEAST_BITS), float(settings.bits))
    return tf.stop_gradient(tf.round(within)) + (within - tf.stop_gradient(within))


def at_width(weight: Tensor, settings: StaticQuantizer, step: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return step, lowest and highest code of a quantizer at the width that it has now; exact, with gradients.

    Args:
        weight: the width, a scalar.
        settings: of the quantizer; its `bits` are those of `step`.
        step: at the greatest width, a power of two.
    """
    width = rounded_width(weight, settings)
    whole = tf.cast(tf.round(tf.stop_gradient(width)), tf.int32)
    tilt = _LN2 * (width - tf.stop_gradient(width))
    reach = _power_of_two(whole - int(settings.signed)) * (1.0 + tilt)
    lowest = -reach if settings.signed else tf.zeros_like(reach)
    return step * _power_of_two(settings.bits - whole) * (1.0 - tilt), lowest, reach - 1.0


def model_widths(model: Model) -> dict[str, int]:
    """Return the learned widths in bits of a built model by the name of their layer; layers with a fixed width are left out."""
    learned = [module for module in model.submodules if getattr(module, "width_bits", None) is not None]
    order = [layer.name for layer in getattr(model, "layers", ())]
    learned.sort(key=lambda layer: order.index(layer.name) if layer.name in order else len(order))
    return {layer.name: width_of(layer.width_bits, layer.input_quantizer) for layer in learned}


def _power_of_two(exponent: Tensor) -> Tensor:
    """Return `2**exponent` of an int32 scalar, float32, made from its bits."""
    return tf.bitcast((exponent + 127) * (1 << 23), tf.float32)
