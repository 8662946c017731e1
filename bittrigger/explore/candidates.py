"""Mixed networks made from one original, trained and measured, all in the same way.

TensorFlow is imported inside the functions that need it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError
from bittrigger.explore.events import Events
from bittrigger.explore.objectives import Objective, logits_of
from bittrigger.layers.keras_types import Model
from bittrigger.settings import Settings
from bittrigger.train.checkpoint import replace_file
from bittrigger.train.fitting import FitResult, FitSettings, fit

__all__ = [
    "CALIBRATION_EVENTS",
    "Candidate",
    "Probe",
    "Task",
    "calibrated",
    "claim_folder",
    "measure_candidate",
    "train_mixed",
]

PLAN = "plan.json"

CALIBRATION_EVENTS = 4096
"""Most training events that set the ranges of activation quantizers."""


@dataclass(frozen=True)
class Probe:
    """How mixed networks are made and measured.

    Attributes:
        bits: of the kernels that are not ternary, 4 to 8.
        activation_bits: of the new activation quantizers.
        epochs: of training; 0 leaves a network as the quantisation made it.
        seed: of the split and the training.
        batch_size: of the training.
        learning_rate: of the training.
        distil: share of the loss that compares with the outputs of the original, from 0 to 1.
        settings: part, clock and effort with which LUTs are estimated.

    Raises:
        ConfigError: `epochs`, `distil` or `learning_rate` is out of range.
    """

    bits: int = 6
    activation_bits: int = 8
    epochs: int = 0
    seed: int = 1
    batch_size: int = 256
    learning_rate: float = 1e-3
    distil: float = 0.0
    settings: Settings = field(default_factory=lambda: Settings(effort="fast"))

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.epochs < 0:
            raise ConfigError(f"epochs {self.epochs}: expected at least 0")
        if not 0 <= self.distil <= 1:
            raise ConfigError(f"distillation {self.distil}: allowed are shares of the loss from 0 to 1")
        if not 0 < self.learning_rate < np.inf:
            raise ConfigError(f"learning rate {self.learning_rate}: expected a number above 0")


@dataclass(frozen=True, eq=False)
class Task:
    """What mixed networks are made from.

    Attributes:
        model: the original, a Keras model with one input and one output.
        events: that it takes; training calibrates and trains, validation chooses, test is left for the end.
        objective: of loss and metric.
        probe: how they are made.
    """

    model: Model
    events: Events
    objective: Objective
    probe: Probe


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mixed network, measured on the validation events.

    Attributes:
        metric: of the objective.
        luts: of the whole design; origin `estimate`.
        scores: of the network, `(n, outputs)`.
    """

    metric: float
    luts: int
    scores: npt.NDArray[np.floating[Any]]


def measure_candidate(task: Task, kernels: Mapping[str, int], folder: Path | None = None) -> Candidate:
    """Make, train and measure one mixed network; see `train_mixed` for the arguments."""
    from bittrigger.explore.estimate import estimate_luts

    mixed, _ = train_mixed(task, kernels, folder)
    x, y = task.events.part("validation")
    scores = logits_of(mixed, x)
    return Candidate(task.objective.measure(scores, y), estimate_luts(mixed, task.probe.settings), scores)


def train_mixed(task: Task, kernels: Mapping[str, int], folder: Path | None = None) -> tuple[Model, FitResult | None]:
    """Return a mixed network, calibrated and trained on the training events, and how the training went.

    The epoch with the best metric on the validation events is kept.

    Args:
        task: what it is made from.
        kernels: for each dense layer its bits, or `bittrigger.explore.mixed.TERNARY`.
        folder: of the training, which can be stopped and resumed; None keeps nothing.

    Raises:
        UnsupportedModelError: the model would not convert.
        ConfigError: a setting is out of range, or `folder` holds another run.
    """
    probe, objective = task.probe, task.objective
    if folder is not None:
        claim_folder(folder, _identity(task, kernels))
    mixed = calibrated(task, kernels)
    if probe.epochs == 0:
        return mixed, None
    x, y = task.events.part("train")
    teacher = logits_of(task.model, x) if probe.distil else None
    result = fit(
        mixed,
        (x, objective.targets(y, teacher)),
        FitSettings(probe.epochs, probe.batch_size, probe.learning_rate, seed=probe.seed),
        loss=objective.loss(int(np.prod(mixed.output_shape[1:])), probe.distil),
        score=objective.score(*task.events.part("validation")),
        folder=folder,
    )
    return mixed, result


def calibrated(task: Task, kernels: Mapping[str, int]) -> Model:
    """Return a mixed network, calibrated on training events, and not trained."""
    from bittrigger.explore.mixed import make_mixed

    x = task.events.part("train")[0][:CALIBRATION_EVENTS]
    return make_mixed(task.model, kernels, x, activation_bits=task.probe.activation_bits)


def _identity(task: Task, kernels: Mapping[str, int]) -> dict[str, Any]:
    """What must be the same for a training to be resumed, besides what `fit` looks at."""
    digest = hashlib.sha256(task.model.to_json().encode())
    for weight in task.model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    probe = {key: value for key, value in asdict(task.probe).items() if key not in ("settings", "bits")}
    return {
        "model (SHA-256)": digest.hexdigest(),
        "metric": task.objective.name,
        "kernels": dict(kernels),
        **probe,
    }


def claim_folder(folder: Path, identity: Mapping[str, Any]) -> None:
    """Write down whose run a folder holds, or make sure that it is this one.

    Raises:
        ConfigError: the folder holds another run, or something else, or cannot be written.
    """
    path = folder / PLAN
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists() and any(folder.iterdir()):
            raise ConfigError(f"folder {folder}: it is in use and holds no run; choose another")
        if not path.exists():
            replace_file(path, (json.dumps(identity, indent=1) + "\n").encode())
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"folder {folder}: its {PLAN} cannot be written or read ({error}); choose another") from error
    wrong = [key for key in identity if not isinstance(found, dict) or found.get(key) != identity[key]]
    if wrong:
        was = found.get(wrong[0]) if isinstance(found, dict) else None
        raise ConfigError(
            f"folder {folder}: it holds a run with {wrong[0]} {was!r}, this one has {identity[wrong[0]]!r}; allowed is the "
            "same run, which goes on; choose another folder, or remove this one to start anew"
        )
