"""Adder graphs as JSON."""

from __future__ import annotations

from bittrigger.build.store.values import Json, whole
from bittrigger.ir.adders import Adder, AdderGraph, Output, Term
from bittrigger.ir.fixed import MAX_WIDTH, Interval
from bittrigger.ir.graph import Intervals


def adders_to_json(graph: AdderGraph) -> Json:
    """``graph`` as plain lists: ranges of the inputs; constant and terms of each adder; outputs."""
    return {
        "inputs": [[i.lo, i.hi] for i in graph.inputs],
        "adders": [[a.constant, *([t.value, t.shift, int(t.negative)] for t in a.terms)] for a in graph.adders],
        "outputs": [[out.value, out.shift, out.constant] for out in graph.outputs],
    }


def adders_from_json(data: Json) -> AdderGraph:
    """The graph that ``adders_to_json`` was given.

    Raises:
        ValueError: if a number is out of range, or an adder reads a later value or has too many operands; other errors
            of Python where the structure is another one.
    """
    source: Intervals = tuple(Interval(whole(lo), whole(hi)) for lo, hi in data["inputs"])
    adders: list[Adder] = []
    for constant, *terms in data["adders"]:
        last = len(source) + len(adders) - 1
        read = tuple(
            Term(whole(value, 0, last), whole(shift, 0, MAX_WIDTH), bool(negative)) for value, shift, negative in terms
        )
        adder = Adder(read, whole(constant))
        if not read or adder.operands > 3:
            raise ValueError(f"adder {len(adders)} has {len(read)} terms and constant {adder.constant}")
        adders.append(adder)
    last = len(source) + len(adders) - 1
    outputs = tuple(
        Output(None if value is None else whole(value, 0, last), whole(shift, 0, MAX_WIDTH), whole(constant))
        for value, shift, constant in data["outputs"]
    )
    return AdderGraph(source, tuple(adders), outputs)
