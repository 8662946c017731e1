"""The adders of a ternary layer as a number that training can lower. Importing this module imports TensorFlow.

A column of a kernel with `n` weights that are not zero is a sum of `n` operands of `w` bits. A balanced tree makes it of
`n - 1` two-input adders; half of them have results of `w + 1` bits, a quarter `w + 2`, and so on, `w + 2` in the mean.
The cost of a layer is therefore

    sum over the columns of max(n - 1, 0) * (w + 2)

bits of adders. It ignores what the solver shares between columns, so the firmware takes a quarter to one LUT for each;
docs/training.md says how the two go together.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from bittrigger.layers.keras_types import Layer, Model, Quantizer, Tensor

__all__ = ["GROWTH_BITS", "AdderCostReport", "adder_bits", "adder_bits_loss", "layer_adder_bits", "model_adder_bits"]

_log = logging.getLogger(__name__)

GROWTH_BITS = 2
"""Mean growth of the operands in a balanced tree: the sum of `l / 2**l` over its levels `l`."""


def adder_bits(codes: npt.NDArray[Any], operand_bits: int) -> int:
    """Return the adder bits of a kernel whose last axis is that of the outputs.

    Args:
        codes: `(..., n_out)`; only whether a value is zero matters.
        operand_bits: width of the inputs.
    """
    columns = np.asarray(codes).reshape(-1, np.shape(codes)[-1])
    adders = np.maximum(np.count_nonzero(columns, axis=0) - 1, 0)
    return int(adders.sum()) * (operand_bits + GROWTH_BITS)


def layer_adder_bits(layer: Layer) -> int:
    """Return the adder bits of a bit layer as it is now."""
    codes, _ = layer.kernel_quantizer_internal.codes_and_scale(layer.kernel)
    return adder_bits(codes.numpy(), operand_bits_now(layer))


def operand_bits_now(layer: Layer) -> int:
    """Return the width of the inputs of a bit layer as it is now, which training changes if it is learned."""
    settings = layer.quantizer_now()
    return int(layer.operand_bits if settings is None else settings.bits)


def adder_bits_loss(kernel: Tensor, quantizer: Quantizer, operand_bits: int | Tensor) -> Tensor:
    """Return the adder bits of a latent kernel, float32, with a gradient that draws weights towards zero.

    With a learned width it narrows the inputs as well: a bit less saves one bit of every adder.

    The value is that of `adder_bits`. In the gradient a weight counts `min(|W| / t, 1)`, where `t` is the magnitude at
    which RoundClip saturates, twice the threshold; it follows the kernel, but gets no gradient. So weights that
    are large stay, and those near the threshold shrink.

    Args:
        kernel: latent kernel `(..., n_out)`.
        quantizer: an `absmean_ternary`.
        operand_bits: width of the inputs; a scalar of `rounded_width` if it is learned.
    """
    codes, _ = quantizer.codes_and_scale(kernel)
    present = tf.cast(tf.abs(codes), tf.float32)
    saturated = tf.stop_gradient(2 * quantizer.threshold_factor * tf.reduce_mean(tf.abs(kernel)) + 1e-12)
    relaxed = tf.minimum(tf.abs(kernel) / saturated, 1.0)
    counted = tf.stop_gradient(present) + (relaxed - tf.stop_gradient(relaxed))
    columns = tf.reduce_sum(tf.reshape(counted, (-1, kernel.shape[-1])), axis=0)
    return tf.reduce_sum(tf.nn.relu(columns - 1.0)) * tf.cast(operand_bits + GROWTH_BITS, tf.float32)


def bit_layers(model: Model) -> Iterator[Layer]:
    """Yield each layer with an absmean kernel, those inside of other layers and of subclassed models included."""
    for module in model.submodules:
        quantizer = getattr(module, "kernel_quantizer_internal", None)
        if hasattr(quantizer, "codes_and_scale") and hasattr(module, "operand_bits") and module.built:
            yield module


def model_adder_bits(model: Model) -> dict[str, int]:
    """Return the adder bits of each bit layer of `model` by its name."""
    return {layer.name: layer_adder_bits(layer) for layer in bit_layers(model)}


class AdderCostReport(tf.keras.callbacks.Callback):  # type: ignore[misc]
    """Reports the adder bits after each epoch: in the history of `fit` as `adder_bits`, and a log line with each layer.

    Attributes:
        epochs: for each epoch the adder bits of each layer by its name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[Mapping[str, int]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the adders."""
        found = model_adder_bits(self.model)
        self.epochs.append(found)
        if logs is not None:
            logs["adder_bits"] = sum(found.values())
        parts = ", ".join(f"{name} {count}" for name, count in found.items())
        _log.info("epoch %d: %d adder bits: %s", epoch + 1, sum(found.values()), parts)
