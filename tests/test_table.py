"""Tables of many steps: over bits, or searched level by level in clock cycles of their own; in every executor, and proven."""

from __future__ import annotations

import numpy as np
import pytest
from designs import build_of, disagreements, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from test_prove import failures, refuted_after

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.device.timing import part_delays_ns, usable_ns
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.forms.table import Form, form_of, level_bits, level_count, search_of
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, frozen_array
from bittrigger.prove import prove
from bittrigger.report import make_report
from bittrigger.report.hints import late
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes
from bittrigger.synth.yosys import synthesize

FORMS = {"deep": Form.SEARCH, "few": Form.SEARCH, "flat": Form.SEARCH, "narrow": Form.TABLE}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pipeline = create_pipeline(tables(), Settings(effort="fast", clock_mhz=360.0))
    return build_of(pipeline, tmp_path_factory.mktemp("tables"), synth=True)


@given(st.sets(st.integers(-500, 500), min_size=1, max_size=70))
@settings(max_examples=60, deadline=None)
def test_a_search_finds_every_segment(starts):
    segments = tuple((start, number) for number, start in enumerate(sorted({-600, *starts})))
    search = search_of(segments, -600)
    for code in range(-600, 560, 7):
        number = 0
        for level, (known, found) in enumerate(search.levels):
            assert number < 1 << known
            reached = [code >= search.compared(level, place)[number] for place in range((1 << found) - 1)]
            assert reached == sorted(reached, reverse=True)
            number = (number << found) + sum(reached)
        assert search.values[number] == sum(start <= code for start, _ in segments) - 1
    assert search.levels[-1][0] + search.levels[-1][1] == search.bits


def test_forms_and_stages(built):
    modules = {module.node.name: module for module in built.pipeline.modules}
    assert {name: form_of(module.node, module.source) for name, module in modules.items()} == FORMS
    deep = modules["deep"]
    assert level_count(deep.node, deep.source) == len(deep.stages) == 4
    assert (deep.start, deep.stages, deep.stop) == (0, (0, 0, 1, 1), 2)
    assert level_bits(deep.node, deep.source) == (24, 24 + 2, 24 + 4, 24 + 6 + 2, 8 + 4)
    assert modules["narrow"].stages == ()
    usable = usable_ns(360.0)
    assert all(max(part_delays_ns(m.node, m.source)) < usable for n, m in modules.items() if n != "narrow")
    assert late(built.pipeline) == ()


def test_a_slow_clock_takes_fewer_cycles():
    quick, slow = (
        create_pipeline(tables(), Settings(effort="fast", clock_mhz=mhz)).latency_cycles for mhz in (360.0, 120.0)
    )
    assert slow == 1 < quick


def test_a_search_takes_a_fraction_of_a_tree():
    starts = tuple(range(0, 60000, 100))
    table = Lookup("t", ("x",), (starts,), (tuple(k * k % 512 for k in range(600)),), 0)
    graph = Graph("one", (Input("x", 1, FixedPoint(False, 16, 0), Interval(0, 65535)), table), ("t",))
    modules, _ = estimate(create_pipeline(graph, Settings(effort="fast")))
    assert modules["one_lookup_t"].lut < 600  # of a tree about five LUTs a step


@pytest.mark.parametrize("executor", ["csim", "emulator", "rtl", "rtl-fast", "gates"])
def test_every_executor_agrees(built, executor):
    graph = built.graph
    codes = np.concatenate([corner_codes(graph), random_codes(graph, 1000, 4)])
    assert disagreements(built, [executor], codes) == []


def test_it_is_proven(built):
    proof = prove(built)
    assert failures(proof) == []
    assert proof.proven


@pytest.mark.parametrize(("ii", "clock_mhz"), [(3, 360.0), (40, 240.0)])
def test_a_search_in_a_folded_layer(ii, clock_mhz, tmp_path):
    rng, copies = np.random.default_rng(2), 6
    starts = (-9999, *sorted(rng.choice(np.arange(-900, 900), 60, replace=False).tolist()))
    values = tuple(rng.integers(-40, 40, len(starts)).tolist())

    def layer(name, source, n_in, n_out, copies=1):
        weights = frozen_array(rng.integers(-1, 2, (n_in, n_out)))
        return Linear(name, (source,), weights, frozen_array(rng.integers(-9, 9, n_out)), 0, copies)

    nodes = (
        Input("x", copies * 9, FixedPoint(True, 8, 0), Interval(-128, 127)),
        layer("a", "x", 9, 4, copies),
        Lookup("t", ("a",), (starts,) * 4, (values,) * 4, 0, copies),
        layer("b", "t", 4, 3, copies),
        layer("c", "b", 3 * copies, 2),
    )
    graph = Graph("folded", nodes, ("c",))
    verify(graph)
    build = build_of(create_pipeline(graph, Settings(effort="fast", clock_mhz=clock_mhz, ii=ii)), tmp_path)
    (table,) = (module for module in build.pipeline.modules if module.node.name == "t")
    assert table.is_folded
    assert len(table.stages) == 3
    codes = np.concatenate([corner_codes(graph), random_codes(graph, 100, 4)])
    assert disagreements(build, ["rtl-fast", "emulator"], codes) == []
    assert prove(build, netlist=False).proven


@pytest.mark.parametrize(
    ("name", "pattern", "replacement"),
    [
        ("tables_lookup_deep", r"g0_3_1 =([^>]+)>= ", r"g0_3_1 =\1> "),
        ("tables_lookup_deep", r"n0_4 = g0_2_1;", "n0_4 = g0_2_0;"),
        ("tables_lookup_deep", r"n0_0_d1 <= n0_0;", "n0_0_d1 <= 1'd0;"),
        ("tables_lookup_narrow", r"code\[0\] \? ", "~code[0] ? "),
    ],
)
def test_what_is_broken_is_refuted(built, tmp_path, name, pattern, replacement):
    assert refuted_after(built, tmp_path, name, pattern, replacement) == {name}


def test_it_is_counted_about_as_yosys_counts_it(built):
    found = synthesize(built.pipeline, built.folder / "rtl", built.folder / "synth")
    for layer in make_report(built.pipeline, built.settings, found).layers:
        estimated, counted = layer.estimate, layer.synth
        if layer.name != "flat":  # whose thresholds lie on a grid
            assert 0.7 <= estimated.lut.value / counted.lut.value <= 1.4, layer.name
        assert estimated.ff.value == counted.ff.value
