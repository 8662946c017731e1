"""Train the event filter: 57 integers of a crossing, mixed kernels, one logit.

Run from the repository root:

    python models/event_filter/recipe.py --data l1_objects.npz

It writes model.h5, sample.npz and card.md into --out, by default the folder of this file.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bittrigger.layers import absmean_ternary, export_stock
from bittrigger.layers.keras_types import Model
from bittrigger.train import Split, roc_auc, split_by_seed
from bittrigger.train.baselines import baseline_logits
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
    write_text,
)

BACKGROUND = "zerobias"
SIGNALS = ("ttbar", "hto4l", "hinv")
HIDDEN = (32, 24, 16)
JET_PT_COLUMNS = slice(27, 57, 3)
"""Columns of the transverse momenta of the ten jets: after MET, four e/gamma and four muons."""

PT_COLUMNS = slice(0, 57, 3)
"""Columns of all transverse momenta."""

BATCH_SIZE = 128
LEARNING_RATE = 3e-3


@dataclass(frozen=True)
class Crossings:
    """The bunch crossings of all kinds, and which rows serve for what.

    `x` has shape `(n, 57)`, float32 whole numbers in hardware units. `kind` has shape `(n,)`:
    0 is zero bias, `1 + i` is `SIGNALS[i]`.
    """

    x: npt.NDArray[np.float32]
    kind: npt.NDArray[np.int8]
    split: Split

    @property
    def wanted(self) -> npt.NDArray[np.bool_]:
        """Which rows are signal, shape `(n,)`."""
        return self.kind > 0


def run(options: RecipeOptions) -> None:
    """Train both nets with the first seed, export the mixed one and write its folder.

    The seed decides the split, the initial weights and the batches; each net is trained for `options.epochs`.

    Raises:
        ConfigError: the data file is missing or lacks an array, or there is no epoch.
    """
    seed, epochs, out = options.seeds[0], options.epochs, options.out
    prepare_tensorflow(seed)
    crossings = load_crossings(options.data, seed)
    twin = train_twin(crossings, seed, epochs)
    mixed = train_mixed(crossings, twin, seed, epochs)
    out.mkdir(parents=True, exist_ok=True)
    export_stock(mixed).save(out / "model.h5", include_optimizer=False)
    exported = reload(out / "model.h5")
    test = crossings.split.test
    np.savez_compressed(
        out / "sample.npz", x=crossings.x[test], y=crossings.wanted[test].astype(np.int8), kind=crossings.kind[test]
    )
    scores = {
        "mixed net, exported": predict(exported, crossings.x[test])[:, 0],
        "float twin": predict(twin, standardised(crossings)[test])[:, 0],
        **without_network(crossings),
    }
    write_text(out / "card.md", card(exported, crossings, scores, options.command("models/event_filter/recipe.py")))


def without_network(crossings: Crossings) -> dict[str, npt.NDArray[np.float32]]:
    """Return scores of the test rows that need no network: sums of momenta, and a logistic regression of all 57 integers."""
    x, test, train = standardised(crossings), crossings.split.test, crossings.split.train
    logits = baseline_logits(x[train], crossings.wanted[train].astype(np.int64), x[test])["logistic regression"]
    return {
        "sum of jet pT alone": crossings.x[test][:, JET_PT_COLUMNS].sum(axis=1),
        "sum of all pT alone": crossings.x[test][:, PT_COLUMNS].sum(axis=1),
        "logistic regression of the integers": (logits[:, 1] - logits[:, 0]).astype(np.float32),
    }


def load_crossings(data: Path, seed: int) -> Crossings:
    """Return zero bias and the signals with a split that depends on `seed`."""
    names = (BACKGROUND, *SIGNALS)
    arrays = load_arrays(data, names)
    kind = np.concatenate([np.full(len(arrays[name]), i, dtype=np.int8) for i, name in enumerate(names)])
    x = np.concatenate([arrays[name] for name in names]).astype(np.float32)
    return Crossings(x, kind, split_by_seed(kind, validation=0.15, test=0.25, seed=seed))


def standardised(crossings: Crossings) -> npt.NDArray[np.float32]:
    """Return the inputs of the float twin, `(n, 57)`: mean 0 and deviation 1 on the training rows."""
    mean, deviation = moments(crossings)
    return ((crossings.x - mean) / deviation).astype(np.float32)


def moments(crossings: Crossings) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return mean and standard deviation of each column on the training rows; a constant column gets 1."""
    rows = crossings.x[crossings.split.train]
    deviation = rows.std(axis=0)
    return rows.mean(axis=0), np.where(deviation > 0, deviation, 1).astype(np.float32)


def train_twin(crossings: Crossings, seed: int, epochs: int) -> Model:
    """Return the trained float net of the same shape, for standardised inputs."""
    import tensorflow as tf

    layers = tf.keras.layers
    inputs = tensor = layers.Input(crossings.x.shape[1], name="crossing")
    for i, units in enumerate(HIDDEN):
        initializer = tf.keras.initializers.HeNormal(seed=seed + i)
        tensor = layers.Dense(units, use_bias=i > 0, kernel_initializer=initializer, name=f"dense_{i + 1}")(tensor)
        if i == 0:
            tensor = layers.BatchNormalization(momentum=0.9, name="norm_1")(tensor)
        tensor = layers.ReLU(name=f"relu_{i + 1}")(tensor)
    initializer = tf.keras.initializers.HeNormal(seed=seed + len(HIDDEN))
    logit = layers.Dense(1, kernel_initializer=initializer, name="logit")(tensor)
    twin = tf.keras.Model(inputs, logit, name="float_twin")
    fit(twin, crossings, standardised(crossings), epochs)
    return twin


def train_mixed(crossings: Crossings, twin: Model, seed: int, epochs: int) -> Model:
    """Return the trained net of 6-bit, ternary, binary and 4-bit kernels for raw integers.

    The first kernel starts from the twin's, with the standardisation folded in and each column
    scaled to [-1, 1); the BatchNormalization behind it learns the offset and the scale anew.
    """
    import tensorflow as tf
    from qkeras import QActivation, QDense

    tf.keras.utils.set_random_seed(seed)
    bias = "quantized_bits(10,4,alpha=1)"
    inputs = tensor = tf.keras.layers.Input(crossings.x.shape[1], name="crossing")
    tensor = QActivation("quantized_bits(12,11,alpha=1)", name="crossing_int12")(tensor)
    tensor = QDense(HIDDEN[0], use_bias=False, kernel_quantizer="quantized_bits(6,0,alpha=1)", name="dense_1")(tensor)
    tensor = tf.keras.layers.BatchNormalization(momentum=0.9, name="norm_1")(tensor)
    tensor = QActivation("quantized_relu(6,2)", name="relu_1")(tensor)
    tensor = QDense(HIDDEN[1], kernel_quantizer=absmean_ternary(), bias_quantizer=bias, name="dense_2")(tensor)
    tensor = QActivation("quantized_relu(6,3)", name="relu_2")(tensor)
    tensor = QDense(HIDDEN[2], kernel_quantizer="binary(alpha=1)", bias_quantizer=bias, name="dense_3")(tensor)
    tensor = QActivation("quantized_relu(8,5)", name="relu_3")(tensor)
    logit = QDense(1, kernel_quantizer="quantized_bits(4,0,alpha=1)", bias_quantizer=bias, name="logit")(tensor)
    mixed = tf.keras.Model(inputs, logit, name="event_filter")

    _, deviation = moments(crossings)
    kernel = twin.get_layer("dense_1").get_weights()[0] / deviation[:, np.newaxis]
    mixed.get_layer("dense_1").set_weights([kernel * (0.95 / np.abs(kernel).max(axis=0))])
    for name in ("dense_2", "dense_3", "logit"):
        mixed.get_layer(name).set_weights(twin.get_layer(name).get_weights())
    fit(mixed, crossings, crossings.x, epochs)
    return mixed


def fit(model: Model, crossings: Crossings, inputs: npt.NDArray[np.float32], epochs: int) -> None:
    """Train a net on the training rows; keep the epoch with the best AUC on the validation rows."""
    import tensorflow as tf

    train, validation = crossings.split.train, crossings.split.validation
    wanted = crossings.wanted
    fit_keeping_best(
        model,
        (inputs[train], wanted[train, np.newaxis].astype(np.float32)),
        loss=tf.keras.losses.BinaryCrossentropy(from_logits=True),
        score=lambda net: roc_auc(predict(net, inputs[validation])[:, 0], wanted[validation]),
        epochs=epochs,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
    )


def card(exported: Model, crossings: Crossings, scores: dict[str, npt.NDArray[np.float32]], command: str) -> str:
    """Return the text of card.md.

    Args:
        exported: the model as reloaded from `model.h5`.
        crossings: data and split.
        scores: by name, the score of each test row.
        command: what to type to make the folder again.
    """
    test = crossings.split.test
    kind = crossings.kind[test]
    rows = []
    for name, score in scores.items():
        each = [roc_auc(score[(kind == 0) | (kind == k)], kind[(kind == 0) | (kind == k)] > 0) for k in (1, 2, 3)]
        rows.append([name, f"{roc_auc(score, kind > 0):.4f}", *(f"{auc:.4f}" for auc in each)])
    counts = ", ".join(f"{np.count_nonzero(kind == i)} {name}" for i, name in enumerate((BACKGROUND, *SIGNALS)))
    return f"""# Event filter

One logit that separates hard processes from zero bias, from 57 integers of a bunch crossing. The net mixes kernels:
{crossings.x.shape[1]}-{"-".join(map(str, HIDDEN))}-1 with a 6-bit, a ternary, a binary and a 4-bit kernel, and a float
BatchNormalization after the first. It exists to try the converter on another shape than the jet tagger's.

## Result

Area under the ROC curve against zero bias on the held-out test rows,
measured on `model.h5` ({counts}):

{markdown_table(["score", "all signals", *SIGNALS], rows)}
{compared(rows)}
The samples are small: differences of one per cent mean nothing. The last rows need no network at all and are the figures to
beat. The twin has the same shape in float32 and standardised inputs.

## Layers

{markdown_table(["layer", "inputs x units", "kernel quantizer", "zero weights"], kernel_rows(exported))}
Inputs are whole numbers in hardware units, quantised by `quantized_bits(12,11,alpha=1)`: signed 12-bit integers. The
order is MET, four e/gamma, four muons, ten jets, each as pt, eta, phi; empty slots are zero.

## Data and command

- Data: `l1_objects.npz`, arrays {BACKGROUND}, {", ".join(SIGNALS)}: {len(crossings.x)} crossings, made with
  Pythia 8.317 and a trigger-tower simulation of its own with pile-up. It is a toy, not the CMS
  emulator. Cite Pythia 8.3.
- Split by seed, the same share of each kind: {crossings.split}.
  The epoch is chosen on the validation rows.
- Command: `{command}`
- Made with {versions(["tensorflow-cpu", "QKeras", "numpy"])}.
- Training: The float twin, then the mixed net from its weights; Adam from {LEARNING_RATE} with
  cosine decay, batches of {BATCH_SIZE}.
- `sample.npz`: all {len(test)} test rows; `x` float32 whole numbers, `y` 1 for signal, `kind` 0 for zero bias and
  1, 2, 3 for {", ".join(SIGNALS)}.
"""


def compared(rows: Sequence[Sequence[str]]) -> str:
    """Return for which signals the network, in the first row, is no better than what needs none, as a sentence."""
    lost = [
        name
        for i, name in enumerate(("all signals", *SIGNALS), start=1)
        if max(float(row[i]) for row in rows[2:]) >= float(rows[0][i])
    ]
    if not lost:
        return "The net is better than what needs none for each signal."
    return f"""**The net is no better than what needs none for {", ".join(lost)}**: it is here to try the converter,
and no filter to build."""


if __name__ == "__main__":
    sys.exit(run_recipe(run, __doc__, Path(__file__).parent, data="l1_objects.npz", epochs=120))
