"""Events with targets from a user's file, checked against a model and split by a seed. Importing it needs NumPy only."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError
from bittrigger.explore.objectives import Objective
from bittrigger.layers.keras_types import Model
from bittrigger.system.arrays import read_array
from bittrigger.train.splits import Split, split_by_seed

__all__ = ["FRACTIONS", "LEAST_EVENTS", "Events", "check_file", "read_events"]

FRACTIONS: Mapping[str, float] = {"validation": 0.2, "test": 0.2}
"""Shares of the events that choose epochs and layers, and that are kept for the end."""

LEAST_EVENTS = 50


@dataclass(frozen=True, eq=False)
class Events:
    """Checked events.

    Attributes:
        x: `(n, ...)` as the model takes them, float32.
        y: labels `(n,)` int64, or numbers `(n, outputs)` float32.
        split: rows for training, validation and test.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[Any]
    split: Split

    def part(self, name: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[Any]]:
        """Return the events of "train", "validation" or "test"."""
        rows = getattr(self.split, name)
        return self.x[rows], self.y[rows]


def read_events(path: Path, model: Model, objective: Objective, seed: int) -> Events:
    """Return the events of an .npz file with the arrays `x` (or `X`) and `y`, and their split.

    Args:
        path: .npz file; `x` has shape `(n, ...)` as the model takes it. For classes, `y` holds labels `(n,)` from 0 on or
            one column for each; else `(n,)` or `(n, outputs)` numbers.
        model: a Keras model with one input and one output.
        objective: says whether targets are labels.
        seed: of the split; the same share of each label goes into each part.

    Raises:
        ConfigError: the file or an array is missing, damaged or of a wrong shape; a value is not finite; a label is out of
            range or does not occur; there are too few events.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ConfigError(
            f"model {model.name!r}: {len(model.inputs)} inputs and {len(model.outputs)} outputs; allowed are one of each, for "
            "an .npz holds one x and one y"
        )
    names = check_file(path)
    x = _features(path, "x" if "x" in names else "X", tuple(model.input_shape[1:]))
    outputs = int(np.prod(model.output_shape[1:]))
    y = np.asarray(read_array(path, "data", "y"))
    if y.shape[:1] != x.shape[:1]:
        raise ConfigError(
            f"data {path}: x holds {len(x)} events, y has shape {y.shape}; expected one target for each event"
        )
    if len(x) < LEAST_EVENTS:
        raise ConfigError(
            f"data {path}: {len(x)} events are too few; expected at least {LEAST_EVENTS}, and better some thousand"
        )
    if y.dtype.kind not in "biuf" or not np.isfinite(y).all():
        raise ConfigError(f"data {path}: y of type {y.dtype} holds what is no finite number; remove these events")
    targets = _labels(path, y, outputs) if objective.classes else _numbers(path, y, outputs)
    labels = targets if objective.classes else np.zeros(len(y), dtype=np.int64)
    return Events(x, targets, split_by_seed(labels, **FRACTIONS, seed=seed))


def check_file(path: Path) -> list[str]:
    """Return the names of the arrays in an .npz file.

    Raises:
        ConfigError: there is no such file, it is damaged, or lacks the events or targets.
    """
    if not path.is_file():
        raise ConfigError(f"data {path}: no such file; expected an .npz with the arrays x (or X) and y")
    if not zipfile.is_zipfile(path):
        raise ConfigError(
            f"data {path}: it is no .npz; save it with numpy.savez(path, x=events, y=targets) as the model takes x"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError) as error:
        raise ConfigError(f"data {path}: it is damaged ({error}); save it again") from error
    if not {"x", "X"} & set(names) or "y" not in names:
        raise ConfigError(
            f"data {path}: it holds the arrays {', '.join(names) or 'none'}; expected x (or X) and y; save it with "
            "numpy.savez(path, x=events, y=targets)"
        )
    return names


def _features(path: Path, name: str, shape: tuple[int | None, ...]) -> npt.NDArray[np.float32]:
    x = read_array(path, "data", name)
    if x.dtype.kind not in "biuf":
        raise ConfigError(f"data {path}: {name} has type {x.dtype}; expected real numbers")
    fits = x.ndim == len(shape) + 1 and all(n in (None, m) for n, m in zip(shape, x.shape[1:], strict=True))
    if not fits:
        expected = ", ".join("any" if n is None else str(n) for n in ("events", *shape))
        raise ConfigError(
            f"data {path}: {name} has shape {x.shape}; the model takes ({expected}); prepare the features as for its training"
        )
    with np.errstate(over="ignore"):
        values = x.astype(np.float32)
    bad = ~np.isfinite(values).reshape(len(x), -1)
    if bad.any():
        row = int(np.argmax(bad.any(axis=1)))
        raise ConfigError(
            f"data {path}: {name} holds {np.count_nonzero(bad)} values that are NaN or infinite as float32, the first in event "
            f"{row}; remove these {np.count_nonzero(bad.any(axis=1))} events or mend the features"
        )
    return values


def _labels(path: Path, y: npt.NDArray[Any], outputs: int) -> npt.NDArray[np.int64]:
    classes = max(outputs, 2)
    if y.ndim == 2 and y.shape[1] == outputs > 1 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
        y = np.argmax(y, axis=1)
    elif y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ConfigError(
            f"data {path}: y has shape {y.shape}; expected labels (events,), or a column of 0 and 1 for each of the model's "
            f"{outputs} outputs; for numbers as targets use --metric mse"
        )
    labels = y.astype(np.int64)
    wrong = (labels != y) | (labels < 0) | (labels >= classes)
    if wrong.any():
        raise ConfigError(
            f"data {path}: {np.count_nonzero(wrong)} labels are out of range, the first is {y[np.argmax(wrong)]}; the model has "
            f"{outputs} outputs, so whole numbers from 0 to {classes - 1} are allowed; for numbers as targets use --metric mse"
        )
    empty = sorted(set(range(classes)) - set(labels.tolist()))
    if empty:
        raise ConfigError(
            f"data {path}: no event of class {', '.join(map(str, empty))}; the model has {classes} classes, and each must occur"
        )
    return labels


def _numbers(path: Path, y: npt.NDArray[Any], outputs: int) -> npt.NDArray[np.float32]:
    targets = y.astype(np.float32).reshape(len(y), -1)
    if targets.shape[1] != outputs:
        raise ConfigError(
            f"data {path}: y has shape {y.shape}, and the model {outputs} outputs; expected a number for each output"
        )
    return targets
