"""Layers that repeat, built in fewer copies and fed one after the other: every executor, gaps and violations, and the proof."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from designs import build_of, disagreements, ternary
from test_prove import failures, verilog_refuted_after

from bittrigger.build.folder import load_build
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.emit.verilog import emit_verilog
from bittrigger.errors import ConfigError, ToolError
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, evaluate, frozen_array
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.prove import prove
from bittrigger.prove.claims import Unproven
from bittrigger.prove.sources.rtl import read_rtl
from bittrigger.prove.top.guard import prove_guard
from bittrigger.report import make_report
from bittrigger.schedule.schedule import Schedule
from bittrigger.settings import Settings
from bittrigger.simulate.compare import run_executors
from bittrigger.simulate.diagnose.probe import layer_codes
from bittrigger.simulate.simulators import stimulus
from bittrigger.simulate.simulators.harness import play
from bittrigger.simulate.simulators.stimulus import Pace
from bittrigger.simulate.simulators.verilated import build_library
from bittrigger.simulate.vectors import corner_codes, random_codes
from bittrigger.synth.yosys import synthesize


def folding_net():
    """Chains with a queue each: at the port, behind windows, and behind codes in another order; other readers beside them."""
    rng = np.random.default_rng(7)
    kind = FixedPoint(True, 5, 0)

    places = np.arange(35).reshape(7, 5)
    before = np.concatenate([np.full((1, 5), ZERO), places[:-1]])
    nodes = (
        Input("x", 21, kind, Interval(-15, 15)),
        Linear("each", ("x",), *ternary(rng, 3, 6), 0, copies=7),
        Requantize("relu", ("each",), 42, 1, Rounding.RND_CONV, 0, 15, -1, copies=7),
        Linear("again", ("relu",), *ternary(rng, 6, 5), -1, copies=7),
        Lookup("steps", ("again",), ((-999, 0, 9),) * 5, ((0, 1, 3), (1, 0, 2), (0, 2, 3), (3, 1, 0), (0, 3, 1)), 0, 7),
        Wire("windows", ("steps",), frozen_array(np.concatenate([before, places], axis=1).ravel()), 0),
        Linear("conv", ("windows",), *ternary(rng, 10, 6), 0, copies=7),
        Requantize("clip", ("conv",), 42, 0, Rounding.TRN, -8, 7, 0, copies=7),
        Wire("turned", ("clip",), frozen_array(np.arange(42).reshape(7, 6).T.ravel()), 0),
        Extremum("top", ("turned",), 0, copies=6),
        Linear("last", ("top",), *ternary(rng, 6, 2), 0),
    )
    graph = Graph("folded", nodes, ("last", "again"))
    verify(graph)
    return graph


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pipeline = create_pipeline(folding_net(), Settings(effort="fast", clock_mhz=300.0, ii=3))
    return build_of(pipeline, tmp_path_factory.mktemp("folded"), synth=True)


def codes_for(graph, seed=3):
    return np.concatenate([corner_codes(graph), random_codes(graph, 150, seed)])


def test_chains_are_folded_where_it_pays(built):
    pipeline = built.pipeline
    modules = {module.node.name: module for module in pipeline.modules}
    assert pipeline.ii == 3
    assert {name: (made.lanes, made.queue) for name, made in modules.items() if made.is_folded} == {
        "each": (3, True),
        "relu": (3, False),
        "again": (3, False),
        "steps": (3, False),
        "conv": (3, True),
        "clip": (3, False),
        "top": (2, True),
    }
    each = modules["each"]
    assert (each.copies, each.instances, each.phases, each.done, each.reads) == (7, 3, 3, each.stop + 2, 0)
    flat = create_pipeline(folding_net(), Settings(effort="fast", clock_mhz=300.0))
    assert estimate(pipeline)[1].lut < 0.7 * estimate(flat)[1].lut
    assert pipeline.latency_cycles <= flat.latency_cycles + 3 * (3 + 3)


@pytest.mark.parametrize("executor", ["csim", "emulator", "rtl", "rtl-fast", "gates"])
def test_every_executor_agrees(built, executor):
    assert disagreements(built, [executor], codes_for(built.graph)) == []


def test_more_events_than_runs_side_by_side(built):
    codes = random_codes(built.graph, 1500, 6)
    (_, outcome) = run_executors(built, ["oracle", "gates"], codes, look_into=False)
    assert outcome.agrees, outcome.error


def test_it_is_proven(built):
    proof = prove(built)
    assert failures(proof) == []
    assert proof.proven
    queues = [(c.subject, c.kind) for c in proof.claims if "_queue_" in c.subject and c.kind != "structure"]
    assert sorted(queues) == [
        (f"folded_queue_{name}", kind) for name in ("conv", "each", "top") for kind in ("netlist", "verilog")
    ]


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("folded_interval", ("3'd2|2'd2", "2'd1")),
        ("folded_interval", ("in_valid & busy", "in_valid")),
        ("folded", (r"\.load\(accept\)", ".load(in_valid)")),
        ("folded", (r"valid\[(\d+):0\], accept", r"valid[\1:0], in_valid")),
        ("folded_queue_each", ("waiting <= waiting", "waiting <= x")),
        ("folded_queue_conv", (r"turn \+ 2'd1", "turn + 2'd2")),
        ("folded_queue_conv", (r"p3 = \{(waiting\[\d+\]), waiting\[\d+\]", r"p3 = {\1, waiting[0]")),
        ("folded", (r"\.load\(accept\)", ".load(valid[0])")),
        ("folded", (r"\.x\(relu_stream\[(\d+)\*p", r".x(relu_stream[\1*(2 - p)")),
        ("folded", (r"steps_stream_d1, steps_stream_d2\}", "steps_stream_d2, steps_stream_d1}")),
        ("folded", (r"again_codes_d2 <= valid\[7\]", "again_codes_d2 <= valid[8]")),  # the next event may be there
        ("folded", (r"again_codes_d1 <= valid\[4\]", "again_codes_d1 <= valid[3]")),
        ("folded", (r"valid\[10\] \? again_codes_d2 :", "valid[10] ? again_codes_d1 :")),
    ],
)
def test_wrong_folding_is_refuted(tmp_path, built, file, change):
    assert file in verilog_refuted_after(built, tmp_path, file, *change)


def test_an_event_that_comes_too_soon_is_dropped_and_touches_no_other(built, tmp_path):
    pipeline = built.pipeline
    codes = random_codes(built.graph, 40, 5)
    library = build_library(pipeline.graph.name, sorted((built.folder / "rtl").glob("*.sv")), tmp_path)
    plan = stimulus.too_soon(40, Pace.of(pipeline), np.random.default_rng(2))
    entered = plan.entered()
    assert np.diff(np.flatnonzero(entered)).min() == 3
    assert plan.dropped().sum() == (plan.valid & ~entered).sum() > 100
    found = play(library, pipeline, plan, np.ascontiguousarray(codes), seed=1)
    due = plan.due()
    assert np.array_equal(found.out_valid[2:] != 0, (due >= 0)[2:])
    assert np.array_equal(found.results, evaluate(built.graph, codes)[due[due >= 0]])


def test_a_reset_ends_the_wait():
    plan = stimulus.Schedule(
        np.arange(8) == 2, np.ones(8, dtype=bool), np.ones(8, dtype=bool), np.arange(8), Pace(0, 4)
    )
    assert np.flatnonzero(plan.entered()).tolist() == [0, 3, 7]
    assert np.flatnonzero(plan.dropped()).tolist() == [2, 5, 6, 7]


@pytest.mark.parametrize("ii", [2, 3, 8, 9])
def test_the_guard_of_every_interval_is_proven(tmp_path, ii):
    pipeline = replace(create_pipeline(folding_net(), Settings(effort="fast", ii=3)), ii=ii)
    emit_verilog(pipeline, tmp_path / "rtl")
    rtl = read_rtl(pipeline, sorted((tmp_path / "rtl").glob("*.sv")), tmp_path / "work")
    guard = rtl.module("folded_interval")
    assert prove_guard(ii, 1, guard) == f"{2 * ii - 1 if ii > 1 else 1} states, 4 inputs each"
    for other in (ii - 1, ii + 1):
        with pytest.raises(Unproven, match="cycles before the next event may come"):
            prove_guard(other, 1, guard)


def test_a_simulation_can_be_stopped_by_the_check_of_the_interval(built, tmp_path):
    """The module in rtl/checks binds itself to the design; the run that obeys the interval goes through with it."""
    pipeline, rtl = built.pipeline, built.folder / "rtl"
    codes = np.ascontiguousarray(random_codes(built.graph, 20, 5))
    library = build_library("folded", [*sorted(rtl.glob("*.sv")), *(rtl / "checks").glob("*.sv")], tmp_path)
    play(library, pipeline, stimulus.back_to_back(20, Pace(pipeline.latency_cycles, 3)), codes, seed=1)
    with pytest.raises(ToolError, match="folded_interval_check.sv"):
        play(library, pipeline, stimulus.back_to_back(20, Pace(pipeline.latency_cycles, 2)), codes, seed=1)


def test_a_build_is_read_as_it_was_made(built):
    read = load_build(built.folder).pipeline
    assert (read.ii, read.latency_cycles) == (3, built.pipeline.latency_cycles)
    assert [(m.lanes, m.queue, m.start, m.stop) for m in read.modules] == [
        (m.lanes, m.queue, m.start, m.stop) for m in built.pipeline.modules
    ]


def test_figures_count_what_is_built(built):
    synthesis = synthesize(built.pipeline, built.folder / "rtl", built.folder / "synth")
    report = make_report(built.pipeline, built.settings, synthesis)
    each = next(layer for layer in report.layers if layer.name == "each")
    assert (each.copies, each.instances) == (7, 3)
    assert each.synth.lut.value % 3 == 0
    assert report.totals.ii_cycles.value == 3
    queues = [module.queue_name for module in built.pipeline.modules if module.queue]
    waiting = {name: synthesis.modules[name].ff for name in queues}
    assert waiting["folded_queue_each"] == 7 * 3 * 5 + 2  # copies, codes of each, bits; which turn it is


def test_layers_inside_are_seen(built, tmp_path):
    codes = random_codes(built.graph, 6, 9)
    found = layer_codes(built.pipeline, built.folder / "rtl", tmp_path, codes, tmp_path / "wave")
    assert {"steps", "again", "clip", "top"} <= set(found)
    wanted = evaluate(Graph("folded", built.graph.nodes, ("steps",)), codes)
    assert np.array_equal(found["steps"], wanted)


def test_nothing_is_folded_that_does_not_repeat():
    graph = folding_net()
    dense = Linear("all", ("x",), frozen_array(np.eye(21)), frozen_array(np.ones(21)), 0)
    plain = Graph("plain", (graph.nodes[0], dense), ("all",))
    pipeline = create_pipeline(plain, Settings(effort="fast", ii=9))
    assert (pipeline.ii, pipeline.latency_cycles) == (1, create_pipeline(plain, Settings()).latency_cycles)


def test_one_copy_at_a_time(monkeypatch):
    """As many cycles as copies: one instance, no loop; nothing digit by digit, which has lanes of its own."""
    monkeypatch.setattr("bittrigger.compile.pipeline.serial_layers", lambda *_: [])
    pipeline = create_pipeline(folding_net(), Settings(effort="fast", ii=20))
    assert {module.lanes for module in pipeline.modules if module.is_folded} == {1}
    again = Schedule(360.0, latency_cycles=pipeline.latency_cycles + 2, ii=20)
    adders = {module.node.name: module.adders for module in pipeline.modules if module.adders is not None}
    assert again.apply(pipeline.graph, adders).latency_cycles == pipeline.latency_cycles + 2


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"ii": 0}, "initiation interval of 0 cycles; allowed are 1 to 4096"),
        ({"ii": 5000}, "initiation interval of 5000 cycles; allowed are 1 to 4096"),
        ({"ii": "9"}, "setting 'ii' is '9'; allowed is int"),
    ],
)
def test_an_interval_that_makes_no_sense_is_refused(settings, text):
    with pytest.raises(ConfigError, match=text):
        Settings(**settings)


def test_an_interval_follows_from_the_budget():
    budget = "cms-phase2-correlator-layer2"
    assert Settings.given(ii="auto", budget=budget).ii == 3  # 9.375 ns at 360 MHz
    assert Settings.given(ii="auto", budget=budget, clock_mhz=720.0 / 1.9).ii == 3
    assert Settings.given(ii="12").ii == 12
    with pytest.raises(
        ConfigError, match="initiation interval 'auto' takes the interval of a budget, and there is none"
    ):
        Settings.given(ii="auto")
    for text in ("soon", "-1", "", "9" * 9):
        with pytest.raises(ConfigError, match="allowed are a number of cycles, and 'auto'"):
            Settings.given(ii=text)
