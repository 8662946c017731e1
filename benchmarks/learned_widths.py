"""Learned activation widths against fixed ones on the five-class jets: python benchmarks/learned_widths.py --data jets5.npz."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bittrigger.explore.estimate import estimate_luts
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.layers.keras_types import Model
from bittrigger.settings import Settings
from bittrigger.train import FitSettings, Split, accuracy, fit, one_vs_rest_auc, split_by_seed
from bittrigger.train.recipes import load_arrays, markdown_table, predict, prepare_tensorflow

HIDDEN = (64, 32, 32)
FIXED = ((8, 0.0), (6, 0.0), (5, 0.0), (4, 0.0), (5, 1e-5), (4, 1e-5), (4, 3e-5))
"""Bits of all activations, and cost strength."""

STRENGTHS = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4)
"""Of learned widths, which start at 8 bits."""


@dataclass(frozen=True, eq=False)
class Jets:
    """Standardised jets `(n, 16)`, labels `(n,)`, and which rows serve for what."""

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int8]
    split: Split


def main() -> None:
    """Train a network for each line of the table and print it as it grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="jets5.npz")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs, which can be resumed")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with quiet_tensorflow():
        prepare_tensorflow(options.seed)
        jets = load_jets(options.data, options.seed)
        print(markdown_table(["widths", "cost strength", "bits", "accuracy (%)", "macro AUC", "LUT"], []), end="")
        lines = [(*line, False) for line in FIXED] + [(8, strength, True) for strength in STRENGTHS]
        for bits, strength, learned in lines:
            kind = "learned" if learned else "fixed"
            model = network(bits, strength, options.seed, learned=learned)
            settings = FitSettings(options.epochs, 256, 3e-3, seed=options.seed)
            cells = run(model, jets, settings, options.out / f"{kind}_{bits}_{strength:g}")
            print("| " + " | ".join([kind, f"{strength:g}", *cells]) + " |", flush=True)


def load_jets(path: Path, seed: int) -> Jets:
    """The jets of jets5.npz, split and standardised as in models/jet_tagger."""
    arrays = load_arrays(path, ("X", "y"))
    x, y = arrays["X"], arrays["y"]
    split = split_by_seed(y, validation=0.07, test=0.14, seed=seed)
    mean, deviation = x[split.train].mean(axis=0), x[split.train].std(axis=0)
    return Jets(((x - mean) / deviation).astype(np.float32), y, split)


def network(bits: int, strength: float, seed: int, *, learned: bool) -> Model:
    """The ternary network of the table, untrained."""
    import tensorflow as tf

    from bittrigger.layers import BitLinear, StaticQuantizer

    tf.keras.utils.set_random_seed(seed)
    inputs = tensor = tf.keras.Input(16, name="jet")
    for i, units in enumerate((*HIDDEN, 5)):
        quantizer = StaticQuantizer(bits, signed=i == 0, learned=True, learned_bits=learned)
        tensor = BitLinear(units, input_quantizer=quantizer, cost_strength=strength, name=f"dense_{i + 1}")(tensor)
    return tf.keras.Model(inputs, tensor, name=f"jets_{bits}_{strength:g}")


def train(model: Model, jets: Jets, settings: FitSettings, folder: Path) -> None:
    """Train on the training jets; keep the epoch with the best accuracy on the validation jets."""
    import tensorflow as tf

    from bittrigger.train import calibrate

    x, y, split = jets.x, jets.y, jets.split
    calibrate(model, x[split.train[:4096]])
    fit(
        model,
        (x[split.train], y[split.train]),
        settings,
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        score=lambda net: accuracy(predict(net, x[split.validation]), y[split.validation]),
        folder=folder,
    )


def run(model: Model, jets: Jets, settings: FitSettings, folder: Path) -> list[str]:
    """Train, and return the cells of the line: bits, accuracy and macro AUC on the test jets, LUTs."""
    x, y, split = jets.x, jets.y, jets.split
    train(model, jets, settings, folder)
    scores = predict(model, x[split.test])
    bits = [str(layer.quantizer_now().bits) for layer in model.layers if hasattr(layer, "quantizer_now")]
    right, auc = accuracy(scores, y[split.test]), one_vs_rest_auc(scores, y[split.test]).mean()
    luts = estimate_luts(model, Settings(effort="fast"))
    return [" ".join(bits), f"{100 * right:.2f}", f"{auc:.4f}", f"{luts:,}"]


if __name__ == "__main__":
    main()
