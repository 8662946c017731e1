"""The state of a training run in one file: weights, the best weights, the optimizer and the history, as plain arrays."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError

__all__ = ["EpochRecord", "RunState", "load_state", "make_folder", "replace_file", "save_state"]

Arrays = list[npt.NDArray[Any]]

_GROUPS = ("weights", "best_weights", "optimizer", "freezing")


@dataclass(frozen=True)
class EpochRecord:
    """One epoch.

    Attributes:
        epoch: counted from 1.
        loss: mean training loss, regularisation included.
        validation: the score.
        seconds: wall time, the score included.
        adder_bits: of all bit layers, see `bittrigger.layers.adder_cost`; None without one.
        widths: bits of each learned activation width by the name of its layer; None without one.
        frozen: share of the ternary weights whose codes are frozen, see `FitSettings`; None where none are to be.
    """

    epoch: int
    loss: float
    validation: float
    seconds: float
    adder_bits: int | None = None
    widths: dict[str, int] | None = None
    frozen: float | None = None


@dataclass
class RunState:
    """A run after some epochs; the next epoch depends on nothing else.

    Attributes:
        best: the highest score; minus infinity before the first epoch.
        best_epoch: counted from 1; 0 before the first epoch.
        freezing: the state of `WeightFreezing`; empty without one.
    """

    weights: Arrays
    best_weights: Arrays
    optimizer: Arrays = field(default_factory=list)
    freezing: Arrays = field(default_factory=list)
    best: float = float("-inf")
    best_epoch: int = 0
    records: list[EpochRecord] = field(default_factory=list)


def save_state(path: Path, state: RunState, identity: Mapping[str, Any]) -> None:
    """Write `state` to `path`, which holds the old state or the new one at any time.

    Args:
        identity: what must be the same for the run to go on; plain types.
    """
    facts = {
        "identity": dict(identity),
        "best": state.best,
        "best_epoch": state.best_epoch,
        "records": [asdict(record) for record in state.records],
    }
    arrays = {f"{group}_{i}": value for group in _GROUPS for i, value in enumerate(getattr(state, group))}
    stream = io.BytesIO()
    np.savez(stream, facts=np.array(json.dumps(facts)), **arrays)
    replace_file(path, stream.getvalue())


def load_state(path: Path, identity: Mapping[str, Any], shapes: Sequence[tuple[int, ...]]) -> RunState | None:
    """Return the state in `path`, or None if there is no such file.

    Args:
        identity: as for `save_state`.
        shapes: of the weights of the model.

    Raises:
        ConfigError: the file is damaged, or another run wrote it.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            facts = json.loads(str(archive["facts"]))
            names = list(archive)
            weights, best, optimizer, freezing = (
                [archive[f"{group}_{i}"] for i in range(sum(name.startswith(f"{group}_") for name in names))]
                for group in _GROUPS
            )
        records = [EpochRecord(**record) for record in facts["records"]]
        state = RunState(weights, best, optimizer, freezing, float(facts["best"]), int(facts["best_epoch"]), records)
        found = dict(facts["identity"])
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigError(f"checkpoint {path}: it is damaged ({error}); remove it to start anew") from error
    wrong = [key for key in identity if found.get(key) != identity[key]]
    if wrong:
        raise ConfigError(
            f"checkpoint {path}: it is of a run with {wrong[0]} {found.get(wrong[0])!r}, this one has "
            f"{identity[wrong[0]]!r}; allowed is the same run; use another folder, or remove it to start anew"
        )
    if [value.shape for value in state.weights] != list(shapes):
        raise ConfigError(f"checkpoint {path}: its weights are of another model; use another folder")
    return state


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"folder {path} cannot be made: {error.strerror}; choose another place") from error


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that it holds the old content or the new one at any time.

    Raises:
        ConfigError: it cannot be written, because the disk is full for example.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.write_bytes(content)
        scratch.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}; what was there is kept: free some space, or make the place writable, "
            "and run the same again to go on"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
