"""Quark-gluon taggers on few constituents that differ in what passes between these: float, and in integers.

The same layers stand in all of them, named alike, so that a float network gives the ternary one its first weights.

Source: JEDI-linear, arXiv:2508.15468: sums over pairs as matrices of a constituent and of the mean; MLP-Mixer on jets,
arXiv:2503.03103.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import tensorflow as tf
from deep_sets import FEATURES, INPUT

from bittrigger.layers import (
    AttentionSettings,
    BitActivation,
    BitLinear,
    SoftmaxSettings,
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
SOFTMAX_SETTINGS = replace(SETTINGS, weight_bits=6, softmax=SoftmaxSettings())
"""The same with a softmax, whose weights are below 1 and need more bits."""

DEEP_SETS, ATTENTION, SOFTMAX, JEDI_LINEAR, MIXER = "DeepSets", "attention", "softmax-attention", "JEDI-linear", "Mixer"
"""What stands between the constituents: nothing, `bit_attention`, the same with a softmax, a matrix of their mean,
two layers along them."""

KINDS = (DEEP_SETS, JEDI_LINEAR, MIXER, ATTENTION, SOFTMAX)

MEAN = StaticQuantizer(bits=8, signed=False, integer=2)
"""Of a mean over constituents."""


def build(kind: str, *, ternary: bool, constituents: int = CONSTITUENTS) -> Model:
    """Return a network: a layer on each constituent, what `kind` has between them beside a skip, their mean, two layers."""
    jet = tf.keras.Input((constituents, len(FEATURES)), name="jet")
    net = _Bits() if ternary else _Floats()
    tensor = net.relu(net.linear(jet, UNITS, "each_1", INPUT), "each_relu")
    tensor = tf.keras.layers.Add(name="sum")([_between(net, kind, tensor), net.linear(tensor, UNITS, "skip")])
    tensor = net.relu(tensor, "sum_relu")
    tensor = tf.keras.layers.GlobalAveragePooling1D(name="mean")(tensor)
    tensor = net.relu(net.linear(tensor, UNITS, "mean_1", MEAN), "mean_relu")
    return tf.keras.Model(jet, net.linear(tensor, 1, "logit"), name=f"quark_gluon_{kind.lower().replace('-', '_')}")


def _between(net: _Bits | _Floats, kind: str, tensor: Any) -> Any:  # noqa: ANN401
    """What a constituent gets besides its own layer, `(events, constituents, UNITS)`."""
    constituents, layers = tensor.shape[1], tf.keras.layers
    if kind == JEDI_LINEAR:
        mean = layers.GlobalAveragePooling1D(name="others")(tensor)
        return layers.RepeatVector(constituents, name="repeat")(net.linear(mean, UNITS, "each_2", MEAN))
    if kind == MIXER:
        along = net.linear(layers.Permute((2, 1), name="turn")(tensor), constituents, "along_1")
        along = net.linear(net.relu(along, "along_relu"), constituents, "along_2")
        return layers.Permute((2, 1), name="turn_back")(along)
    if kind in (ATTENTION, SOFTMAX):
        return net.attention(tensor, softmax=kind == SOFTMAX)
    return net.linear(tensor, UNITS, "each_2")


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

    def attention(self, tensor: Any, *, softmax: bool) -> Any:  # noqa: ANN401
        return bit_attention(tensor, UNITS, SOFTMAX_SETTINGS if softmax else SETTINGS)


class _Floats:
    """The same in float32."""

    def linear(self, tensor: Any, units: int, name: str, _: StaticQuantizer | None = None) -> Any:  # noqa: ANN401
        return tf.keras.layers.Dense(units, name=name)(tensor)

    def relu(self, tensor: Any, name: str) -> Any:  # noqa: ANN401
        return tf.keras.layers.ReLU(name=name)(tensor)

    def attention(self, tensor: Any, *, softmax: bool) -> Any:  # noqa: ANN401
        sizes = {"q0": SETTINGS.key_units, "k0": SETTINGS.key_units, "v0": SETTINGS.value_units}
        maps = {what: self.linear(tensor, size, f"attention_{what}") for what, size in sizes.items()}
        scores = tf.keras.layers.Dot(axes=(2, 2), name="attention_scores0")([maps["q0"], maps["k0"]])
        if softmax:
            even = tf.keras.layers.Rescaling(SETTINGS.key_units**-0.5, name="attention_even")(scores)
            mean = tf.keras.layers.Softmax(name="attention_weights0")(even)
        else:
            weights = tf.keras.layers.ReLU(name="attention_weights0")(scores)
            mean = tf.keras.layers.Rescaling(1 / tensor.shape[1], name="attention_mean")(weights)
        taken = tf.keras.layers.Dot(axes=(2, 1), name="attention_taken0")([mean, maps["v0"]])
        return self.linear(taken, UNITS, "attention_out")
