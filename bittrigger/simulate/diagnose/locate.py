"""Where two executions of a design part: the first layer, in the order of the graph, whose codes are not the oracle's."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bittrigger.build.folder import Build
from bittrigger.errors import BittriggerError, MismatchError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import evaluate_nodes

WAVE = "wave"


@dataclass(frozen=True)
class Location:
    """The first code inside a design that is wrong.

    Attributes:
        event: number of the event.
        layer: the emitted module or function, such as ``bitlinear_dense_1``; None if it is unknown.
        node: the node of the graph that it computes.
        lane: the element of the node's vector.
        expected: the code that the oracle has there.
        actual: the code that the executor has there.
        reason: why the layer is unknown, else None.
    """

    event: int
    layer: str | None
    node: str | None = None
    lane: int | None = None
    expected: int | None = None
    actual: int | None = None
    reason: str | None = None

    def __str__(self) -> str:
        if self.layer is None:
            return f"event {self.event}: layer unknown ({self.reason})"
        return (
            f"event {self.event}: first wrong in layer {self.layer}, node {self.node}[{self.lane}]: "
            f"expected code {self.expected}, actual {self.actual}"
        )


def locate(
    build: Build, executor: str, codes: IntArray, error: MismatchError, wave: Path | None = None
) -> Location | None:
    """Where ``executor`` first departs from the oracle on the event that ``error`` names; None for a matter of timing.

    Args:
        codes: input codes `(events, n_inputs)` of the run that failed.
        wave: receives a waveform of the event and of those around it, where the executor can give one.
    """
    if error.event is None:
        return None
    first, stop = context(build, error.event, len(codes))
    part = codes[first:stop]
    try:
        with tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:
            found = _layer_codes(build, executor, part, wave or Path(scratch) / WAVE)
    except BittriggerError as failure:
        return Location(error.event, None, reason=str(failure).splitlines()[0])
    if found is None:
        return Location(error.event, None, reason=f"{executor} gives no access to its layers")
    own = build.pipeline.emulation if executor == "emulator" else build.pipeline
    wanted = evaluate_nodes(own.graph, part)
    row = error.event - first
    for module in own.modules:
        node = module.node.name
        if node not in found:
            continue
        different = np.flatnonzero(wanted[node][row] != found[node][row])
        if different.size:
            lane = int(different[0])
            expected, actual = int(wanted[node][row, lane]), int(found[node][row, lane])
            return Location(error.event, module.label, node, lane, expected, actual)
    return Location(error.event, None, reason="every layer is right in a short run of this event and those around it")


def context(build: Build, event: int, events: int) -> tuple[int, int]:
    """The events that share the pipeline with ``event``: the first, and the one after the last."""
    return max(0, event - build.pipeline.latency_cycles), min(events, event + 2)


def _layer_codes(build: Build, executor: str, codes: IntArray, wave: Path) -> Mapping[str, IntArray] | None:
    """The codes of each node, `(events, size)`, or None if the executor hides them."""
    cache = build.cache
    match executor:
        case "rtl" | "rtl-fast" | "rtl-icarus":
            from bittrigger.simulate.diagnose.probe import layer_codes

            return layer_codes(build.pipeline, build.folder / "rtl", cache / "rtl-fast", codes, wave)
        case "csim":
            from bittrigger.simulate.executors.csim import CSim

            simulation = CSim(build.graph, build.folder / "hls", cache / "csim")
            return simulation.layer_codes(build.pipeline, codes)
        case "emulator":
            from bittrigger.simulate.executors.emulator import Emulator

            graph = build.pipeline.emulation.graph
            return Emulator(graph, build.folder / "emulator", cache / "emulator").layer_codes(codes)
        case "gates":
            from bittrigger.simulate.executors.gates import GateSim

            return GateSim(build.pipeline, build.folder / "synth").layer_codes(codes)
        case _:
            return None
