"""The main job: a model file becomes a build folder. Each stage is timed; none is hidden."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bittrigger.build.folder import Build, fresh_folder, save_build, write_firmware
from bittrigger.compile.apart import graph_of
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.compile.provenance import copy_card, origin_of, provenance
from bittrigger.compile.read import Announce, Dump, Stages, design_name, measured_graph, silent
from bittrigger.errors import ConfigError, InternalError
from bittrigger.ir.fixed import FloatArray
from bittrigger.ir.graph import Graph, evaluate
from bittrigger.ir.pipeline import Pipeline
from bittrigger.passes.simplify import nothing
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes
from bittrigger.system.arrays import read_array

if TYPE_CHECKING:
    from bittrigger.report import Report


def convert(
    source: Path | Any,
    folder: Path,
    settings: Settings | None = None,
    *,
    inputs: FloatArray | None = None,
    synthesize: bool = True,
    overwrite: bool = False,
    announce: Announce = silent,
    dump: Path | None = None,
) -> tuple[Build, Report]:
    """Convert a model into a build in ``folder``, which appears whole or not at all.

    Args:
        source: a model file of Keras, ONNX or PyTorch, a Keras model object, or an integer graph.
        settings: what is chosen about the design; by default everything as it is by default.
        synthesize: whether Yosys counts LUTs and flip-flops.
        overwrite: whether an earlier build in the output folder is replaced.
        inputs: real events `(events, n_inputs)` on which Keras and the oracle are compared, besides random ones.
        announce: called with the name of each stage as it starts.
        dump: folder for the integer graph as text, before and after each pass.

    Raises:
        BittriggerError: if the model, a setting or the folder will not do, or Keras and the oracle differ.
    """
    settings = settings or Settings()
    stages = Stages(announce, nothing if dump is None else Dump(dump))
    with fresh_folder(folder, overwrite=overwrite) as scratch:
        known = isinstance(source, Path) and dump is None and not settings.emulator_weights
        pipeline = (_known if known else _made)(source, settings, inputs, stages)
        file = source if isinstance(source, Path) else None
        pipeline = replace(pipeline, origin=origin_of(pipeline.graph, file))
        with stages("emit"):
            write_firmware(pipeline, scratch, settings)
        report = _report(pipeline, scratch, settings, stages, synthesize=synthesize)
        made_from = provenance(file, inputs, synthesize=synthesize)
        if file is not None:
            copy_card(file, scratch)
        save_build(scratch, pipeline, settings, stages.seconds, made_from)
    return Build(folder, settings, stages.seconds, pipeline, made_from), report


def _known(path: Path, settings: Settings, inputs: FloatArray | None, stages: Stages) -> Pipeline:
    """The pipeline of the model in ``path``: made, or found if the very same model was compared with Keras before."""
    from bittrigger.compile.known import find, keep, question

    name = design_name(path, settings.name)
    key = question(path, settings, name, inputs)
    started = time.perf_counter()
    pipeline = None if key is None else find(key, settings)
    if pipeline is not None:
        stages.seconds["known"] = round(time.perf_counter() - started, 3)
        return pipeline
    pipeline = _made(path, settings, inputs, stages)
    if key is not None and key == question(path, settings, name, inputs):  # nobody wrote to the file meanwhile
        keep(key, pipeline)
    return pipeline


def _made(source: Path | Any, settings: Settings, inputs: FloatArray | None, stages: Stages) -> Pipeline:
    """The pipeline of a model, solved while it is being compared with Keras, if Keras can read it."""
    with graph_of(source, settings, inputs=inputs, stages=stages) as asked, stages("solve"):
        pipeline = create_pipeline(asked.graph, settings)
        emulated = None if asked.emulated is None else _emulated(asked.emulated, pipeline)
    return replace(pipeline, graph=measured_graph(pipeline.graph, asked.measured), emulated=emulated)


def _emulated(graph: Graph, pipeline: Pipeline) -> Pipeline:
    """The pipeline of the emulator that takes weight files; its adders are few, and nobody builds them.

    Raises:
        InternalError: if it differs from ``pipeline`` in a bit.
    """
    codes = np.concatenate([corner_codes(graph), random_codes(graph, 256, 0)])
    if not np.array_equal(evaluate(graph, codes), evaluate(pipeline.graph, codes)):
        raise InternalError(f"design {graph.name!r}: the emulator with its numbers held differs from the firmware")
    return create_pipeline(graph, Settings(effort="fast", clock_mhz=pipeline.clock_mhz))


def _report(pipeline: Pipeline, folder: Path, settings: Settings, stages: Stages, *, synthesize: bool) -> Report:
    from bittrigger.report import make_report, save_report

    synthesis, period = None, None
    if synthesize:
        with stages("synth"):
            from bittrigger.synth.yosys import synthesize as run_yosys

            synthesis = run_yosys(pipeline, folder / "rtl", folder / "synth")
        with stages("timing"):
            from bittrigger.report.period import measure_period

            period = measure_period(pipeline, folder / "synth", synthesis.total.lut)
    with stages("report"):
        report = replace(make_report(pipeline, settings, synthesis), period=period)
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
