"""The jets of this folder: what the network reads, what is known of a jet without one, and the networks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from qkeras import QDense

from bittrigger.data import TriggerJets, load_l1_jets
from bittrigger.data.level1.jets import COLUMNS, PARTICLES
from bittrigger.errors import ConfigError
from bittrigger.layers import BitActivation, BitLinear, KeepMagnitude, StaticQuantizer, absmean_ternary
from bittrigger.layers.keras_types import Model

FEATURES = (
    "pt / 128",
    "pt / 8",
    "eta / 32",
    "phi / 32",
    "charged",
    "photon",
    "lepton",
    "|dxy| / 8",
    "n / 8",
    "jet pt / 256",
)
"""Of a candidate, from the integers of the trigger: powers of two and flags, wires in firmware; the last two are of the jet."""

CHARGED = tuple(PARTICLES.index(name) for name in ("electron", "muon", "charged hadron"))
LEPTONS = tuple(PARTICLES.index(name) for name in ("electron", "muon"))

EACH, MEAN = (32, 16), (16,)
BITS = 6
FIRST_BITS = 8
"""Of the kernel of the first layer; that of the others is ternary."""

THRESHOLD_FACTOR = 0.7
INPUT = StaticQuantizer(bits=8, signed=True, integer=2)

VALIDATION_FRACTION, HELD_OUT, SPLIT_SEED = 0.1, 0.2, 1

OBSERVABLES = (
    "pT",
    "|eta|",
    "n",
    "charged",
    "leptons",
    "pTD",
    "girth",
    "leading share",
    "largest |dxy|",
    "second |dxy|",
)

Real = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Jets:
    """Jets to train on, of which some choose the epoch, and others that are measured on alone."""

    known: TriggerJets
    fresh: TriggerJets
    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]

    def __str__(self) -> str:
        """Return the numbers of jets in words."""
        return f"{len(self.train)} train, {len(self.validation)} validation, {len(self.fresh.y)} test"


def load(data: Path, test: Path | None) -> Jets:
    """Return the jets, split in the same way for each seed of a training; `data` as `test` holds a fifth of it out.

    Raises:
        ConfigError: there is no such file, it is not of these jets, or two files hold the same.
    """
    if test is None:
        raise ConfigError("no test file: expected jets of another seed than --data; give them with --test")
    if test == data:
        every = load_l1_jets(data)
        rows = np.random.default_rng([SPLIT_SEED, 1]).permutation(len(every.y))
        held = round(HELD_OUT * len(rows))
        known, fresh = _of_rows(every, rows[held:]), _of_rows(every, rows[:held])
    else:
        known, fresh = load_l1_jets(data), load_l1_jets(test)
    shared = min(len(known.y), len(fresh.y))
    if np.array_equal(known.particles[:shared], fresh.particles[:shared]):
        raise ConfigError(f"--data {data} and --test {test}: both hold the same jets; expected files of two seeds")
    rows = np.random.default_rng(SPLIT_SEED).permutation(len(known.y))
    held = round(VALIDATION_FRACTION * len(rows))
    return Jets(known, fresh, rows[held:], rows[:held])


def _of_rows(jets: TriggerJets, rows: npt.NDArray[np.int64]) -> TriggerJets:
    arrays = {name: getattr(jets, name)[rows] for name in ("particles", "jet", "counts", "y")}
    return replace(jets, **arrays)


def features(jets: TriggerJets) -> Real:
    """Return what the network reads of the candidates, `(n, 16, 10)`; a missing one has zeros but for what is of the jet."""
    pt, eta, phi, kind, dxy = (jets.particles[:, :, COLUMNS.index(name)].astype(np.float32) for name in COLUMNS)
    flags = [np.isin(kind, CHARGED), kind == PARTICLES.index("photon"), np.isin(kind, LEPTONS)]
    of_jet = [np.broadcast_to(values[:, None], pt.shape) for values in (jets.counts / 8, jets.jet[:, 0] / 256)]
    columns = [pt / 128, pt / 8, eta / 32, phi / 32, *flags, np.abs(dxy) / 8, *of_jet]
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=2)


def observables(jets: TriggerJets) -> Real:
    """Return what is known of a jet without a network, `(n, 10)`, see `OBSERVABLES`; of its leading candidates but for n."""
    pt, eta, phi, kind, dxy = (jets.particles[:, :, COLUMNS.index(name)].astype(np.float64) for name in COLUMNS)
    total = np.maximum(pt.sum(axis=1), 1)
    displaced = np.sort(np.abs(dxy), axis=1)
    columns = [
        jets.jet[:, 0],
        np.abs(jets.jet[:, 1]),
        jets.counts,
        np.isin(kind, CHARGED).sum(axis=1),
        np.isin(kind, LEPTONS).sum(axis=1),
        np.sqrt((pt**2).sum(axis=1)) / total,
        (pt * np.hypot(eta, phi)).sum(axis=1) / total,
        pt[:, 0] / total,
        np.minimum(displaced[:, -1], 40),
        np.minimum(displaced[:, -2], 40),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def build_twin(classes: int) -> Model:
    """Return the float network: the same layers on each candidate, their mean, layers on the mean, and logits."""
    layers = tf.keras.layers
    jet = tensor = tf.keras.Input((16, len(FEATURES)), name="jet")
    for i, units in enumerate(EACH, start=1):
        tensor = layers.Dense(units, "relu", kernel_initializer="he_normal", name=f"each_{i}")(tensor)
    tensor = layers.GlobalAveragePooling1D(name="mean")(tensor)
    for i, units in enumerate(MEAN, start=1):
        tensor = layers.Dense(units, "relu", kernel_initializer="he_normal", name=f"mean_{i}")(tensor)
    return tf.keras.Model(jet, layers.Dense(classes, name="logits")(tensor), name="float_twin")


def build_mixed(twin: Model, first_bits: int = FIRST_BITS) -> Model:
    """Return the ternary network, whose first layer has kernels of `first_bits`, 0 for ternary ones as well.

    Its latent weights start from those of `twin`.
    """
    relu = StaticQuantizer(bits=BITS, signed=False, integer=2)
    wide = StaticQuantizer(bits=8, signed=False, integer=2)
    jet = tensor = tf.keras.Input(twin.input_shape[1:], name="jet")
    for i, units in enumerate(EACH, start=1):
        if i == 1 and first_bits:
            tensor = BitActivation(INPUT, name="features")(tensor)
            tensor = _few_bits(twin, units, first_bits)(tensor)
        else:
            tensor = _ternary(twin, units, f"each_{i}", INPUT if i == 1 else relu)(tensor)
    tensor = BitActivation(relu, name="each_relu")(tensor)
    tensor = tf.keras.layers.GlobalAveragePooling1D(name="mean")(tensor)
    for i, units in enumerate(MEAN, start=1):
        tensor = _ternary(twin, units, f"mean_{i}", wide if i == 1 else relu)(tensor)
    mixed = tf.keras.Model(jet, _ternary(twin, twin.output_shape[-1], "logits", relu)(tensor), name="l1_jet_tagger")
    for source in twin.layers:
        if source.weights:
            layer, (kernel, bias) = mixed.get_layer(source.name), source.get_weights()
            if isinstance(layer, BitLinear):
                kernel = kernel * (magnitude_of(twin, source.name) / np.abs(kernel).mean())
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)
    return mixed


def _ternary(twin: Model, units: int, name: str, quantizer: StaticQuantizer) -> BitLinear:
    return BitLinear(
        units,
        input_quantizer=quantizer,
        kernel_quantizer=absmean_ternary(THRESHOLD_FACTOR),
        kernel_constraint=KeepMagnitude(magnitude_of(twin, name)),
        name=name,
    )


def _few_bits(twin: Model, units: int, bits: int) -> Any:  # noqa: ANN401 - an untyped library
    """The first layer, in whose range its float kernel fits."""
    largest = np.abs(twin.get_layer("each_1").get_weights()[0]).max()
    integer = max(0, math.ceil(math.log2(largest)))
    return QDense(
        units,
        kernel_quantizer=f"quantized_bits({bits},{integer},alpha=1)",
        bias_quantizer="quantized_bits(12,3,alpha=1)",
        name="each_1",
    )


def magnitude_of(twin: Model, name: str) -> float:
    """The power of two next to the mean size of the weights of a layer that stay, at which its latent kernel is kept."""
    sizes = np.abs(twin.get_layer(name).get_weights()[0])
    kept = sizes[sizes >= min(THRESHOLD_FACTOR * sizes.mean(), sizes.max())]
    return float(2.0 ** np.rint(np.log2(kept.mean())))
