"""DeepSets on the leading constituents of a jet: the same small network on each, their mean, and a network on the mean.

The order of the constituents does not matter. Layers are named alike in the ternary network and in its float twin.

Source: Deep Sets, arXiv:1703.06114; Energy Flow Networks, arXiv:1810.05165.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from bittrigger.data import Constituents, pad
from bittrigger.layers import BitActivation, BitLinear, StaticQuantizer, absmean_ternary
from bittrigger.layers.keras_types import Model

FEATURES = ("log share of pT", "rapidity", "azimuth", "distance", "number of constituents")
"""Of a constituent: `0.8 (log(pT / jet pT) + 3)`; rapidity, azimuth and distance from the axis of the jet, times 10; and of
all constituents of the jet, also of those beyond the last slot: `(n - 44) / 16`, next to what an input can count."""

ABSENT = (-4.0, 0.0, 0.0, 0.0)
"""The features of a missing constituent but the last: the first has its lowest code."""

EACH = (32, 16)
MEAN = (16,)
BITS = 6
"""Of an activation."""

THRESHOLD_FACTOR = 0.7
INPUT = StaticQuantizer(bits=8, signed=True, integer=2)


def constituent_features(sample: Constituents, constituents: int) -> npt.NDArray[np.float32]:
    """Return the features `(n, constituents, 5)` of the leading constituents, by falling pT."""
    momenta, _ = pad(sample, constituents)
    share = momenta[:, :, 0] / sample.jet[:, None, 0]
    rapidity = 10 * (momenta[:, :, 1] - sample.jet[:, None, 1])
    azimuth = 10 * (momenta[:, :, 2] - sample.jet[:, None, 2])
    columns = [0.8 * (np.log(np.maximum(share, 1e-6)) + 3), rapidity, azimuth, np.hypot(rapidity, azimuth)]
    own = np.where(momenta[:, :, :1] > 0, np.stack(columns, axis=2), ABSENT)
    number = np.broadcast_to(((sample.counts - 44) / 16)[:, None, None], (*own.shape[:2], 1))
    return np.concatenate([own, number], axis=2).astype(np.float32)


def build_twin(constituents: int) -> Model:
    """Return the float network; its output is a logit, positive for a quark."""
    layers = tf.keras.layers
    jet = tensor = tf.keras.Input((constituents, len(FEATURES)), name="jet")
    for i, units in enumerate(EACH, start=1):
        tensor = layers.Dense(units, "relu", kernel_initializer="he_normal", name=f"each_{i}")(tensor)
    tensor = layers.GlobalAveragePooling1D(name="mean")(tensor)
    for i, units in enumerate(MEAN, start=1):
        tensor = layers.Dense(units, "relu", kernel_initializer="he_normal", name=f"mean_{i}")(tensor)
    return tf.keras.Model(jet, layers.Dense(1, name="logit")(tensor), name="float_twin")


def build_ternary(twin: Model, constituents: int) -> Model:
    """Return the ternary network; its latent weights start from those of `twin`."""
    relu = StaticQuantizer(bits=BITS, signed=False, integer=2)

    def layer(units: int, name: str, quantizer: StaticQuantizer) -> BitLinear:
        return BitLinear(
            units, input_quantizer=quantizer, kernel_quantizer=absmean_ternary(THRESHOLD_FACTOR), name=name
        )

    jet = tensor = tf.keras.Input((constituents, len(FEATURES)), name="jet")
    for i, units in enumerate(EACH, start=1):
        tensor = layer(units, f"each_{i}", INPUT if i == 1 else relu)(tensor)
    tensor = BitActivation(relu, name="each_relu")(tensor)
    tensor = tf.keras.layers.GlobalAveragePooling1D(name="mean")(tensor)
    for i, units in enumerate(MEAN, start=1):
        tensor = layer(units, f"mean_{i}", StaticQuantizer(bits=8, signed=False, integer=2) if i == 1 else relu)(tensor)
    ternary = tf.keras.Model(jet, layer(1, "logit", relu)(tensor), name="quark_gluon")
    for source in twin.layers:
        if source.weights:
            for variable, value in zip(ternary.get_layer(source.name).weights[:2], source.get_weights(), strict=True):
                variable.assign(value)
    return ternary
