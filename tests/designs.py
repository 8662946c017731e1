"""Small networks for the tests of synthesis, reports and executors."""

import itertools
from dataclasses import replace

import numpy as np

from bittrigger.build.folder import load_build, save_build, write_firmware
from bittrigger.compile.digit_sums import with_digit_sums
from bittrigger.compile.divisions import with_divided_sums
from bittrigger.frontend.elementwise.chains import StridedInterval
from bittrigger.frontend.elementwise.exact import Line, quantised_runs
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.elementwise.pair_fit import fit_pair
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Overflow, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, frozen_array, intervals, operand
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp, exponent_table
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.passes.lower_trees import lower_trees
from bittrigger.schedule.schedule import Schedule
from bittrigger.settings import Settings
from bittrigger.simulate.compare import run_executors
from bittrigger.solver import SolverOptions, solve
from bittrigger.synth.yosys import synthesize


def rounding_forms(shift):
    """Every rounding mode, with offsets: none, the half that was moved into a bias, and one of no meaning."""
    half = -(1 << (shift - 1)) if shift > 0 else -1
    return [*((mode, 0) for mode in Rounding), (Rounding.RND_CONV, half), (Rounding.RND, -3), (Rounding.TRN_ZERO, 5)]


def graph(sizes, seed=0, name="example"):
    """A random ternary network with a saturating ReLU between its layers."""
    rng = np.random.default_rng(seed)
    nodes = [Input("x", sizes[0], FixedPoint(True, 8, 4), Interval(-128, 127))]
    prev = "x"
    for k, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        weights = frozen_array(rng.integers(-1, 2, (n_in, n_out)))
        nodes.append(Linear(f"dense_{k}", (prev,), weights, frozen_array(rng.integers(-30, 30, n_out)), 4))
        prev = f"dense_{k}"
        if k < len(sizes) - 2:
            nodes.append(Requantize(f"relu_{k}", (prev,), n_out, 2, Rounding.RND_CONV, 0, 63, 2))
            prev = f"relu_{k}"
    made = Graph(name, tuple(nodes), (prev,))
    verify(made)
    return made


def _schedule(made, lower, clock_mhz):
    ranges = intervals(made)
    adders = {n.name: lower(n.weights, n.bias, operand(n, ranges)) for n in made.nodes if isinstance(n, Linear)}
    return Schedule(clock_mhz).apply(made, adders)


def mlp(sizes, seed=0, clock_mhz=360.0, name="example"):
    """A pipeline of plain trees of two-input adders."""
    return _schedule(graph(sizes, seed, name), lower_trees, clock_mhz)


def solved(sizes, seed=0, clock_mhz=360.0, name="example"):
    """A pipeline of shared, three-input adders."""
    return _schedule(graph(sizes, seed, name), lambda *a: solve(*a, SolverOptions(effort="fast")), clock_mhz)


def dynamic_quantizer(name, inputs, size, *, bits, signed, base, highest):
    """The nodes of a dynamic quantiser that shifts by ``base`` to ``base + highest`` places; the exponent is the last but one."""
    magnitude = bits - signed
    starts, values = exponent_table(highest)
    return (
        MagnitudeOr(f"{name}_peak", inputs, magnitude + base, signed),
        Lookup(f"{name}_exponent", (f"{name}_peak",), (starts,), (values,), 0),
        ShiftDown(
            name,
            (*inputs, f"{name}_exponent"),
            size,
            base,
            -(1 << magnitude) if signed else 0,
            (1 << magnitude) - 1,
            4 - base,
        ),
    )


def scales(count=7):
    """Signed, unsigned and ReLU; with and without a bound that saturates; two ports; products of codes and exponents."""
    signed, unsigned = FixedPoint(True, 11, 0), FixedPoint(False, 7, 0)
    ports = (
        Input("x", 3, signed, signed.interval),
        Input("y", 2, unsigned, unsigned.interval),
        Input("z", 1, signed, Interval(-900, 5)),
    )
    cases = [
        (("x",), 3, 4, True, 0, 7),
        (("x", "y", "z"), 6, 4, False, 0, 6),
        (("x",), 3, 4, True, 3, 2),
        (("x", "y"), 5, 3, False, 1, 3),
        (("y",), 2, 4, True, 2, 1),
        (("z",), 1, 5, True, 0, 5),
        (("z",), 1, 2, False, 0, 1),
    ]
    nodes = list(ports)
    outputs = []
    for k, (inputs, size, bits, negative, base, highest) in enumerate(cases[:count]):
        nodes += dynamic_quantizer(f"q{k}", inputs, size, bits=bits, signed=negative, base=base, highest=highest)
        nodes.append(ShiftUp(f"up{k}", (f"q{k}", f"q{k}_exponent"), size, 0))
        outputs += [f"q{k}", f"up{k}"]
    graph = Graph("scales", tuple(nodes), tuple(outputs))
    verify(graph)
    return graph


def token_scales(tokens=3, features=2, outputs=3):
    """A scale for each of several tokens: two quantisers with a matrix between, whose exponents add up, and a sum over tokens."""
    rng = np.random.default_rng(6)
    kind, one = FixedPoint(True, 8, 2), frozen_array(np.ones((2, 1), dtype=np.int64))
    places, every = np.arange(tokens), tokens * outputs

    def beside(name, codes, exponents, size):
        first, last = np.arange(tokens * size).reshape(tokens, size), tokens * size + places[:, None]
        return Wire(name, (codes, exponents), frozen_array(np.concatenate([first, last], axis=1).ravel()), 2)

    def quantizer(name, source, size, bits, highest, *, signed):
        peak, table, down = dynamic_quantizer(name, (source,), size, bits=bits, signed=signed, base=0, highest=highest)
        wire = beside(f"{source}_with_exponents", source, table.name, size)
        return (
            replace(peak, copies=tokens),
            replace(table, copies=tokens),
            wire,
            replace(down, inputs=(wire.name,), size=tokens * size, copies=tokens),
        )

    sums = np.tile(np.eye(outputs, dtype=np.int64), (tokens, 1))
    pairs = np.stack([places, tokens + places], axis=1)
    nodes = (
        Input("x", tokens * features, kind, kind.interval),
        *quantizer("q", "x", features, 4, 4, signed=True),
        Linear("each", ("q",), *ternary(rng, features, outputs), 2, copies=tokens),
        *quantizer("r", "each", outputs, 3, 2, signed=False),
        Wire("pairs", ("q_exponent", "r_exponent"), frozen_array(pairs.ravel()), 0),
        Linear("total", ("pairs",), one, frozen_array([0]), 0, copies=tokens),
        beside("r_with_exponents", "r", "total", outputs),
        ShiftUp("up", ("r_with_exponents",), every, 2, tokens),
        Linear("sum", ("up",), frozen_array(sums), frozen_array(np.zeros(outputs, dtype=np.int64)), 2),
    )
    graph = Graph("token_scales", nodes, ("sum", "up"))
    verify(graph)
    return graph


def ternary(rng, n_in, n_out):
    """Random weights and biases of a layer."""
    return frozen_array(rng.integers(-1, 2, (n_in, n_out))), frozen_array(rng.integers(-9, 10, n_out))


def places():
    """Every way in which copies read codes: windows with zeros, by steps, a crop, nodes of other widths; wires that leave."""
    rng = np.random.default_rng(5)
    signed, narrow = FixedPoint(True, 6, 2), FixedPoint(False, 3, 1)

    x = np.arange(12).reshape(4, 3)
    windows = np.concatenate([np.concatenate([np.full((1, 3), ZERO), x[:-1]]), x], axis=1)
    tables = ((-999, -7, 0, 5), (-999, 2), (-999, -1, 30), (-999, 0))
    levels = ((0, 3, 1, 2), (1, 3), (3, 0, 2), (0, 1))
    nodes = (
        Input("x", 12, signed, Interval(-31, 31)),
        Input("y", 3, narrow, Interval(0, 5)),
        Wire("windows", ("x",), frozen_array(windows.ravel()), 2),
        Linear("conv", ("windows",), *ternary(rng, 6, 4), 2, copies=4),
        Requantize("relu", ("conv",), 16, 1, Rounding.RND_CONV, -8, 15, 1, copies=4),
        Lookup("steps", ("conv",), tables, levels, 1, copies=4),
        Wire("turned", ("relu",), frozen_array(np.arange(16).reshape(4, 4).T.ravel()), 1),
        Linear("sums", ("turned",), frozen_array(np.ones((4, 1))), frozen_array([3]), 1, copies=4),
        Wire("crop", ("x",), frozen_array(np.arange(3, 9)), 2),
        Linear("inner", ("crop",), *ternary(rng, 3, 2), 2, copies=2),
        Wire("mixed", ("steps", "sums", "y"), frozen_array([16, 3, 21, ZERO, 18, 0, 22, 1, 19, 17, 2, 20]), 1),
        Linear("last", ("mixed",), *ternary(rng, 6, 3), 1, copies=2),
        Extremum("most", ("turned",), 1, copies=4),
        Wire("ranks", ("y", "relu", "steps"), frozen_array([0, 5, 20, 1, 6, 21]), 1),
        Extremum("least", ("ranks",), 1, least=True, copies=2),
        Wire("left", ("y", "relu"), frozen_array([2, ZERO, 5, 4, 3, 18]), 1),
    )
    graph = Graph("places", nodes, ("last", "left", "inner", "most", "least"))
    verify(graph)
    return graph


PORTS_OF_FACTORS = {
    "s8": (FixedPoint(True, 8, 0), Interval(-128, 127)),
    "u6": (FixedPoint(False, 6, 0), Interval(0, 63)),
    "s5": (FixedPoint(True, 5, 0), Interval(-15, 15)),
    "u1": (FixedPoint(False, 1, 0), Interval(0, 1)),
    "s13": (FixedPoint(True, 13, 0), Interval(-4096, 4000)),
}
FACTORS = [("s8", "s8"), ("s8", "u6"), ("u6", "u6"), ("s5", "u1"), ("s13", "s5"), ("u1", "u1"), ("s13", "s13")]
SQUARED = ("s8", "u6", "s13", "s5", "u1")


def products():
    """Products of codes of every sign and width, squares, and one of two copies."""
    nodes = [Input(name, 2, kind, span) for name, (kind, span) in PORTS_OF_FACTORS.items()]
    outputs = []
    for left, right in FACTORS:
        name = f"{left}_{right}"
        sources, indices = ((left, right), [0, 3]) if left != right else ((left,), [0, 1])
        nodes += [Wire(f"{name}_factors", sources, frozen_array(indices), 0), Product(name, (f"{name}_factors",), 0)]
        outputs.append(name)
    for name in SQUARED:
        nodes.append(Product(f"{name}_squares", (name,), 0, copies=2))
        outputs.append(f"{name}_squares")
    nodes += [Wire("four", ("s5", "u6"), frozen_array([0, 2, 1, 3]), 0), Product("both", ("four",), 0, copies=2)]
    graph = Graph("products", tuple(nodes), (*outputs, "both"))
    verify(graph)
    return graph


def tables():
    """Tables of many steps: over the bits of narrow codes, and searched in wider ones, with channels of unequal depth."""
    rng = np.random.default_rng(8)

    def steps(lo, hi, count, low, high):
        starts = np.sort(rng.choice(np.arange(lo + 1, hi), count, replace=False)).tolist()
        return (lo, *starts), tuple(rng.integers(low, high, count + 1).tolist())

    def lookup(name, source, channels, copies=1):
        starts, values = zip(*channels, strict=True)
        return Lookup(name, (source,), starts, values, 0, copies)

    signed, unsigned = FixedPoint(True, 12, 0), FixedPoint(False, 13, 0)
    nodes = (
        Input("x", 4, signed, Interval(-2000, 2047)),
        Input("y", 2, unsigned, Interval(0, 8000)),
        Input("z", 2, FixedPoint(True, 7, 0), Interval(-60, 63)),
        lookup("deep", "x", [steps(-2000, 2047, 130, -9, 90), steps(-2000, 2047, 16, 0, 3)], copies=2),
        lookup("few", "y", [steps(0, 8000, 40, -300, 5), ((0, 700), (3, -1))]),
        lookup("flat", "y", [(tuple(range(0, 8000, 450)), (0, 1) * 9), ((0,), (6,))]),
        lookup("narrow", "z", [steps(-60, 63, 50, -20, 20), steps(-60, 63, 5, 0, 9)]),
    )
    graph = Graph("tables", nodes, ("deep", "few", "flat", "narrow"))
    verify(graph)
    return graph


def digits():
    """Two layers that an interval of 18 cycles lets multiply digit by digit, the first in two passes."""
    rng = np.random.default_rng(3)
    kind = FixedPoint(True, 6, 0)
    nodes = (
        Input("x", 8, kind, Interval(-31, 31)),
        Linear("first", ("x",), *ternary(rng, 8, 12), 0),
        Requantize("relu", ("first",), 12, 2, Rounding.RND_CONV, 0, 31, -2),
        Linear("last", ("relu",), *ternary(rng, 12, 5), -2),
    )
    graph = Graph("digits", nodes, ("last",))
    verify(graph)
    return graph


def build_of(pipeline, folder, *, synth=False, hdl="verilog", settings=None):
    """A whole build of ``pipeline``, sealed; synthesised if told."""
    port = "stream" if pipeline.arrival else "whole"
    settings = settings or Settings(clock_mhz=pipeline.clock_mhz, ii=pipeline.ii, port=port, hdl=hdl)
    write_firmware(pipeline, folder, settings)
    if synth:
        synthesize(pipeline, folder / "rtl", folder / "synth")
    save_build(folder, pipeline, settings, {})
    return load_build(folder)


def disagreements(build, executors, codes):
    """The errors of those of ``executors`` that do not give the oracle's bits for ``codes`` `(events, n_inputs)`."""
    outcomes = run_executors(build, executors, codes, look_into=False)
    return [str(outcome.error) for outcome in outcomes if not outcome.agrees]


def scaled(factors, offsets, shift, limits, *, port="x", copies=1):
    """The nodes of a scale and of the requantiser behind it."""
    weights = frozen_array(np.diag(factors))
    names = (f"{port}_scale", f"{port}_codes")
    return (
        Linear(names[0], (port,), weights, frozen_array(np.array(offsets)), shift, copies),
        Requantize(names[1], (names[0],), copies * len(factors), shift, Rounding.TRN, *limits, 0, copies=copies),
    )


def normalisations():
    """Scales of several widths, signs and limits, and a channel that is a constant."""
    ports = {
        "x": (FixedPoint(True, 14, 0), Interval(-8192, 8191)),
        "y": (FixedPoint(False, 9, 0), Interval(0, 500)),
        "z": (FixedPoint(True, 10, 0), Interval(-512, 511)),
    }
    parts = {
        "x": ((2811, -1777, 6131, 0), (71111, -5000, 123, 1 << 20), 16, (-128, 127)),
        "y": ((11213, -9077), (-131072, 1 << 21), 16, (0, 63)),
        "z": ((23173, 30011), (-99, 3 << 16), 16, (-500, 500)),
    }
    inputs = (Input(name, len(parts[name][0]), *kind) for name, kind in ports.items())
    nodes = (*inputs, *(node for name, part in parts.items() for node in scaled(*part, port=name)))
    graph = Graph("norms", nodes, tuple(f"{name}_codes" for name in ports))
    verify(graph)
    return graph


def digit_sums():
    """``normalisations`` as sums of tables; 480 MHz leave 1.7 ns, so that registers stand between the additions."""
    return with_digit_sums(normalisations(), Settings(clock_mhz=360.0))


def halved(lines, span, limits, port):
    """The nodes of divisions that round half to even behind ``port``, each as the sum of two floors, and limits."""
    reach, grid, size = StridedInterval(span.lo, span.hi, 1), Grid(0, *limits), len(lines)
    pairs = [fit_pair(quantised_runs(line, reach, grid), *limits) for line in lines]
    pairs = [pair.at_shift(max(pair.shift for pair in pairs)) for pair in pairs]
    weights = np.repeat(np.diag([pair.multiplier for pair in pairs]), 2, axis=1)
    bias = np.array([offset for pair in pairs for offset in (pair.upper, pair.lower)])
    ends = [
        (code * w + b) >> pairs[0].shift
        for code in (span.lo, span.hi)
        for w, b in zip(weights.sum(0).tolist(), bias.tolist(), strict=True)
    ]
    names = [f"{port}_{step}" for step in ("scale", "floors", "sum", "codes")]
    both = frozen_array(np.repeat(np.eye(size, dtype=np.int64), 2, axis=0))
    return (
        Linear(names[0], (port,), frozen_array(weights), frozen_array(bias), pairs[0].shift),
        Requantize(names[1], (names[0],), 2 * size, pairs[0].shift, Rounding.TRN, min(ends), max(ends), 0),
        Linear(names[2], (names[1],), both, frozen_array(np.zeros(size, dtype=np.int64)), 0),
        Requantize(names[3], (names[2],), size, 0, Rounding.TRN, *limits, 0),
    )


def divisions():
    """Divisions by 10 and other numbers that round half to even: narrow codes, and such beyond which nothing changes any more."""
    ports = {
        "x": (FixedPoint(True, 23, 0).interval, (Line(1, 0, 640), Line(-1, 5120, 640), Line(1, 12800, 1280)), (0, 511)),
        "y": (Interval(0, (1 << 20) - 77), (Line(1, 640, 320), Line(1, 0, 192), Line(0, 3, 1)), (0, 255)),
        "z": (Interval(-30000, 32767), (Line(1, 0, 160),), (-128, 127)),
    }
    inputs = (Input(name, len(lines), FixedPoint.holding(span, 0), span) for name, (span, lines, _) in ports.items())
    nodes = (*inputs, *(node for name, part in ports.items() for node in halved(part[1], part[0], part[2], name)))
    graph = Graph("halves", nodes, tuple(f"{name}_codes" for name in ports))
    verify(graph)
    return graph


def divided_sums():
    """``divisions`` as sums of tables."""
    return with_divided_sums(divisions(), Settings(clock_mhz=360.0))


TYPES = ((-8, 7), (0, 7), (-1, 0), (0, 1), (-64, 63), (0, 1023))
"""Codes that wrap around, signed and unsigned, from one bit to more than most operands have."""


def around(name, inputs, size, shift, limits, form=(Rounding.TRN, 0), copies=1):  # noqa: PLR0917
    """A requantiser whose codes wrap around."""
    mode, offset = form
    return Requantize(name, inputs, size, shift, mode, *limits, 0, offset, copies, Overflow.WRAP)


def modulo():
    """Sums that wrap around in types of several widths, with every rounding, up to many turns; some of them nowhere."""
    rng = np.random.default_rng(8)
    ports = (
        Input("x", 4, FixedPoint(True, 7, 0), Interval(-64, 63)),
        Input("y", 3, FixedPoint(False, 5, 0), Interval(0, 31)),
    )
    dense = Linear("dense", ("x", "y"), *ternary(rng, 7, 5), 0)
    steps = [(shift, limits) for shift in (-2, 0, 1, 3) for limits in TYPES]
    forms = [rounding_forms(shift)[k % 10] for k, (shift, _) in enumerate(steps)]
    nodes = [
        around(f"q{k}", ("dense",), 5, *step, form) for k, (step, form) in enumerate(zip(steps, forms, strict=True))
    ]
    apart = around("apart", ("y",), 3, 0, (-8, 7), copies=3)
    last = Linear("last", ("q4", "apart"), *ternary(rng, 8, 3), 0)
    made = Graph("modulo", (*ports, dense, *nodes, apart, last), (*(node.name for node in nodes), "last"))
    verify(made)
    return made
