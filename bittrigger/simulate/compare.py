"""Run executors on the same events and compare every bit with the oracle."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bittrigger.build.folder import Build
from bittrigger.errors import BittriggerError, ConfigError, MismatchError
from bittrigger.ir.basis import Grade, Reference
from bittrigger.ir.fixed import FloatArray, IntArray
from bittrigger.ir.graph import Graph
from bittrigger.ir.ports import decode_outputs, output_fields
from bittrigger.simulate import EXECUTORS, Compiled, Executor, HasEntries
from bittrigger.simulate.diagnose.record import Record, record_mismatch
from bittrigger.simulate.executors.oracle import Oracle
from bittrigger.system.extras import is_installed
from bittrigger.system.toolchain import has_program

IDEAL = "the design is of the ideal grade, where Keras' own float32 rounds"
_BUILDS = 2
"""Executors that are built at a time, each with a compiler a core: waiting for one, another goes on."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one executor did.

    Attributes:
        codes: output codes `(events, n_outputs)`, or None if it failed.
        seconds: wall time, what had to be built included.
        build_seconds: of it, for what had to be built before the run.
        error: why it failed or how it differs from the oracle, or None.
        not_run: why it was left out of ``all``, or None.
        record: what is known of a difference, or None.
    """

    executor: str
    codes: IntArray | None
    seconds: float
    error: BittriggerError | None
    not_run: str | None = None
    record: Record | None = None
    build_seconds: float = 0.0

    @property
    def run_seconds(self) -> float:
        """Wall time of the run alone."""
        return max(self.seconds - self.build_seconds, 1e-6)

    @property
    def agrees(self) -> bool:
        """Whether it ran and equals the oracle on every bit."""
        return self.error is None and self.not_run is None


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """``names`` without repeats, ``all`` expanded, the oracle first.

    Raises:
        ConfigError: if one is not an executor.
    """
    unknown = [name for name in names if name not in (*EXECUTORS, "all")]
    if unknown:
        raise ConfigError(f"executor {unknown[0]!r} is unknown; allowed are {', '.join(EXECUTORS)} and all")
    wanted = EXECUTORS if "all" in names else names
    return ("oracle", *(name for name in EXECUTORS[1:] if name in wanted))


def _not_of_keras(build: Build) -> str | None:
    """Why Keras' own float32 does not give the bits of a build, or None."""
    if build.graph.basis.reference not in (Reference.KERAS, Reference.TYPED):
        return "the model is none of Keras"
    return IDEAL if build.graph.basis.grade is Grade.IDEAL else None


def of_keras(build: Build) -> tuple[str, ...]:
    """The executor ``keras``, if it gives the bits of a build."""
    return () if _not_of_keras(build) else ("keras",)


def left_out(name: str, build: Build, model: Path | None) -> str | None:
    """Why ``all`` cannot mean executor ``name`` here, or None; whoever names it gets an error instead."""
    reasons = {
        "gates": [((build.folder / "synth" / f"{build.graph.name}.json").is_file(), "the build was not synthesised")],
        "keras": [
            (model is not None, "no --model was given"),
            (_not_of_keras(build) is None, _not_of_keras(build) or ""),
            (is_installed("tensorflow"), "TensorFlow is not installed"),
        ],
        "csim": [(is_installed("hls4ml"), "the headers ap_types of hls4ml are not installed")],
        "rtl-icarus": [(has_program("iverilog"), "Icarus Verilog is not installed")],
        "vhdl": [(has_program("ghdl"), "GHDL is not installed")],
    }
    return next((reason for holds, reason in reasons.get(name, []) if not holds), None)


def create_executor(  # noqa: PLR0911
    name: str,
    build: Build,
    simulator: str = "verilator",
    model: Path | None = None,
    events: FloatArray | None = None,
) -> Executor:
    """The executor ``name`` on ``build``; what it builds is kept in the user's cache.

    Args:
        simulator: of the executor ``rtl``.
        model: the Keras model of the executor ``keras``.
        events: what ``keras`` gets in the place of the first codes, see there.

    Raises:
        ConfigError: if it is unknown, or lacks its model.
    """
    match name:
        case "oracle":
            return Oracle(build.graph)
        case "keras":
            from bittrigger.simulate.executors.keras import KerasExecutor

            if model is None:
                raise ConfigError("executor 'keras' needs the model of the build; give it with --model model.h5")
            if (reason := _not_of_keras(build)) is not None:
                raise ConfigError(
                    f"executor 'keras': {reason}; leave it out, the report says how far Keras is from the design"
                )
            settings = build.settings
            return KerasExecutor(
                build.graph,
                model,
                events,
                settings.keep_activation,
                settings.declared,
                settings.log_odds,
            )
        case "csim":
            from bittrigger.simulate.executors.csim import CSim

            return CSim(build.graph, build.folder / "hls", build.cache / "csim")
        case "emulator":
            from bittrigger.simulate.executors.emulator import Emulator

            return Emulator(build.pipeline.emulation.graph, build.folder / "emulator", build.cache / "emulator")
        case "rtl" | "rtl-icarus" | "vhdl":
            from bittrigger.simulate.executors.rtl import RtlSim

            chosen = {"rtl-icarus": "icarus", "vhdl": "ghdl"}.get(name, simulator)
            part = "vhdl" if name == "vhdl" else "rtl"
            return RtlSim(build.pipeline, build.folder / part, build.cache / part, chosen)
        case "rtl-fast":
            from bittrigger.simulate.executors.rtl_fast import RtlFast

            return RtlFast(build.pipeline, build.folder / "rtl", build.cache / "rtl-fast")
        case "gates":
            from bittrigger.simulate.executors.gates import GateSim

            return GateSim(build.pipeline, build.folder / "synth")
        case _:
            raise ConfigError(f"executor {name!r} is unknown; allowed are {', '.join(EXECUTORS)}")


def compare(graph: Graph, wanted: IntArray, found: IntArray, executors: tuple[str, str]) -> None:
    """Check that two executions agree on every bit.

    Args:
        wanted: output codes `(events, n_outputs)` of the first executor.
        found: those of the second.

    Raises:
        MismatchError: naming the first event and output that differ, both values and both executors.
    """
    first, second = executors
    if wanted.shape != found.shape:
        raise MismatchError(f"{second} gave outputs of shape {found.shape}; {first} gave {wanted.shape}")
    different = np.argwhere(wanted != found)
    if not different.size:
        return
    event, column = (int(k) for k in different[0])
    field = output_fields(graph)[column]
    events = int(np.unique(different[:, 0]).size)
    values = [float(decode_outputs(graph, codes[event : event + 1])[0, column]) for codes in (wanted, found)]
    raise MismatchError(
        f"event {event}, output {field.port}[{field.index}]: {first} gives {values[0]:g} "
        f"(code {wanted[event, column]}), {second} gives {values[1]:g} (code {found[event, column]}); "
        f"{events} of {wanted.shape[0]} events differ",
        event=event,
        column=column,
        codes=(int(wanted[event, column]), int(found[event, column])),
    )


def run_executors(
    build: Build,
    names: Sequence[str],
    codes: IntArray,
    *,
    simulator: str = "verilator",
    model: Path | None = None,
    events: FloatArray | None = None,
    look_into: bool = True,
    entries: bool = True,
    on_start: Callable[[str], None] = lambda _: None,
) -> list[Outcome]:
    """Run each executor on ``codes`` `(events, n_inputs)` and compare it with the oracle.

    A failing executor is an outcome, so that the others still run. What ``all`` names but this machine lacks is an outcome
    that says so; an executor that is named itself must run. ``all`` means ``vhdl`` only of a build that has VHDL.

    Args:
        simulator: of the executor ``rtl``.
        model: the Keras model of the executor ``keras``.
        events: the real events behind the first of ``codes``; Keras gets them as they are.
        entries: whether what executors promise besides is checked, which is of the numbers that the build was made with.
        look_into: whether a mismatch is traced to its layer and left in the build folder, which takes seconds.
        on_start: called with the name of each executor that runs.
    """
    outcomes: list[Outcome] = []
    wanted = [name for name in check_names(names) if name in names or name != "vhdl" or build.settings.hdl == "vhdl"]
    reasons = {name: None if name in names else left_out(name, build, model) for name in wanted}
    with ThreadPoolExecutor(_BUILDS) as pool:
        builds = {
            name: pool.submit(lambda name=name: _built(create_executor(name, build, simulator, model, events)))  # type: ignore[misc]
            for name, reason in reasons.items()
            if reason is None
        }
        for name, reason in reasons.items():
            if reason is not None:
                outcomes.append(Outcome(name, None, 0.0, None, reason))
                continue
            on_start(name)
            outcome = _outcome(
                name, builds[name], build.graph, codes, outcomes[0].codes if outcomes else None, entries=entries
            )
            if look_into and isinstance(outcome.error, MismatchError):
                record = record_mismatch(
                    build, name, codes, outcome.error, simulator=simulator, model=model, events=events
                )
                outcome = replace(outcome, record=record)
            outcomes.append(outcome)
    return outcomes


def _built(executor: Executor) -> tuple[Executor, float]:
    """``executor``, and the wall time of building what it needs."""
    started = time.perf_counter()
    if isinstance(executor, Compiled):
        executor.build()
    return executor, time.perf_counter() - started


def _outcome(
    name: str,
    build: Future[tuple[Executor, float]],
    graph: Graph,
    codes: IntArray,
    wanted: IntArray | None,
    *,
    entries: bool,
) -> Outcome:
    """What executor ``name`` gives for ``codes``, compared with ``wanted``; waiting for its turn to be built is not its time."""
    found: IntArray | None = None
    error: BittriggerError | None = None
    built, started = 0.0, time.perf_counter()
    try:
        executor, built = build.result()
        started = time.perf_counter()
        found = executor.run(codes)
        if wanted is not None:
            compare(graph, wanted, found, ("oracle", name))
        if entries and isinstance(executor, HasEntries):
            executor.check_entries()
    except BittriggerError as failure:
        error = failure
    return Outcome(name, found, built + time.perf_counter() - started, error, build_seconds=built)


def explain(outcome: Outcome) -> str:
    """The message of a failed outcome: what differs, where it begins, and how to see it again."""
    parts = [str(outcome.error)]
    if outcome.record is not None:
        parts += [
            str(outcome.record.location),
            f"left in {outcome.record.folder}; see it again with",
            outcome.record.command,
        ]
    return "\n".join(parts)


def raise_first(outcomes: Sequence[Outcome]) -> None:
    """Raise the first error, if any executor failed or differed.

    Raises:
        MismatchError: with where it begins and how to see it again.
        BittriggerError: if an executor failed.
    """
    for outcome in outcomes:
        if isinstance(outcome.error, MismatchError):
            raise MismatchError(explain(outcome)) from outcome.error
        if outcome.error is not None:
            raise outcome.error


def save_outputs(path: Path, graph: Graph, outcomes: Sequence[Outcome]) -> None:
    """Write one float64 array `(events, n_outputs)` an executor to ``path`` (.npz), in the units of the Keras outputs.

    Raises:
        ConfigError: if ``path`` cannot be written.
    """
    arrays = {item.executor: decode_outputs(graph, item.codes) for item in outcomes if item.codes is not None}
    try:
        packed = io.BytesIO()  # zipfile complains a second time where a disk is full
        np.savez_compressed(packed, **arrays)
        path.write_bytes(packed.getvalue())
    except OSError as error:
        raise ConfigError(f"outputs cannot be written to {path}: {error.strerror}") from error
