"""The emitted SystemVerilog as text: clean under every lint, readable by Yosys, stable, and as small as it claims."""

import json
import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from library import yosys
from strategies import adder_graphs, graphs

from bittrigger.emit.verilog import emit_verilog
from bittrigger.errors import ToolError, UnsupportedModelError
from bittrigger.ir.adders import Adder, AdderGraph, Output, Term, linear_form, value_intervals
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, frozen_array
from bittrigger.passes.lower_trees import lower_graph_to_trees
from bittrigger.schedule.schedule import Schedule
from bittrigger.simulate.simulators.verilator import find_verilator


def pipeline_of(graph, adders=None, clock_mhz=360.0):
    return Schedule(clock_mhz).apply(graph, lower_graph_to_trees(graph) | (adders or {}))


def layer_of(adders, name="adder_net"):
    """A network of one layer that an adder graph computes, with a port for each input."""
    weights, bias = linear_form(adders)
    ports = tuple(Input(f"x{k}", 1, FixedPoint.holding(i, 0), i) for k, i in enumerate(adders.inputs))
    layer = Linear("layer", tuple(port.name for port in ports), frozen_array(weights), frozen_array(bias), 0)
    return pipeline_of(Graph(name, (*ports, layer), ("layer",)), {"layer": adders}, 250.0)


def network(name="tiny_net", outputs=("relu",)):
    return Graph(
        name,
        (
            Input("x", 3, FixedPoint(True, 8, 4), Interval(-127, 127)),
            Linear("dense", ("x",), frozen_array([[1, 0], [-1, 1], [0, 1]]), frozen_array([20, -7]), 4),
            Requantize("relu", ("dense",), 2, 3, Rounding.RND_CONV, 0, 15, 1),
        ),
        outputs,
    )


def lint(folder, pipeline):
    sources = emit_verilog(pipeline, folder / "rtl")
    find_verilator().lint(sources, pipeline.graph.name, folder / "lint.log")
    return sources


@settings(max_examples=25, deadline=None)
@given(graphs(), st.sampled_from([100.0, 360.0]))
def test_networks_are_clean_under_every_lint(tmp_path_factory, graph, clock_mhz):
    lint(tmp_path_factory.mktemp("lint"), pipeline_of(graph, clock_mhz=clock_mhz))


@settings(max_examples=25, deadline=None)
@given(adder_graphs())
def test_adder_graphs_are_clean_under_every_lint(tmp_path_factory, adders):
    lint(tmp_path_factory.mktemp("lint"), layer_of(adders))


def test_the_lint_can_fail(tmp_path):
    pipeline = pipeline_of(network(), clock_mhz=100.0)
    sources = emit_verilog(pipeline, tmp_path)
    sources[1].write_text(sources[1].read_text().replace("10'(s0)", "8'(s0)", 1))
    with pytest.raises(ToolError, match="WIDTHEXPAND"):
        find_verilator().lint(sources, "tiny_net", tmp_path / "lint.log")


def test_the_text_is_stable_and_written_once(tmp_path):
    first = emit_verilog(pipeline_of(network()), tmp_path)
    texts, times = [path.read_bytes() for path in first], [path.stat().st_mtime_ns for path in first]
    assert emit_verilog(pipeline_of(network()), tmp_path) == first
    assert [path.read_bytes() for path in first] == texts
    assert [path.stat().st_mtime_ns for path in first] == times
    assert [path.name for path in first] == [
        "tiny_net.sv",
        "tiny_net_bitlinear_dense.sv",
        "tiny_net_requantize_relu.sv",
        "bittrigger_adder2_carry.sv",
        "bittrigger_clip.sv",
    ]


def test_the_header_states_the_contract(tmp_path):
    pipeline = pipeline_of(network())
    top = emit_verilog(pipeline, tmp_path)[0].read_text()
    header = top[: top.index("module tiny_net")]
    assert f"out_valid  in_valid, {pipeline.latency_cycles} cycles later" in header
    assert "initiation interval 1" in header
    assert "rst        synchronous, active high; clears the valid chain" in header
    assert "in_data[23:0]  x[0] to x[2]  3 x ap_fixed<8,4>" in header
    assert "out_data[7:0]  relu[0] to relu[1]  2 x ap_ufixed<4,3>" in header


def test_a_layer_reads_like_its_sums(tmp_path):
    text = emit_verilog(pipeline_of(network(), clock_mhz=100.0), tmp_path)[1].read_text()
    assert "wire signed [ 8:0] s0;  // x0 - x1" in text
    assert "bittrigger_adder2_carry #(.WIDTH(9), .A(8), .B(8), .SIGNED(2'b11), .NEGATE(2'b10)) u_s0" in text
    assert ".a(x0), .b(x1), .sum(s0)" in text
    assert "wire signed [ 9:0] s1 = 10'(s0) + 10'd20;" in text


@pytest.mark.parametrize(
    ("source", "span", "wanted", "unwanted"),
    [
        (Interval(0, 100), (0, 15), ["r0 = 4'(x0 >> 3)"], ["above", "below", "?"]),
        (Interval(-100, 100), (0, 15), [".code(r0), .zero(x0[7]), .over(1'b0)"], ["above", "below"]),
        (Interval(-100, 127), (0, 7), [".code(r0[2:0]), .zero(x0[7]), .over(r0[3])"], ["below", "above", ">="]),
        (Interval(-128, 127), (-8, 7), ["~r0[4] & (|r0[3:3])", "r0[4] & ~(&r0[3:3])"], [" > ", " < "]),
        (Interval(-128, 127), (-5, 9), ["(r0[3:0] > 4'd9)", "(r0[2:0] < 3'd3)"], [" > 5", " < -"]),
        (Interval(-100, -1), (0, 15), ["1'd0"], ["?"]),
    ],
    ids=["cannot leave", "relu", "relu that saturates", "two-sided power of two", "comparisons", "constant"],
)
def test_a_requantizer_holds_no_logic_that_cannot_act(tmp_path, source, span, wanted, unwanted):
    graph = Graph(
        "clip_net",
        (
            Input("x", 1, FixedPoint(True, 8, 0), source),
            Requantize("clip", ("x",), 1, 3, Rounding.TRN, *span, 0),
        ),
        ("clip",),
    )
    text = lint(tmp_path, pipeline_of(graph, clock_mhz=100.0))[1].read_text()
    body = text[text.index("module") :]
    assert [part for part in wanted if part not in body] == []
    assert [part for part in unwanted if part in body] == []


def test_bits_that_a_folded_rounding_leaves_out_are_no_warning(tmp_path):
    """Half to even with the half in the bias: results of one bit, of codes with more bits than are read."""
    nodes, results = [], []
    for k, (lowest, highest) in enumerate(product((-250, -129, -60, -3, 0), (40, 120, 127, 250))):
        for name, least in ((f"relu{k}", 0), (f"clip{k}", -8)):
            span = Interval(lowest, highest)
            port = Input(f"x_{name}", 1, FixedPoint.holding(span, 0), span)
            node = Requantize(name, (port.name,), 1, 6, Rounding.RND_CONV, least, 7, 0, offset=-32)
            nodes += [port, node]
            results.append(name)
    lint(tmp_path, pipeline_of(Graph("tie_net", tuple(nodes), tuple(results)), clock_mhz=100.0))


def test_a_look_up_is_a_balanced_tree_of_reachable_thresholds(tmp_path):
    graph = Graph(
        "table_net",
        (
            Input("x", 2, FixedPoint(True, 8, 0), Interval(-100, 100)),
            Lookup("table", ("x",), ((-128, -90, 0, 50, 120),) * 2, ((0, 1, 2, 2, 3),) * 2, 0),
        ),
        ("table",),
    )
    text = lint(tmp_path, pipeline_of(graph))[1].read_text()
    assert text.count("code >=") == 2  # 120 is out of reach, 50 changes nothing, and both channels share one function
    assert "8'sd120" not in text


def test_a_design_may_not_bear_the_name_of_its_module(tmp_path):
    with pytest.raises(
        UnsupportedModelError, match="'bittrigger_clip' bears the name of a module of the firmware library"
    ):
        emit_verilog(pipeline_of(network("bittrigger_clip")), tmp_path)


def test_three_operands_are_an_adder_of_the_library(tmp_path):
    ranges = (Interval(-8, 7),) * 3
    adders = AdderGraph(
        ranges,
        (
            Adder((Term(0), Term(1, 2, negative=True), Term(2, 3))),
            Adder((Term(0), Term(1)), -5),
            Adder((Term(3), Term(4), Term(0, negative=True))),
        ),
        (Output(5), Output(4, 1)),
    )
    pipeline = layer_of(adders)
    sources = lint(tmp_path, pipeline)
    text = sources[1].read_text()
    assert "wire signed [ 7:0] s0;  // x0 + 8*x2 - 4*x1" in text
    assert "assign s0[1:0] = x0[1:0];" in text
    assert "bittrigger_adder3_carry #(.WIDTH(6), .A(3), .B(5), .C(4), .SIGNED(3'b111), .NEGATE(3'b100)) u_s0" in text
    assert "bittrigger_adder3_carry #(.WIDTH(6), .A(4), .B(4), .C(3), .SIGNED(3'b011), .NEGATE(3'b100)) u_s1" in text
    assert "bittrigger_adder3 #(.WIDTH(8), .NEGATE(3'b100)) u_s2" in text  # no wider than its widest operand
    assert [source.name for source in sources[2:]] == ["bittrigger_adder3.sv", "bittrigger_adder3_carry.sv"]


def test_yosys_spends_one_lut_a_result_bit(tmp_path):
    weights = np.array([[1, -1, 1, 1, -1, 0, -1, 1, 0, 1, 1, 1]]).T
    graph = Graph(
        "matrix_net",
        (
            Input("x", 12, FixedPoint(True, 8, 0), Interval(-128, 127)),
            Linear("dense", ("x",), frozen_array(weights), frozen_array([37]), 0),
        ),
        ("dense",),
    )
    pipeline = pipeline_of(graph)
    emit_verilog(pipeline, tmp_path)
    commands = [
        "read_verilog -sv *.sv",
        "hierarchy -check -top matrix_net",
        "setattr -set keep 1 w:s*",
        "synth_xilinx -family xcup -top matrix_net -flatten -noiopad -noclkbuf",
        "tee -q -o count.json stat -json",
    ]
    done = yosys(tmp_path, *commands)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    cells = json.loads((tmp_path / "count.json").read_text())["design"]["num_cells_by_type"]
    adders = pipeline.modules[0].adders
    bits = sum(span.width for span in value_intervals(adders)[adders.n_inputs :])
    luts = {name: count for name, count in cells.items() if re.fullmatch(r"LUT\d", name)}
    assert set(luts) == {"LUT2"}, "an adder tree was merged into compressors, or logic was added"
    assert 0.75 * bits <= luts["LUT2"] <= bits  # equal sign bits share a LUT, and a constant needs none
    assert not any("DSP" in name for name in cells)
