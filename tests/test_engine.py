"""Matrices that are multiplied step by step: plans, every executor, gaps and events that come too soon, and the proof."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from designs import build_of, disagreements
from test_prove import failures, verilog_refuted_after

from bittrigger.build.folder import load_build
from bittrigger.compile.matrix import matrix_graph, solve_matrix
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.device.delay_model import DEFAULT_DELAYS
from bittrigger.errors import ConfigError
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.forms.engine import Engine, bias_table, weight_table
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, evaluate, frozen_array
from bittrigger.prove import prove
from bittrigger.report import make_report
from bittrigger.schedule.engine import Spare, columns_apart, copy_luts, followers, matrix_options, plans, plans_for
from bittrigger.settings import Settings
from bittrigger.simulate.compare import run_executors
from bittrigger.simulate.vectors import corner_codes, random_codes
from bittrigger.synth.recipe import TABLES
from bittrigger.synth.yosys import synthesize


def dense(name, source, shape, rng, *, frac=0, scale=1):
    weights = scale * rng.integers(-1, 2, shape)
    weights[:, 0] = scale  # the widest sum, and a column of one sign
    return Linear(name, (source,), frozen_array(weights), frozen_array(rng.integers(-9, 10, shape[1])), frac)


def network():
    """Groups that come out even and do not, one group and several, a scale, signed and unsigned codes, a second reader."""
    rng = np.random.default_rng(5)
    nodes = (
        Input("x", 12, FixedPoint(True, 6, 0), Interval(-31, 31)),
        dense("first", "x", (12, 22), rng),
        Requantize("relu", ("first",), 22, 2, Rounding.RND_CONV, 0, 31, -2),
        dense("second", "relu", (22, 16), rng, frac=-2, scale=4),
        Lookup("steps", ("second",), ((-99999, 0, 90),) * 16, ((0, 3, 6),) * 16, 0),
        dense("third", "steps", (16, 9), rng),
        Requantize("clip", ("third",), 9, 0, Rounding.TRN, -32, 31, 0),
        dense("last", "clip", (9, 5), rng),
    )
    graph = Graph("stepwise", nodes, ("last", "steps"))
    verify(graph)
    return graph


II = 40


@pytest.fixture(scope="module", autouse=True)
def no_digits():
    """No layer is multiplied digit by digit, which may be cheaper."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bittrigger.compile.pipeline.serial_layers", lambda *_: [])
        yield


def test_an_interval_that_cannot_be_met_is_refused_with_the_least_that_can(monkeypatch):
    monkeypatch.setattr("bittrigger.compile.pipeline.MAX_SEARCHED", 100)
    weights = frozen_array(np.random.default_rng(1).integers(-1, 2, (64, 9)))
    nodes = (Input("x", 64, FixedPoint(True, 5, 0), Interval(-16, 15)),)
    nodes += (Linear("wide", ("x",), weights, frozen_array(np.zeros(9, dtype=np.int64)), 0),)
    wide = Graph("wide_net", nodes, ("wide",))
    with pytest.raises(ConfigError, match="layer 'wide' of 64 x 9 at an event every 9 cycles.*give --ii 10, or more"):
        create_pipeline(wide, Settings(effort="fast", ii=9))
    monkeypatch.setattr("bittrigger.ir.forms.engine.MAX_UNROLLED", 100)
    assert create_pipeline(wide, Settings(effort="fast", ii=10)).modules[0].engine


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pipeline = create_pipeline(network(), Settings(effort="fast", clock_mhz=360.0, ii=II))
    return build_of(pipeline, tmp_path_factory.mktemp("stepwise"), synth=True)


def codes_for(graph, seed=3, events=80):
    return np.concatenate([corner_codes(graph), random_codes(graph, events, seed)])


def test_a_layer_takes_the_cheapest_form_that_holds_the_interval(built):
    pipeline = built.pipeline
    modules = {module.node.name: module for module in pipeline.modules}
    assert pipeline.ii == II
    engines_found = {name: module.engine for name, module in modules.items() if module.engine}
    assert len(engines_found) >= 3
    assert len({engine.groups for engine in engines_found.values()}) > 1
    assert {engine.delay > 0 for engine in engines_found.values()} == {False, True}
    assert any(engine.n_out % engine.lanes for engine in engines_found.values())
    for name, engine in engines_found.items():
        module = modules[name]
        assert engine.cycles <= II
        assert module.stop == module.start + engine.period + engine.delay
        assert module.done == module.start + engine.cycles + engine.delay
        for follower in followers(pipeline.graph, name):
            assert modules[follower.name].lanes == engine.lanes
            assert modules[follower.name].pace == engine.period
    flat = create_pipeline(network(), Settings(effort="fast", clock_mhz=360.0))
    assert flat.ii == 1
    assert not any(module.engine for module in flat.modules)
    assert estimate(pipeline)[1].lut < 0.7 * estimate(flat)[1].lut
    added = pipeline.latency_cycles - flat.latency_cycles
    assert added <= len(engines_found) * (II + 3)


@pytest.mark.parametrize("executor", ["csim", "emulator", "rtl", "rtl-fast", "gates"])
def test_every_executor_agrees(built, executor):
    assert disagreements(built, [executor], codes_for(built.graph)) == []


def test_it_is_proven(built):
    proof = prove(built)
    assert failures(proof) == []
    engines_found = [module for module in built.pipeline.modules if module.engine]
    for module in engines_found:
        kinds = [claim.kind for claim in proof.claims if claim.subject == module.name and claim.kind != "structure"]
        assert sorted(kinds) == ["netlist", "verilog", "weights"]
        kinds = [
            claim.kind for claim in proof.claims if claim.subject == module.feed_name and claim.kind != "structure"
        ]
        assert sorted(kinds) == ["netlist", "verilog"]


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("stepwise_bitlinear_first", ("sum \\+ t0", "sum - t0")),
        ("stepwise_bitlinear_second", (r"settle \? bias", "clear ? bias")),
        ("stepwise_bitlinear_third", (r"weights\[1\]", "weights[0]")),
        ("stepwise_feed_first", ("held <= held", "held <= x")),
        ("stepwise_feed_first", (r"count \+ (\d+)'d1", r"count + \1'd2")),
        ("stepwise_feed_second", (r"n0_0 = (\d+)'b0(0+)1", r"n0_0 = \1'b0\g<2>0")),
        ("stepwise_feed_second", (r"t_settle = (\d+)'b(0*)1", r"t_settle = \1'b\g<2>0")),
        ("stepwise", (r"valid\[(\d+)\] \? relu_stream : relu_held_0", r"valid[1] ? relu_stream : relu_held_0")),
        ("stepwise", (r"\.settle\(first_settle\),\n(\s+)\.x", r".settle(first_clear),\n\1.x")),
    ],
)
def test_wrong_steps_are_refuted(tmp_path, built, file, change):
    assert file in verilog_refuted_after(built, tmp_path, file, *change)


def test_a_build_is_read_as_it_was_made(built):
    read = load_build(built.folder).pipeline
    assert (read.ii, read.latency_cycles) == (II, built.pipeline.latency_cycles)
    assert [(m.lanes, m.pace, m.engine, m.start, m.stop) for m in read.modules] == [
        (m.lanes, m.pace, m.engine, m.start, m.stop) for m in built.pipeline.modules
    ]


def test_figures_say_which_form_a_layer_has_and_how_busy_it_is(built):
    synthesis = synthesize(built.pipeline, built.folder / "rtl", built.folder / "synth")
    report = make_report(built.pipeline, built.settings, synthesis)
    layers = {layer.name: layer for layer in report.layers}
    modules = {module.node.name: module for module in built.pipeline.modules}
    for name, module in modules.items():
        if module.engine:
            layer, engine = layers[name], module.engine
            assert (layer.form, layer.instances, layer.turns) == ("accumulated", engine.lanes, engine.groups)
            work = engine.n_in * engine.n_out
            assert layer.busy_percent == round(100 * work / (II * engine.lanes * engine.terms), 2) <= 100
            assert layer.copies == 1
            assert layer.zeros + layer.non_zeros == work
            assert (layer.n_in, layer.n_out) == (engine.n_in, engine.n_out)
            lanes, feed = (synthesis.modules[part].lut for part in (module.name, module.feed_name))
            assert layer.synth.lut.value == lanes * engine.lanes + feed
            if not engine.delay:
                assert lanes == engine.terms * module.result[0].width
    assert layers["relu"].form == "folded"
    made = synthesis.total.lut - synthesis.total.shift_register
    assert abs(estimate(built.pipeline)[1].lut - made) < 0.2 * made


def test_what_is_handed_out_adds_up():
    node = dense("d", "x", (7, 5), np.random.default_rng(1), scale=2)
    engine = Engine(7, 5, 2, 3, 3)
    assert (engine.steps, engine.period, engine.groups, engine.cycles) == (3, 5, 3, 15)
    x = np.random.default_rng(2).integers(-8, 8, 9)
    x[7:] = 99
    weights, biases = weight_table(node, engine), bias_table(node, engine)
    assert weights.shape == (3, 3, 2, 3)
    for column in range(5):
        group, lane = divmod(column, 2)
        taken = weights[group, :, lane].ravel()
        total = sum(2 * x[k] if w > 0 else ~(2 * x[k]) for k, w in enumerate(taken) if w)
        assert total + biases[group, lane] == x[:7] @ node.weights[:, column] + node.bias[column]
    assert not weights[2, :, 1].any()


def test_plans_are_through_within_the_interval():
    node = dense("d", "x", (30, 20), np.random.default_rng(1))
    assert not list(plans_for(node, 5, 3))
    assert [(plan.terms, plan.delay) for plan in plans_for(node, 8, 3)] == [(5, 2), (6, 2), (7, 3), (8, 3)]
    assert [plan.lag(7) for plan in plans_for(node, 6, 4)] == [1]
    for ii in (17, 32, 40, 200, 1000):
        for plan in plans_for(node, ii, 4):
            assert plan.cycles <= ii
            assert (plan.lanes - 1) * plan.groups < 20 <= plan.lanes * plan.groups


def test_what_is_no_ternary_matrix_or_no_single_vector_stays_unrolled():
    rng = np.random.default_rng(3)
    graph = network()
    first = graph.nodes[1]
    mixed = np.array(first.weights)
    mixed[0, 0] = 3
    long = Spare(1000, 2, 2.4, DEFAULT_DELAYS)
    for other in (replace(first, weights=frozen_array(mixed)), replace(dense("first", "x", (6, 22), rng), copies=2)):
        changed = replace(graph, nodes=(graph.nodes[0], other), outputs=("first",))
        assert plans(matrix_options(changed, {}, {}, long)) == {}
    apart = columns_apart(graph, plans(matrix_options(graph, {}, {}, long)))
    assert [node.copies for node in apart.nodes[1:]] == [1, 22, 1, 16, 1, 9, 1]
    codes = codes_for(graph)
    assert np.array_equal(evaluate(apart, codes), evaluate(graph, codes))


def test_a_large_layer_goes_without_adders(tmp_path, monkeypatch):
    """Also in software, and in the stored design."""
    monkeypatch.setattr("bittrigger.ir.forms.engine.MAX_UNROLLED", 100)
    pipeline = create_pipeline(network(), Settings(effort="fast", clock_mhz=360.0, ii=II))
    modules = {module.node.name: module for module in pipeline.modules}
    assert modules["first"].adders is None
    assert modules["last"].adders is not None
    build = build_of(pipeline, tmp_path)
    assert load_build(tmp_path).pipeline.latency_cycles == pipeline.latency_cycles
    assert disagreements(build, ["csim", "emulator", "rtl-fast"], codes_for(build.graph)) == []


def test_solve_takes_an_interval_too():
    weights = np.random.default_rng(4).integers(-1, 2, (24, 20))
    settings = Settings(effort="fast", ii=30)
    solution = solve_matrix(matrix_graph("m", weights, bits=6, signed=True), settings)
    facts = solution.facts
    assert (facts["form"], facts["ii_cycles"]) == ("accumulated", 30)
    assert facts["lanes"] * facts["terms"] * 30 > 24 * 20
    assert 0 < facts["busy_percent"] <= 100
    assert facts["design_lut_estimate"] < facts["lut_estimate"]
    mixed = solve_matrix(matrix_graph("m", 3 * weights + 1, bits=6, signed=True), settings).facts
    assert (mixed["form"], mixed["ii_cycles"]) == ("unrolled", 1)
    assert "form" not in solve_matrix(matrix_graph("m", weights, bits=6, signed=True), Settings()).facts


def random_network(rng):
    """A few layers of any shape, scale, sign and sparsity, each with one behind it that is alike for all columns, or is not."""
    kind = FixedPoint(bool(rng.integers(2)), int(rng.integers(2, 8)), 0)
    size, last = int(rng.integers(1, 20)), "x"
    nodes = [Input("x", size, kind, kind.interval)]
    for depth in range(int(rng.integers(1, 4))):
        shape, chances = (size, int(rng.integers(1, 14))), ([0.3, 0.4, 0.3], [0.05, 0.9, 0.05], [0.5, 0, 0.5])
        weights = int(rng.choice([1, 1, 2, 8])) * rng.choice([-1, 0, 1], size=shape, p=chances[rng.integers(3)])
        size, bias = shape[1], rng.integers(-20, 21, shape[1])
        nodes.append(Linear(f"dense_{depth}", (last,), frozen_array(weights), frozen_array(bias), 0))
        name, inputs = f"then_{depth}", (nodes[-1].name,)
        steps = [((-99999, 0, 5),) * size, tuple((-99999, int(start), 9) for start in rng.integers(-5, 6, size))]
        rounding = list(Rounding)[rng.integers(len(Rounding))]
        nodes.append(
            Requantize(name, inputs, size, int(rng.integers(0, 4)), rounding, int(rng.choice([0, -8])), 15, 0)
            if rng.integers(2)
            else Lookup(name, inputs, steps[rng.integers(2)], ((0, 1, 3),) * size, 0)
        )
        last = name
    graph = Graph("any", tuple(nodes), tuple(dict.fromkeys((last, nodes[1].name)[: int(rng.integers(1, 3))])))
    verify(graph)
    return graph


@pytest.mark.parametrize("seed", range(4))
def test_any_network_step_by_step(tmp_path, seed, monkeypatch):
    """As many layers as there is time for are multiplied step by step, whatever they cost."""
    rng = np.random.default_rng(seed)
    real = copy_luts
    dear = "bittrigger.schedule.engine.copy_luts"
    monkeypatch.setattr(dear, lambda *of: 10**6 if isinstance(of[1], Linear) else real(*of))
    settings = Settings(
        effort="fast", ii=int(rng.integers(8, 70)), clock_mhz=float(rng.choice([120.0, 240.0, 360.0, 450.0]))
    )
    build = build_of(create_pipeline(random_network(rng), settings), tmp_path)
    assert any(module.engine for module in build.pipeline.modules)
    assert disagreements(build, ["rtl-fast"], codes_for(build.graph)) == []
    assert failures(prove(build, netlist=False)) == []


def test_large_tables_are_mapped_on_their_own_and_proven(tmp_path):
    """Of more bits than Yosys' own mapping is left with: the netlist is held against what the feed must hand out."""
    random = np.random.default_rng(5)
    weights = frozen_array(random.integers(-1, 2, (128, 64)))
    nodes = (Input("x", 128, FixedPoint(True, 2, 0), Interval(-2, 1)),)
    nodes += (Linear("wide", ("x",), weights, frozen_array(random.integers(-9, 9, 64)), 0),)
    build = build_of(
        create_pipeline(Graph("wide_net", nodes, ("wide",)), Settings(effort="fast", ii=18)), tmp_path, synth=True
    )
    assert TABLES in (tmp_path / "synth" / "wide_net_feed_wide.ys").read_text().splitlines()
    assert TABLES not in (tmp_path / "synth" / "wide_net_bitlinear_wide.ys").read_text()
    assert failures(prove(build)) == []
    (_, outcome) = run_executors(build, ["oracle", "gates"], random_codes(build.graph, 70, 1), look_into=False)
    assert outcome.agrees, outcome.error
