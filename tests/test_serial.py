"""Matrices that are multiplied digit by digit: plans, every executor, gaps and events that come too soon, and the proof."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import test_tally
from designs import build_of, disagreements
from library import elaborate
from test_engine import codes_for, network, random_network
from test_prove import failures, replace_once

from bittrigger.build.folder import load_build
from bittrigger.compile.matrix import matrix_graph, solve_matrix
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.errors import ConfigError
from bittrigger.ir.adders import Adder, AdderGraph, Output, Term
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.forms.serial import (
    Serial,
    Stream,
    adders_in,
    biases,
    columns_of,
    errors,
    fits_serial,
    inputs_read,
    opened,
    own_adders,
    slots_of,
    streams,
    terms_of,
)
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, evaluate, frozen_array, intervals
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.ports import common_type
from bittrigger.prove import Verdict, prove
from bittrigger.prove.claims import Unproven
from bittrigger.prove.modules.serial import prove_digits
from bittrigger.report import make_report
from bittrigger.schedule.engine import columns_apart
from bittrigger.schedule.serial import serial_layers
from bittrigger.settings import Settings
from bittrigger.synth.yosys import synthesize


def steps_are_dear(patch):
    """Nothing is multiplied step by step, nor unrolled where digits may pass."""
    patch.setattr("bittrigger.schedule.engine.engine_luts", lambda *_: 10**5)
    real = __import__("bittrigger.schedule.engine", fromlist=["copy_luts"]).copy_luts
    dear = "bittrigger.schedule.engine.copy_luts"
    patch.setattr(dear, lambda *of: 10**6 if isinstance(of[1], Linear) else real(*of))


@pytest.fixture(scope="module", params=[9, 40])
def built(tmp_path_factory, request):
    """One pass with digits of several bits, and several passes; signed and unsigned codes, a scale, a second reader.

    Other prices hold while it is made alone: tests that come between those of the fixture have their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        steps_are_dear(patch)
        pipeline = create_pipeline(network(), Settings(effort="fast", clock_mhz=360.0, ii=request.param))
        return build_of(pipeline, tmp_path_factory.mktemp("digits"), synth=True)


def test_digits_hold_the_interval(built):
    pipeline = built.pipeline
    modules = {module.node.name: module for module in pipeline.modules}
    plans = {name: module.serial for name, module in modules.items() if module.serial}
    assert len(plans) == 4
    assert pipeline.ii in (9, 40)
    if pipeline.ii == 9:
        assert {plan.groups for plan in plans.values()} == {1}
        assert max(plan.digit for plan in plans.values()) > 1
    else:
        assert max(plan.groups for plan in plans.values()) > 1
        assert max(len(column) for plan in plans.values() for column in plan.columns) > 1
        assert min(plan.digit for plan in plans.values()) == 1
    for name, plan in plans.items():
        module = modules[name]
        assert plan.cycles <= pipeline.ii
        assert plan.digit * plan.period >= plan.width
        assert module.stop == module.start + plan.delay + plan.period
        assert module.done == module.start + plan.delay + plan.cycles
        assert module.instances == 1
    flat = create_pipeline(network(), Settings(effort="fast", clock_mhz=360.0))
    assert not any(module.serial for module in flat.modules)
    assert pipeline.latency_cycles - flat.latency_cycles <= len(plans) * (pipeline.ii + 3)


@pytest.mark.parametrize("executor", ["csim", "emulator", "rtl", "rtl-fast", "gates"])
def test_every_executor_agrees(built, executor):
    assert disagreements(built, [executor], codes_for(built.graph)) == []


def test_it_is_proven_reported_and_read_again(built):
    proof = prove(built)
    assert failures(proof) == []
    layers = [module for module in built.pipeline.modules if module.serial]
    for module in layers:
        kinds = sorted(claim.kind for claim in proof.claims if claim.subject == module.name)
        assert kinds == ["netlist", "structure", "verilog", "weights"]
    again = load_build(built.folder).pipeline
    assert [module.serial for module in again.modules] == [module.serial for module in built.pipeline.modules]
    assert again.latency_cycles == built.pipeline.latency_cycles
    report = make_report(built.pipeline, built.settings, None)
    for module in layers:
        layer = next(item for item in report.layers if item.name == module.node.name)
        assert (layer.form, layer.instances, layer.turns) == ("serial", 1, module.serial.groups)
        assert layer.adders == adders_in(module.serial)
        assert 0 < layer.busy_percent <= 100


def test_the_estimate_is_close_to_what_yosys_makes(built, tmp_path):
    counted = synthesize(built.pipeline, built.folder / "rtl", tmp_path).modules
    guessed = estimate(built.pipeline)[0]
    for module in built.pipeline.modules:
        if module.serial:
            found, cost = counted[module.name], guessed[module.name]
            assert abs(cost.lut - found.lut) <= 0.05 * found.lut + 8
            assert abs(cost.ff - found.ff) <= 0.05 * found.ff + 8


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("bitlinear_first", ("phase <= ends", "phase <= begins")),
        ("bitlinear_first", (r"x0 <= fills \? ", "x0 <= begins ? ")),
        ("bitlinear_second", (r"INVERT\(2'b10\)", "INVERT(2'b00)")),
        ("bitlinear_second", (r"carry_0 <= begins \? (\d+)'d0 : above_0", "carry_0 <= above_0")),
        ("bitlinear_third", (r"carry <= (\w+) \? (\d+)'d0 : above", r"carry <= \1 ? above : \2'd0")),
        ("bitlinear_third", (r"r0 <= \{t0, ", "r0 <= {c0, ")),
        ("", (r"\.load\(valid\[(\d+)\]\)", r".load(valid[0])")),
    ],
)
def test_wrong_digits_are_refuted(tmp_path, built, file, change):
    broken = build_of(built.pipeline, tmp_path)
    name = f"{built.graph.name}_{file}" if file else built.graph.name
    replace_once(tmp_path / "rtl" / f"{name}.sv", *change)
    refuted = [claim for claim in prove(broken, netlist=False).claims if claim.verdict is Verdict.REFUTED]
    assert any(claim.subject == name and claim.kind == "verilog" for claim in refuted)


def test_a_wrong_adder_graph_is_refuted_and_not_read(tmp_path, built):
    """In the plan, where the Verilog follows it; and in the file of the design."""
    k, module = next((k, module) for k, module in enumerate(built.pipeline.modules) if module.serial)
    first = module.serial.adders.adders[0]
    turned = replace(first, terms=(first.terms[0], replace(first.terms[1], negative=not first.terms[1].negative)))
    adders = replace(module.serial.adders, adders=(turned, *module.serial.adders.adders[1:]))
    modules = list(built.pipeline.modules)
    modules[k] = replace(module, serial=replace(module.serial, adders=adders))
    with pytest.raises(Unproven, match="do not add up"):
        prove_digits(modules[k], BusLayout.of(built.pipeline))
    with pytest.raises(ConfigError, match="not a design of bittrigger"):
        build_of(replace(built.pipeline, modules=tuple(modules)), tmp_path)  # which reads it again


@pytest.mark.parametrize("entry", [{"nobody": 1}, {"first": 3}, []])
def test_what_is_no_adder_graph_is_not_read(tmp_path, built, entry):
    build_of(built.pipeline, tmp_path)
    path = tmp_path / "design.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "serial": entry}))
    with pytest.raises(ConfigError, match="not a design of bittrigger"):
        load_build(tmp_path, sealed=False)


def graph_by_hand(*outputs):
    """A sum, a difference, minus an input, the negation of a sum, and one that nobody reads."""
    adders = (
        Adder((Term(0), Term(1))),
        Adder((Term(2, negative=True), Term(3))),
        Adder((Term(1, negative=True),)),
        Adder((Term(3, negative=True), Term(4, negative=True))),
        Adder((Term(3), Term(3))),
    )
    return AdderGraph((Interval(0, 15),) * 3, adders, outputs)


def plan_of(graph):
    """A plan whose lanes add up nothing but biases."""
    columns = tuple(() if column is None else (column,) for column in columns_of(graph))
    return Serial(graph.n_inputs, len(columns), 1, 1, 8, 0, 0, graph, columns, (0,) * 5, (0,), 0)


def test_complements_are_counted():
    graph = graph_by_hand(Output(3), Output(4), Output(5), Output(6), Output(None))
    assert fits_serial(graph)
    assert [stream.inverted for stream in streams(graph)] == [False] * 5 + [True] + [False] * 2
    assert list(terms_of(graph)) == list(plan_of(graph).built) == [3, 4, 6]
    assert inputs_read(graph) == [0, 1, 2]
    assert [column and column.value for column in columns_of(graph)] == [3, 4, 1, 6, None]
    assert errors(plan_of(graph)) == [0, -1, -1, -1, 0]  # -(a + b) - (a + b - c - 1) - 2 is one too little
    assert inputs_read(graph_by_hand(Output(5))) == [1]
    assert errors(plan_of(graph_by_hand(Output(4, shift=2), Output(6, shift=1)))) == [-4, -2]
    shifted = replace(graph, adders=(*graph.adders[:1], Adder((Term(2, 1, True), Term(3, 2))), *graph.adders[2:]))
    assert errors(plan_of(shifted)) == [0, -1, -1, -1, 0]
    constant = replace(graph, adders=(Adder((Term(0), Term(1)), 1), *graph.adders[1:]))
    three = replace(graph, adders=(Adder((Term(0), Term(1), Term(2))), *graph.adders[1:]))
    assert not fits_serial(constant)
    assert not fits_serial(three)


def test_adders_of_one_column_move_into_its_lane():
    graph = graph_by_hand(Output(6, shift=1), Output(3))
    built, own = terms_of(graph), own_adders(terms_of(graph), columns_of(graph))
    assert own == {4, 6}
    (column, _) = columns_of(graph)
    assert opened(built, column, own, 1) == (column,)
    assert opened(built, None, own, 3) == ()
    assert opened(built, column, own, 2) == (Stream(3, 1, True), Stream(4, 1, True))
    three = opened(built, column, own, 3)
    assert three == opened(built, column, own, 9) == (Stream(3, 1, True), Stream(2, 1, False), Stream(3, 1, True))
    plan = replace(plan_of(graph), columns=(three, (Stream(3),)))
    assert list(plan.built) == [3]
    assert slots_of(plan, 0) == [(three[0], Stream(3)), (three[1], None), (three[2], None)]
    assert errors(plan) == [-2, 0]  # two complements and a code
    assert adders_in(plan) == 1 + 3


def test_a_bias_holds_all_constants(built):
    """What passes, without its bias, and the bias add up to the results, for codes at the ends of their range and between."""
    for module in built.pipeline.modules:
        plan, node = module.serial, module.node
        if plan is None:
            continue
        lows, highs = (np.array([getattr(span, end) for span in module.source]) for end in ("lo", "hi"))
        for codes in (lows, highs, (lows + highs) // 2):
            digit_sums = codes @ np.sign(node.weights) << plan.shift
            signed = lows.min() < 0
            own = max(span.width for span in module.source)
            offset = (1 << own - 1 if signed else 0) * np.sign(node.weights).sum(axis=0) << plan.shift
            added = np.array(biases(node, plan, common_type(module.source, 0)))
            passed = (digit_sums + offset + errors(plan) + added) % (1 << plan.width)
            wanted = (codes @ node.weights + node.bias >> plan.low) % (1 << plan.width)
            assert (passed == wanted).all()


def test_a_matrix_on_its_own():
    rng = np.random.default_rng(7)
    weights = rng.integers(-1, 2, (48, 24))
    facts = solve_matrix(matrix_graph("m", weights, bits=6, signed=True), Settings(effort="fast", ii=12)).facts
    assert (facts["form"], facts["ii_cycles"]) == ("serial", 12)
    assert facts["digit_bits"] * 12 >= 6
    assert facts["passes"] == 1
    assert 0 < facts["busy_percent"] <= 100


@pytest.mark.parametrize("seed", range(6))
def test_any_network_digit_by_digit(tmp_path, seed, monkeypatch):
    rng = np.random.default_rng([21, seed])
    steps_are_dear(monkeypatch)
    settings = Settings(
        effort="fast", ii=int(rng.integers(4, 60)), clock_mhz=float(rng.choice([120.0, 240.0, 360.0, 450.0]))
    )
    build = build_of(create_pipeline(random_network(rng), settings), tmp_path)
    assert disagreements(build, ["rtl-fast"], codes_for(build.graph)) == []
    assert failures(prove(build, netlist=False)) == []
    codes = codes_for(build.graph)
    assert evaluate(build.graph, codes).shape[0] == len(codes)


@pytest.mark.parametrize("ii", [4, 9])
def test_sums_over_positions_are_left_to_those_that_add_them_as_they_come(ii):
    assert "sum" not in [layer.name for layer in serial_layers(test_tally.network(), ii)]
    pipeline = create_pipeline(test_tally.network(), Settings(effort="fast", clock_mhz=240.0, ii=ii))
    assert next(module for module in pipeline.modules if module.node.name == "sum").tally


@pytest.mark.parametrize("ii", [6, 24])
def test_biases_of_nothing_leave_no_signal_unread(tmp_path, ii, monkeypatch):
    """Every bit of every bias is zero: no lane asks which cycle it is."""
    steps_are_dear(monkeypatch)
    kind = FixedPoint(False, 4, 0)
    weights = frozen_array(np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1]]))
    layer = Linear("sums", ("x",), weights, frozen_array(np.zeros(3, dtype=np.int64)), 0)
    graph = Graph("plain", (Input("x", 3, kind, kind.interval), layer), ("sums",))
    build = build_of(create_pipeline(graph, Settings(effort="fast", ii=ii)), tmp_path)
    assert build.pipeline.modules[0].serial
    sources = sorted((tmp_path / "rtl").glob("*.sv"))
    (tmp_path / "all.f").write_text("".join(f"{path}\n" for path in sources))
    code, messages = elaborate([tmp_path / "all.f"], "plain", "-Wall")
    assert code == 0, messages


def test_a_table_begins_where_wider_ranges_do():
    """Columns that are treated alike take the range of all; a table behind the next layer was made for narrower ones."""
    kind = FixedPoint(True, 4, 0)
    first = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1]])
    nodes = (
        Input("x", 3, kind, kind.interval),
        Linear("dense", ("x",), frozen_array(first), frozen_array(np.zeros(3, dtype=np.int64)), 0),
        Requantize("clip", ("dense",), 3, 0, Rounding.TRN, -16, 15, 0),
        Linear("next", ("clip",), frozen_array(np.ones((3, 1), dtype=np.int64)), frozen_array(np.zeros(1)), 0),
        Lookup("table", ("next",), ((-32, 1),), ((0, 1),), 0),
    )
    graph = Graph("wider", nodes, ("table",))
    plan = Serial(3, 3, 1, 1, 6, 0, 0, graph_by_hand(), ((), (), ()), (), (0,), 0)
    apart = columns_apart(graph, {"dense": plan})
    ranges = intervals(apart)
    assert ranges["next"][0].lo == -48
    assert apart["table"].starts == ((-48, 1),)
    codes = codes_for(graph)
    assert (evaluate(apart, codes) == evaluate(graph, codes)).all()
