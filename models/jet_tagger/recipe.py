"""Train the jet tagger: 16 features of a jet, ternary 64-32-32, five logits.

Run from the repository root:

    bittrigger data make jets5 --events 50000 --seed 7 -o fresh.npz
    python models/jet_tagger/recipe.py --data jets5.npz --test fresh.npz

It writes model.h5, scaler.json, sample.npz and card.md into --out, by default the folder of this file. With `--epochs 0` it
measures the model that is there, and writes the card alone.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.data.jets5 import CLASSES
from bittrigger.layers import absmean_ternary, export_stock
from bittrigger.layers.keras_types import Model
from bittrigger.train import Split, accuracy, log_odds, one_vs_rest_auc, split_by_seed
from bittrigger.train.baselines import baseline_logits
from bittrigger.train.metrics import efficiency_at_rate
from bittrigger.train.probabilities import best_temperature, calibration_error
from bittrigger.train.recipes import (
    RecipeOptions,
    fit_keeping_best,
    kernel_rows,
    load_arrays,
    markdown_table,
    predict,
    prepare_tensorflow,
    reload,
    run_recipe,
    versions,
    write_json,
    write_text,
)

HIDDEN = (64, 32, 32)
VALIDATION_FRACTION = 0.07
TEST_FRACTION = 0.14
SAMPLE_ROWS = 4096
QCD_RATE = 0.01
"""Share of gluon and light-quark jets that pass a cut on top jets."""

INPUT_QUANTIZER = "quantized_bits(8,2,alpha=1)"
"""Steps of 1/32 in [-4, 4): on the committed sample at most 1.5 % of the values of a feature lie beyond."""

ACTIVATION_QUANTIZER = "quantized_relu(8,3)"
"""Steps of 1/32 in [0, 8): on the committed sample at most 0.005 % of the values of a hidden layer lie beyond."""

BIAS_QUANTIZER = "quantized_bits(12,3,alpha=1)"
"""Steps of 1/256 in [-8, 8)."""

BATCH_SIZE = 256
FLOAT_EPOCHS, EPOCHS = 40, 60
LEARNING_RATE = 3e-3


@dataclass(frozen=True)
class Jets:
    """Standardised jets, and which rows serve for what.

    `x` has shape `(n, 16)`, float32; `y` has shape `(n,)`, indices into `classes`. `mean` and
    `deviation`, shape `(16,)`, are those of the training rows: `x = (feature - mean) / deviation`.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int8]
    mean: npt.NDArray[np.float32]
    deviation: npt.NDArray[np.float32]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    split: Split


def run(options: RecipeOptions) -> None:
    """Train both nets with the first seed, export the ternary one and write its folder.

    The seed decides the split, the initial weights and the batches; the ternary net is trained for `options.epochs`, or not
    at all with 0: then `model.h5` stays.

    Raises:
        ConfigError: a data file is missing or lacks an array.
    """
    seed, epochs, out = options.seeds[0], options.epochs, options.out
    prepare_tensorflow(seed)
    jets = load_jets(options.data, seed)
    twin = train_twin(jets, seed)
    if epochs:
        ternary = train_ternary(jets, twin, seed, epochs)
        out.mkdir(parents=True, exist_ok=True)
        export_stock(ternary).save(out / "model.h5", include_optimizer=False)
        scaler = {"features": jets.features, "mean": jets.mean.tolist(), "deviation": jets.deviation.tolist()}
        write_json(out / "scaler.json", scaler)
        rows = jets.split.test[:SAMPLE_ROWS]
        np.savez_compressed(out / "sample.npz", x=jets.x[rows], y=jets.y[rows])
    fresh = load_arrays(options.test or options.data, ("X", "y"))
    x, y = ((fresh["X"] - jets.mean) / jets.deviation).astype(np.float32), fresh["y"].astype(np.int64)
    model = reload(out / "model.h5")
    train, validation = jets.split.train, jets.split.validation
    temperature = best_temperature(predict(model, jets.x[validation]), jets.y[validation])
    logits = {
        **baseline_logits(jets.x[train], jets.y[train], x, seed=seed),
        "float twin": predict(twin, x),
        "ternary, exported": predict(model, x),
    }
    write_text(
        out / "card.md",
        card(model, Measured(logits, y, temperature), jets, options.command("models/jet_tagger/recipe.py")),
    )


@dataclass(frozen=True)
class Measured:
    """The logits of the test jets by name, the shipped network's last; their labels; the temperature of the validation jets."""

    logits: Mapping[str, npt.NDArray[Any]]
    y: npt.NDArray[np.int64]
    temperature: float


def load_jets(data: Path, seed: int) -> Jets:
    """Return the standardised jets with a split that depends on `seed`."""
    arrays = load_arrays(data, ("X", "y", "features", "classes"))
    x, y = arrays["X"], arrays["y"]
    split = split_by_seed(y, validation=VALIDATION_FRACTION, test=TEST_FRACTION, seed=seed)
    mean, deviation = x[split.train].mean(axis=0), x[split.train].std(axis=0)
    return Jets(
        x=((x - mean) / deviation).astype(np.float32),
        y=y,
        mean=mean,
        deviation=deviation,
        features=tuple(map(str, arrays["features"])),
        classes=tuple(map(str, arrays["classes"])),
        split=split,
    )


def train_twin(jets: Jets, seed: int) -> Model:
    """Return the trained float net of the same shape."""
    import tensorflow as tf

    layers = tf.keras.layers
    inputs = tensor = layers.Input(jets.x.shape[1], name="jet")
    for i, units in enumerate((*HIDDEN, len(jets.classes))):
        initializer = tf.keras.initializers.HeNormal(seed=seed + i)
        activation = "relu" if i < len(HIDDEN) else None
        tensor = layers.Dense(units, activation, kernel_initializer=initializer, name=f"dense_{i + 1}")(tensor)
    twin = tf.keras.Model(inputs, tensor, name="float_twin")
    fit(twin, jets, FLOAT_EPOCHS)
    return twin


def train_ternary(jets: Jets, twin: Model, seed: int, epochs: int) -> Model:
    """Return the trained ternary net; its latent weights start from those of the twin."""
    import tensorflow as tf
    from qkeras import QActivation, QDense

    tf.keras.utils.set_random_seed(seed)
    inputs = tensor = tf.keras.layers.Input(jets.x.shape[1], name="jet")
    tensor = QActivation(INPUT_QUANTIZER, name="jet_int8")(tensor)
    for i, units in enumerate((*HIDDEN, len(jets.classes))):
        dense = QDense(units, kernel_quantizer=absmean_ternary(), bias_quantizer=BIAS_QUANTIZER, name=f"dense_{i + 1}")
        tensor = dense(tensor)
        if i < len(HIDDEN):
            tensor = QActivation(ACTIVATION_QUANTIZER, name=f"relu_{i + 1}")(tensor)
    ternary = tf.keras.Model(inputs, tensor, name="jet_tagger")
    ternary.set_weights(twin.get_weights())
    fit(ternary, jets, epochs)
    return ternary


def fit(model: Model, jets: Jets, epochs: int) -> None:
    """Train a net on the training rows; keep the epoch with the best macro AUC on the validation rows."""
    import tensorflow as tf

    train, validation = jets.split.train, jets.split.validation
    fit_keeping_best(
        model,
        (jets.x[train], jets.y[train]),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        score=lambda net: float(one_vs_rest_auc(predict(net, jets.x[validation]), jets.y[validation]).mean()),
        epochs=epochs,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
    )


def card(exported: Model, measured: Measured, jets: Jets, command: str) -> str:
    """Return the text of card.md.

    Args:
        exported: the ternary model as reloaded from `model.h5`.
        measured: on the test jets.
        jets: data and split of the training.
        command: what to type to make the card again.
    """
    rows, y = [], measured.y
    for name, logits in measured.logits.items():
        right, areas = accuracy(logits, y), one_vs_rest_auc(logits, y)
        deviation = math.sqrt(right * (1 - right) / len(y))
        figures = [f"{100 * right:.2f} ± {100 * deviation:.2f}", f"{areas.mean():.4f}"]
        rows.append([name, *figures, *(f"{area:.4f}" for area in areas)])
    header = ["score", "accuracy (%)", "macro AUC", *(f"AUC {name}" for name in jets.classes)]
    return f"""# Jet tagger

Five-class tagger of 1 TeV jets (g gluon, q light quark, w, z, t): {jets.x.shape[1]} features,
{"-".join(map(str, HIDDEN))} hidden units with ReLU, {len(jets.classes)} logits. Every kernel is ternary by the absmean
rule with a power of two as scale. The model ends at the logits: take the argmax, or cut on a difference of logits (below).
It is the network of the demo. Later trainings gave better ones: [jet_pareto](../jet_pareto/card.md).

The {jets.x.shape[1]} features are those of the hls4ml jet benchmark, of all particles of a jet. They do not exist at Level 1: the
network shows what a ternary one costs and keeps, not a trigger.

## Result

On {len(y)} fresh test jets, measured on `model.h5`:

{markdown_table(header, rows)}
AUC is of softmax probabilities, each class against all others. The float twin has the same shape with float32 weights and
activations. The error is the binomial one of the test sample; all scores see the same jets. Of the networks one seed was
trained: another start moves the accuracy by some tenths of a point.

{cuts(measured, jets.classes)}
## Layers

{markdown_table(["layer", "inputs x units", "kernel quantizer", "zero weights"], kernel_rows(exported))}
Inputs are quantised by `{INPUT_QUANTIZER}`, hidden units by `{ACTIVATION_QUANTIZER}`,
biases by `{BIAS_QUANTIZER}`. There is no BatchNormalization.

## Data and command

- Data: `jets5.npz`, {len(jets.x)} jets made with Pythia 8.317 and FastJet 3.5.2: particle level, longitudinal W and Z
  decays, the features of the hls4ml jet benchmark. Its classes are harder to tell apart than those of the public
  sets of that benchmark, so its accuracies are not to be set beside theirs. Cite Pythia 8.3, FastJet and
  FastJet-contrib.
- Test jets: all of `fresh.npz`, which `bittrigger data make jets5 --events 50000 --seed 7 -o fresh.npz` makes; nothing was
  chosen by them.
- Split by seed, the same share of each class: {jets.split}, of which the last are known from earlier
  versions of this card and serve for `sample.npz` alone. The epoch is chosen on the validation jets, by macro AUC.
- The net takes standardised features, `(feature - mean) / deviation` in float32 with the values of `scaler.json`,
  which are those of the training jets; the division is not part of the firmware.
- Command: `{command}`
- Training: {FLOAT_EPOCHS} epochs of the float twin, then {EPOCHS} of the ternary net from its weights; Adam from
  {LEARNING_RATE} with cosine decay, batches of {BATCH_SIZE}. The `model.h5` that is committed got its epoch by the areas of raw
  logits, as an earlier version of the recipe did; it stays, since other figures refer to its firmware, and `--epochs 0`
  measures it. `--epochs {EPOCHS}` trains anew.
- Made with {versions(["tensorflow-cpu", "QKeras", "numpy"])}.
- `sample.npz`: {min(SAMPLE_ROWS, len(jets.split.test))} jets of the last part of the split; `x` standardised float32,
  `y` class index.
"""


def cuts(measured: Measured, classes: Sequence[str]) -> str:
    """Return what a cut on a single logit and one on a difference of logits keep, as a paragraph; for the classes of jets5."""
    logits, y = list(measured.logits.values())[-1], measured.y
    if tuple(classes) != CLASSES:
        return ""
    top, qcd = CLASSES.index("t"), tuple(CLASSES.index(name) for name in "gq")
    background, signal = np.isin(y, qcd), y == top
    kept = [
        efficiency_at_rate(score[background], score[signal], QCD_RATE)
        for score in (logits[:, top], log_odds(logits, top, qcd))
    ]
    words = [f"{each.value:.3f} ± {each.error:.3f}" for each in kept]
    before, after = (calibration_error(logits / t, y) for t in (1.0, measured.temperature))
    return f"""A tagger is cut on a *difference* of logits, since what is common to all logits of a jet is arbitrary: where
{QCD_RATE:.0%} of the gluon and light-quark jets pass, a cut on the top logit alone keeps {words[0]} of the top jets, and one
on `log_odds(logits, t, (g, q))` of `bittrigger.train`, which is `log(p_t / (p_g + p_q))`, keeps {words[1]}.

As probabilities the logits are wrong by {before:.4f} (expected calibration error, 20 bins); divided by
{measured.temperature:.3f}, which the validation jets give (`best_temperature`), by {after:.4f}. That changes no argmax.
"""


if __name__ == "__main__":
    sys.exit(run_recipe(run, __doc__, Path(__file__).parent, data="jets5.npz", test="fresh.npz", epochs=EPOCHS))
