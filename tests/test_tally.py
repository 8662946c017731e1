"""Sums over positions that are added up as they come: every executor, and the proof."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
from designs import build_of, disagreements
from test_engine import network as stepwise
from test_prove import failures, replace_once

from bittrigger.build.folder import load_build
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.forms.tally import Tally, tally_of
from bittrigger.ir.graph import Graph, Input, Linear, Requantize, frozen_array
from bittrigger.prove import Verdict, prove
from bittrigger.prove.claims import Unproven
from bittrigger.prove.sources.rtl import read_rtl
from bittrigger.prove.top.wiring import prove_wiring
from bittrigger.report import make_report
from bittrigger.schedule import placing, schedule
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes

POSITIONS, FEATURES = 8, 6


def sums(name="sum", source="each_again", order=(2, 0, 1, 5, 3, 4), bias=3):
    """Features in another order, with one bias for all."""
    kernel = np.zeros((FEATURES, FEATURES), dtype=np.int64)
    kernel[list(order), np.arange(FEATURES)] = 1
    weights = frozen_array(np.tile(kernel, (POSITIONS, 1)))
    return Linear(name, (source,), weights, frozen_array(np.full(FEATURES, bias)), 0)


def network():
    rng = np.random.default_rng(11)
    each, again = (rng.integers(-1, 2, shape) for shape in ((5, FEATURES), (FEATURES, FEATURES)))
    limits = frozen_array(rng.integers(-4, 5, FEATURES))
    nodes = (
        Input("x", 5 * POSITIONS, FixedPoint(True, 6, 0), Interval(-31, 31)),
        Linear("each", ("x",), frozen_array(each), limits, 0, copies=POSITIONS),
        Requantize("relu", ("each",), FEATURES * POSITIONS, 1, Rounding.RND_CONV, 0, 15, 0, copies=POSITIONS),
        Linear("each_again", ("relu",), frozen_array(again), limits, 0, copies=POSITIONS),
        sums(),
        Linear("last", ("sum",), frozen_array(rng.integers(-2, 3, (FEATURES, 2))), frozen_array(np.zeros(2)), 0),
    )
    graph = Graph("summed", nodes, ("last",))
    verify(graph)
    return graph


@pytest.fixture(scope="module", params=[4, 9])
def built(tmp_path_factory, request):
    pipeline = create_pipeline(network(), Settings(effort="fast", clock_mhz=240.0, ii=request.param))
    return build_of(pipeline, tmp_path_factory.mktemp("summed"), synth=True)


def codes_for(graph):
    return np.concatenate([corner_codes(graph), random_codes(graph, 100, 3)])


def test_positions_are_added_up_as_they_come(built):
    pipeline = built.pipeline
    modules = {module.node.name: module for module in pipeline.modules}
    lanes = -(-POSITIONS // pipeline.ii)
    total, before = modules["sum"], modules["each_again"]
    assert total.tally == Tally(lanes, POSITIONS // lanes, (2, 0, 1, 5, 3, 4), 3)
    assert total.instances == FEATURES
    assert total.stop == total.start + POSITIONS // lanes
    assert before.stop <= total.start <= before.stop + 1
    flat = create_pipeline(network(), Settings(effort="fast", clock_mhz=240.0))
    assert estimate(pipeline)[1].lut < 0.7 * estimate(flat)[1].lut
    layer = next(item for item in make_report(pipeline, built.settings, None).layers if item.name == "sum")
    assert (layer.form, layer.instances, layer.turns) == ("accumulated", FEATURES, POSITIONS // lanes)


@pytest.mark.parametrize("executor", ["csim", "emulator", "rtl", "rtl-fast", "gates"])
def test_every_executor_agrees(built, executor):
    assert disagreements(built, [executor], codes_for(built.graph)) == []


def test_it_is_proven_and_read_again(built):
    proof = prove(built)
    assert failures(proof) == []
    kinds = [claim.kind for claim in proof.claims if claim.subject == "summed_bitlinear_sum"]
    assert sorted(kinds) == ["netlist", "structure", "verilog", "weights"]
    again = load_build(built.folder).pipeline
    assert [module.tally for module in again.modules] == [module.tally for module in built.pipeline.modules]


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("summed_bitlinear_sum", (r"first \? (\d+)'d3", r"first ? \1'd2")),
        ("summed_bitlinear_sum", ("sum <= s", "sum <= x0 + s")),
        ("summed", (r"\.first\(valid\[(\d+)\]\)", ".first(valid[0])")),
        ("summed", (r"\.x\(sum_operand\[(\d+)\*p", r".x(sum_operand[\1*(5 - p)")),
    ],
)
def test_wrong_sums_are_refuted(tmp_path, built, file, change):
    broken = build_of(built.pipeline, tmp_path)
    replace_once(tmp_path / "rtl" / f"{file}.sv", *change)
    claims = [claim for claim in prove(broken, netlist=False).claims if claim.verdict is Verdict.REFUTED]
    assert any(claim.subject == file and claim.kind == "verilog" for claim in claims)


def test_what_is_no_sum_of_all_features_is_none():
    node = sums()
    weights = np.array(node.weights)
    weights[7, 0] = 1
    scaled = replace(node, weights=frozen_array(2 * np.array(node.weights)))
    mixed = replace(node, weights=frozen_array(weights))
    uneven = replace(node, bias=frozen_array(np.arange(FEATURES)))
    for other in (scaled, mixed, uneven, replace(node, copies=2), replace(node, inputs=("a", "b"))):
        assert tally_of(other, POSITIONS, 2) is None
    assert tally_of(node, POSITIONS, 3) is None
    assert tally_of(node, POSITIONS, POSITIONS) is None
    assert tally_of(sums(order=(0, 0, 1, 2, 3, 4)), POSITIONS, 2) is None
    assert tally_of(node, POSITIONS, 2) == Tally(2, 4, (2, 0, 1, 5, 3, 4), 3)


WRONG_SCHEDULES = {
    "digits a cycle early": (
        40,
        "fold.plan.period + fold.plan.delay, 0.0",
        "fold.plan.period + fold.plan.delay - 1, 0.0",
    ),
    "digits a cycle late": (
        40,
        "fold.plan.period + fold.plan.delay, 0.0",
        "fold.plan.period + fold.plan.delay + 1, 0.0",
    ),
    "turns a cycle early": (4, "fold.tally.turns, 0.0", "fold.tally.turns - 1, 0.0"),
    "turns a cycle late": (4, "fold.tally.turns, 0.0", "fold.tally.turns + 1, 0.0"),
}


@pytest.mark.parametrize("name", WRONG_SCHEDULES)
def test_a_schedule_that_reads_results_in_another_cycle_is_refuted(name, tmp_path, monkeypatch):
    """What takes turns has no registers that tell when it is done; that the schedule knows is a claim of its own."""
    ii, right, wrong = WRONG_SCHEDULES[name]
    source = inspect.getsource(placing.placing)
    assert source.count(right) == 1
    names = dict(vars(placing))
    exec(source.replace(right, wrong), names)  # noqa: S102 - the scheduler, with one fault
    monkeypatch.setattr(schedule, "placing", names["placing"])
    graph = network() if ii == 4 else stepwise()
    build = build_of(create_pipeline(graph, Settings(effort="fast", clock_mhz=240.0, ii=ii)), tmp_path)
    details = [claim.detail for claim in failures(prove(build, netlist=False))]
    assert any("cycles after its start; it takes" in detail for detail in details), details


def test_turns_that_take_longer_than_an_event_may_are_refuted(tmp_path):
    pipeline = create_pipeline(network(), Settings(effort="fast", clock_mhz=240.0, ii=4))
    build = build_of(pipeline, tmp_path)
    sooner = replace(build, pipeline=replace(build.pipeline, ii=3))
    rtl = read_rtl(build.pipeline, sorted((tmp_path / "rtl").glob("*.sv")), tmp_path / "work")
    with pytest.raises(Unproven, match="takes 4 cycles for an event; one may come every 3"):
        prove_wiring(sooner.pipeline, rtl.module("summed"))
