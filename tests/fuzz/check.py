"""One batch of random networks through Keras and every executor: what happened to each."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from bittrigger.build.folder import Build
from bittrigger.compile import agreement
from bittrigger.compile.convert import convert
from bittrigger.compile.read import read_model
from bittrigger.errors import BittriggerError, MismatchError
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow, without_autograph
from bittrigger.frontend.keras_model.reference import round_outputs
from bittrigger.ir.basis import Grade
from bittrigger.ir.fixed import FloatArray, IntArray
from bittrigger.ir.graph import Graph, evaluate
from bittrigger.ir.held.bus import held_nodes
from bittrigger.ir.ports import decode_inputs, decode_outputs
from bittrigger.prove import Verdict, run
from bittrigger.prove.sources import structure
from bittrigger.settings import Settings
from bittrigger.simulate.compare import compare, run_executors
from bittrigger.simulate.vectors import corner_codes, random_codes
from fuzz import live
from fuzz.case import Case, Plan, Record
from fuzz.child import cpu_seconds
from fuzz.gates import Yosys
from fuzz.natives import Natives, compile_natives
from fuzz.spec import Spec

EVENTS = 100
"""Random events of each network, besides its corner vectors."""


def run_batch(specs: Sequence[Spec], folder: Path, plan: Plan, yosys: Yosys | None = None) -> list[Record]:
    """Run ``specs``, each with a design name of its own, below ``folder``, which is emptied.

    Args:
        yosys: a running one; by default one for this batch.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    server = yosys or Yosys(folder / "yosys")
    cases = [Case(spec) for spec in specs]
    try:
        for place, case in enumerate(cases):
            _convert(case, folder / str(place), plan)
        for ours in (False, True):
            chosen = [case for case in cases if case.built and live.is_live(_built(case)) is ours]
            kinds = tuple(kind for kind in plan.natives if kind != "rtl" or not ours)
            _run_natives(chosen, folder / f"natives_of_{ours:d}", replace(plan, natives=kinds))
        for case in cases:
            if not case.built:
                continue
            if case.alive and live.is_live(_built(case)):
                _run_live(case)
            if case.alive and plan.proves:
                _prove(case, server)
            if case.alive and plan.gates_every and case.spec.seed % plan.gates_every == 0:
                _run_gates(case, server)
            if case.alive and plan.product_every and case.spec.seed % plan.product_every == 0:
                _run_product(case)
    finally:
        if yosys is None:
            server.close()
        shutil.rmtree(folder, ignore_errors=True)
    return [case.record() for case in cases]


def _convert(case: Case, folder: Path, plan: Plan) -> None:
    """Build the model, save and convert it or read it as it is, and compare Keras with the oracle."""
    import tensorflow as tf

    from fuzz.model import create_model

    spec = case.spec
    built = spec.seed % plan.build_every == 0
    predicted = bool(plan.predict_every) and spec.seed % plan.predict_every == 0
    folder.mkdir(parents=True)
    path = folder / f"model.{spec.suffix}"
    tf.keras.backend.clear_session()
    started = cpu_seconds()
    try:
        model = create_model(spec)
        if built:
            with quiet_tensorflow():
                model.save(path)
    except Exception as error:  # noqa: BLE001 - Keras has no class for what it cannot build or save
        case.failure = ("unbuildable", type(error).__name__, " ".join(str(error).split())[:300])
        return
    finally:
        case.cpu_s["build model"] += cpu_seconds() - started
    reference = agreement.keras_outputs if predicted else eager_outputs
    with case.stage("convert"), patch.object(agreement, "keras_outputs", reference):
        settings = _settings(spec)
        if built:
            synthesize = bool(plan.product_every) and spec.seed % plan.product_every == 0
            case.build, _ = convert(path, folder / "build", settings, synthesize=synthesize)
            case.graph = case.build.graph
        else:
            with without_autograph():
                case.graph = read_model(model, settings, name=spec.name).graph
    left = [item.name for item in folder.iterdir() if item.name not in (path.name, "build")]
    if case.failure is not None and (folder / "build").exists():
        left.append("build")
    if left:
        case.failure = ("crash", "files left over", ", ".join(left))
    if case.graph is None or not case.alive:
        return
    case.codes = np.concatenate([random_codes(case.graph, EVENTS, spec.seed), corner_codes(case.graph)])
    case.wanted = evaluate(case.graph, case.codes)
    with case.stage("keras", "keras"):
        _compare_with_keras(case, model, case.graph, predicted=predicted)
    case.executors.append("oracle")


def _settings(spec: Spec) -> Settings:
    return Settings(
        effort=spec.effort,
        clock_mhz=spec.clock_mhz,
        input_precision=spec.input_precision,
        logits=spec.logits,
        require=spec.require,
        name=spec.name,
        ii=spec.ii,
        hdl=spec.hdl,
        port=spec.port,
        reloadable=spec.reloadable,
        tunable=spec.tunable,
    )


def _ends_in_probabilities(spec: Spec) -> bool:
    """Whether an output is a softmax or a sigmoid, which is left out: what is in front of it has been compared."""
    return any(spec.nodes[k].options.get("activation") in ("softmax", "sigmoid") for k in spec.outputs)


def _compare_with_keras(case: Case, model: Any, graph: Graph, *, predicted: bool) -> None:
    """Compare the model as it was before it was saved; the loaded one has been compared by the conversion."""
    if case.spec.logits or _ends_in_probabilities(case.spec):
        return
    assert case.codes is not None
    assert case.wanted is not None
    if graph.basis.grade is Grade.IDEAL:
        _compare_with_double(graph)
        return
    values = decode_inputs(graph, case.codes).astype(np.float32)
    found = eager_outputs(model, values)
    expected = decode_outputs(graph, case.wanted)
    if not np.array_equal(round_outputs(graph, found), expected):
        raise MismatchError(
            f"Keras before saving and the oracle differ in {np.argwhere(found != expected)[:3].tolist()}"
        )
    if predicted and not np.array_equal(_predicted(model, values), found):
        raise MismatchError("predict and an eager call of Keras differ")


def _compare_with_double(graph: Graph) -> None:
    """Float64, which the conversion has run, has to give the definition's bits wherever its 53 bits decide them."""
    measured = graph.basis.measured
    if measured is not None and measured.float64 is not None and measured.float64.events:
        raise MismatchError(f"float64 differs on {measured.float64.events} of {measured.events} events")


def _split(model: Any, values: FloatArray) -> list[FloatArray]:
    shapes = [tuple(int(n) for n in tensor.shape[1:]) for tensor in model.inputs]
    stops = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = np.split(values, stops[:-1], axis=1)
    return [part.reshape(len(values), *shape) for part, shape in zip(parts, shapes, strict=True)]


def eager_outputs(model: Any, values: FloatArray) -> FloatArray:
    """What Keras gives for `(events, n_inputs)` float32, called eagerly: a tenth of the time of tracing a graph."""
    import tensorflow as tf

    inputs = [tf.constant(part) for part in _split(model, values)]
    with without_autograph():
        found = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return _side_by_side(found, len(values))


def _predicted(model: Any, values: FloatArray) -> FloatArray:
    inputs = _split(model, values)
    return _side_by_side(model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0), len(values))


def _side_by_side(found: Any, events: int) -> FloatArray:
    outputs = found if isinstance(found, list | tuple) else [found]
    return np.concatenate([np.asarray(item, dtype=np.float64).reshape(events, -1) for item in outputs], axis=1)


def _run_natives(cases: list[Case], folder: Path, plan: Plan) -> None:
    """Compile all networks together; if that fails, one by one, so that it is known which one it is."""
    if not cases or not plan.natives:
        return
    started = cpu_seconds()
    program: Natives | None = None
    try:
        program = compile_natives([_built(case) for case in cases], folder, plan.natives)
    except BittriggerError:
        if len(cases) > 1:
            for place, case in enumerate(cases):
                _run_natives([case], folder.parent / f"natives_{place}", plan)
            return
        with cases[0].stage("compile", "compiler"):
            raise
    finally:
        for case in cases:
            case.cpu_s["compile"] += (cpu_seconds() - started) / len(cases)
    if program is None:
        return
    for place, case in enumerate(cases):
        for kind in plan.natives:
            if case.alive:
                with case.stage(f"run {kind}", kind):
                    _check(case, program.run(place, kind, _codes(case)), kind)


def _built(case: Case) -> Build:
    assert case.build is not None
    return case.build


def _codes(case: Case) -> IntArray:
    assert case.codes is not None
    return case.codes


def _check(case: Case, found: IntArray, kind: str) -> None:
    assert case.wanted is not None
    compare(_built(case).graph, case.wanted, found, ("oracle", kind))


def _prove(case: Case, yosys: Yosys) -> None:
    """Prove the Verilog for every input."""
    before = yosys.cpu_s
    with case.stage("prove"), patch.object(structure, "read_rtl", yosys.rtl):
        proof = run.prove(_built(case), netlist=False, jobs=1)
        refuted = [claim for claim in proof.claims if claim.verdict is Verdict.REFUTED]
        if refuted:
            raise MismatchError(f"{refuted[0].subject}: {refuted[0].detail}")
        if proof.proven:  # else a claim is open: neither proven nor wrong
            case.executors.append("proof")
    case.cpu_s["prove"] += yosys.cpu_s - before


def _run_live(case: Case) -> None:
    """The RTL of what takes words or holds numbers, and every executor on other numbers."""
    with case.stage("run rtl-fast", "rtl-fast"):
        live.run_live(_built(case), ("rtl-fast",), _codes(case))
    if not case.alive or not held_nodes(_built(case).graph):
        return
    with case.stage("run swapped", "swapped"):
        live.run_live(live.swapped(_built(case), case.spec.seed), live.OTHER, _codes(case))


def _run_gates(case: Case, yosys: Yosys) -> None:
    before = yosys.cpu_s
    with case.stage("gates", "gates"):
        _check(case, yosys.gates(_built(case), _codes(case)), "gates")
    case.cpu_s["gates"] += yosys.cpu_s - before


def _run_product(case: Case) -> None:
    """Every executor as the command line runs it."""
    for name in ("csim", "emulator", "rtl", "gates"):
        with case.stage(f"product {name}", f"product {name}"):
            for outcome in run_executors(_built(case), [name], _codes(case), look_into=False):
                if outcome.error is not None:
                    raise outcome.error
        if not case.alive:
            return
