"""Weights in memory where an event comes every few cycles: columns take turns, and the bank that counts goes with the events."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from designs import build_of, places
from designs import graph as ternary_graph
from tamper.edits import cell_of, netlist
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


FEED = "feed_dense_0_terms"
BREAKS = {
    "a layer switches a stage early": ("load", r"halves_dense_1_terms\[5\];", "halves_dense_1_terms[4];"),
    "the bank that counts is written": ("load", r"row = \{!half,", "row = {half,"),
    "a command before the last word": ("load", r"expected == 5'd17", "expected == 5'd16"),
    "a command without words": ("load", r" & \(expected == 5'd17\)", ""),
    "words in any order": ("load", r"\(came == expected\)", "1'd1"),
    "a memory is passed over": ("load", r"here_dense_0_terms \+ 2'd1", "here_dense_0_terms + 2'd2"),
    "a layer begins a word late": (
        "load",
        r"starts_dense_1_terms = came == 5'd11",
        "starts_dense_1_terms = came == 5'd12",
    ),
    "a row too many for the turn": ("load", r"now_dense_0_terms \+ 2'd1", "now_dense_0_terms + 2'd2"),
    "a turn reads the other bank": (FEED, r"place = \{half,", "place = {!half,"),
    "a bank changes within an event": (FEED, r"else half <= half", "else half <= bank"),
    "a turn reads the row before": (FEED, r"half, turn\}", "half, turn ^ 2'd1}"),
    "a word of the next column": (FEED, r"write\(hits\[1\]\)", "write(hits[3])"),
    "always written": (FEED, r"write\(hits\[1\]\)", "write(hits[1] | hits[0])"),
    "a word shifted on the bus": (FEED, r"data\(data\[13:0\]\)", "data(data[14:1])"),
    "written where it is read": (FEED, r"\.row\(row\)", ".row(place)"),
    "codes of the next event": (FEED, "loaded \\? came : codes", "came"),
    "turns go on": (FEED, r"if \(load\) turn <= 2'd0", "if (load) turn <= 2'd1"),
    "the next column's bias": ("", r"0_terms_now_bias\[7\*p \+: 7\]", "0_terms_now_bias[6:0]"),
    "words of another layer": (
        "",
        r"\.hits\(dense_1_terms_hits\),\n\s+\.data",
        ".hits(dense_0_terms_hits[1:0]),\n        .data",
    ),
    "the bank of another layer": ("", r"\.bank\(dense_1_terms_bank\)", ".bank(dense_0_terms_bank)"),
    "busy ends early": ("settings", r"\(\|turn\)", "(|turn[7:0])"),
    "the word of the next cycle": ("settings", r"settings_word = word", "settings_word = data"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_refuted(small, name, tmp_path):
    stem, wanted, instead = BREAKS[name]
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
    assert found == {(f"example{'_' if stem else ''}{stem}", "verilog")}


@pytest.mark.parametrize("port", ["due", "dense_0_terms_hits"])
def test_a_netlist_whose_bus_hangs_on_the_words_that_came_is_refuted(small, port, tmp_path):
    """``busy`` reads what tells where words go, which nothing but the memories may."""

    def change(module):
        loader, busy = cell_of(module, "example_load"), module["ports"]["busy"]["bits"]
        (table,) = (cell for cell in module["cells"].values() if cell["connections"].get("O") == busy)
        table["connections"]["I0"] = loader["connections"][port][:1]

    folder = tmp_path / "build"
    shutil.copytree(small.folder, folder)
    synthesize(small.pipeline, folder / "rtl", folder / "synth")
    netlist("example_settings", change)(folder)
    claims = prove(replace(small, folder=folder), jobs=1).claims
    found = {(claim.subject, claim.kind) for claim in claims if claim.verdict is Verdict.REFUTED}
    assert found - {("example", "files")} == {("example_settings", "netlist")}


def test_columns_that_switch_too_soon_are_seen_in_simulation(small, tmp_path):
    folder = tmp_path / "build"
    shutil.copytree(small.folder, folder)
    path = folder / "rtl" / "example_load.sv"
    wanted, instead = r"_bank = (\w+)\[5\];", r"_bank = \1[0] | (&{1'd0, \1});"
    path.write_text(re.sub(wanted, instead, path.read_text()))
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


@pytest.fixture
def blocks(tmp_path, monkeypatch):
    """A synthesised build whose first layer has so many turns that its numbers lie in block RAM, if that costs nothing."""
    monkeypatch.setattr("bittrigger.schedule.held.BLOCK_LUTS", 0)
    graph = simplify(ternary_graph((18, 35, 2)), held=WEIGHTS)
    pipeline = create_pipeline(graph, Settings(effort="fast", ii=35))
    assert [module.in_blocks for module in pipeline.held] == [True, False]
    return build_of(pipeline, tmp_path / "build", synth=True, hdl="vhdl")


def test_numbers_in_block_ram(blocks):
    codes = events(blocks.graph)[:60]
    raise_first(run_executors(blocks, ("oracle", "rtl", "rtl-fast", "vhdl", "gates"), codes, look_into=False))
    assert not open_claims(prove(blocks, jobs=1))
    used = synthesize(blocks.pipeline, blocks.folder / "rtl", blocks.folder / "synth").total
    assert used.cells["RAMB18E2"] == 3
    assert (used.bram36, estimate(blocks.pipeline)[1].bram18) == (1.5, 3)


def test_vhdl_is_the_same(tmp_path):
    pipeline = create_pipeline(simplify(ternary_graph((7, 5, 3)), held=WEIGHTS), Settings(effort="fast", ii=3))
    build = build_of(pipeline, tmp_path / "build", hdl="vhdl")
    raise_first(run_executors(build, ("oracle", "vhdl"), events(build.graph)[:40], look_into=False))
    assert prove(build, jobs=1, netlist=False).proven
