"""A sweep over ternary dense networks: each trained with each seed, then converted; scores and LUTs are noted.

TensorFlow is imported inside the functions that need it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.explore.dense import (
    ClassSample,
    DenseSettings,
    Scaler,
    TernaryDense,
    softmax,
    train_float,
    train_ternary,
)
from bittrigger.explore.firmware import firmware_cost
from bittrigger.layers.keras_types import Model
from bittrigger.settings import DEFAULT_PART, Settings
from bittrigger.train.fitting import FitSettings
from bittrigger.train.metrics import accuracy, one_vs_rest_auc
from bittrigger.train.recipes import predict, reload, write_json
from bittrigger.train.study import Run, run_study

__all__ = ["SweepSettings", "add_firmware", "grid", "load_scaler", "sweep"]


@dataclass(frozen=True)
class SweepSettings:
    """How the networks of a sweep are trained.

    Attributes:
        epochs: of each ternary training.
        twin_epochs: of each float training.
        batch_size: rows of a step.
        learning_rate: step size at the start.
        teacher_hidden: hidden units of the float networks whose mean probabilities are the targets of the ternary ones.
        teacher_seeds: of these networks; none trains on the labels alone.
        teacher_share: share of those probabilities in the targets; the rest are the labels.
        freeze_from: of the ternary trainings, see `FitSettings`.
    """

    epochs: int = 30
    twin_epochs: int = 30
    batch_size: int = 512
    learning_rate: float = 5e-3
    teacher_hidden: tuple[int, ...] = (64, 32, 32)
    teacher_seeds: tuple[int, ...] = (1, 2, 3)
    teacher_share: float = 0.8
    freeze_from: float | None = 0.5

    def twin_fit(self, seed: int) -> FitSettings:
        """Return the settings of a float training."""
        return FitSettings(self.twin_epochs, self.batch_size, self.learning_rate, seed=seed)

    def ternary_fit(self, seed: int) -> FitSettings:
        """Return the settings of a ternary training."""
        return replace(self.twin_fit(seed), epochs=self.epochs, freeze_from=self.freeze_from)


def grid(
    hidden: Iterable[Sequence[int]],
    *,
    input_bits: Iterable[int] = (8,),
    activation_bits: Iterable[int] = (6,),
    threshold_factors: Iterable[float] = (0.5,),
    cost_strengths: Iterable[float] = (0.0,),
) -> list[DenseSettings]:
    """Return the networks of all combinations."""
    shapes = [tuple(shape) for shape in hidden]
    return [
        DenseSettings(*values)
        for values in itertools.product(shapes, input_bits, activation_bits, threshold_factors, cost_strengths)
    ]


def sweep(
    sample: ClassSample, designs: Sequence[DenseSettings], seeds: Sequence[int], settings: SweepSettings, folder: Path
) -> list[Run]:
    """Train each design with each seed; what is done in `folder` already is not done again.

    Call `prepare_tensorflow` first. The folder of a run gets `model.h5`, in stock QKeras layers, and `scaler.json`. Its
    figures are `accuracy` and `auc` (macro, of softmax probabilities) of the validation rows, by which to choose;
    `test_accuracy` and `test_auc`; and the same of the float twin, with `twin_` in front.

    Raises:
        ConfigError: a setting is out of range, or `folder` holds runs of another sweep.
    """
    import tensorflow as tf

    worker = _Worker(sample, settings, folder / "twins")

    def work(_: str, fields: Mapping[str, Any], seed: int, place: Path) -> dict[str, float | None]:
        tf.keras.backend.clear_session()
        return worker.run(DenseSettings(**{**fields, "hidden": tuple(fields["hidden"])}), seed, place)

    identity = {"sweep": asdict(settings), "data (SHA-256)": _digest(sample), "auc": "of softmax probabilities"}
    return run_study({d.name: asdict(d) for d in designs}, seeds, folder, work, identity=identity)


def add_firmware(
    runs: Sequence[Run], folder: Path, *, synthesize: bool = True, effort: str = "default", part: str = DEFAULT_PART
) -> list[Run]:
    """Convert the model of each run, and return the runs with `luts`, `flip_flops` and `latency_ns` of the whole design.

    Args:
        runs: as `sweep` returns them.
        folder: of these figures; what is done there already is not done again. Remove it for those of another solver.
        synthesize: whether Yosys counts; else the figures are the solver's estimate.
        effort: of the solver.
        part: FPGA, by its name or its file.

    Raises:
        BittriggerError: a model does not convert, or `folder` holds figures of other models or of another origin.
    """
    by_name = {(run.variant, run.seed): run for run in runs}
    chosen = Settings.given(effort=effort, part=part)

    def work(variant: str, _: Mapping[str, Any], seed: int, __: Path) -> dict[str, float | None]:
        model = by_name[variant, seed].folder / "model.h5"
        cost = firmware_cost(model, chosen, synthesize=synthesize)
        return {"luts": cost.luts.value, "flip_flops": cost.flip_flops.value, "latency_ns": cost.latency_ns.value}

    identity: dict[str, Any] = {"synthesize": synthesize, "effort": effort}
    if chosen.part != DEFAULT_PART:
        identity |= {"part": chosen.part if chosen.own_part is None else asdict(chosen.own_part)}
    counted = []
    for run in runs:
        model = hashlib.sha256((run.folder / "model.h5").read_bytes()).hexdigest()
        counted += run_study({run.variant: {"model (SHA-256)": model}}, (run.seed,), folder, work, identity=identity)
    return [replace(run, figures={**run.figures, **c.figures}) for run, c in zip(runs, counted, strict=True)]


def load_scaler(path: Path) -> Scaler:
    """Return the scaler that a run left in `scaler.json`."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return Scaler(np.array(content["mean"]), np.array(content["deviation"]))


class _Worker:
    """Does the runs of a sweep; its float networks are trained once each."""

    def __init__(self, sample: ClassSample, settings: SweepSettings, folder: Path) -> None:
        self._sample, self._settings, self._folder = sample, settings, folder
        self._targets: npt.NDArray[np.float32] | None = None

    def run(self, design: DenseSettings, seed: int, place: Path) -> dict[str, float | None]:
        """Train one network, write its files to `place` and return its figures."""
        sample, settings = self._sample, self._settings
        twin, targets = self.twin(design.hidden, seed), self.targets()
        trained = train_ternary(
            sample, design, twin=twin, targets=targets, settings=settings.ternary_fit(seed), folder=place
        )
        save_design(trained, place)
        x = load_scaler(place / "scaler.json").apply(sample.features)
        return {
            **_scores(reload(place / "model.h5"), x, sample, ""),
            **_scores(twin, sample.x, sample, "twin_"),
        }

    def twin(self, hidden: tuple[int, ...], seed: int) -> Model:
        """Return the trained float network of this shape and seed."""
        place = self._folder / "-".join(map(str, hidden)) / f"seed-{seed}"
        return train_float(self._sample, hidden, self._settings.twin_fit(seed), place)

    def targets(self) -> npt.NDArray[np.float32]:
        """Return the targets of all rows, `(events, classes)`: what the teachers say, and the labels."""
        if self._targets is None:
            labels = np.eye(self._sample.classes, dtype=np.float32)[self._sample.y]
            teachers = [self.twin(self._settings.teacher_hidden, seed) for seed in self._settings.teacher_seeds]
            shares = [softmax(predict(teacher, self._sample.x)) for teacher in teachers]
            weight = self._settings.teacher_share if shares else 0.0
            taught = np.mean(shares, axis=0) if shares else labels
            self._targets = np.asarray(weight * taught + (1 - weight) * labels, np.float32)
        return self._targets


def save_design(trained: TernaryDense, folder: Path) -> None:
    """Write `model.h5` in stock QKeras layers, whole or not at all, and `scaler.json`."""
    from bittrigger.layers.export import export_stock

    scratch = folder / ".model.h5"
    export_stock(trained.model).save(scratch, include_optimizer=False)
    scratch.replace(folder / "model.h5")
    scaler = trained.scaler
    write_json(folder / "scaler.json", {"mean": scaler.mean.tolist(), "deviation": scaler.deviation.tolist()})


def _scores(model: Model, x: npt.NDArray[np.float32], sample: ClassSample, prefix: str) -> dict[str, float]:
    """Accuracy and macro AUC of the validation rows and of the test rows."""
    found = {}
    for part, rows in (("", sample.split.validation), ("test_", sample.split.test)):
        logits, labels = predict(model, x[rows]), sample.y[rows]
        found[f"{prefix}{part}accuracy"] = accuracy(logits, labels)
        found[f"{prefix}{part}auc"] = float(one_vs_rest_auc(logits, labels).mean())
    return found


def _digest(sample: ClassSample) -> str:
    """A hash of all rows and of the split."""
    digest = hashlib.sha256()
    for array in (sample.features, sample.y, sample.split.train, sample.split.validation, sample.split.test):
        digest.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
