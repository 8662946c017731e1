"""The designs that mutants must spoil: every kind of node, operand, rounding, range and output, copies, wires and folding."""

from __future__ import annotations

import json
from collections.abc import Container
from pathlib import Path

import numpy as np
import strategies
import test_engine
import test_folding
import test_rtl
import test_stream_port
import test_tally
from designs import digit_sums, divided_sums, modulo, places, products, scales
from designs import graph as ternary_graph

from bittrigger.build.store import save_design
from bittrigger.compile.pipeline import serial_adders
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, frozen_array, intervals, operand
from bittrigger.passes.lower_trees import lower_graph_to_trees
from bittrigger.settings import Settings
from bittrigger.solver import SolverOptions, solve

RANDOM_NETWORKS = 10
RANDOM_ADDER_GRAPHS = 10


ORDER = (
    "slow",
    "wide",
    "parts",
    "solved",
    "folded",
    "turns",
    "loops",
    "places",
    "products",
    "sums",
    "divisions",
    "modulo",
    "held",
    "words",
    "digits",
    "passes",
    "steps",
    "adders",
    "scales",
    "networks",
    "modes",
    "tuned",
    "bare",
    "wrapped",
)
"""From the one that is checked in the shortest time to the longest."""


WRAPPED = ("bare", "wrapped")
"""Those of which wrappers are made, and nothing else."""

HELD = {"held": (True, False, "Weigh"), "tuned": (True, True, "Hold"), "wrapped": (True, False, "Weigh")}
"""Those that hold weights, or biases, in registers, and the nodes that come of it: the copy of the product makes them do so. The
layers of ``tuned`` are there more than one time, so that their weights stay constants."""


def write_designs(folder: Path, names: Container[str] = ORDER) -> None:
    """Write each design of ``names`` and its settings to ``folder``."""
    folder.mkdir()
    for name, (graph, adders, clock_mhz, reuse, ii) in {
        "networks": (_random_networks(), {}, 360.0, {}, 1),
        "adders": (*_random_adders(), 200.0, {}, 1),
        "solved": (*_solved(), 400.0, {}, 1),
        "loops": (_loops(), {}, 300.0, {"dense_0": 2, "dense_1": 3, "dense_2": 2}, 1),
        "parts": (_parts(), {}, 300.0, {}, 1),
        "wide": (_wide(), {}, 240.0, {}, 1),
        "modes": (_modes(), {}, 360.0, {}, 1),
        "slow": (_slow(), {}, 20.0, {}, 1),
        "scales": (scales(), {}, 480.0, {}, 1),
        "places": (places(), {}, 300.0, {}, 1),
        "products": (products(), {}, 300.0, {}, 1),
        "sums": (digit_sums(), {}, 480.0, {}, 1),
        "divisions": (divided_sums(), {}, 360.0, {}, 1),
        "modulo": (modulo(), {}, 360.0, {}, 1),
        "folded": (test_folding.folding_net(), {}, 300.0, {}, 3),
        "turns": (test_tally.network(), {}, 240.0, {}, 4),
        "steps": (test_engine.network(), {}, 360.0, {}, 40),
        "digits": (test_engine.network(), {}, 360.0, {}, 9),
        "passes": (test_engine.network(), {}, 450.0, {}, 36),
        "held": (ternary_graph((7, 5, 3)), {}, 360.0, {}, 1),
        "tuned": (places(), {}, 360.0, {}, 1),
        "words": (test_stream_port.constituent_net(), {}, 300.0, {}, 4),
        "bare": (ternary_graph((40, 6, 9)), {}, 360.0, {}, 1),
        "wrapped": (ternary_graph((40, 6, 9)), {}, 360.0, {}, 1),
    }.items():
        if name not in names:
            continue
        verify(graph)
        serial = serial_adders(graph, Settings(ii=ii)) if name in ("digits", "passes") else {}
        save_design(folder / f"{name}.json", graph, lower_graph_to_trees(graph) | adders, serial)
        settings = {
            "clock_mhz": clock_mhz,
            "reuse_factor": reuse,
            "trees": not adders,
            "ii": ii,
            "unrolled": 1 if name == "parts" else 65536,
            "port": "stream" if name == "words" else "whole",
            "held": HELD.get(name),
            "wrapped": name in WRAPPED,
        }
        (folder / f"{name}.settings").write_text(json.dumps(settings), encoding="utf-8")


def _random_networks():
    return strategies.merged(test_rtl.sample(strategies.graphs(), RANDOM_NETWORKS), "networks")


def _random_adders():
    examples = [
        adders for adders in test_rtl.sample(strategies.adder_graphs(), 3 * RANDOM_ADDER_GRAPHS) if adders.adders
    ]
    examples = sorted(examples, key=lambda graph: -len(graph.adders))[:RANDOM_ADDER_GRAPHS]
    graph = strategies.merged([test_rtl.graph_of_adders(adders) for adders in examples], "adder_graphs")
    return graph, {f"g{k}_layer": adders for k, adders in enumerate(examples)}


def _solved():
    """A ternary layer, a multi-bit layer, a skip connection and an unused node, lowered by the solver."""
    rng = np.random.default_rng(11)
    port = Input("x", 8, FixedPoint(True, 8, 4), Interval(-127, 127))
    first = Linear(
        "dense_0", ("x",), frozen_array(rng.integers(-1, 2, (8, 7))), frozen_array(rng.integers(-30, 31, 7)), 4
    )
    relu = Requantize("relu", ("dense_0",), 7, 2, Rounding.RND_CONV, 0, 63, 2)
    second = Linear(
        "dense_1", ("relu", "x"), frozen_array(rng.integers(-7, 8, (15, 5))), frozen_array(rng.integers(-9, 10, 5)), 2
    )
    graph = Graph("solved", (port, first, relu, second), ("dense_1", "relu"))
    ranges = intervals(graph)
    options = SolverOptions(effort="fast")
    adders = {n.name: solve(n.weights, n.bias, operand(n, ranges), options) for n in (first, second)}
    return graph, adders


def _slow():
    """All in one clock cycle."""
    port = Input("x", 3, FixedPoint(True, 4, 0), Interval(-8, 7))
    weights = frozen_array(np.array([[1, -1], [0, 1], [-1, 1]]))
    dense = Linear("dense", ("x",), weights, frozen_array(np.array([1, 0])), 0)
    return Graph("slow", (port, dense, Requantize("relu", ("dense",), 2, 1, Rounding.TRN, 0, 4, 0)), ("relu",))


def _loops():
    """A chain whose layers are loops over packed weights in HLS: ternary in two words a column, shifted, and of several bits."""
    rng = np.random.default_rng(12)
    port = Input("x", 40, FixedPoint(False, 5, 2), Interval(0, 31))
    first = Linear(
        "dense_0", ("x",), frozen_array(rng.integers(-1, 2, (40, 5))), frozen_array(rng.integers(-30, 31, 5)), 2
    )
    relu = Requantize("relu", ("dense_0",), 5, 1, Rounding.RND, -16, 15, 1)
    weights = frozen_array(rng.integers(-1, 2, (5, 7)) << rng.integers(0, 2, 7))
    second = Linear("dense_1", ("relu",), weights, frozen_array(np.zeros(7, dtype=np.int64)), 1)
    again = Requantize("relu_again", ("dense_1",), 7, 2, Rounding.RND, -16, 15, 0)
    integers = frozen_array(rng.integers(-7, 8, (7, 4)))
    third = Linear("dense_2", ("relu_again",), integers, frozen_array(np.arange(4)), 0)
    return Graph("loops", (port, first, relu, second, again, third), ("dense_2",))


def _parts():
    """Loops over packed weights because there are many, on each part of an array and on two arrays."""
    rng = np.random.default_rng(13)
    port = Input("x", 6, FixedPoint(True, 5, 2), Interval(-16, 15))
    each = Linear(
        "each", ("x",), frozen_array(rng.integers(-1, 2, (3, 2))), frozen_array(np.array([3, -2])), 2, copies=2
    )
    both = Linear("both", ("each", "x"), frozen_array(rng.integers(-1, 2, (10, 3))), frozen_array(np.arange(3)), 2)
    return Graph("parts", (port, each, both), ("both",))


def _wide():
    """Ports of so many bits that a double leaves no room to round them, and no others."""
    port = Input("x", 3, FixedPoint(True, 54, 35), FixedPoint(True, 54, 35).interval)
    weights = frozen_array(np.array([[1, -1], [0, 1], [-1, 1]]))
    dense = Linear("dense", ("x",), weights, frozen_array(np.array([5, 0])), 11)
    return Graph(
        "wide", (port, dense, Requantize("clip", ("dense",), 2, 3, Rounding.RND_ZERO, -99, 4000, 8)), ("clip",)
    )


def _modes():
    """Every rounding mode on signed and unsigned codes, multiplied, clipped on either side, and tables."""
    signed = Input("a", 2, FixedPoint(True, 9, 0), FixedPoint(True, 9, 0).interval)
    unsigned = Input("b", 1, FixedPoint(False, 9, 0), Interval(0, 510))
    ranges = (
        (3, -20, 20),
        (2, 0, 63),
        (-1, -100, 77),
        (1, -64, 63),
        (12, -1, 1),
        (0, -300, 600),
        (1, -63, 64),
        (2, -33, 32),
    )
    nodes = [
        Requantize(f"r{k}_{j}", ("a", "b"), 3, shift, rounding, lo, hi, 0)
        for k, rounding in enumerate(Rounding)
        for j, (shift, lo, hi) in enumerate(ranges)
    ]
    table = Lookup(
        "t", ("a", "b"), ((-256, -3, 0, 9), (-256, 100), (0, 1, 2, 400)), ((-2, 5, 1, 0), (1, 0), (3, 3, 0, 7)), 0
    )
    return Graph("modes", (signed, unsigned, *nodes, table), (*(node.name for node in nodes), "t"))
