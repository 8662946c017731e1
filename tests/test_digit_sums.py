"""Scales as sums of tables: equal on every code, chosen by their LUTs, in every executor, and proven."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from designs import build_of, digit_sums, disagreements, normalisations, scaled
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_prove import failures, refuted_after

from bittrigger.compile.digit_sums import Wanted, digit_sum, with_digit_sums
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.compile.scales import with_cheap_scales
from bittrigger.device.cost_model import estimate
from bittrigger.errors import InternalError
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.forms.table import Form, form_of, level_bits, level_count
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, evaluate, frozen_array
from bittrigger.ir.nodes.digit_sum import DigitSum, digit_places
from bittrigger.prove import prove
from bittrigger.report import make_report
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes
from bittrigger.synth.yosys import synthesize

CODES = (FixedPoint(True, 14, 0), Interval(-8192, 8191))
"""What the first port of ``normalisations`` takes."""


@pytest.fixture(scope="module")
def graph():
    return digit_sums()


@pytest.fixture(scope="module")
def built(graph, tmp_path_factory):
    pipeline = create_pipeline(graph, Settings(clock_mhz=480.0))
    return build_of(pipeline, tmp_path_factory.mktemp("norms"), synth=True)


@pytest.mark.parametrize(
    ("bits", "factor", "shift"), [(14, 16833963825, 15), (14, 28281507280, 13), (14, (1 << 46) + 7, 2)]
)
def test_results_of_any_width_are_given_or_left_alone(bits, factor, shift):
    """Sums of more bits than a table holds are none."""
    codes = np.arange(1 << bits)
    results = codes * factor >> shift
    span, most = Interval(0, len(codes) - 1), int(results[-1]) - 3
    digits = digit_sum(Wanted(span, np.minimum(results, most), factor / (1 << shift), 0, most))
    assert digits is None or np.array_equal(np.minimum(digits.value_of(codes), most), np.minimum(results, most))


@given(
    st.builds(lambda bits, signed: FixedPoint(signed, bits, 0).interval, st.integers(7, 13), st.booleans()),
    st.integers(1, 1 << 16),
    st.integers(-(1 << 24), 1 << 24),
    st.booleans(),
    st.data(),
)
@settings(max_examples=25, deadline=None)
def test_sums_are_equal_on_every_code(kind, factor, offset, falls, data):
    lo, hi = sorted(data.draw(st.tuples(*[st.integers(kind.lo, kind.hi)] * 2)))
    span = Interval(lo, hi)
    codes = np.arange(lo, hi + 1)
    limits = data.draw(st.sampled_from([(-128, 127), (0, 63), (-3, 1000), (-1, 1)]))
    results = np.clip((codes * (-factor if falls else factor) + offset) >> 16, *limits)
    assume(results.min() < results.max())
    found = digit_sum(Wanted(span, results, (-factor if falls else factor) / 65536, *limits))
    if len(digit_places(span.width)) == 1:
        assert found is None  # a LUT a bit is enough
        return
    assert found.is_well_formed
    assert np.array_equal(np.clip(found.value_of(codes), results.min(), results.max()), results)
    sums = found.partial_sums(codes)
    assert [(s.min(), s.max()) for s in sums] == [(r.lo, r.hi) for r in found.ranges]
    assert all(min(table) == 0 for table in found.tables[:-1])


def test_digits_cover_a_code():
    for width in range(1, 17):
        lows = digit_places(width)
        sizes = np.diff((*lows, width))
        assert lows[0] == 0
        assert sizes[0] <= 6
        assert all(sizes[1:] == 5)
        assert sizes.min() >= min(width, 2)


def test_sums_take_fewer_luts_and_no_more_cycles():
    generator = np.random.default_rng(3)
    factors = (generator.uniform(0.02, 0.12, 12) * (1 << 24)).astype(np.int64) * generator.choice([-1, 1], 12)
    port = Input("x", 12, FixedPoint(True, 16, 10), Interval(-32768, 32767))
    nodes = (port, *scaled(factors, generator.integers(-(1 << 28), 1 << 28, 12), 24, (-256, 255)))
    plain = with_cheap_scales(Graph("wide", nodes, ("x_codes",)))
    summed = with_digit_sums(plain, Settings())
    assert [type(node) for node in summed.nodes] == [Input, Lookup]
    codes = np.repeat(np.arange(-32768, 32768)[:, None], 12, axis=1)
    assert np.array_equal(evaluate(summed, codes), evaluate(plain, codes))
    for clock_mhz in (240.0, 360.0, 480.0):
        before, after = (create_pipeline(one, Settings(clock_mhz=clock_mhz)) for one in (plain, summed))
        assert after.latency_cycles <= before.latency_cycles
        assert estimate(after)[1].lut < 0.75 * estimate(before)[1].lut


def test_what_adders_do_as_well_stays():
    def stays(*nodes, outputs=("x_codes",), port=CODES, size=1):
        graph = Graph("stays", (Input("x", size, *port), *nodes), outputs)
        verify(graph)
        return with_digit_sums(graph, Settings()) is graph

    layer, codes = scaled((4099,), (77,), 16, (-128, 127))
    steep = scaled((4099,), (77,), 4, (-(1 << 20), 1 << 20))
    assert not stays(*scaled((2811,), (71111,), 16, (-128, 127)))
    assert stays(*scaled((256,), (77,), 16, (-128, 127)))  # one digit: nothing to add but the bias
    assert stays(*steep)  # every bit of the products is needed
    assert stays(*scaled((2811,) * 257, (0,) * 257, 16, (-128, 127)), size=257)  # too many channels
    fine = scaled((60000,) * 40, (0,) * 40, 16, (-(1 << 13), 1 << 13))
    assert stays(*fine, size=40)  # too many steps
    assert stays(layer, codes, outputs=("x_codes", "x_scale"))
    assert stays(layer, replace(codes, rounding=Rounding.RND))
    crossed = replace(layer, weights=frozen_array([[0, 2811], [2811, 0]]), bias=frozen_array([0, 0]))
    assert stays(crossed, replace(codes, size=2), size=2)
    wide = FixedPoint(True, 20, 0)
    assert stays(*scaled((2811,), (71111,), 20, (-128, 127)), port=(wide, wide.interval))


def test_forms_and_stages(built):
    modules = {module.node.name: module for module in built.pipeline.modules}
    assert {name: module.kind for name, module in modules.items()} == dict.fromkeys(
        ("x_codes", "y_codes", "z_codes"), "scale"
    )
    wide = modules["x_codes"]
    assert form_of(wide.node, wide.source) is Form.SUMS
    assert level_count(wide.node, wide.source) == len(wide.stages) == 3
    assert wide.stages[0] < wide.stop
    assert [len(digits.tables) for digits in modules["y_codes"].node.sums] == [2, 2]
    assert wide.node.sums[3] is None
    bits = level_bits(wide.node, wide.source)
    assert bits[0] == 3 * 14
    assert len(bits) == 4


def test_codes_of_another_range_are_searched(graph):
    node = graph["x_codes"]
    assert form_of(node, (Interval(-8192, 8191),) * 3 + (Interval(-5, 5),)) is Form.SUMS
    assert form_of(node, (Interval(-8192, 8190),) * 4) is Form.SEARCH


@pytest.mark.parametrize("executor", ["csim", "emulator", "rtl", "rtl-fast", "gates"])
def test_every_executor_agrees(built, executor):
    codes = np.concatenate([corner_codes(built.graph), random_codes(built.graph, 1000, 4)])
    assert np.array_equal(evaluate(built.graph, codes), evaluate(normalisations(), codes))
    assert disagreements(built, [executor], codes) == []


def test_it_is_proven(built):
    proof = prove(built)
    assert failures(proof) == []
    assert proof.proven


@pytest.mark.parametrize(
    ("name", "pattern", "replacement"),
    [
        ("x_codes", r"s1_d1 <= s1;", "s1_d1 <= s1 ^ s1;"),
        ("x_codes", r"x0_d1\[13:9\]", "x0_d1[12:8]"),
        ("x_codes", r" \+ table1\(", " - table1("),
        ("y_codes", r"code\[0\] \? ", "~code[0] ? "),
        ("z_codes", r">>> \d+", ">>> 2"),
    ],
)
def test_what_is_broken_is_refuted(built, tmp_path, name, pattern, replacement):
    module = f"norms_scale_{name}"
    assert refuted_after(built, tmp_path, module, pattern, replacement) == {module}


def test_it_is_counted_about_as_yosys_counts_it(built):
    found = synthesize(built.pipeline, built.folder / "rtl", built.folder / "synth")
    for layer in make_report(built.pipeline, built.settings, found).layers:
        assert 0.85 <= layer.estimate.lut.value / layer.synth.lut.value <= 1.15, layer.name


def test_a_wrong_entry_is_not_well_formed(graph):
    node = graph["x_codes"]
    first, *others = node.sums[0].tables
    wrong = DigitSum(node.sums[0].span, node.sums[0].shift, ((first[0] + (1 << 12), *first[1:]), *others))
    short = replace(wrong, tables=(first[1:], *others))
    for digits in (wrong, short):
        changed = replace(node, sums=(digits, *node.sums[1:]))
        with pytest.raises(InternalError, match="x_codes"):
            verify(replace(graph, nodes=tuple(changed if n is node else n for n in graph.nodes)))


@pytest.mark.parametrize("ii", [2, 4])
def test_in_a_folded_layer(ii, tmp_path):
    generator = np.random.default_rng(1)
    port = Input("x", 12, *CODES)
    norm = scaled((2811, -1777, 6131), (71111, -5000, 123), 16, (-128, 127), copies=4)
    weights = frozen_array(generator.integers(-1, 2, (3, 4)))
    dense = Linear("dense", ("x_codes",), weights, frozen_array([1, 2, 3, 4]), 0, 4)
    plain = Graph("folded", (port, *norm, dense), ("dense",))
    graph = with_digit_sums(plain, Settings(ii=ii))
    assert graph is not plain
    build = build_of(create_pipeline(graph, Settings(ii=ii)), tmp_path)
    assert build.pipeline.modules[0].is_folded
    codes = np.concatenate([corner_codes(graph), random_codes(graph, 200, 4)])
    assert disagreements(build, ["rtl-fast", "emulator"], codes) == []
    assert prove(build, netlist=False).proven
