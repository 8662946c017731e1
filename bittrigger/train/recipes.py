"""What the recipes of `models/` share: set-up, training that keeps the best epoch, and the files.

TensorFlow is imported inside the functions that need it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.data.loaders.checks import check_finite
from bittrigger.data.loaders.public import public_jets
from bittrigger.data.production.archive import members
from bittrigger.errors import BittriggerError, ConfigError
from bittrigger.layers.keras_types import Loss, Model
from bittrigger.system.arrays import read_array
from bittrigger.train.checkpoint import replace_file
from bittrigger.train.fitting import FitSettings, fit

__all__ = [
    "RecipeOptions",
    "fit_keeping_best",
    "kernel_rows",
    "load_arrays",
    "markdown_table",
    "predict",
    "prepare_tensorflow",
    "reload",
    "run_recipe",
    "versions",
    "write_json",
    "write_text",
]


@dataclass(frozen=True)
class RecipeOptions:
    """What a recipe was asked for.

    Attributes:
        data: file of the physics sample.
        seeds: one, or those of a study.
        epochs: passes of the main training.
        out: folder of the model's files.
        work: folder of the runs of a study, which is resumed from there.
        test: file of a sample to measure on; None for recipes that split `data`.
        others: further files, by the name of their option.
    """

    data: Path
    seeds: tuple[int, ...]
    epochs: int
    out: Path
    work: Path
    test: Path | None = None
    others: Mapping[str, Path] = field(default_factory=dict)

    def command(self, recipe: str) -> str:
        """Return what to type for the same result; `recipe` is its path from the root of the repository."""
        named = {"data": self.data, "test": self.test, **self.others}
        files = " ".join(f"--{name} {path.name}" for name, path in named.items() if path is not None)
        return f"python {recipe} {files} --seed {' '.join(map(str, self.seeds))} --epochs {self.epochs}"


def run_recipe(
    run: Callable[[RecipeOptions], None],
    description: str,
    folder: Path,
    *,
    data: str,
    epochs: int,
    test: str | None = None,
    seeds: Sequence[int] = (1,),
    others: Mapping[str, str] | None = None,
    arguments: Sequence[str] | None = None,
) -> int:
    """Read the options of a recipe's command line and run it; log lines go to standard output.

    Args:
        run: the recipe.
        description: help text.
        folder: of the recipe; its files are written there, and its runs to `build/` and its name.
        data: name of the data file, for the help text.
        epochs: default of the passes of the main training.
        test: the same of the file to measure on; None for a recipe that splits its data.
        seeds: default of the seeds; more than one make it a study.
        others: names of options for further files, and what these are.
        arguments: words of the command line; None takes those of the process.

    Returns:
        The exit code: 1 after an error that a person can act on, a full disk included, which is printed.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    count, words = 1 if len(seeds) == 1 else "+", " ".join(map(str, seeds))
    parser.add_argument("--data", type=Path, required=True, help=data)
    if test is not None:
        parser.add_argument("--test", type=Path, required=True, help=test)
    for name, what in (others or {}).items():
        parser.add_argument(f"--{name}", type=Path, required=True, help=what)
    parser.add_argument("--seed", dest="seeds", type=int, nargs=count, default=list(seeds), help=f"default: {words}")
    parser.add_argument("--epochs", type=int, default=epochs, help=f"of the main training (default: {epochs})")
    parser.add_argument("--out", type=Path, default=folder, help="folder to write (default: that of the recipe)")
    parser.add_argument(
        "--work", type=Path, default=Path("build") / folder.name, help=f"runs so far (default: build/{folder.name})"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    measured = getattr(options, "test", None)
    further = {name: getattr(options, name.replace("-", "_")) for name in others or {}}
    try:
        run(
            RecipeOptions(
                options.data, tuple(options.seeds), options.epochs, options.out, options.work, measured, further
            )
        )
    except BittriggerError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except OSError as error:
        place = options.out if error.filename is None else error.filename
        sys.stderr.write(
            f"error: {place}: {error.strerror or error}; finished runs are kept in {options.work}: free some space, or make the "
            "place writable, and run the same command to go on\n"
        )
        return 1
    return 0


def prepare_tensorflow(seed: int, threads: int = 1) -> None:
    """Make a training repeatable: seed Keras, ask for deterministic kernels, limit the threads.

    Call it once, before any other use of TensorFlow in the process.

    Args:
        seed: seed of the initialisers and of the order of the batches.
        threads: threads of an operation, and operations at a time.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    tf.keras.utils.set_random_seed(seed)


def fit_keeping_best(
    model: Model,
    train: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    *,
    loss: Loss,
    score: Callable[[Model], float],
    epochs: int,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    final_fraction: float = 0.01,
) -> float:
    """Train with Adam and a cosine decay, then restore the epoch with the highest score.

    Keras' global state decides the order of the rows; `fit` with a seed can be stopped and resumed as well.

    Args:
        model: an uncompiled or compiled Keras model; it is compiled anew.
        train: inputs `(n, features)` and targets `(n, ...)`.
        loss: Keras loss of the targets.
        score: called with the model after each epoch; must look at validation rows only.
        epochs: passes over `train`, at least 1.
        batch_size: rows of a step.
        learning_rate: step size at the start.
        final_fraction: step size at the end, as a fraction of `learning_rate`.

    Returns:
        The highest score.

    Raises:
        ConfigError: `epochs` is below 1.
    """
    settings = FitSettings(epochs, batch_size, learning_rate, final_fraction)
    return fit(model, train, settings, loss=loss, score=score).best


def predict(model: Model, inputs: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the outputs of a Keras model, shape `(n, outputs)`, in batches of 4096 rows."""
    outputs: npt.NDArray[np.float32] = model.predict(inputs, batch_size=4096, verbose=0)
    return outputs


def reload(path: Path) -> Model:
    """Return the model of an `.h5` file as a user reads it: stock QKeras objects, not compiled."""
    from qkeras.utils import load_qmodel

    return load_qmodel(str(path), compile=False)


def load_arrays(path: Path, names: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """Return arrays of an `.npz` file; of a public file (see `public_jets`) those of `jets5` but for `kin`.

    Raises:
        ConfigError: there is no such file, it is damaged, or an array is missing, empty or holds NaN or infinity.
    """
    if not path.is_file():
        raise ConfigError(f"--data {path}: no such file; expected an .npz file")
    if (table := public_jets(path)) is not None:
        public = {"X": table.x, "y": table.y, "features": np.array(table.features), "classes": np.array(table.classes)}
        missing = [name for name in names if name not in public]
        if missing:
            raise ConfigError(f"--data {path}: no array {', '.join(missing)}; it holds {', '.join(public)}")
        return {name: public[name] for name in names}
    held = [member.name for member in members(path, "--data")]
    missing = [name for name in names if name not in held]
    if missing:
        raise ConfigError(f"--data {path}: no array {', '.join(missing)}; it holds {', '.join(held)}")
    arrays = {name: read_array(path, "--data", name) for name in names}
    for name, values in arrays.items():
        if values.size == 0:
            raise ConfigError(
                f"--data {path}: array {name!r} is empty, of shape {values.shape}; expected rows; take a larger file"
            )
        check_finite(path, name, values)
    return arrays


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, ending in a newline."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def versions(packages: Iterable[str]) -> str:
    """Return the installed versions of packages in words, as `numpy 1.26.4, QKeras 0.9.0`."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping as indented JSON."""
    write_text(path, json.dumps(content, indent=1))


def write_text(path: Path, text: str) -> None:
    """Write text with one newline at its end; the file holds the old text or the new one at any time.

    Raises:
        ConfigError: it cannot be written.
    """
    replace_file(path, (text.rstrip("\n") + "\n").encode())


def kernel_rows(model: Model) -> list[list[str]]:
    """Return a table row for each layer with a quantised kernel: name, shape, quantizer, share of zeros.

    Zeros are counted in the quantised kernel.
    """
    rows = []
    for layer in model.layers:
        quantizer = getattr(layer, "kernel_quantizer_internal", None)
        if quantizer is not None:
            kernel = quantizer(layer.kernel).numpy()
            shape = " x ".join(map(str, kernel.shape))
            rows.append([layer.name, shape, f"`{quantizer}`", f"{np.mean(kernel == 0):.1%}"])
    return rows
