"""What it costs to make a layer ternary: the metric that is lost against the LUTs that are saved, layer by layer.

TensorFlow is imported inside the functions that need it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bittrigger.explore.candidates import Candidate, Probe, Task, measure_candidate
from bittrigger.explore.objectives import logits_of

__all__ = ["ORIGIN", "Announce", "LayerSensitivity", "Sensitivity", "measure_sensitivity", "sensitivity_json"]

ORIGIN = "estimate"
"""Of all LUTs here: the cost model applied to the solver's adder graphs. No figure of another origin may be set beside them."""

Announce = Callable[[str, int, int], None]
"""Called with what is measured next, how many measurements are done, and how many there are."""


@dataclass(frozen=True)
class LayerSensitivity:
    """What making one layer ternary costs, all others being as in the baseline.

    Attributes:
        layer: its name.
        weights: of its kernel.
        metric: of the network with this layer ternary.
        drop: by how much the metric is worse than that of the baseline; negative if it is better.
        drop_error: standard error of `drop` from the number of events; None if the metric has none.
        luts: of the whole design with this layer ternary.
        luts_saved: LUTs of the baseline less `luts`; negative if none are saved.
    """

    layer: str
    weights: int
    metric: float
    drop: float
    drop_error: float | None
    luts: int
    luts_saved: int

    @property
    def drop_per_kilolut(self) -> float | None:
        """The drop for a thousand LUTs saved; None if none are saved."""
        return 1000 * self.drop / self.luts_saved if self.luts_saved > 0 else None


@dataclass(frozen=True)
class Sensitivity:
    """The layers of a model, the cheapest to make ternary first.

    Attributes:
        model: its name.
        metric: name of the metric.
        events: number of validation events that it is measured on.
        original: metric of the model as it was given.
        baseline: metric with every kernel at `probe.bits`.
        baseline_luts: of that design.
        ternary: metric with every kernel ternary.
        ternary_luts: of that design.
        probe: how all were made.
        layers: ordered by the drop for each LUT saved; layers that save none come last.
    """

    model: str
    metric: str
    events: int
    original: float
    baseline: float
    baseline_luts: int
    ternary: float
    ternary_luts: int
    probe: Probe
    layers: tuple[LayerSensitivity, ...]


def measure_sensitivity(
    task: Task, *, folder: Path | None = None, announce: Announce = lambda _what, _done, _of: None
) -> Sensitivity:
    """Make each layer ternary by itself, and measure what that costs and saves.

    The baseline, each layer, and all layers are made from the original anew, calibrated on the training events, trained
    for the epochs of the probe, and measured on the validation events. The test events are left alone.

    Args:
        task: what the networks are made from.
        folder: of the trainings, which can be stopped and resumed; None keeps nothing.
        announce: called before each measurement.

    Raises:
        UnsupportedModelError: the model has nothing to quantise, or would not convert.
        ConfigError: a setting is out of range, or `folder` holds other runs.
    """
    from bittrigger.explore.mixed import TERNARY, dense_layers

    model, objective, probe = task.model, task.objective, task.probe
    names = dense_layers(model)
    few, ternary = dict.fromkeys(names, probe.bits), dict.fromkeys(names, TERNARY)
    todo = [("all kernels at few bits", few), *((name, few | {name: TERNARY}) for name in names)]
    found: list[Candidate] = []
    for number, (what, kernels) in enumerate([*todo, ("all kernels ternary", ternary)]):
        announce(what, number, len(names) + 2)
        run = None if folder is None else folder / f"{number:03d}"
        found.append(measure_candidate(task, kernels, run))
    x, y = task.events.part("validation")
    baseline, *singles, last = found
    layers = [
        LayerSensitivity(
            layer=name,
            weights=math.prod(model.get_layer(name).kernel.shape),
            metric=single.metric,
            drop=objective.worse_by(baseline.metric, single.metric),
            drop_error=objective.error_of_drop(baseline.scores, single.scores, y),
            luts=single.luts,
            luts_saved=baseline.luts - single.luts,
        )
        for name, single in zip(names, singles, strict=True)
    ]
    return Sensitivity(
        model=model.name,
        metric=objective.name,
        events=len(x),
        original=objective.measure(logits_of(model, x), y),
        baseline=baseline.metric,
        baseline_luts=baseline.luts,
        ternary=last.metric,
        ternary_luts=last.luts,
        probe=probe,
        layers=tuple(sorted(layers, key=_order)),
    )


def _order(layer: LayerSensitivity) -> tuple[bool, float]:
    rate = layer.drop_per_kilolut
    return (rate is None, layer.drop if rate is None else rate)


def sensitivity_json(found: Sensitivity) -> dict[str, Any]:
    """Return the result as plain types for JSON, with the origin of its LUTs."""
    layers = [{**asdict(layer), "drop_per_kilolut": layer.drop_per_kilolut} for layer in found.layers]
    return {**asdict(found), "luts_origin": ORIGIN, "layers": layers}
