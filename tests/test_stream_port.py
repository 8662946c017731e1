"""Positions that come word by word: nothing is collected first, and a word too many or too few spoils no other event."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from designs import build_of, disagreements
from test_prove import failures, replace_once

from bittrigger.build.folder import load_build
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.emit.verilog import _guard_text, emit_verilog
from bittrigger.errors import ConfigError, ToolError
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.forms.arrival import Arrival, to_words
from bittrigger.ir.graph import Graph, Input, Linear, Requantize, evaluate, frozen_array
from bittrigger.ir.nodes.wire import Wire
from bittrigger.passes.hold import Holding
from bittrigger.passes.simplify import simplify
from bittrigger.prove import prove
from bittrigger.prove.claims import Unproven
from bittrigger.prove.sources.rtl import read_rtl
from bittrigger.prove.top.guard import prove_guard
from bittrigger.settings import Settings
from bittrigger.simulate.compare import run_executors
from bittrigger.simulate.diagnose.probe import layer_codes
from bittrigger.simulate.simulators import stimulus
from bittrigger.simulate.simulators.harness import play
from bittrigger.simulate.simulators.stimulus import Pace
from bittrigger.simulate.simulators.verilated import build_library
from bittrigger.simulate.vectors import corner_codes, random_codes

POSITIONS, FEATURES, UNITS, KEPT = 7, 3, 6, 4


def constituent_net(ends: tuple[str, ...] = ("head", "first")) -> Graph:
    """Two inputs, one of seven positions; a chain on each, their sum, a head, and a layer that reads the first."""
    random = np.random.default_rng(3)

    def matrix(n_in: int, n_out: int):
        return frozen_array(random.integers(-1, 2, (n_in, n_out)))

    def bias(n: int):
        return frozen_array(random.integers(-9, 9, n))

    summed = np.kron(np.ones((POSITIONS, 1), dtype=np.int64), np.eye(KEPT, dtype=np.int64))
    nodes = (
        Input("jet", POSITIONS * FEATURES, FixedPoint(True, 6, 2), Interval(-32, 31)),
        Input("rest", 2, FixedPoint(False, 5, 2), Interval(0, 31)),
        Linear("each", ("jet",), matrix(FEATURES, UNITS), bias(UNITS), 2, POSITIONS),
        Requantize("each_q", ("each",), POSITIONS * UNITS, 1, Rounding.TRN, 0, 31, 1, copies=POSITIONS),
        Linear("again", ("each_q",), matrix(UNITS, KEPT), bias(KEPT), 1, POSITIONS),
        Requantize("again_q", ("again",), POSITIONS * KEPT, 1, Rounding.TRN, 0, 31, 1, copies=POSITIONS),
        Linear("sum", ("again_q",), frozen_array(summed), frozen_array(np.zeros(KEPT, dtype=np.int64)), 1),
        Wire("leading", ("jet",), frozen_array(np.arange(FEATURES)), 2),
        Linear("first", ("leading", "rest"), matrix(FEATURES + 2, 2), bias(2), 2),
        Linear("head", ("sum",), matrix(KEPT, 3), bias(3), 1),
    )
    return Graph("stream", nodes, ends)


@pytest.fixture(scope="module", params=[4, 9])
def built(request, tmp_path_factory):
    """With two positions a word, the last one half empty, and with one."""
    verify(constituent_net())
    pipeline = create_pipeline(
        constituent_net(), Settings(effort="fast", clock_mhz=300.0, ii=request.param, port="stream")
    )
    return build_of(pipeline, tmp_path_factory.mktemp("stream"), synth=True)


def test_what_follows_the_words_has_no_queue(built):
    modules = {module.node.name: module for module in built.pipeline.modules}
    lanes = -(-POSITIONS // built.pipeline.ii)
    assert built.pipeline.arrival == Arrival(POSITIONS, lanes, ("jet",))
    assert not any(module.queue for module in modules.values())
    assert {modules[name].lanes for name in ("each", "each_q", "again", "again_q")} == {lanes}
    assert modules["each"].start == 0
    whole = create_pipeline(constituent_net(), Settings(effort="fast", clock_mhz=300.0, ii=built.pipeline.ii))
    assert estimate(built.pipeline)[1].lut < estimate(whole)[1].lut
    assert built.pipeline.latency_cycles < whole.latency_cycles


def test_every_executor_agrees_and_everything_is_proven(built):
    codes = corner_codes(built.graph)
    assert disagreements(built, ["csim", "emulator", "rtl", "rtl-fast", "gates"], codes) == []
    proof = prove(built)
    proof.raise_unless_proven()
    claims = {(claim.subject, claim.kind) for claim in proof.claims}
    assert {("stream_interval", "verilog"), ("stream_interval", "netlist"), ("stream", "netlist")} <= claims


def test_the_vhdl_is_equal(tmp_path):
    pipeline = create_pipeline(constituent_net(), Settings(effort="fast", clock_mhz=300.0, ii=4, port="stream"))
    build = build_of(pipeline, tmp_path, hdl="vhdl")
    (*_, outcome) = run_executors(build, ["vhdl"], corner_codes(build.graph)[:9], look_into=False)
    assert outcome.agrees
    proof = prove(build, netlist=False)
    proof.raise_unless_proven()
    assert ("stream", "vhdl") in {(claim.subject, claim.kind) for claim in proof.claims}


def test_the_header_states_the_contract(built):
    text = (built.folder / "rtl" / "stream.sv").read_text()
    words, latency = built.pipeline.arrival.words, built.pipeline.latency_cycles
    assert f"the next {words - 1} follow in the next cycles, without a gap" in text
    assert f"{latency} cycles after its first word and {latency - words + 1} cycles after its last one" in text


def test_words_that_lack_or_are_too_many_touch_no_other_event(built, tmp_path):
    pipeline = built.pipeline
    codes = np.ascontiguousarray(random_codes(built.graph, 40, 5))
    library = build_library("stream", sorted((built.folder / "rtl").glob("*.sv")), tmp_path)
    plan = stimulus.too_soon(40, Pace.of(pipeline), np.random.default_rng(2))
    due, entered = plan.due(), plan.entered()
    assert 20 < (due >= 0).sum() < entered.sum() - 10  # some come whole, some do not
    assert np.diff(np.flatnonzero(entered)).min() == pipeline.ii
    found = play(library, pipeline, plan, codes, seed=1)
    assert np.array_equal(found.out_valid[2:] != 0, (due >= 0)[2:])
    assert np.array_equal(found.results, evaluate(built.graph, codes)[due[due >= 0]])


def test_a_simulation_can_be_stopped_by_the_check_of_the_words(built, tmp_path):
    pipeline, rtl = built.pipeline, built.folder / "rtl"
    codes = np.ascontiguousarray(random_codes(built.graph, 20, 5))
    library = build_library("stream", [*sorted(rtl.glob("*.sv")), *(rtl / "checks").glob("*.sv")], tmp_path)
    pace = Pace.of(pipeline)
    play(library, pipeline, stimulus.back_to_back(20, pace), codes, seed=1)
    with pytest.raises(ToolError, match="stream_interval_check.sv"):
        play(library, pipeline, stimulus.back_to_back(20, replace(pace, ii=pace.ii - 1)), codes, seed=1)


def test_the_words_of_an_event_are_its_positions_in_order():
    graph = constituent_net()
    codes = np.arange(2 * graph.n_inputs).reshape(2, -1)
    rows = to_words(graph, Arrival(POSITIONS, 2, ("jet",)), codes).reshape(2, 4, 8)
    assert rows[1, 0].tolist() == [*codes[1, :6], *codes[1, 21:]]
    assert rows[0, 3].tolist() == [*codes[0, 18:21], 0, 0, 0, 0, 0]


@pytest.mark.parametrize(("ii", "words"), [(2, 2), (4, 4), (9, 7), (9, 8)])
def test_the_guard_of_words_is_proven(tmp_path, ii, words):
    pipeline = create_pipeline(constituent_net(), Settings(effort="fast", clock_mhz=300.0, ii=7, port="stream"))
    guarded = replace(pipeline, ii=ii, arrival=Arrival(words, 1, ()))
    emit_verilog(pipeline, tmp_path / "rtl")
    text = _guard_text(guarded, "stream_interval", "")
    (tmp_path / "rtl" / "stream_interval.sv").write_text(text)
    guard = read_rtl(pipeline, sorted((tmp_path / "rtl").glob("*.sv")), tmp_path / "work").module("stream_interval")
    assert prove_guard(ii, words, guard).endswith("states, 8 inputs each")
    for other in ((ii + 1, words), (ii, words - 1 if words > 2 else words + 1)):
        with pytest.raises(Unproven, match="before the next event may come"):
            prove_guard(*other, guard)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("stream_interval", ("in_valid & in_start & !busy", "in_valid & !busy")),
        ("stream_interval", ("goes_on & last", "under_way & last")),
        ("stream_interval", (r"\(under_way & !goes_on\)", "(under_way & in_start)")),
        ("stream_interval", ("in_valid & !in_start & under_way", "!in_start & under_way")),
        ("stream", (r"passed\[(\d+):0\], whole", r"passed[\1:0], accept")),
        ("stream", (r"\.in_start\(in_start\)", ".in_start(in_valid)")),
        ("stream", (r"jet_stream = in_data\[(\d+):0\]", r"jet_stream = {in_data[0], in_data[\1:1]}")),
    ],
)
def test_wrong_words_are_refuted(tmp_path, built, file, change):
    broken = build_of(built.pipeline, tmp_path)
    replace_once(tmp_path / "rtl" / f"{file}.sv", *change)
    assert any(
        claim.subject == file and claim.kind in ("verilog", "latency")
        for claim in failures(prove(broken, netlist=False))
    )


def test_a_layer_inside_can_be_looked_into(built, tmp_path):
    codes = random_codes(built.graph, 8, 2)
    found = layer_codes(built.pipeline, built.folder / "rtl", tmp_path, codes, tmp_path / "wave")
    assert np.array_equal(found["sum"], evaluate(Graph("stream", built.graph.nodes, ("sum",)), codes))


def test_a_build_is_read_as_it_was_made(built):
    read = load_build(built.folder).pipeline
    assert (read.arrival, read.latency_cycles) == (built.pipeline.arrival, built.pipeline.latency_cycles)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"ii": 1}, "port 'stream' with an event every cycle"),
        ({"ii": 3, "port": "links"}, "port 'links' is unknown; allowed are whole, stream"),
    ],
)
def test_a_port_that_cannot_be_is_refused(values, text):
    with pytest.raises(ConfigError, match=re.escape(text)):
        Settings(effort="fast", **{"port": "stream", **values})


def test_a_network_without_positions_has_no_stream():
    graph = constituent_net()
    flat = Graph(
        "flat",
        (graph.nodes[0], Linear("l", ("jet",), frozen_array(np.ones((21, 2))), frozen_array(np.zeros(2)), 2)),
        ("l",),
    )
    with pytest.raises(ConfigError, match="no layer reads an input position by position"):
        create_pipeline(flat, Settings(effort="fast", ii=4, port="stream"))


def test_words_of_a_network_in_which_nothing_takes_turns(tmp_path):
    """Biases in registers, and layers too small to be folded: nothing that waits for the last word is read before it."""
    random = np.random.default_rng(1)
    each = Linear("each", ("jet",), frozen_array(random.integers(-1, 2, (1, 2))), frozen_array(np.array([3, -1])), 2, 4)
    graph = Graph("pair", (Input("jet", 4, FixedPoint(True, 3, 2), Interval(-4, 3)), each), ("each",))
    held = simplify(graph, held=Holding(weights=False, bias=True))
    pipeline = create_pipeline(held, Settings(effort="fast", clock_mhz=160.0, ii=2, port="stream"))
    assert not any(module.is_folded for module in pipeline.modules)
    assert pipeline.ii == pipeline.arrival.words == 2
    assert min(module.start for module in pipeline.modules) == 1
    build = build_of(pipeline, tmp_path, synth=True)
    assert disagreements(build, ["csim", "emulator", "rtl-fast", "gates"], corner_codes(build.graph)) == []
    prove(build).raise_unless_proven()
