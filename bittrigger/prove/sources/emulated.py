"""The network of an emulator that takes weight files, beside the design that it stands for: compared, not proven."""

from __future__ import annotations

import numpy as np

from bittrigger.build.folder import DESIGN, EMULATED
from bittrigger.ir.graph import Graph, evaluate, input_intervals, output_fracs
from bittrigger.ir.pipeline import Pipeline
from bittrigger.prove.claims import Unproven

EVENTS = 256
"""Random events that are compared, besides all codes at their lowest and at their highest."""

STATEMENT = (
    f"every file is what is emitted for {EMULATED}, which gives what {DESIGN} does for all events that were tried, and there is "
    "no other"
)
METHOD = f"byte equality, {EVENTS + 2} events"


def check_emulated(pipeline: Pipeline) -> None:
    """Compare what the emulator is made of with the design, if these are two.

    Raises:
        Unproven: if ports, steps of outputs or results differ.
    """
    if pipeline.emulated is None:
        return
    made, graph = pipeline.emulated.graph, pipeline.graph
    if _outside(made) != _outside(graph):
        raise Unproven(f"{EMULATED} has another name, other ports or other steps of outputs than {DESIGN}")
    low, high = np.array([(span.lo, span.hi) for span in input_intervals(graph)], dtype=np.int64).T
    random = np.random.default_rng(EVENTS).integers(low, high, (EVENTS, len(low)), endpoint=True)
    codes = np.concatenate([np.stack([low, high]), random])
    wrong = np.flatnonzero((evaluate(made, codes) != evaluate(graph, codes)).any(axis=1))
    if wrong.size:
        raise Unproven(f"{EMULATED} computes something else than {DESIGN} for {wrong.size} of {len(codes)} events")


def _outside(graph: Graph) -> tuple[object, ...]:
    """What can be seen of a network without running it."""
    ports = [(port.name, port.size, port.type, port.interval) for port in graph.inputs]
    return graph.name, ports, output_fracs(graph).tolist()
