"""Every hypothesis strategy of the tests."""

from dataclasses import replace

import numpy as np
from designs import dynamic_quantizer
from hypothesis import strategies as st

from bittrigger.ir.adders import Adder, AdderGraph, Output, Term
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Overflow, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, frozen_array, intervals
from bittrigger.ir.nodes.block_floating_point import ShiftUp
from bittrigger.patterns import FRAME, Board


@st.composite
def matrices(draw, max_in=12, max_out=8, max_abs=1):
    """An integer matrix, now and then with zero, repeated and negated columns."""
    n_in, n_out = draw(st.integers(1, max_in)), draw(st.integers(1, max_out))
    seed, zeros = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0.0, 0.3, 0.75, 0.95]))
    rng = np.random.default_rng(seed)
    weights = rng.integers(-max_abs, max_abs + 1, size=(n_in, n_out))
    weights[rng.random(weights.shape) < zeros] = 0
    for change in draw(st.lists(st.sampled_from(["zero", "copy", "negate"]), max_size=3)):
        column, other = rng.integers(n_out), rng.integers(n_out)
        weights[:, column] = {"zero": 0 * weights[:, other], "copy": weights[:, other], "negate": -weights[:, other]}[
            change
        ]
    return frozen_array(weights)


@st.composite
def input_ranges(draw, size):
    """A range for each of ``size`` codes: signed, unsigned, narrow or a constant."""
    pool = [Interval(-128, 127), Interval(0, 255), Interval(-7, 7), Interval(0, 1), Interval(-1, 1), Interval(3, 3)]
    return tuple(draw(st.lists(st.sampled_from(pool), min_size=size, max_size=size)))


@st.composite
def lookups(draw, name, source, channels):
    """A piecewise constant node over ``source``, the ranges of ``channels`` codes."""
    starts, values = [], []
    for interval in source[:channels]:
        extra = (
            draw(st.lists(st.integers(interval.lo + 1, interval.hi), max_size=4)) if interval.hi > interval.lo else []
        )
        starts.append(tuple(sorted({interval.lo, *extra})))
        values.append(tuple(draw(st.integers(-3, 3)) for _ in starts[-1]))
    return Lookup(name, (), tuple(starts), tuple(values), 0)


@st.composite
def graphs(draw, name="random_net", max_layers=3):
    """A small network: one or two ports, linear layers, requantisers, look-ups, and perhaps a skip connection."""
    kinds = [FixedPoint(True, 8, 4), FixedPoint(False, 6, 0), FixedPoint(True, 3, 5)]
    nodes = []
    for port in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(kinds))
        nodes.append(Input(f"x{port}", draw(st.integers(1, 5)), kind, kind.interval))
    heads = tuple(node.name for node in nodes)
    for layer in range(draw(st.integers(1, max_layers))):
        ranges = intervals(Graph(name, tuple(nodes), heads))
        source = tuple(interval for head in heads for interval in ranges[head])
        weights = draw(matrices(max_out=6, max_abs=draw(st.sampled_from([1, 1, 7]))))
        rows = np.resize(weights, (len(source), weights.shape[1]))
        bias = np.array([draw(st.integers(-40, 40)) for _ in range(rows.shape[1])])
        nodes.append(Linear(f"dense_{layer}", heads, frozen_array(rows), frozen_array(bias), 4))
        ranges = intervals(Graph(name, tuple(nodes), (nodes[-1].name,)))
        operand_ranges = ranges[nodes[-1].name]
        match draw(st.sampled_from(["requantize", "lookup", "dynamic", "none"])):
            case "requantize":
                lo, hi = draw(st.sampled_from([0, -8, -3])), draw(st.sampled_from([7, 15, 255]))
                overflows = [Overflow.SAT, Overflow.WRAP] if lo in (0, -hi - 1) else [Overflow.SAT]
                nodes.append(
                    Requantize(
                        f"act_{layer}",
                        (nodes[-1].name,),
                        rows.shape[1],
                        draw(st.integers(-2, 5)),
                        draw(st.sampled_from(list(Rounding))),
                        lo,
                        hi,
                        draw(st.integers(-1, 4)),
                        draw(st.sampled_from([0, 0, 0, -4, -1, 3])),
                        overflow=draw(st.sampled_from(overflows)),
                    )
                )
            case "lookup":
                node = draw(lookups(f"act_{layer}", operand_ranges, rows.shape[1]))
                nodes.append(Lookup(node.name, (nodes[-1].name,), node.starts, node.values, node.frac))
            case "dynamic":
                nodes += dynamic_quantizer(
                    f"act_{layer}",
                    (nodes[-1].name,),
                    rows.shape[1],
                    bits=draw(st.integers(2, 6)),
                    signed=draw(st.booleans()),
                    base=draw(st.integers(0, 2)),
                    highest=draw(st.integers(0, 5)),
                )
                if draw(st.booleans()):
                    operands = (nodes[-1].name, nodes[-2].name)
                    nodes.append(ShiftUp(f"act_{layer}_scaled", operands, rows.shape[1], 4))
            case _:
                pass
        keep = draw(st.booleans()) and layer == 0
        heads = (nodes[-1].name, nodes[0].name) if keep else (nodes[-1].name,)
    outputs = heads if not isinstance(nodes[-1], Input) else (nodes[-1].name,)
    graph = Graph(name, tuple(nodes), outputs)
    verify(graph)
    return graph


@st.composite
def codes_of(draw, graph, events=4):
    """Input codes of ``graph``: the corners and a few random events."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ranges = [port.interval for port in graph.inputs for _ in range(port.size)]
    lows, highs = np.array([r.lo for r in ranges]), np.array([r.hi for r in ranges])
    return np.vstack([lows, highs, np.clip(0, lows, highs), rng.integers(lows, highs + 1, size=(events, len(ranges)))])


@st.composite
def adder_graphs(draw, max_inputs=4, max_adders=12):
    """A random adder graph: one to three operands, shifts, negations, constants; outputs of every kind."""
    source = draw(input_ranges(draw(st.integers(1, max_inputs))))
    adders = []
    for _ in range(draw(st.integers(0, max_adders))):
        known = len(source) + len(adders)
        shifts = st.sampled_from([0, 0, 0, 1, 3])
        terms = draw(
            st.lists(st.builds(Term, st.integers(0, known - 1), shifts, st.booleans()), min_size=1, max_size=3)
        )
        constant = draw(st.integers(-20, 20)) if len(terms) < 3 else 0
        adders.append(Adder(tuple(terms), constant))
    known = len(source) + len(adders)
    outputs = draw(
        st.lists(
            st.one_of(
                st.builds(Output, st.integers(0, known - 1), st.sampled_from([0, 0, 2])),
                st.builds(Output, st.none(), st.just(0), st.integers(-5, 5)),
            ),
            min_size=1,
            max_size=5,
        )
    )
    return AdderGraph(source, tuple(adders), tuple(outputs))


def merged(graphs_, name="merged_net"):
    """Many graphs side by side in one: one compilation then tests them all. Nodes are prefixed with ``g<k>_``."""
    nodes, outputs = [], []
    for k, graph in enumerate(graphs_):
        names = {node.name: f"g{k}_{node.name}" for node in graph.nodes}
        nodes += [
            replace(node, name=names[node.name], inputs=tuple(names[source] for source in node.inputs))
            for node in graph.nodes
        ]
        outputs += [names[output] for output in graph.outputs]
    return Graph(name, tuple(nodes), tuple(outputs))


@st.composite
def solver_problems(draw, max_abs=1):
    """A matrix, bias and input ranges as the solver takes them: any memory layout, empty rows, shifted columns."""
    weights = np.array(draw(matrices(max_in=14, max_out=12, max_abs=max_abs)))
    if draw(st.booleans()):
        weights[draw(st.integers(0, weights.shape[0] - 1))] = 0
    weights[:, draw(st.integers(0, weights.shape[1] - 1))] <<= draw(st.integers(0, 3))
    layout = draw(st.sampled_from(["C", "F", "strided", "reversed"]))
    if layout == "F":
        weights = np.asfortranarray(weights)
    elif layout == "strided":
        weights = np.repeat(np.repeat(weights, 2, axis=0), 3, axis=1)[::2, ::3]
    elif layout == "reversed":
        weights = weights[::-1, ::-1]
    small = st.integers(-9, 9)
    bias = np.array([draw(small) if draw(st.booleans()) else 0 for _ in range(weights.shape[1])], dtype=np.int64)
    return weights, bias, draw(input_ranges(weights.shape[0]))


@st.composite
def boards(draw, max_links=4, max_frames=6):
    """The content of a pattern file: any bits and any flags, sensible or not."""
    links = draw(st.lists(st.one_of(st.integers(0, 130), st.just(9999)), min_size=1, max_size=max_links, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    frames = np.zeros((draw(st.integers(0, max_frames)), len(links)), dtype=FRAME)
    frames["data"] = rng.integers(0, 2**64, frames.shape, dtype=np.uint64) * rng.integers(0, 2, frames.shape, np.uint64)
    for flag in ("start_of_orbit", "start", "last", "valid"):
        frames[flag] = rng.random(frames.shape) < 0.4
    frames["strobe"] = rng.random(len(links)) < 0.5
    frames["strobe"] |= rng.random(frames.shape) < 0.5
    name = draw(st.from_regex(r"\A([!-~]([ -~]{0,10}[!-~])?)?\Z"))
    return Board(name, tuple(links), frames)
