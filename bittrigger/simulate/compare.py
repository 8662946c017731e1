"""Run executors on the same events and compare every bit with the oracle."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bittrigger.build import Build
from bittrigger.errors import BittriggerError, ConfigError, MismatchError
from bittrigger.fixed import IntArray
from bittrigger.graph import Graph
from bittrigger.ports import decode_outputs, output_fields
from bittrigger.simulate import Executor
from bittrigger.simulate.oracle import Oracle

EXECUTORS = ("oracle", "csim", "emulator", "rtl", "rtl-fast", "gates")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one executor did.

    Attributes:
        codes: output codes `(events, n_outputs)`, or None if it failed.
        seconds: wall time, what had to be built included.
        error: why it failed or how it differs from the oracle, or None.
    """

    executor: str
    codes: IntArray | None
    seconds: float
    error: BittriggerError | None

    @property
    def agrees(self) -> bool:
        """Whether it ran and equals the oracle on every bit."""
        return self.error is None


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


def create_executor(name: str, build: Build, simulator: str = "verilator") -> Executor:
    """The executor ``name`` on ``build``; what it builds is cached in the build's ``sim`` folder."""
    cache = build.folder / "sim"
    match name:
        case "oracle":
            return Oracle(build.graph)
        case "csim":
            from bittrigger.simulate.csim import CSim

            return CSim(build.graph, build.folder / "hls", cache / "csim")
        case "emulator":
            from bittrigger.simulate.emulator import Emulator

            return Emulator(build.graph, build.folder / "emulator", cache / "emulator")
        case "rtl":
            from bittrigger.simulate.rtl import RtlSim

            return RtlSim(build.pipeline, build.folder / "rtl", cache / "rtl", simulator)
        case "rtl-fast":
            from bittrigger.simulate.rtl_fast import RtlFast

            return RtlFast(build.pipeline, build.folder / "rtl", cache / "rtl-fast")
        case "gates":
            from bittrigger.simulate.gates import GateSim

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
        f"{events} of {wanted.shape[0]} events differ"
    )


def run_executors(
    build: Build,
    names: Sequence[str],
    codes: IntArray,
    *,
    simulator: str = "verilator",
    on_start: Callable[[str], None] = lambda _: None,
) -> list[Outcome]:
    """Run each executor on ``codes`` `(events, n_inputs)` and compare it with the oracle.

    A failing executor is an outcome, so that the others still run.
    """
    outcomes: list[Outcome] = []
    for name in check_names(names):
        on_start(name)
        started = time.perf_counter()
        found: IntArray | None = None
        error: BittriggerError | None = None
        try:
            found = create_executor(name, build, simulator).run(codes)
            if outcomes and outcomes[0].codes is not None:
                compare(build.graph, outcomes[0].codes, found, ("oracle", name))
        except BittriggerError as failure:
            error = failure
        outcomes.append(Outcome(name, found, time.perf_counter() - started, error))
    return outcomes


def save_outputs(path: Path, graph: Graph, outcomes: Sequence[Outcome]) -> None:
    """Write one float64 array `(events, n_outputs)` an executor to ``path`` (.npz), in the units of the Keras outputs.

    Raises:
        ConfigError: if ``path`` cannot be written.
    """
    arrays = {item.executor: decode_outputs(graph, item.codes) for item in outcomes if item.codes is not None}
    try:
        with path.open("wb") as stream:
            np.savez_compressed(stream, **arrays)
    except OSError as error:
        raise ConfigError(f"outputs cannot be written to {path}: {error.strerror}") from error
