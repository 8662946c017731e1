"""HGQ beside ternary networks of learned widths, on the same jets, built by the same compiler.

    bittrigger data make jets5 --events 50000 --seed 7 -o fresh.npz
    python benchmarks/beside_hgq.py --data jets5.npz --test fresh.npz --python .venv-hgq2/bin/python --out build/hgq

Both train 64-32-32 on the training jets of `learned_widths.py`, with the same number of epochs, step sizes and choice of the
epoch, and are measured on the jets of --test.
HGQ2 0.2 trains in its own environment (`--python`); its `.keras` file is read by bittrigger as it is, and must predict what
HGQ2 predicted, to the bit. What is done in --out is not done again.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
from learned_widths import Jets, load_jets, network, train

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.compile.read import read_file, read_model
from bittrigger.device.cost_model import estimate
from bittrigger.errors import MismatchError
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.frontend.keras_model.reference import keras_outputs
from bittrigger.ir.graph import Graph
from bittrigger.settings import Settings
from bittrigger.train import FitSettings, accuracy, one_vs_rest_auc
from bittrigger.train.recipes import load_arrays, markdown_table, predict, prepare_tensorflow
from bittrigger.train.study import spread_of

BETAS = (3e-6, 1e-5, 3e-5)
"""Of HGQ: the loss of an effective bit operation."""

STRENGTHS = (3e-6, 1e-5, 3e-5)
"""Of ours: the loss of an adder bit."""

SPLIT_SEED = 1
BATCH_SIZE, LEARNING_RATE = 512, 3e-3
"""As in `beside_hgq_train.py`."""


@dataclass(frozen=True)
class Figures:
    """Of one network: on the test jets, and of its firmware by the solver's estimate.

    Attributes:
        accuracy: in per cent.
        auc: macro AUC of the softmax.
        lut: of the whole design.
        ff: as `lut`.
        cycles: from input to output at 360 MHz.
    """

    accuracy: float
    auc: float
    lut: float
    ff: float
    cycles: float


def main() -> None:
    """Train what is not trained, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="jets5.npz")
    parser.add_argument("--test", type=Path, required=True, help="jets of another seed")
    parser.add_argument(
        "--python", type=Path, required=True, help="that of an environment with HGQ2 0.2 and TensorFlow"
    )
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", dest="seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--beta", dest="betas", type=float, nargs="+", default=BETAS, help="of HGQ2")
    parser.add_argument("--strength", dest="strengths", type=float, nargs="+", default=STRENGTHS, help="of ours")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs, which can be resumed")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with quiet_tensorflow():
        prepare_tensorflow(1)
        jets = load_jets(options.data, SPLIT_SEED)
        fresh = load_fresh(options.data, options.test, jets)
        options.out.mkdir(parents=True, exist_ok=True)
        split = {name: getattr(jets.split, name) for name in ("train", "validation", "test")}
        np.savez(options.out / "jets.npz", x=jets.x, y=jets.y, **split)
        variants = [("HGQ2", hgq, beta) for beta in options.betas] + [
            ("ternary, learned widths", ternary, s) for s in options.strengths
        ]
        rows = []
        for name, make, strength in variants:
            made = [make(options, jets, fresh, strength, seed) for seed in options.seeds]
            rows.append([name, f"{strength:g}", *cells(made)])
            logging.info("%s", " | ".join(rows[-1]))
        head = ["network", "beta or cost strength", "accuracy (%)", "macro AUC", "LUT", "FF", "cycles"]
        print(markdown_table(head, rows), end="")


@dataclass(frozen=True, eq=False)
class Fresh:
    """Jets to measure on: standardised as those of the training `(n, 16)`, and their labels `(n,)`."""

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int8]


def load_fresh(data: Path, test: Path, jets: Jets) -> Fresh:
    """The jets of `test`, with mean and deviation of the training jets of `data`."""
    known, fresh = load_arrays(data, ("X",))["X"][jets.split.train], load_arrays(test, ("X", "y"))
    return Fresh(((fresh["X"] - known.mean(axis=0)) / known.std(axis=0)).astype(np.float32), fresh["y"])


def hgq(options: argparse.Namespace, jets: Jets, fresh: Fresh, beta: float, seed: int) -> Figures:
    """Train one network of HGQ2 if it is not there, and read its file.

    Raises:
        MismatchError: our reading of the file predicts other bits than HGQ2 did.
    """
    folder = options.out / f"hgq2_{beta:g}_{options.epochs}" / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.keras"
    if not (folder / "history.json").exists():
        script, numbers = Path(__file__).with_name("beside_hgq_train.py"), (f"{beta:g}", str(options.epochs), str(seed))
        subprocess.run([options.python, script, options.out / "jets.npz", folder, *numbers], check=True)
    model, theirs = load_model(path), np.load(folder / "predicted.npy")
    ours = keras_outputs(model, jets.x[jets.split.test]).astype(np.float32)
    if not np.array_equal(ours, theirs):
        raise MismatchError(
            f"{path}: {(ours != theirs).any(axis=1).sum()} of {len(ours)} jets differ from HGQ2's predict"
        )
    logits = keras_outputs(model, fresh.x).astype(np.float32)
    return figures(logits, fresh.y, read_file(path, Settings(effort="fast")).graph)


def ternary(options: argparse.Namespace, jets: Jets, fresh: Fresh, strength: float, seed: int) -> Figures:
    """Train one network of ours, or take it from where it lies."""
    import tensorflow as tf

    tf.keras.backend.clear_session()
    model = network(8, strength, seed, learned=True)
    folder = options.out / f"ternary_{strength:g}_{options.epochs}" / f"seed-{seed}"
    train(model, jets, FitSettings(options.epochs, BATCH_SIZE, LEARNING_RATE, seed=seed), folder)
    graph = read_model(model, Settings(effort="fast"), name="model", check=False).graph
    return figures(predict(model, fresh.x), fresh.y, graph)


def figures(logits: npt.NDArray[np.float32], y: npt.NDArray[np.int8], graph: Graph) -> Figures:
    """Return what a network does on the test jets, and what it takes."""
    pipeline = create_pipeline(graph, Settings(effort="fast"))
    _, total = estimate(pipeline)
    auc = float(one_vs_rest_auc(logits, y).mean())
    return Figures(100 * accuracy(logits, y), auc, total.lut, total.ff, pipeline.latency_cycles)


def cells(made: Sequence[Figures]) -> list[str]:
    """Return mean and sample standard deviation of each figure."""
    found = []
    for field, digits in zip(fields(Figures), (2, 4, 0, 0, 0), strict=True):
        spread = spread_of(getattr(one, field.name) for one in made)
        found.append("-" if spread is None else spread.text(digits))
    return found


if __name__ == "__main__":
    main()
