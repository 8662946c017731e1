"""Block floating point in the integer graph: against plain Python, in every executor, and its proof."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import strategies as own
from designs import build_of, dynamic_quantizer, scales, token_scales
from hypothesis import given, settings
from hypothesis import strategies as st
from test_prove import failures, replace_once

from bittrigger.build.folder import (
    load_build,
    save_build,
    write_firmware,
)
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.errors import InternalError, UnsupportedModelError
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.graph import Graph, Input, Lookup, evaluate, evaluate_nodes, frozen_array, intervals
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftUp, exponent_table
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.routes import followed
from bittrigger.passes.simplify import simplify
from bittrigger.prove import Verdict, prove
from bittrigger.settings import Settings
from bittrigger.simulate.compare import run_executors
from bittrigger.simulate.vectors import corner_codes, random_codes
from bittrigger.synth.yosys import synthesize

SIGNED = FixedPoint(True, 11, 0)


def scaled_by_hand(codes, bits, signed, base, highest):
    """Results and exponent of one event, from the words of the definition."""
    magnitude = bits - signed
    negative = max([-code for code in codes if signed and code < 0], default=0)
    positive = max([code for code in codes if code > 0], default=0)
    places = base
    while places < base + highest and (positive >= 1 << magnitude + places or negative > 1 << magnitude + places):
        places += 1
    lo, hi = (-(1 << magnitude) if signed else 0), (1 << magnitude) - 1
    return [min(max(round(Fraction(code, 1 << places)), lo), hi) for code in codes], places - base


def quantizer_net(bits, signed, base, highest, port=None):
    port = port or Input("x", 4, SIGNED, SIGNED.interval)
    q = dynamic_quantizer("q", (port.name,), port.size, bits=bits, signed=signed, base=base, highest=highest)
    graph = Graph("net", (port, *q), ("q", "q_exponent"))
    verify(graph)
    return graph


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_quantizer_is_its_definition(data):
    bits, signed, base = data.draw(st.integers(2, 8)), data.draw(st.booleans()), data.draw(st.integers(0, 3))
    highest, size = data.draw(st.integers(0, 7)), data.draw(st.integers(1, 5))
    reach = 1 << data.draw(st.integers(0, 10))
    codes = data.draw(st.lists(st.integers(-reach, reach - 1), min_size=size, max_size=size))
    graph = quantizer_net(bits, signed, base, highest, Input("x", size, SIGNED, SIGNED.interval))
    found = evaluate_nodes(graph, np.array([codes]))
    wanted, exponent = scaled_by_hand(codes, bits, signed, base, highest)
    assert found["q"][0].tolist() == wanted
    assert found["q_exponent"][0, 0] == exponent
    assert all(code in span for code, span in zip(wanted, intervals(graph)["q"], strict=True))


@pytest.mark.parametrize(
    ("codes", "signed", "results", "exponent"),
    [
        ([0, 0, 0, 0], True, [0, 0, 0, 0], 0),
        ([-1024] * 4, True, [-8] * 4, 7),
        ([-8, 7, 0, 1], True, [-8, 7, 0, 1], 0),
        ([8, 0, 0, 0], True, [4, 0, 0, 0], 1),
        ([-9, 0, 0, 0], True, [-4, 0, 0, 0], 1),
        ([14, 1, 3, 5], True, [7, 0, 2, 2], 1),
        ([15, -1, -3, -5], True, [7, 0, -2, -2], 1),
        ([-1024] * 4, False, [0] * 4, 0),
        ([31, -1, 1, 3], False, [15, 0, 0, 2], 1),
        ([1023, 32, 96, 97], False, [15, 0, 2, 2], 6),
    ],
    ids=["zeros", "all least", "fits", "a power", "below", "ties", "clipped", "relu", "relu ties", "all places"],
)
def test_corners_of_a_four_bit_quantizer(codes, signed, results, exponent):
    found = evaluate_nodes(quantizer_net(4, signed, 0, 7), np.array([codes]))
    assert (found["q"][0].tolist(), found["q_exponent"][0, 0]) == (results, exponent)


def test_an_exponent_of_other_codes_is_refused():
    port = Input("x", 2, SIGNED, SIGNED.interval)
    peak, table, down = dynamic_quantizer("q", ("x",), 2, bits=4, signed=True, base=0, highest=3)
    starts, values = exponent_table(2)
    wrong = [
        (MagnitudeOr("q_peak", ("x",), 2, True), table),
        (MagnitudeOr("q_peak", ("x",), 3, False), table),
        (peak, Lookup("q_exponent", ("q_peak",), ((0, 1, 3, 4),), table.values, 0)),
        (peak, Lookup("q_exponent", ("q_peak",), (starts,), (values[::-1],), 0)),
    ]
    verify(Graph("net", (port, peak, table, down), ("q",)))
    for first, second in wrong:
        with pytest.raises(InternalError, match="node 'q': 'q_exponent' is no exponent of its codes"):
            verify(Graph("net", (port, first, second, down), ("q",)))
    with pytest.raises(InternalError, match="node 'up': its exponent 'e' can be negative"):
        verify(Graph("net", (port, Input("e", 1, SIGNED, SIGNED.interval), ShiftUp("up", ("x", "e"), 2, 0)), ("up",)))


def events(graph, count=400):
    """Corners, and events of every size."""
    random = random_codes(graph, count, 5)
    return np.concatenate([corner_codes(graph), random >> np.arange(count)[:, None] % 11])


@pytest.fixture(scope="module", params=[200.0, 480.0])
def built(request, tmp_path_factory):
    folder, options = tmp_path_factory.mktemp("scales"), Settings(effort="fast", clock_mhz=request.param)
    pipeline = create_pipeline(scales(), options)
    write_firmware(pipeline, folder, options)
    made = synthesize(pipeline, folder / "rtl", folder / "synth")
    save_build(folder, pipeline, options, {})
    return load_build(folder), made


def test_every_executor_gives_the_bits_of_the_oracle(built):
    build, _ = built
    executors = ("csim", "emulator", "rtl", "rtl-fast", "gates")
    outcomes = run_executors(build, executors, events(build.graph))
    assert [(outcome.executor, outcome.error, outcome.not_run) for outcome in outcomes] == [
        (name, None, None) for name in ("oracle", *executors)
    ]


def test_shifting_and_rounding_are_two_stages_where_the_clock_is_fast(built):
    build, _ = built
    stages = {(m.stages[0] - m.start, m.stop - m.stages[0]) for m in build.pipeline.modules if m.kind == "shift_down"}
    assert stages <= ({(0, 0), (0, 1), (1, 0)} if build.settings.clock_mhz < 300 else {(0, 1), (1, 1), (1, 0)})


def test_every_claim_is_proven(built):
    build, _ = built
    proof = prove(build)
    assert failures(proof) == []
    assert {
        claim.method for claim in proof.claims if claim.subject.endswith("_shift_down_q0") and claim.kind == "verilog"
    } == {"SAT against a circuit written from the definition"}


def test_the_estimate_is_near_synthesis(built):
    build, made = built
    costs, _ = estimate(build.pipeline)
    names = [module.name for module in build.pipeline.modules if module.kind in ("magnitude", "shift_down", "shift_up")]
    for part in ("lut", "ff"):
        counted = sum(getattr(made.modules[name], part) for name in names)
        assert sum(getattr(costs[name], part) for name in names) == pytest.approx(counted, rel=0.3)


@pytest.mark.parametrize(
    ("file", "pattern", "replacement"),
    [
        ("shift_down_q0", r"(t0_\d = x\w+\[\d\] \? \{.*), \|t0_\d\[\d:0\]\}", r"\1, 1'b0}"),
        ("shift_down_q0", r"& ~\(\(&t0", "& ((&t0"),
        ("shift_down_q2", r"4'sd7", "4'sd6"),
        ("shift_down_q2", r"(under0 = \w+\[)10", r"\g<1>9"),
        ("shift_down_q1", r"(\? )(4'd0)( : )", r"\g<1>4'd1\3"),
        ("magnitude_q0_peak", r"\{(\d)\{x1\[10\]\}\}", r"{\1{x1[9]}}"),
        ("magnitude_q1_peak", r"~x2\[10\]", "x2[10]"),
        ("shift_up_up0", r"2'd0\}", "2'd1}"),
    ],
)
def test_broken_verilog_is_refuted(tmp_path, file, pattern, replacement):
    pipeline = create_pipeline(scales(3), Settings(effort="fast", clock_mhz=200.0))
    build = build_of(pipeline, tmp_path)
    file = f"{build.graph.name}_{file}"
    path = tmp_path / "rtl" / f"{file}.sv"
    try:
        replace_once(path, pattern, replacement)
    except AssertionError:
        pytest.fail(path.read_text())
    failed = [claim for claim in failures(prove(build, netlist=False)) if claim.kind != "files"]
    assert {(claim.subject, claim.kind, claim.verdict) for claim in failed} == {(file, "verilog", Verdict.REFUTED)}


@given(own.input_ranges(3), st.booleans(), st.integers(0, 4))
def test_the_bits_of_an_or_of_magnitudes_are_reached(ranges, signed, drop):
    ports = tuple(Input(f"x{k}", 1, FixedPoint(True, 9, 0), span) for k, span in enumerate(ranges))
    graph = Graph("net", (*ports, MagnitudeOr("m", ("x0", "x1", "x2"), drop, signed)), ("m",))
    (hull,) = intervals(graph)["m"]
    corners = np.stack(np.meshgrid(*[[r.lo, r.hi] for r in ranges]), -1).reshape(-1, 3)
    found = evaluate_nodes(graph, corners)["m"]
    assert int(found.max()).bit_length() == hull.hi.bit_length()
    assert hull.lo <= found.min()


# --- a scale for each token ----------------------------------------------------------------------

TOKENS = 3


@given(st.lists(st.tuples(st.integers(-128, 127), st.integers(0, 7)), min_size=2 * TOKENS, max_size=2 * TOKENS))
@settings(max_examples=60, deadline=None)
def test_each_token_is_scaled_by_itself(drawn):
    codes = [code >> places for code, places in drawn]
    found = {name: values[0].tolist() for name, values in evaluate_nodes(token_scales(), np.array([codes])).items()}
    for token in range(TOKENS):
        first, second = (slice(size * token, size * (token + 1)) for size in (2, 3))
        wanted, places = scaled_by_hand(codes[first], 4, True, 0, 4)
        assert (found["q"][first], found["q_exponent"][token]) == (wanted, places)
        wanted, more = scaled_by_hand(found["each"][second], 3, False, 0, 2)
        assert (found["r"][second], found["r_exponent"][token]) == (wanted, more)
        assert found["up"][second] == [code << places + more for code in wanted]


@pytest.mark.parametrize(
    "indices", [[0, 1, 7, 2, 3, 6, 4, 5, 8], [0, 1, 6, 3, 2, 7, 4, 5, 8], [0, 1, 6, 2, 3, 7, 4, 5, 5]]
)
def test_exponents_of_other_tokens_are_refused(indices):
    """Those of two tokens exchanged, the codes of one exchanged, and a code in the place of an exponent."""
    graph = token_scales()
    wrong = frozen_array(np.array(indices))
    nodes = [replace(node, indices=wrong) if node.name == "x_with_exponents" else node for node in graph.nodes]
    with pytest.raises(InternalError, match="node 'q': 'x_with_exponents' is no exponent of its codes"):
        verify(replace(graph, nodes=tuple(nodes)))


def test_codes_that_scales_make_too_wide_are_refused():
    ports = (Input("x", 2, SIGNED, SIGNED.interval), Input("e", 2, FixedPoint(False, 6, 0), Interval(0, 60)))
    wire = Wire("each", ("x", "e"), frozen_array(np.array([0, 2, 1, 3])), 0)
    with pytest.raises(
        UnsupportedModelError, match="layer 'up': its codes need 71 bits; allowed are 62; bound the ranges"
    ):
        verify(Graph("net", (*ports, wire, ShiftUp("up", ("each",), 2, 0, 2)), ("up",)))


@pytest.fixture(scope="module", params=[1, 2, 3])
def tokens_built(request, tmp_path_factory):
    interval = request.param
    graph = simplify(token_scales(), at_once=interval == 1)
    pipeline = create_pipeline(graph, Settings(effort="fast", clock_mhz=300.0, ii=interval))
    return build_of(pipeline, tmp_path_factory.mktemp("tokens"), synth=True)


def test_every_executor_has_the_bits_of_tokens(tokens_built):
    executors = ("csim", "emulator", "rtl", "rtl-fast", "gates")
    outcomes = run_executors(tokens_built, executors, events(tokens_built.graph, 200))
    assert [(outcome.executor, outcome.error, outcome.not_run) for outcome in outcomes] == [
        (name, None, None) for name in ("oracle", *executors)
    ]


def test_every_claim_of_tokens_is_proven(tokens_built):
    assert failures(prove(tokens_built)) == []
    folded = {module.node.name for module in tokens_built.pipeline.modules if module.is_folded}
    assert ("q" in folded) == (tokens_built.pipeline.ii > 1)


@pytest.mark.parametrize(
    ("interval", "pattern", "replacement"),
    [
        (1, r"(5'd0, q_exponent_codes_d1)\[5:3\]", r"\1[2:0]"),
        (2, r"(5'd0, q_exponent_stream)\[5:3\]", r"\1[2:0]"),
        (2, r"(5'd0, q_exponent_stream)(\[5:3\])", r"\1_d1\2"),
    ],
    ids=["another token", "another lane", "a cycle late"],
)
def test_the_exponent_of_another_token_is_refuted(tmp_path, interval, pattern, replacement):
    graph = simplify(token_scales(), at_once=interval == 1)
    build = build_of(create_pipeline(graph, Settings(effort="fast", clock_mhz=300.0, ii=interval)), tmp_path)
    replace_once(tmp_path / "rtl" / "token_scales.sv", pattern, replacement)
    failed = {claim.subject for claim in failures(prove(build, netlist=False)) if claim.kind != "files"}
    assert "token_scales" in failed


def test_layers_of_tokens_follow_each_other_through_wires():
    """One queue at the head holds the codes for their magnitudes and for the shifter; at once there is no such layer."""
    graph = token_scales()
    folded = simplify(graph)
    assert [node.name for node in folded.nodes if node.name not in {known.name for known in graph.nodes}] == [
        "q_peak_codes"
    ]
    assert simplify(graph, at_once=True)["q_peak"].inputs == ("x",)
    codes = events(graph, 50)
    assert np.array_equal(evaluate(folded, codes), evaluate(graph, codes))
    pipeline = create_pipeline(folded, Settings(effort="fast", clock_mhz=300.0, ii=3))
    assert [module.node.name for module in pipeline.modules if module.queue] == ["q_peak_codes"]
    assert followed(folded, folded["q"]) == ("q_peak_codes", "q_exponent")
    assert followed(graph, graph["q"]) == ()  # the codes of a port come all at once


@pytest.mark.parametrize(
    "moved", [[0, 1, 7, 2, 3, 6, 4, 5, 8], [0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 6, 3, 2, 7, 4, 5, 8]]
)
def test_a_wire_that_mixes_copies_is_not_followed(moved):
    folded = simplify(token_scales())
    wrong = replace(folded["x_with_exponents"], indices=frozen_array(np.array(moved)))
    nodes = tuple(wrong if node.name == wrong.name else node for node in folded.nodes)
    assert followed(replace(folded, nodes=nodes), folded["q"]) == ()
