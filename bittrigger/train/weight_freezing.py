"""Weights that go to and fro between two codes are frozen on the code they had most of the time. Imports TensorFlow.

With straight-through gradients a latent weight near its threshold crosses it every few steps, at any step size: one code is
too much, the other too little. The network that a training ends with then depends on the step at which it ends. What is
frozen no longer moves the others, and they settle too.

Source: Overcoming Oscillations in Quantization-Aware Training, arXiv:2203.11086, section 4.2 (iterative weight freezing).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from bittrigger.errors import ConfigError
from bittrigger.layers.adder_cost import bit_layers
from bittrigger.layers.keras_types import Layer, Model
from bittrigger.layers.quantizers import absmean, absmean_ternary

__all__ = ["WeightFreezing"]

MEMORY = 0.01
"""Weight of a step in the running means of the codes and of their changes: they look back some hundred steps."""

MARGIN = 0.05
"""Distance that a frozen weight keeps from the threshold, as a share of it: other weights move the threshold."""


class WeightFreezing(tf.keras.callbacks.Callback):  # type: ignore[misc]
    """Freezes the codes of ternary kernels that change too often, once `active`.

    For each weight there are four numbers in `state`, `(4, *kernel shape)`: its code, the running mean of its codes (the code
    itself once it is frozen), the running mean of its changes a step, and 1 if it is frozen. The latent weight of a frozen one
    is moved back to its side of the threshold after each step, so that the saved kernel has the code.

    Args:
        model: its layers with an `absmean_ternary` kernel are frozen.
        rate: changes a step above which a weight is frozen.

    Raises:
        ConfigError: there is no such layer.
    """

    def __init__(self, model: Model, rate: float) -> None:
        super().__init__()
        self._supports_tf_logs = True
        self._layers = [
            layer for layer in bit_layers(model) if isinstance(layer.kernel_quantizer_internal, absmean_ternary)
        ]
        if not self._layers:
            raise ConfigError(
                f"model {model.name!r}: it has no ternary kernel to freeze; expected a layer with absmean_ternary, such as "
                "BitLinear; leave `freeze_from` out"
            )
        self._rate = rate
        self.active = tf.Variable(False, trainable=False)
        self._state = [tf.Variable(_first(layer), trainable=False) for layer in self._layers]
        self._step = tf.function(self._update)

    @property
    def state(self) -> list[npt.NDArray[np.float32]]:
        """The numbers of each kernel."""
        return [variable.numpy() for variable in self._state]

    def restore(self, state: Sequence[npt.NDArray[np.float32]]) -> None:
        """Go on from `state`."""
        for variable, value in zip(self._state, state, strict=True):
            variable.assign(value)

    def share(self) -> float:
        """Return the share of the weights that are frozen."""
        return float(np.mean(np.concatenate([value[3].ravel() for value in self.state])))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the codes, and freeze what has to be."""
        del batch, logs
        self._step()

    def _update(self) -> None:
        for layer, variable in zip(self._layers, self._state, strict=True):
            quantizer, latent = layer.kernel_quantizer_internal, layer.kernel
            before, mean, changes, frozen = tf.unstack(variable)
            codes = tf.cast(quantizer.codes_and_scale(latent)[0], tf.float32)
            free = frozen < 1
            mean = tf.where(free, mean + MEMORY * (codes - mean), mean)
            changes += MEMORY * (tf.cast(codes != before, tf.float32) - changes)
            now = self.active & free & (changes > self._rate)
            mean = tf.where(now, tf.round(mean), mean)
            free &= ~now
            edge = tf.cast(quantizer.edge(absmean(tf.cast(latent, tf.float64))), tf.float32)
            near, far = (1 - MARGIN) * edge, (1 + MARGIN) * edge
            kept = tf.where(mean == 0, tf.clip_by_value(latent, -near, near), mean * tf.maximum(mean * latent, far))
            latent.assign(tf.where(free, latent, kept))
            variable.assign(tf.stack([codes, mean, changes, tf.cast(~free, tf.float32)]))


def _first(layer: Layer) -> npt.NDArray[np.float32]:
    """The numbers of a kernel before the first step."""
    codes = layer.kernel_quantizer_internal.codes_and_scale(layer.kernel)[0].numpy().astype(np.float32)
    return np.stack([codes, codes, np.zeros_like(codes), np.zeros_like(codes)])
