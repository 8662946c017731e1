"""The RTL executor: real simulators on emitted SystemVerilog, every bit and every cycle; and proof that it can fail."""

import shutil
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from designs import rounding_forms
from hypothesis import HealthCheck, Phase, given, settings
from strategies import adder_graphs, graphs, merged

from bittrigger.emit.verilog import emit_verilog
from bittrigger.errors import ConfigError, MismatchError, ToolError, ToolNotFoundError
from bittrigger.ir.adders import Adder, AdderGraph, Output, Term, linear_form
from bittrigger.ir.checks import verify as verify_graph
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, evaluate, frozen_array
from bittrigger.passes.lower_trees import lower_graph_to_trees
from bittrigger.schedule.schedule import Schedule
from bittrigger.simulate.executors.rtl import RtlSim
from bittrigger.simulate.simulators import model, stimulus
from bittrigger.simulate.vectors import corner_codes, random_codes

CLOCK_MHZ = 360.0
QUICK = "icarus" if shutil.which("iverilog") else "verilator"
"""For designs that are simulated for a few cycles only, what compiles fastest."""


def sample(strategy, count):
    """``count`` examples, the same in every run."""
    found = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example):
        found.append(example)

    collect()
    return found


def pipeline_of(graph, adders=None, clock_mhz=CLOCK_MHZ):
    """``graph`` in stages; nodes that ``adders`` does not name become plain trees."""
    verify_graph(graph)
    return Schedule(clock_mhz).apply(graph, lower_graph_to_trees(graph) | (adders or {}))


def graph_of_adders(adders):
    """A network of one layer that an adder graph computes, with a port for each input."""
    weights, bias = linear_form(adders)
    ports = tuple(Input(f"x{k}", 1, FixedPoint.holding(i, 0), i) for k, i in enumerate(adders.inputs))
    layer = Linear("layer", tuple(port.name for port in ports), frozen_array(weights), frozen_array(bias), 0)
    return Graph("adder_net", (*ports, layer), ("layer",))


def all_requantizers():
    """Every rounding with shifts and ranges of every kind, on a port for each kind of operand."""
    ports = (
        Input("signed", 1, FixedPoint(True, 8, 0), Interval(-128, 127)),
        Input("unsigned", 1, FixedPoint(False, 8, 0), Interval(0, 255)),
        Input("narrow", 1, FixedPoint(True, 8, 0), Interval(-128, 40)),
    )
    spans = [(0, 15), (1, 15), (-8, 7), (-5, 9), (0, 1000), (3, 12)]
    nodes = tuple(
        Requantize(f"{port.name}_{rounding.name}_{k}_{n}".lower(), (port.name,), 1, shift, rounding, lo, hi, 0, offset)
        for k, (port, shift, (lo, hi)) in enumerate(product(ports, (-2, 0, 1, 3, 8, 10), spans))
        for n, (rounding, offset) in enumerate(rounding_forms(shift))
        if shift > 0 or offset or rounding is Rounding.TRN
    )
    return Graph("requantizers", (*ports, *nodes), tuple(node.name for node in nodes))


def rtl(folder, graph, adders=None, simulator="verilator", change=None, **options):
    """The executor of ``graph``, its Verilog changed by ``change(file name, text)``."""
    pipeline = pipeline_of(graph, adders)
    for path in emit_verilog(pipeline, folder / "rtl"):
        if change is not None:
            path.write_text(change(path.name, path.read_text()))
    return RtlSim(pipeline, folder / "rtl", folder / "sim", simulator, **options)


def shifted_sums():
    """Three operands whose lowest bits bypass the adder, or do not because the lowest operand is subtracted."""
    sums = [
        Adder((Term(0, signs[0], bool(signs[1])), Term(1, signs[2], bool(signs[3])), Term(2, 3)))
        for signs in product((0, 1), (0, 1), (1, 2), (0, 1))
    ]
    sums += [Adder((Term(0, shift), Term(1, 2, negative=True)), constant) for shift in (0, 3) for constant in (-6, 8)]
    outputs = tuple(Output(3 + k) for k in range(len(sums)))
    return AdderGraph((Interval(-8, 7), Interval(0, 15), Interval(-3, 9)), tuple(sums), outputs)


def long_chain():
    """One adder after another, so that the first input waits in a chain of registers."""
    sums = [Adder((Term(0), Term(1)))] + [Adder((Term(2 + k), Term(k % 2, 0, negative=k % 3 == 0))) for k in range(12)]
    return AdderGraph((Interval(-8, 7), Interval(0, 15)), tuple(sums), (Output(14), Output(3), Output(0)))


def small_graph():
    """Two inputs, an adder, a ReLU: enough to go wrong."""
    return Graph(
        "small_net",
        (
            Input("x", 2, FixedPoint(True, 6, 2), Interval(-32, 31)),
            Linear("dense", ("x",), frozen_array([[1, 1, 0], [1, -1, 0]]), frozen_array([0, 3, 5]), 2),
            Requantize("relu", ("dense",), 3, 1, Rounding.RND_CONV, 0, 31, 1),
        ),
        ("relu", "x"),
    )


def test_random_designs_equal_the_oracle_on_every_bit(tmp_path):
    """Networks, adder graphs of every shape and requantisers in one design, so that Verilator compiles once."""
    forms = [shifted_sums(), long_chain(), *sample(adder_graphs(), 40)]
    parts = [*map(graph_of_adders, forms), *sample(graphs(), 30)]
    graph = merged(parts)
    adders = {f"g{k}_layer": form for k, form in enumerate(forms)}
    executor = rtl(tmp_path, graph, adders)
    codes = random_codes(graph, 300, 7)
    np.testing.assert_array_equal(executor.run(codes), evaluate(graph, codes))
    assert executor.results.is_file()


def test_every_requantizer_on_every_code(tmp_path):
    graph = all_requantizers()
    byte = np.arange(256)
    codes = np.stack([byte - 128, byte, np.minimum(byte - 128, 40)], axis=1)
    np.testing.assert_array_equal(rtl(tmp_path, graph, simulator=QUICK).run(codes), evaluate(graph, codes))


def test_every_code_of_a_lookup(tmp_path):
    rng = np.random.default_rng(3)
    starts = (-128, *sorted(rng.choice(np.arange(-127, 128), 40, replace=False).tolist()))
    values = tuple(rng.integers(-9, 10, len(starts)).tolist())
    graph = Graph(
        "table_net",
        (
            Input("x", 3, FixedPoint(True, 8, 0), Interval(-128, 127)),
            Lookup("table", ("x",), (starts, starts, (-300, 5)), (values, values, (-1, 1)), 0),
        ),
        ("table",),
    )
    codes = np.repeat(np.arange(-128, 128)[:, None], 3, axis=1)
    np.testing.assert_array_equal(rtl(tmp_path, graph, simulator=QUICK).run(codes), evaluate(graph, codes))


def test_no_events_run_the_corners_alone(tmp_path):
    graph = small_graph()
    assert rtl(tmp_path, graph, simulator=QUICK).run(np.empty((0, 2), dtype=np.int64)).shape == (0, 5)


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_an_unchanged_design_is_not_built_again(tmp_path, simulator):
    if simulator == "icarus" and QUICK != "icarus":
        pytest.skip("Icarus is not installed; it is optional")
    executor = rtl(tmp_path / "a folder with blanks", small_graph(), simulator=simulator)
    codes = random_codes(executor.pipeline.graph, 5, 1)
    first = executor.run(codes)
    key = (
        executor.cache / simulator / model._KEY
    )  # the log is of the first build alone: what it made may be kept elsewhere
    built = key.stat().st_mtime_ns
    np.testing.assert_array_equal(executor.run(codes), first)
    assert key.stat().st_mtime_ns == built
    top = executor.folder / "small_net.sv"
    top.write_text(top.read_text() + "\n// changed\n")
    executor.run(codes)
    assert key.stat().st_mtime_ns != built


def test_a_flipped_sign_is_found_and_named(tmp_path):
    def flip(name, text):
        return text.replace(".NEGATE(2'b10)", ".NEGATE(2'b00)") if "linear" in name else text

    executor = rtl(tmp_path, small_graph(), simulator=QUICK, change=flip)
    codes = np.array([[3, 0], [3, -2]])
    with pytest.raises(MismatchError) as error:
        executor.run(codes)
    # event 1: 3 - (-2) + 3 = 8, halved 4; with the sign flipped 3 + (-2) + 3 = 4, halved 2
    where = f"oracle and rtl ({QUICK}) differ at event 1, output relu[1] (ap_ufixed<5,4>): "
    assert str(error.value).startswith(where + "oracle 4, rtl 2 (codes); pattern back_to_back, cycle ")


def longer_valid(text, latency):
    """The valid chain one register longer than the data."""
    return (
        text.replace(f"reg [{latency - 1}:0] valid", f"reg [{latency}:0] valid")
        .replace(f"{latency}'d0", f"{latency + 1}'d0")
        .replace(f"valid[{latency - 2}:0]", f"valid[{latency - 1}:0]")
        .replace(f"out_valid = valid[{latency - 1}]", f"out_valid = valid[{latency}]")
    )


def longer_data(text, _):
    """The data one register longer than the valid chain."""
    return text.replace("relu_codes_d1 <= relu_codes;", "again <= relu_codes; relu_codes_d1 <= again;").replace(
        "reg  [14:0] relu_codes_d1;", "reg  [14:0] relu_codes_d1; reg [14:0] again;"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            longer_valid,
            "out_valid is 0 in cycle 4 of pattern back_to_back, where event 0 is due.*first came 3 cycles after",
        ),
        (longer_data, r"output relu\[\d\].*pattern back_to_back"),
        (lambda text, _: text.replace("if (rst)", "if (1'b0 & rst)"), "timing: out_valid is .*, where nothing is due"),
        (
            lambda text, _: text.replace("if (rst)", "if (rst | ~in_valid)"),
            "out_valid is 0 in .*, where event [0-9]+ is due",
        ),
    ],
    ids=["valid late", "data late", "reset ignored", "gap drops events"],
)
def test_a_broken_protocol_is_found(tmp_path, change, message):
    latency = pipeline_of(small_graph()).latency_cycles

    def edit(name, text):
        changed = change(text, latency) if name == "small_net.sv" else text
        assert name != "small_net.sv" or changed != text
        return changed

    executor = rtl(tmp_path, small_graph(), simulator=QUICK, change=edit)
    with pytest.raises(MismatchError, match=message):
        executor.run(random_codes(executor.pipeline.graph, 20, 1))


def test_a_design_that_does_not_compile_is_an_error_with_its_log(tmp_path):
    executor = rtl(tmp_path, small_graph(), change=lambda _, text: text.replace("assign y", "assing y"))
    with pytest.raises(ToolError, match=r"build\.log"):
        executor.run(random_codes(executor.pipeline.graph, 2, 1))


def test_a_simulator_that_ends_early_is_an_error_with_its_log(tmp_path):
    def stop(_, text):
        return text.replace("    // valid chain", "    always @(posedge out_valid) $finish;")

    executor = rtl(tmp_path, small_graph(), simulator=QUICK, change=stop)
    with pytest.raises(ToolError, match=r"test\.log"):
        executor.run(random_codes(executor.pipeline.graph, 20, 1))


def test_a_simulator_that_takes_too_long_is_stopped(tmp_path):
    executor = replace(rtl(tmp_path, small_graph(), simulator=QUICK), timeout_s=0.001)
    with pytest.raises(ToolError, match=r"test\.log"):
        executor.run(random_codes(executor.pipeline.graph, 100_000, 1))


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    executor = rtl(tmp_path, small_graph())
    with pytest.raises(ConfigError, match="simulator 'vcs' is unknown; allowed are verilator, icarus"):
        replace(executor, simulator="vcs")
    with pytest.raises(ConfigError, match=r"no small_net\.sv; convert the model again"):
        replace(executor, folder=tmp_path / "nowhere").run(random_codes(executor.pipeline.graph, 1, 1))
    monkeypatch.setenv("PATH", str(tmp_path))
    for simulator, tool in (("verilator", r"g\+\+"), ("icarus", "iverilog")):
        with pytest.raises(ToolNotFoundError, match=tool):
            replace(executor, simulator=simulator).run(random_codes(executor.pipeline.graph, 1, 1))


def test_corner_vectors_are_in_range_and_complete():
    graph = merged(sample(graphs(), 5))
    corners = corner_codes(graph)
    evaluate(graph, corners)  # raises if a code lies outside its port
    ranges = [port.interval for port in graph.inputs for _ in range(port.size)]
    assert (corners[0] == [r.lo for r in ranges]).all()
    assert (corners[1] == [r.hi for r in ranges]).all()
    assert not corners[2].any()
    assert len(corners) == 7 + 2 * graph.n_inputs


@pytest.mark.parametrize("latency", [1, 2, 5])
def test_what_is_due_is_what_a_shift_register_gives(latency):
    rng, pace = np.random.default_rng(latency), stimulus.Pace(latency)
    for plan in (
        stimulus.back_to_back(9, pace),
        stimulus.with_gaps(np.arange(3, 9), 9, pace, rng),
        stimulus.with_resets(9, pace, rng),
    ):
        chain, expected = [-1] * latency, []
        for rst, valid, event in zip(plan.rst, plan.valid, plan.row, strict=True):
            expected.append(chain[-1])
            chain = [-1] * latency if rst else [event if valid else -1, *chain[:-1]]
        assert plan.due().tolist() == expected
