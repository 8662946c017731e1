"""A study: some variants of a model, each trained with some seeds; what is done already is not done again.

Each run leaves its figures in `FOLDER/VARIANT/seed-SEED/result.json`, so a study can be stopped at any time and goes on
with the same call. The weights of a run lie beside it, as the work of the recipe left them.
"""

from __future__ import annotations

import json
import logging
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bittrigger.errors import ConfigError
from bittrigger.train.checkpoint import make_folder, replace_file
from bittrigger.train.recipes import RecipeOptions

__all__ = ["Run", "Spread", "run_study", "run_twins", "spread_of", "summary_rows"]

_log = logging.getLogger(__name__)

RESULT = "result.json"
FLOAT, TERNARY = "float", "ternary"
"""Names of the variants of a twin study."""


@dataclass(frozen=True)
class Run:
    """What one training gave.

    Attributes:
        variant: its name.
        seed: its seed.
        folder: where its files lie.
        figures: numbers by name; None is not known.
    """

    variant: str
    seed: int
    folder: Path
    figures: Mapping[str, float | None]


@dataclass(frozen=True)
class Spread:
    """A figure over seeds.

    Attributes:
        mean: of the values.
        deviation: sample standard deviation, with `count - 1` in the denominator; None for one value.
        count: number of values.
    """

    mean: float
    deviation: float | None
    count: int

    def text(self, digits: int = 2, factor: float = 1.0) -> str:
        """Return it in words, as `72.31 ± 0.12`, with so many digits after the point, times `factor`."""
        mean = f"{factor * self.mean:,.{digits}f}"
        return mean if self.deviation is None else f"{mean} ± {factor * self.deviation:,.{digits}f}"


Figures = Mapping[str, float | None]
Work = Callable[[str, Mapping[str, Any], int, Path], Figures]
"""Called with the variant, its settings, the seed and a folder of its own; returns the figures."""


def run_study(
    variants: Mapping[str, Mapping[str, Any]],
    seeds: Sequence[int],
    folder: Path,
    work: Work,
    *,
    identity: Mapping[str, Any] | None = None,
) -> list[Run]:
    """Do the runs of a study that are not done yet, and return all of them, variant by variant.

    Args:
        variants: settings by name, of plain types that JSON holds; a name is that of a folder.
        seeds: at least one, each once.
        folder: made if it is missing.
        work: does one run. If it is stopped, the next call finds its folder as it was left.
        identity: what else a run depends on, such as a hash of the data.

    Raises:
        ConfigError: there is no variant or seed, one is unfit, or `folder` holds a run of other settings.
    """
    _check(variants, seeds)
    todo = [(name, settings, seed) for name, settings in variants.items() for seed in seeds]
    known: dict[tuple[str, int], Run] = {}
    for name, settings, seed in todo:
        found = _load(folder, name, seed, _facts(settings, identity))
        if found is not None:
            known[name, seed] = found
    left = [item for item in todo if (item[0], item[2]) not in known]
    _log.info("%d of %d runs are done", len(known), len(todo))
    started = time.perf_counter()
    for done, (name, settings, seed) in enumerate(left, start=1):
        _log.info("run %d of %d: %s, seed %d", len(known) + 1, len(todo), name, seed)
        place = folder / name / f"seed-{seed}"
        make_folder(place)
        figures = {key: None if v is None else float(v) for key, v in work(name, settings, seed, place).items()}
        content = {**_facts(settings, identity), "figures": figures}
        replace_file(place / RESULT, (json.dumps(content, indent=1) + "\n").encode())
        known[name, seed] = Run(name, seed, place, figures)
        spent = time.perf_counter() - started
        _log.info("%s, seed %d: %s; %.0f s left", name, seed, _words(figures), spent / done * (len(left) - done))
    return [known[name, seed] for name, _, seed in todo]


def spread_of(values: Iterable[float | None]) -> Spread | None:
    """Return mean and spread of figures, or None if one of them is not known or there is none."""
    known = list(values)
    numbers = [float(value) for value in known if value is not None]
    if not numbers or len(numbers) < len(known):
        return None
    deviation = statistics.stdev(numbers) if len(numbers) > 1 else None
    return Spread(statistics.fmean(numbers), deviation, len(numbers))


def summary_rows(runs: Sequence[Run], columns: Mapping[str, tuple[int, float]]) -> list[list[str]]:
    """Return a table row for each variant: its name, then each figure as mean and spread over its seeds.

    Args:
        runs: of any number of variants, in the order of the rows.
        columns: for each figure, how many digits after the point and by what factor; unknown figures are shown as `-`.
    """
    rows = []
    for variant in dict.fromkeys(run.variant for run in runs):
        chosen = [run.figures for run in runs if run.variant == variant]
        cells = []
        for name, (digits, factor) in columns.items():
            spread = spread_of(figures.get(name) for figures in chosen)
            cells.append("-" if spread is None else spread.text(digits, factor))
        rows.append([variant, *cells])
    return rows


def run_twins(
    options: RecipeOptions,
    float_epochs: int,
    float_twin: Callable[[int, Path], Figures],
    networks: Mapping[str, Callable[[Path, int, int, Path], Figures]],
    identity: Mapping[str, Any],
) -> list[Run]:
    """The study of quantised networks that begin with the weights of their float twin of the same seed.

    Args:
        options: seeds, epochs of the quantised networks, and the folder of the runs.
        float_epochs: of the twin.
        float_twin: called with the seed and a folder of its own.
        networks: each by its name; called with the folder of the twin, seed, epochs and a folder of its own.
        identity: what else a run depends on.
    """

    def work(variant: str, _: Mapping[str, Any], seed: int, folder: Path) -> Figures:
        if variant == FLOAT:
            return float_twin(seed, folder)
        return networks[variant](options.work / FLOAT / f"seed-{seed}", seed, options.epochs, folder)

    variants = {FLOAT: {"epochs": float_epochs}, **{name: {"epochs": options.epochs} for name in networks}}
    return run_study(variants, options.seeds, options.work, work, identity=identity)


def _check(variants: Mapping[str, Mapping[str, Any]], seeds: Sequence[int]) -> None:
    if not variants or not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(
            f"study of {len(variants)} variants, seeds {list(seeds)}: expected at least one of each, once"
        )
    for name in variants:
        if not name or name in (".", "..") or any(not (c.isalnum() or c in "._-") for c in name):
            raise ConfigError(f"variant {name!r}: its name is that of a folder; allowed are letters, digits and . _ -")


def _facts(settings: Mapping[str, Any], identity: Mapping[str, Any] | None) -> dict[str, Any]:
    """What must be the same for a run to count as done, as JSON gives it back."""
    facts: dict[str, Any] = json.loads(json.dumps({"settings": dict(settings), "identity": dict(identity or {})}))
    return facts


def _load(folder: Path, variant: str, seed: int, facts: Mapping[str, Any]) -> Run | None:
    """The run that is done, or None.

    Raises:
        ConfigError: it is one of other settings, or its file is damaged.
    """
    place = folder / variant / f"seed-{seed}"
    path = place / RESULT
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        figures = {str(key): None if value is None else float(value) for key, value in content["figures"].items()}
        found = {key: content[key] for key in facts}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"result {path}: it is damaged ({error!r}); remove it to do the run again") from error
    for key, wanted in facts.items():
        if found[key] != wanted:
            raise ConfigError(
                f"result {path}: its {key} are {found[key]}, this study has {wanted}; allowed is the same study; use "
                f"another folder, or remove {place} to do the run again"
            )
    return Run(variant, seed, place, figures)


def _words(figures: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {'-' if value is None else f'{value:.6g}'}" for name, value in figures.items())
