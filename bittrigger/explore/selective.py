"""From a float network to a mixed one that converts: which layers become ternary, their training, and the file.

TensorFlow is imported inside the functions that need it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bittrigger.errors import ConfigError
from bittrigger.explore.candidates import Task, calibrated, train_mixed
from bittrigger.explore.objectives import logits_of
from bittrigger.explore.sensitivity import ORIGIN, Announce, Sensitivity, measure_sensitivity
from bittrigger.layers.keras_types import Model
from bittrigger.train.checkpoint import replace_file

__all__ = [
    "MixedResult",
    "check_output",
    "choose_kernels",
    "parse_keep",
    "parse_layers",
    "quantize_model",
    "select_kernels",
]

ALL = "all"
RESULT = "quantize.json"


@dataclass(frozen=True)
class MixedResult:
    """A mixed network that has been written.

    Attributes:
        kernels: bits of each kernel, 0 if it is ternary.
        metric: name of the metric.
        events: number of test events that it is measured on.
        original: metric of the original.
        mixed: metric of the written file.
        drop: by how much it is worse.
        drop_error: standard error of `drop` from the number of events; None if the metric has none.
        luts: of the whole design; their origin is `luts_origin`.
        few_bits_luts: of the design with every kernel at `few_bits`, before any training; same origin.
        few_bits: see there.
        luts_origin: "estimate".
        best_epoch: the epoch that was kept, counted from 1; None without a training.
        epochs: of the training.
        seed: of split and training.
    """

    kernels: Mapping[str, int]
    metric: str
    events: int
    original: float
    mixed: float
    drop: float
    drop_error: float | None
    luts: int
    few_bits_luts: int
    few_bits: int
    luts_origin: str
    best_epoch: int | None
    epochs: int
    seed: int


def choose_kernels(model: Model, ternary: Iterable[str], keep: Mapping[str, int], bits: int) -> dict[str, int]:
    """Return the kernel of each dense layer.

    Args:
        model: the original.
        ternary: layers that become ternary; "all" for each that `keep` does not name.
        keep: bits of layers that do not.
        bits: of those that are named nowhere.

    Raises:
        ConfigError: a layer is unknown or named twice, or bits are out of range.
        UnsupportedModelError: the model has nothing to quantise.
    """
    from bittrigger.explore.mixed import TERNARY, check_kernels, dense_layers

    named = list(ternary)
    names = dense_layers(model)
    twice = [name for name in named if name in keep]
    if twice:
        raise ConfigError(
            f"layer {twice[0]!r}: it is to be ternary and to keep {keep[twice[0]]} bits; allowed is one of both"
        )
    chosen = dict.fromkeys(names, TERNARY if ALL in named else bits)
    chosen |= {name: TERNARY for name in named if name != ALL} | dict(keep)
    check_kernels(model, chosen)
    return chosen


def select_kernels(
    task: Task, most: float, *, keep: Mapping[str, int], folder: Path, announce: Announce
) -> tuple[dict[str, int], Sensitivity]:
    """Return kernels of which as many are ternary as a metric allows, by a greedy search, and the ranking behind it.

    The layers are tried in the order of their sensitivity, each together with those that were taken before; a layer is
    taken if the metric on the validation events is worse than that of the original by `most` or less.

    Args:
        task: what the networks are made from; the epochs of its probe are those of a try.
        most: greatest drop of the metric.
        keep: bits of layers that are not tried.
        folder: of the tries, which can be stopped and resumed.
        announce: called before each try.

    Raises:
        ConfigError: not even the network without ternary kernels is within `most`.
    """
    from bittrigger.explore.mixed import TERNARY

    objective = task.objective
    chosen = choose_kernels(task.model, (), keep, task.probe.bits)
    ranking = measure_sensitivity(task, folder=folder / "single", announce=announce)
    tries = [layer.layer for layer in ranking.layers if layer.layer not in keep and layer.luts_saved > 0]
    x, y = task.events.part("validation")

    def drop(kernels: Mapping[str, int], name: str) -> float:
        mixed, _ = train_mixed(task, kernels, folder / name)
        return objective.worse_by(ranking.original, objective.measure(logits_of(mixed, x), y))

    announce("no ternary kernel", 0, len(tries) + 1)
    least = drop(chosen, "none")
    if least > most:
        raise ConfigError(
            f"drop at most {most:g}: {objective.name} is worse by {least:.4g} already without a ternary kernel; allow more, or "
            "use more bits for the kernels and activations, or more epochs for each try"
        )
    for number, name in enumerate(tries):
        announce(f"{name} with those before", number + 1, len(tries) + 1)
        trial = chosen | {name: TERNARY}
        if drop(trial, f"{number:03d}") <= most:
            chosen = trial
    return chosen, ranking


SAVE_OPTIONS: dict[str, dict[str, Any]] = {".h5": {"include_optimizer": False}, ".keras": {}}
"""Of Keras' `save`, by suffix; the network is not compiled, so that a .keras file holds no optimizer either."""


def quantize_model(task: Task, kernels: Mapping[str, int], *, output: Path, folder: Path) -> MixedResult:
    """Make and train the mixed network, write it to `output`, and measure what was written on the test events.

    The file is read back and lowered before it takes its name, so it converts. A training that is stopped goes on
    at the next call with the same arguments.

    Args:
        task: what it is made from.
        kernels: of each dense layer, see `choose_kernels`.
        output: `.h5` or `.keras` file.
        folder: of the training and its result.

    Raises:
        UnsupportedModelError: the mixed network would not convert; this is found out before the training.
        ConfigError: `folder` holds another run, or a file cannot be written.
    """
    from bittrigger.explore.estimate import estimate_luts
    from bittrigger.frontend.keras_file.read import load_model

    probe, objective = task.probe, task.objective
    estimate_luts(calibrated(task, kernels), probe.settings)
    few_bits_luts = estimate_luts(calibrated(task, dict.fromkeys(kernels, probe.bits)), probe.settings)
    mixed, training = train_mixed(task, kernels, folder)
    x, y = task.events.part("test")
    with _written(output) as scratch:
        mixed.save(scratch, **SAVE_OPTIONS[output.suffix])
        mixed = load_model(scratch)
        luts = estimate_luts(mixed, probe.settings)
    before, after = logits_of(task.model, x), logits_of(mixed, x)
    original, found = objective.measure(before, y), objective.measure(after, y)
    result = MixedResult(
        kernels=dict(kernels),
        metric=objective.name,
        events=len(x),
        original=original,
        mixed=found,
        drop=objective.worse_by(original, found),
        drop_error=objective.error_of_drop(before, after, y),
        luts=luts,
        few_bits_luts=few_bits_luts,
        few_bits=probe.bits,
        luts_origin=ORIGIN,
        best_epoch=None if training is None else training.best_epoch,
        epochs=probe.epochs,
        seed=probe.seed,
    )
    replace_file(folder / RESULT, (json.dumps(asdict(result), indent=1) + "\n").encode())
    return result


def check_output(
    model: Path, output: Path, ternary: Iterable[str], drop_at_most: float | None, *, overwrite: bool
) -> None:
    """Refuse a wrong wish before anything is read.

    Raises:
        ConfigError: the output has another suffix, is the model itself, or exists and may not be replaced; layers are named
            as well as searched for.
    """
    if output.suffix not in SAVE_OPTIONS:
        raise ConfigError(f"output {output}: suffix {output.suffix!r}; allowed are .h5 and .keras")
    if output.exists() and (output.is_dir() or not overwrite or output.samefile(model)):
        raise ConfigError(
            f"output {output}: it exists; choose another with -o, or replace an earlier file with --overwrite"
        )
    if drop_at_most is not None and (list(ternary) or not drop_at_most >= 0):
        raise ConfigError(
            f"drop at most {drop_at_most}, ternary {', '.join(ternary) or 'none'}: allowed is either a number from 0 on, for "
            "which layers are chosen, or their names"
        )


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """A scratch file that becomes `path` if the block succeeds, and vanishes if it fails."""
    scratch = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield scratch
        scratch.replace(path)
    except OSError as error:
        raise ConfigError(f"output {path}: it cannot be written ({error}); choose another") from error
    finally:
        scratch.unlink(missing_ok=True)


def parse_layers(words: Iterable[str]) -> list[str]:
    """The layers in options such as `dense_1,dense_2`."""
    return [name for word in words for name in word.split(",") if name]


def parse_keep(words: Iterable[str]) -> dict[str, int]:
    """The bits in options such as `logits:6,dense_1:8`.

    Raises:
        ConfigError: a part has another form, or names a layer twice.
    """
    kept: dict[str, int] = {}
    for part in parse_layers(words):
        name, _, bits = part.rpartition(":")
        if not name or not bits.isdecimal() or name in kept:
            raise ConfigError(f"kept layer {part!r}: expected NAME:BITS, such as logits:6, and each layer one time")
        kept[name] = int(bits)
    return kept
