"""The main job: a model file becomes a build folder. Each stage is timed; none is hidden."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bittrigger import __version__
from bittrigger.build.folder import (
    Build,
    BuildSettings,
    create_pipeline,
    fresh_folder,
    save_build,
    write_firmware,
)
from bittrigger.device.parts import find_part
from bittrigger.device.timing import usable_ns
from bittrigger.errors import ConfigError
from bittrigger.ir.fixed import FloatArray, parse_fixed
from bittrigger.ir.graph import Graph
from bittrigger.ir.pipeline import Pipeline
from bittrigger.passes.simplify import simplify
from bittrigger.schedule.tradeoff import check_tradeoff
from bittrigger.solver import SolverOptions
from bittrigger.system.arrays import read_array
from bittrigger.system.versions import versions

if TYPE_CHECKING:
    from bittrigger.report import Report

Announce = Callable[[str], None]


@dataclass(frozen=True)
class ConvertOptions:
    """How a model is read and what is made of it.

    Attributes:
        input_precision: type of the input port, such as ``fixed<16,6>``; None takes the model's input quantiser.
        logits: whether a softmax or sigmoid at the output is left out.
        name: name of the design, made an identifier; None takes it from the file.
        synthesize: whether Yosys counts LUTs and flip-flops.
        overwrite: whether an earlier build in the output folder is replaced.
    """

    settings: BuildSettings = field(default_factory=BuildSettings)
    input_precision: str | None = None
    logits: bool = False
    name: str | None = None
    synthesize: bool = True
    overwrite: bool = False


@dataclass
class Stages:
    """Wall seconds of each stage, in order."""

    announce: Announce
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the block as stage ``name``."""
        self.announce(name)
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)


def check_options(options: ConvertOptions) -> None:
    """Refuse a wrong setting before the model is read.

    Raises:
        ConfigError: if the part, the budget, the clock, the latency or the precision is unknown or out of range.
    """
    settings = options.settings
    find_part(settings.part)
    SolverOptions(effort=settings.effort)
    usable_ns(settings.clock_mhz)
    check_tradeoff(settings.latency_cycles, settings.register_weight)
    if settings.budget is not None:
        from bittrigger.device.budgets import find_budget

        find_budget(settings.budget)
    if options.input_precision is not None:
        parse_fixed(options.input_precision)


def design_name(path: Path, wanted: str | None) -> str:
    """The design's identifier: ``wanted``, else the file's stem, else (for ``model.h5``) its folder's name."""
    from bittrigger.ir.naming import identifier

    stem = path.stem if path.stem not in ("model", "keras_model") else path.resolve().parent.name
    return identifier(wanted or stem)


def read_model(path: Path, options: ConvertOptions, stages: Stages) -> tuple[Graph, object]:
    """The integer graph of the model in ``path``, and the Keras model.

    Raises:
        UnsupportedModelError: if the file is no model or a layer cannot be lowered exactly.
    """
    with stages("load"):
        from bittrigger.frontend.keras_file import load_model

        model = load_model(path)
    with stages("parse"):
        from bittrigger.frontend.parse import parse

        model_graph = parse(model, design_name(path, options.name), options.settings)
    with stages("lower"):
        from bittrigger.frontend.lower import lower

        graph = lower(
            model_graph,
            input_precision=options.input_precision,
            logits=options.logits,
            name=design_name(path, options.name),
        )
        graph = simplify(graph)
    return graph, model


def convert(
    path: Path,
    folder: Path,
    options: ConvertOptions,
    *,
    inputs: FloatArray | None = None,
    announce: Announce = lambda _: None,
) -> tuple[Build, Report]:
    """Convert the model in ``path`` into a build in ``folder``, which appears whole or not at all.

    Args:
        inputs: real events `(events, n_inputs)` on which Keras and the oracle are compared, besides random ones.
        announce: called with the name of each stage as it starts.

    Raises:
        BittriggerError: if the model, a setting or the folder will not do, or Keras and the oracle differ.
    """
    check_options(options)
    stages = Stages(announce)
    with fresh_folder(folder, overwrite=options.overwrite) as scratch:
        graph, model = read_model(path, options, stages)
        with stages("check"):
            from bittrigger.compile.agreement import check_agreement

            check_agreement(model, graph, inputs, logits=options.logits)
        with stages("solve"):
            pipeline = create_pipeline(graph, options.settings)
        with stages("emit"):
            write_firmware(pipeline, scratch, options.settings)
        report = _report(pipeline, scratch, options, stages)
        made_from = provenance(path, options, inputs)
        _copy_card(path, scratch)
        save_build(scratch, pipeline, options.settings, stages.seconds, made_from)
    return Build(folder, options.settings, stages.seconds, pipeline, made_from), report


def provenance(path: Path, options: ConvertOptions, inputs: FloatArray | None) -> dict[str, Any]:
    """What a build is made from: the model's hash, that of the events, the options beside the settings, all versions."""
    return {
        "bittrigger": __version__,
        "model": {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        "events_sha256": None if inputs is None else hashlib.sha256(np.ascontiguousarray(inputs).tobytes()).hexdigest(),
        "options": {
            "input_precision": options.input_precision,
            "logits": options.logits,
            "name": options.name,
            "synthesize": options.synthesize,
        },
        "versions": versions(),
    }


def _copy_card(model: Path, folder: Path) -> None:
    """Take along ``card.md`` beside a ``model.h5`` or ``model.keras``, which is the card of that model, and its pictures."""
    card = model.parent / "card.md"
    if model.stem != "model" or not card.is_file():
        return
    shutil.copyfile(card, folder / "card.md")
    for name in re.findall(r"!\[[^\]]*\]\(([\w.-]+\.(?:png|jpe?g|svg))\)", card.read_text(encoding="utf-8")):
        if (card.parent / name).is_file():
            shutil.copyfile(card.parent / name, folder / name)


def _report(pipeline: Pipeline, folder: Path, options: ConvertOptions, stages: Stages) -> Report:
    from bittrigger.report import make_report, save_report

    synthesis = None
    if options.synthesize:
        with stages("synth"):
            from bittrigger.synth.yosys import synthesize

            synthesis = synthesize(pipeline, folder / "rtl", folder / "synth")
    with stages("report"):
        report = make_report(pipeline, options.settings, synthesis)
        save_report(report, folder / "report.json")
    return report


def read_inputs(path: Path) -> FloatArray:
    """The events in ``path``: an .npy array, or the array ``x`` of an .npz; `(events, n_inputs)`.

    Raises:
        ConfigError: if the file cannot be read, or holds something else.
    """
    values = read_array(path, "inputs", "x")
    if values.dtype.kind not in "fiu":
        raise ConfigError(f"inputs {path}: type {values.dtype}; expected real numbers")
    if 0 in values.shape or not values.ndim:
        raise ConfigError(f"inputs {path}: shape {values.shape}; expected at least one event of at least one value")
    return values.reshape(values.shape[0], -1).astype(np.float64) if values.ndim > 1 else values.astype(np.float64)
