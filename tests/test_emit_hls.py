"""What the HLS project looks like: pinned text of small layers, files, options and their errors."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittrigger.emit.hls import HlsOptions, emit_hls
from bittrigger.emit.hls.cpp import code_type, literal, native_type
from bittrigger.emit.hls.loop_form import pack_ternary, partial_sums
from bittrigger.emit.hls.vectors import reference_codes
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.ir.adders import Adder, AdderGraph, Output, Term, linear_form
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, frozen_array, intervals, operand
from bittrigger.passes.lower_trees import lower_trees
from bittrigger.schedule.schedule import Schedule

PART = "xcvu13p-flga2577-2-e"
BYTE = Interval(-128, 127)
SIGNED = FixedPoint(True, 8, 4)


def port(name="x", size=2, kind=SIGNED, interval=None):
    return Input(name, size, kind, interval or kind.interval)


def linear(name, inputs, weights, bias=None):
    weights = np.array(weights)
    return Linear(
        name, inputs, frozen_array(weights), frozen_array(np.zeros(weights.shape[1]) if bias is None else bias), 4
    )


def emit(tmp_path, nodes, outputs, name="net", adders=None, **options):
    graph = Graph(name, tuple(nodes), tuple(outputs))
    ranges = intervals(graph)
    solved = {
        node.name: lower_trees(node.weights, node.bias, operand(node, ranges))
        for node in graph.nodes
        if isinstance(node, Linear)
    }
    pipeline = Schedule(200.0).apply(graph, solved | (adders or {}))
    emit_hls(pipeline, tmp_path, HlsOptions(PART, **options))
    return tmp_path / "firmware"


def test_a_layer_is_straight_line_code_of_exact_widths(tmp_path):
    solved = AdderGraph(
        (BYTE,) * 3,
        (
            Adder((Term(0), Term(1))),
            Adder((Term(2, 2, negative=True), Term(3), Term(1))),
            Adder((Term(0, 0, negative=True),), -300),
            Adder((Term(2), Term(1))),
        ),
        (Output(4, 1), Output(None, 0, 7), Output(5), Output(0), Output(3)),
    )
    weights, bias = linear_form(solved)
    nodes = [port(size=3), linear("dense", ("x",), weights, bias)]
    firmware = emit(tmp_path, nodes, ["dense"], adders={"dense": solved})
    source = (firmware / "net_linear_dense.cpp").read_text()
    body = source[source.index("{\n") :]
    assert body == (
        "{\n"
        "#pragma HLS INLINE\n"
        "    const ap_int<9> s0 = x[0] + x[1];\n"
        "    const ap_int<11> s1 = s0 + x[1] - (ap_int<10>(x[2]) << 2);\n"
        "    y[0] = net_linear_dense_out_t(s1) << 1;\n"
        "    y[1] = 7;\n"
        "    const ap_int<10> s2 = -x[0] - 300;\n"
        "    y[2] = s2;\n"
        "    y[3] = x[0];\n"
        "    y[4] = s0;\n"
        "}\n\n"
        "void net_linear_dense(const net_linear_dense_in_t x[3], net_linear_dense_out_t y[5]) {\n"
        "#pragma HLS PIPELINE II=1\n"
        "    net_linear_dense_part_0(x, y);\n"
        "}\n"
    ), "the fourth adder reaches no output and is left out"


def test_values_that_cross_functions_are_members(tmp_path):
    weights = np.ones((4, 2), dtype=np.int64)
    solved = AdderGraph(
        (BYTE,) * 4,
        (Adder((Term(0), Term(1))), Adder((Term(2), Term(3))), Adder((Term(4), Term(5)))),
        (Output(6), Output(6)),
    )
    nodes = [port(size=4), linear("dense", ("x",), weights)]
    firmware = emit(tmp_path, nodes, ["dense"], adders={"dense": solved}, adders_per_function=1, adders_per_file=2)
    parts = (firmware / "net_bitlinear_dense_parts.h").read_text()
    assert (
        "struct net_bitlinear_dense_values {\n    ap_int<9> s0;\n    ap_int<9> s1;\n    ap_int<10> s2;\n};\n" in parts
    )
    assert "void net_bitlinear_dense_part_1(const net_bitlinear_dense_in_t x[4], net_bitlinear_dense_values &v" in parts
    assert "y[1] = v.s2;" in "".join(path.read_text() for path in firmware.glob("net_bitlinear_dense_part_*.cpp"))
    assert (
        "    net_bitlinear_dense_values v;\n    net_bitlinear_dense_part_0(x, v, y);\n"
        in (firmware / "net_bitlinear_dense.cpp").read_text()
    )


def test_a_layer_that_reads_two_nodes(tmp_path):
    nodes = [
        port("a", 2),
        port("b", 1, FixedPoint(False, 4, 4)),
        linear("dense", ("a", "b", "a"), [[1], [0], [1], [0], [-1]]),
    ]
    firmware = emit(tmp_path, nodes, ["dense"])
    source = (firmware / "net_bitlinear_dense.cpp").read_text()
    assert "x0[0]" in source
    assert "x1[0]" in source
    assert "x0[1]" in source
    header = (firmware / "net_bitlinear_dense.h").read_text()
    assert "typedef ap_int<8> net_bitlinear_dense_in0_t;\ntypedef ap_uint<4> net_bitlinear_dense_in1_t;\n" in header
    assert "    net_bitlinear_dense(a_codes, b_codes, dense_codes);\n" in (firmware / "net.cpp").read_text()


def test_a_requantiser_compares_only_where_its_operand_can_reach(tmp_path):
    nodes = [
        port("a", 1, FixedPoint(True, 8, 4)),
        port("b", 1, FixedPoint(False, 4, 4)),
        port("c", 1, FixedPoint(True, 8, 4), Interval(-128, -3)),
        Requantize("act", ("a", "b", "c"), 3, 1, Rounding.RND_CONV, 0, 15, 3),
    ]
    source = (emit(tmp_path, nodes, ["act"]) / "net_requantize_act.cpp").read_text()
    assert "    y[0] = net_requantize_act_clip(net_requantize_act_round(x0[0]));\n" in source
    assert "    y[1] = net_requantize_act_round(x1[0]);\n" in source
    assert "    y[2] = 0;\n" in source
    assert "clip_low" not in source
    assert "clip_high" not in source


def requantized(tmp_path, rounding, shift, kind):
    nodes = [port(size=1, kind=kind), Requantize("act", ("x",), 1, shift, rounding, -4096, 4096, 3)]
    source = (emit(tmp_path, nodes, ["act"]) / "net_requantize_act.cpp").read_text()
    start = source.index("static inline")
    return source[start : source.index("}", start)]


def test_rounding_reads_only_the_bits_it_needs(tmp_path):
    signed, unsigned = FixedPoint(True, 8, 4), FixedPoint(False, 8, 4)
    text = requantized(tmp_path, Rounding.RND_CONV, 3, signed)
    assert text == (
        "static inline ap_int<6> net_requantize_act_round(const ap_int<8> x) {\n"
        "#pragma HLS INLINE\n"
        "    const ap_int<5> below = x >> 3;\n"
        "    const bool half = x[2];\n"
        "    const bool sticky = x.range(1, 0) != 0;\n"
        "    const bool odd = x[3];\n"
        "    return below + (half && (sticky || odd));\n"
    )
    assert "sticky" not in requantized(tmp_path, Rounding.RND_CONV, 1, signed)
    assert "return below;" in requantized(tmp_path, Rounding.TRN, 3, signed)
    assert "return below;" in requantized(tmp_path, Rounding.TRN_ZERO, 3, unsigned)
    assert "return below + (rest && negative);" in requantized(tmp_path, Rounding.TRN_ZERO, 3, signed)
    assert "negative" not in requantized(tmp_path, Rounding.RND_INF, 3, unsigned)
    assert "half && (sticky || !negative)" in requantized(tmp_path, Rounding.RND_INF, 3, signed)


@pytest.mark.parametrize("kind", [FixedPoint(True, 3, 0), FixedPoint(False, 3, 0)])
@pytest.mark.parametrize("shift", [3, 7])
def test_a_shift_beyond_the_operand_reads_no_bit_that_is_not_there(tmp_path, kind, shift):
    """C-simulation would not notice: it keeps codes in 64 bits."""
    text = requantized(tmp_path, Rounding.RND_CONV, shift, kind)
    assert f"(const ap_{'' if kind.signed else 'u'}int<{shift + 1}> x)" in text


def test_top_states_its_contract(tmp_path):
    nodes = [
        port(),
        linear("dense", ("x",), [[1, 0], [-1, 0]]),
        Requantize("act", ("dense",), 2, 0, Rounding.TRN, 0, 63, 4),
    ]
    firmware = emit(tmp_path, nodes, ["act", "x", "act"])
    header = (firmware / "net.h").read_text()
    for line in (
        "// net: 2 codes in, 6 codes out; bit-exact to the integer network that it was generated from.",
        "//   x_in[2]  in   ap_fixed<8,4>, codes in [-128, 127]",
        "//   act_out[2]  out  ap_ufixed<6,2>, codes in [0, 63]",
        "//   Initiation interval: 1 cycle; a new event may enter in every cycle and nothing ever stalls.",
        "typedef ap_fixed<8,4> x_input_t;",
        "typedef ap_ufixed<6,2> act_output_t;",
    ):
        assert line in header
    assert (
        "void net(const x_input_t x_in[2], act_output_t act_out[2], x_output_t x_out[2], act_output2_t act_out2[2]);"
    ) in header
    source = (firmware / "net.cpp").read_text()
    for line in (
        "#pragma HLS PIPELINE II=1",
        "#pragma HLS INTERFACE ap_ctrl_hs port=return",
        "#pragma HLS INTERFACE ap_none port=x_in",
        "#pragma HLS INTERFACE ap_vld port=act_out",
        "#pragma HLS ARRAY_PARTITION variable=x_in complete dim=1",
        "    net_read_x(x_in, x_codes);",
        "    net_bitlinear_dense(x_codes, dense_codes);",
        "    net_requantize_act(dense_codes, act_codes);",
        "    net_write_act_out(act_codes, act_out);",
    ):
        assert line in source


def test_reuse_makes_the_top_a_dataflow_region(tmp_path):
    nodes = [port(), linear("dense", ("x",), [[1, 0, 1], [-1, 0, 0]])]
    firmware = emit(tmp_path, nodes, ["dense"], reuse_factor={"dense": 2})
    assert "#pragma HLS DATAFLOW" in (firmware / "net.cpp").read_text()
    assert "Initiation interval: 2 cycles or more" in (firmware / "net.h").read_text()
    source = (firmware / "net_bitlinear_dense.cpp").read_text()
    assert "net_bitlinear_dense_weights[2][2] = {\n    { 0x000000000000000dULL, 0x0000000000000000ULL },\n" in source
    assert "static const int columns_per_step = 2;" in source
    assert "config_compile" not in (tmp_path / "build_prj.tcl").read_text()
    assert (firmware / "nnet_bitlinear.h").is_file()


def test_scripts_name_part_clock_and_every_source(tmp_path):
    firmware = emit(tmp_path, [port(), linear("dense", ("x",), [[1], [1]])], ["dense"])
    script = (tmp_path / "build_prj.tcl").read_text()
    assert f"set part {PART}\nset clock_period_ns 5.000\n" in script
    makefile = (tmp_path / "Makefile").read_text()
    for path in firmware.glob("*.cpp"):
        assert f"add_files firmware/{path.name} " in script
        assert f"build/{path.stem}.o" in makefile


@pytest.mark.skipif(shutil.which("tclsh") is None, reason="no tclsh: the script's commands cannot be traced")
def test_the_script_runs_in_a_tcl_that_records_its_commands(tmp_path):
    emit(tmp_path, [port(), linear("dense", ("x",), [[1], [1]])], ["dense"])
    stub = 'proc unknown {args} { puts "CALL [lindex $args 0]" }\nsource build_prj.tcl\n'
    done = subprocess.run(["tclsh"], input=stub, cwd=tmp_path, capture_output=True, text=True, check=True)
    calls = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("CALL")]
    assert calls[:2] == ["open_project", "set_top"]
    assert calls[-2:] == ["csim_design", "csynth_design"]


def test_emission_is_repeatable_and_rewrites_only_what_changed(tmp_path):
    nodes = [port(), linear("dense", ("x",), [[1], [1]]), linear("more", ("dense",), [[1, -1]])]
    firmware = emit(tmp_path, nodes, ["more"])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    (firmware / "mine.cpp").write_text("// kept: not emitted\n")
    changed = [*nodes[:2], linear("more", ("dense",), [[-1, 1]])]
    emit(tmp_path, changed, ["more"])
    touched = {path.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert touched == {"net_bitlinear_more.cpp", "tb_output.dat"}
    emit(tmp_path, nodes[:2], ["dense"])
    assert not (firmware / "net_bitlinear_more.cpp").exists()
    assert (firmware / "mine.cpp").exists()


def test_testbench_events(tmp_path):
    nodes = [port(interval=Interval(-127, 5)), linear("dense", ("x",), [[1], [-1]], [3])]
    emit(tmp_path, nodes, ["dense"])
    inputs = np.loadtxt(tmp_path / "tb_data" / "tb_input.dat", dtype=np.int64)
    outputs = np.loadtxt(tmp_path / "tb_data" / "tb_output.dat", dtype=np.int64)
    np.testing.assert_array_equal(outputs, inputs[:, 0] - inputs[:, 1] + 3)
    corners = [[-127, -127], [5, 5], [0, 0], [-127, 0], [5, 0], [0, -127], [0, 5]]
    assert inputs[:7].tolist() == corners
    assert inputs.min() >= -127
    assert inputs.max() <= 5


CHAIN = [port(), linear("dense", ("x",), [[1, 0], [-1, 1]])]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reuse_factor": {"conv": 2}}, "reuse factor for 'conv': no such linear layer; allowed are dense$"),
        ({"reuse_factor": {"dense": 3}}, "reuse factor 3 of layer 'dense'; allowed are 1 to 2, its outputs"),
        ({"reuse_factor": {"dense": 0}}, "reuse factor 0 of layer 'dense'"),
        ({"adders_per_file": 0}, "HLS option adders_per_file is 0; allowed are positive numbers"),
        ({"max_unrolled": -1}, "HLS option max_unrolled is -1"),
    ],
)
def test_options_that_do_not_fit(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        emit(tmp_path, CHAIN, ["dense"], **options)


def test_reuse_needs_single_readers(tmp_path):
    message = r"the codes of 'dense' have 2 readers \(act, the output ports\); .* use reuse factor 1"
    nodes = [*CHAIN, Requantize("act", ("dense",), 2, 0, Rounding.TRN, 0, 63, 4)]
    with pytest.raises(ConfigError, match=message):
        emit(tmp_path, nodes, ["dense", "act"], reuse_factor={"dense": 2})
    emit(tmp_path, nodes, ["act"], reuse_factor={"dense": 2})


def test_a_name_that_is_taken(tmp_path):
    with pytest.raises(UnsupportedModelError, match="design 'main' bears the name of a C\\+\\+ function"):
        emit(tmp_path, CHAIN, ["dense"], name="main")


def test_types_and_literals():
    assert [code_type(Interval(*ends)) for ends in ((-1, 0), (0, 0), (0, 255), (-129, 0))] == [
        "ap_int<1>",
        "ap_uint<1>",
        "ap_uint<8>",
        "ap_int<9>",
    ]
    assert [native_type(Interval(*ends)) for ends in ((-128, 127), (0, 128), (-40000, 0), (0, 1 << 31))] == [
        "signed char",
        "short",
        "int",
        "long long",
    ]
    assert [literal(v) for v in (5, -(2**31), 2**31 - 1, 2**31)] == ["5", "-2147483648LL", "2147483647", "2147483648LL"]


@given(st.lists(st.integers(-1, 1), min_size=1, max_size=70))
def test_packed_weights_can_be_read_back(weights):
    words = pack_ternary(np.array(weights))
    assert len(words) == -(-len(weights) // 32)
    found = [(words[i // 32] >> (2 * (i % 32))) & 3 for i in range(len(weights))]
    assert found == [{0: 0, 1: 1, -1: 3}[w] for w in weights]


def test_the_accumulator_holds_partial_sums_that_are_wider_than_the_result():
    weights = np.array([[1], [1], [-1], [-1]])
    assert partial_sums(weights, (Interval(5, 10),) * 4) == Interval(-10, 20)
    assert partial_sums(-weights, (Interval(5, 10),) * 4) == Interval(-20, 10)


def test_a_constant_lookup_is_a_constant(tmp_path):
    nodes = [port(size=2), Lookup("sign", ("x",), ((-128, 0), (-128,)), ((-1, 1), (5,)), 0)]
    source = (emit(tmp_path, nodes, ["sign"]) / "net_lookup_sign.cpp").read_text()
    assert "    if (x < 0) {\n        return -1;\n    }\n    return 1;\n" in source
    assert "    y[1] = 5;\n" in source


def test_reference_codes_lie_in_their_intervals():
    graph = Graph("net", (port("a", 2, interval=Interval(3, 3)), port("b", 1, FixedPoint(False, 2, 0))), ("a",))
    codes = reference_codes(graph, 50)
    assert codes.shape == (3 + 6 + 50, 3)
    assert (codes[:, :2] == 3).all()
    assert set(codes[:, 2]) == {0, 1, 2, 3}
