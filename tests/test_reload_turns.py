"""Weights in registers where an event comes every few cycles: columns take turns, and a switch travels with the events."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from designs import build_of, places
from designs import graph as ternary_graph
from test_reload import events, open_claims
from test_stream_port import constituent_net
from test_wrappers import beats_of

from bittrigger.build.folder import load_build
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.emit.wrappers import AxisOptions, axis_streams, emit_axis, emit_emp
from bittrigger.errors import MismatchError
from bittrigger.ir.graph import Graph, Lookup, Requantize, evaluate, frozen_array
from bittrigger.ir.held.bus import held_nodes, writes
from bittrigger.ir.held.weight_file import with_numbers
from bittrigger.ir.ports import input_fields, output_fields, pack
from bittrigger.passes.hold import Holding
from bittrigger.passes.simplify import simplify
from bittrigger.patterns.design import LinkOptions, make_boards, make_payload
from bittrigger.prove import Verdict, prove
from bittrigger.report import make_report
from bittrigger.settings import Settings
from bittrigger.simulate.compare import raise_first, run_executors
from bittrigger.simulate.executors.rtl import RtlSim
from bittrigger.simulate.vectors import other_numbers
from bittrigger.simulate.wrapper import Traffic, WrapperSim, play_boards, stream_beats
from bittrigger.synth.yosys import synthesize

EXECUTORS = ("oracle", "csim", "emulator", "rtl", "rtl-fast", "gates")
WEIGHTS = Holding(weights=True, bias=False)


def scaled():
    """A layer whose weights are four times one, with a table behind it, in columns that do not come out even."""
    port, first, relu, last = ternary_graph((7, 5, 3)).nodes
    larger = replace(first, weights=frozen_array(4 * first.weights), frac=first.frac + 2)
    relu = Requantize("relu_0", ("dense_0",), 5, relu.shift + 2, relu.rounding, relu.lo, relu.hi, relu.frac)
    table = Lookup("steps", ("dense_1",), ((-9999, -7, 20),) * 3, ((0, 2, 5),) * 3, 0)
    return Graph("example", (port, larger, relu, last, table), ("steps", "dense_1"))


NETWORKS = {
    "turns that come out even": (lambda: ternary_graph((7, 6, 3)), WEIGHTS, 3),
    "turns that do not": (lambda: ternary_graph((7, 5, 3)), WEIGHTS, 3),
    "a scale, a table, two readers": (scaled, WEIGHTS, 2),
    "an interval longer than the layers": (lambda: ternary_graph((9, 5, 3, 1)), WEIGHTS, 12),
    "biases of layers that repeat": (places, Holding(weights=True, bias=True), 4),
}


@pytest.fixture(scope="module", params=NETWORKS)
def build(request, tmp_path_factory):
    """A synthesised build of each network."""
    make, holding, ii = NETWORKS[request.param]
    pipeline = create_pipeline(simplify(make(), held=holding), Settings(effort="fast", ii=ii))
    return build_of(pipeline, tmp_path_factory.mktemp("turns") / "build", synth=True)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A build whose columns take turns that do not come out even."""
    pipeline = create_pipeline(simplify(ternary_graph((7, 5, 3)), held=WEIGHTS), Settings(effort="fast", ii=3))
    return build_of(pipeline, tmp_path_factory.mktemp("small") / "build")


def test_every_executor_agrees_whatever_is_held(build):
    codes = events(build.graph)
    raise_first(run_executors(build, EXECUTORS, codes, look_into=False))
    other = replace(build, pipeline=with_numbers(build.pipeline, other_numbers(build.graph, 3)))
    assert not np.array_equal(evaluate(other.graph, codes), evaluate(build.graph, codes))
    raise_first(run_executors(other, EXECUTORS, codes, entries=False, look_into=False))


def test_it_is_proven_for_all_that_may_be_held(build):
    assert not open_claims(prove(build, jobs=1))


def test_columns_take_turns(small):
    modules = {module.node.name: module for module in small.pipeline.modules}
    fed = modules["dense_0_terms"]
    assert (fed.instances, fed.phases, fed.is_fed) == (2, 3, True)
    assert [fed.held_stage(column) for column in range(5)] == [1, 1, 2, 2, 3]
    assert modules["dense_0"].instances == modules["relu_0"].instances == 2
    flat = create_pipeline(simplify(ternary_graph((7, 5, 3)), held=WEIGHTS), Settings(effort="fast"))
    assert estimate(small.pipeline)[1].lut < estimate(flat)[1].lut
    assert small.pipeline.latency_cycles <= flat.latency_cycles + 2 * (3 + 3)
    assert writes(small.graph) == writes(flat.graph)


def test_the_report_tells_of_turns(build):
    report = make_report(
        build.pipeline, Settings(), synthesize(build.pipeline, build.folder / "rtl", build.folder / "synth")
    )
    for layer, module in zip(report.layers, build.pipeline.modules, strict=True):
        if module.is_fed:
            assert (layer.form, layer.instances, layer.turns) == ("folded", module.lanes, module.phases)


def test_a_design_comes_back_as_it_was(small):
    again = load_build(small.folder).pipeline
    assert [(module.start, module.lanes) for module in again.modules] == [
        (module.start, module.lanes) for module in small.pipeline.modules
    ]


def test_streams_and_links_reach_what_is_held(small, tmp_path):
    """Wrappers have the bus of the numbers, and beside it what is told of events that come too soon."""
    pipeline, graph, codes = small.pipeline, small.graph, events(small.graph)
    options = AxisOptions(32, 16)
    files = emit_axis(pipeline, options, tmp_path / "wrap" / "axi-stream")
    wrapper, streams = WrapperSim.of_build(small.folder, pipeline, files, tmp_path), axis_streams(pipeline, options)
    (run,) = stream_beats(wrapper, beats_of(pack(codes, input_fields(graph)), streams[0]), (Traffic(0, 0),))
    assert list(run.beats) == beats_of(pack(evaluate(graph, codes), output_fields(graph)), streams[1])
    payload = make_payload(graph, pipeline.latency_cycles, LinkOptions(tmux=6))
    files = emit_emp(pipeline, payload, tmp_path / "wrap" / "emp")
    inputs, outputs = make_boards(graph, codes, payload, max_frames=4000)
    captures = play_boards(WrapperSim.of_build(small.folder, pipeline, files, tmp_path), inputs, payload.inputs.links)
    assert [one.board.frames.tolist() for one in captures] == [board.frames.tolist() for board in outputs]


BREAKS = {
    "a column switches with the first": ("settings", r"turn\[3\], ", "turn[1], ", "settings"),
    "a column is read in another turn": (
        "feed_dense_0_terms",
        r"weights\[28\], weights\[0\]",
        "weights[29], weights[0]",
        "feed_dense_0_terms",
    ),
    "codes of the next event": ("feed_dense_0_terms", "loaded \\? came : codes", "came", "feed_dense_0_terms"),
    "turns go on": ("feed_dense_0_terms", r"if \(load\) turn <= 2'd0", "if (load) turn <= 2'd1", "feed_dense_0_terms"),
    "the next column's bias": ("", r"0_terms_now_bias\[7\*p \+: 7\]", "0_terms_now_bias[6:0]", ""),
    "held numbers of another layer": ("", r"\.bias\(dense_1_terms_bias\)", ".bias(dense_0_terms_bias[23:0])", ""),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_refuted(small, name, tmp_path):
    stem, wanted, instead, subject = BREAKS[name]
    folder = tmp_path / "build"
    shutil.copytree(small.folder, folder)
    path = folder / "rtl" / f"example{'_' if stem else ''}{stem}.sv"
    before = path.read_text()
    after = re.sub(wanted, instead, before, count=1)
    assert after != before
    path.write_text(after)
    claims = prove(replace(small, folder=folder), jobs=1, netlist=False).claims
    found = {
        (claim.subject, claim.kind) for claim in claims if claim.verdict is Verdict.REFUTED and claim.kind != "files"
    }
    assert found == {(f"example{'_' if subject else ''}{subject}", "verilog")}


def test_columns_that_switch_too_soon_are_seen_in_simulation(small, tmp_path):
    folder = tmp_path / "build"
    shutil.copytree(small.folder, folder)
    path = folder / "rtl" / "example_settings.sv"
    path.write_text(re.sub(r"turn\[[1-9]\](?=[,\n])", "turn[0]", path.read_text()))
    with pytest.raises(MismatchError, match="pattern reloaded"):
        RtlSim(small.pipeline, folder / "rtl", tmp_path / "cache").run(events(small.graph))


def test_positions_that_come_word_by_word_meet_held_weights(tmp_path):
    """Sums over positions are no matter of training: they are constants, and add up what comes."""
    graph = simplify(constituent_net(), held=WEIGHTS)
    assert {node.name for node in held_nodes(graph)} == {"first_terms", "head_terms"}
    pipeline = create_pipeline(graph, Settings(effort="fast", clock_mhz=300.0, ii=7, port="stream"))
    modules = {module.node.name: module for module in pipeline.modules}
    assert modules["sum"].tally
    assert modules["head_terms"].is_fed
    build = build_of(pipeline, tmp_path / "build")
    raise_first(run_executors(build, ("oracle", "rtl", "rtl-fast"), events(graph), look_into=False))
    assert prove(build, jobs=1, netlist=False).proven


def test_vhdl_is_the_same(tmp_path):
    pipeline = create_pipeline(simplify(ternary_graph((7, 5, 3)), held=WEIGHTS), Settings(effort="fast", ii=3))
    build = build_of(pipeline, tmp_path / "build", hdl="vhdl")
    raise_first(run_executors(build, ("oracle", "vhdl"), events(build.graph)[:40], look_into=False))
    assert prove(build, jobs=1, netlist=False).proven
