"""Quark-gluon taggers on few constituents, with and without attention between them: float, and in integers.

The same layers stand in all of them, named alike, so that a float network gives the ternary one its first weights.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from deep_sets import FEATURES, INPUT

from bittrigger.layers import (
    AttentionSettings,
    BitActivation,
    BitLinear,
    StaticQuantizer,
    absmean_ternary,
    bit_attention,
)
from bittrigger.layers.keras_types import Model

CONSTITUENTS = 8
UNITS = 16
BITS = 5
"""Of an activation."""

SETTINGS = AttentionSettings(heads=1, key_units=4, value_units=8, code_bits=4, weight_bits=3)
DEEP_SETS, ATTENTION = "DeepSets", "attention"


def build(kind: str, *, ternary: bool) -> Model:
    """Return a network: layers on each constituent, for `ATTENTION` the block between them, their mean, two layers, a logit.

    In `DEEP_SETS` a layer of as many units stands in the place of the block, beside the same skip.
    """
    jet = tf.keras.Input((CONSTITUENTS, len(FEATURES)), name="jet")
    net = _Bits() if ternary else _Floats()
    tensor = net.relu(net.linear(jet, UNITS, "each_1", INPUT), "each_relu")
    between = net.attention(tensor) if kind == ATTENTION else net.linear(tensor, UNITS, "each_2")
    tensor = tf.keras.layers.Add(name="sum")([between, net.linear(tensor, UNITS, "skip")])
    tensor = net.relu(tensor, "sum_relu")
    tensor = tf.keras.layers.GlobalAveragePooling1D(name="mean")(tensor)
    mean = StaticQuantizer(bits=8, signed=False, integer=2)
    tensor = net.relu(net.linear(tensor, UNITS, "mean_1", mean), "mean_relu")
    name = f"quark_gluon_{'attention' if kind == ATTENTION else 'deep_sets'}"
    return tf.keras.Model(jet, net.linear(tensor, 1, "logit"), name=name)


def take_weights(model: Model, twin: Model) -> None:
    """Start the latent weights of a ternary network from its float twin."""
    for source in twin.layers:
        if source.weights:
            for variable, value in zip(model.get_layer(source.name).weights[:2], source.get_weights(), strict=True):
                variable.assign(value)


class _Bits:
    """Layers in integers."""

    def linear(self, tensor: Any, units: int, name: str, quantizer: StaticQuantizer | None = None) -> Any:  # noqa: ANN401
        kernel = absmean_ternary(SETTINGS.threshold_factor)
        return BitLinear(units, input_quantizer=quantizer, kernel_quantizer=kernel, name=name)(tensor)

    def relu(self, tensor: Any, name: str) -> Any:  # noqa: ANN401
        return BitActivation(StaticQuantizer(bits=BITS, signed=False, integer=2), name=name)(tensor)

    def attention(self, tensor: Any) -> Any:  # noqa: ANN401
        return bit_attention(tensor, UNITS, SETTINGS)


class _Floats:
    """The same in float32."""

    def linear(self, tensor: Any, units: int, name: str, _: StaticQuantizer | None = None) -> Any:  # noqa: ANN401
        return tf.keras.layers.Dense(units, name=name)(tensor)

    def relu(self, tensor: Any, name: str) -> Any:  # noqa: ANN401
        return tf.keras.layers.ReLU(name=name)(tensor)

    def attention(self, tensor: Any) -> Any:  # noqa: ANN401
        sizes = {"q0": SETTINGS.key_units, "k0": SETTINGS.key_units, "v0": SETTINGS.value_units}
        maps = {what: self.linear(tensor, size, f"attention_{what}") for what, size in sizes.items()}
        scores = tf.keras.layers.Dot(axes=(2, 2), name="attention_scores0")([maps["q0"], maps["k0"]])
        weights = tf.keras.layers.ReLU(name="attention_weights0")(scores)
        mean = tf.keras.layers.Rescaling(1 / CONSTITUENTS, name="attention_mean")(weights)
        taken = tf.keras.layers.Dot(axes=(2, 1), name="attention_taken0")([mean, maps["v0"]])
        return self.linear(taken, UNITS, "attention_out")
