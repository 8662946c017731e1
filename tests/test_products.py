"""Products of two signals: exact multipliers in LUTs, in every executor, proven, and counted."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from designs import FACTORS, PORTS_OF_FACTORS, SQUARED, build_of, disagreements, products
from test_prove import failures, refuted_after

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.ir.fixed import Interval
from bittrigger.ir.graph import Graph, evaluate, intervals
from bittrigger.ir.nodes.product import booth, digits, product_interval
from bittrigger.prove import prove
from bittrigger.report import make_report
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes
from bittrigger.synth.yosys import synthesize


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pipeline = create_pipeline(products(), Settings(effort="fast", clock_mhz=300.0))
    return build_of(pipeline, tmp_path_factory.mktemp("products"), synth=True)


def test_the_oracle_multiplies():
    graph = products()
    codes = np.concatenate([corner_codes(graph), random_codes(graph, 300, 3)])
    ports = dict(zip(PORTS_OF_FACTORS, np.split(codes, len(PORTS_OF_FACTORS), axis=1), strict=True))
    wanted = [ports[a][:, 0] * ports[b][:, 1] for a, b in FACTORS]
    wanted += [ports[name][:, k] ** 2 for name in SQUARED for k in range(2)]
    wanted += [ports["s5"][:, k] * ports["u6"][:, k] for k in range(2)]
    assert np.array_equal(evaluate(graph, codes), np.stack(wanted, axis=1))
    for name, span in intervals(graph).items():
        found = evaluate(Graph("one", graph.nodes, (name,)), codes)
        assert all(s.lo <= column.min() <= column.max() <= s.hi for s, column in zip(span, found.T, strict=True))


@pytest.mark.parametrize("span", [Interval(-8, 7), Interval(-5, 3), Interval(0, 15), Interval(0, 31), Interval(2, 3)])
def test_digits_of_a_factor(span):
    values = np.arange(span.lo, span.hi + 1)
    count = len(booth((Interval(-128, 127), span)).rows)
    found = digits(values, count)
    assert set(np.unique(found)) <= {-2, -1, 0, 1, 2}
    assert np.array_equal(found @ 4 ** np.arange(count), values)


@pytest.mark.parametrize("span", [Interval(-8, 7), Interval(-5, 3), Interval(0, 15), Interval(0, 31), Interval(2, 3)])
def test_rows_of_a_square(span):
    values = np.arange(span.lo, span.hi + 1)
    plan = booth((span,))
    found = digits(values, len(plan.rows))
    left = np.zeros_like(values)
    for number, row in enumerate(plan.rows):
        digit, above = found[:, number], found[:, number + 1 :] @ 4 ** np.arange(len(plan.rows) - number - 1)
        total = left + digit**2 + 8 * digit * above
        assert row.lo <= total.min() <= total.max() <= row.hi
        left = total >> plan.settled
    assert np.array_equal(total << plan.settled * number | values**2 & (1 << plan.settled * number) - 1, values**2)


def test_a_square_takes_half_of_a_product():
    span = Interval(-(1 << 16), (1 << 16) - 1)
    square, product = (sum(row.width for row in booth(source).rows) for source in ((span,), (span, span)))
    assert square < 0.65 * product


def test_ranges_are_exact():
    for a in (Interval(-3, 5), Interval(2, 4), Interval(-6, -1)):
        values = np.arange(a.lo, a.hi + 1)
        assert product_interval((a,)) == Interval(int((values**2).min()), int((values**2).max()))
        for b in (Interval(-2, 7), Interval(0, 0), Interval(3, 9)):
            table = np.multiply.outer(values, np.arange(b.lo, b.hi + 1))
            assert product_interval((a, b)) == Interval(int(table.min()), int(table.max()))


@pytest.mark.parametrize("executor", ["csim", "emulator", "rtl", "rtl-fast", "gates"])
def test_every_executor_agrees(built, executor):
    graph = built.graph
    codes = np.concatenate([corner_codes(graph), random_codes(graph, 300, 4)])
    assert disagreements(built, [executor], codes) == []


def test_it_is_proven(built):
    proof = prove(built)
    assert failures(proof) == []
    assert proof.proven
    details = {claim.subject: claim.detail for claim in proof.claims if claim.kind == "verilog"}
    assert details["products_product_s8_s8"] == "65536 pairs of codes"
    assert "by rows" in details["products_product_s13_s13"]


@pytest.mark.parametrize(
    ("name", "pattern", "replacement"),
    [
        ("s8_s8", r"m1 = ", "m1 = ~"),
        ("s8_u6", r"n2 \? ~m2 : m2", "n2 ? m2 : m2"),
        ("s13_s13", r"\} \+ \{t3, n3\}", "} + {t3, 1'd0}"),
        ("s13_squares", r"v2 << 1", "v2"),
        ("s8_squares", r"& ~o1;", ";"),
    ],
)
def test_a_wrong_multiplier_is_refuted(built, tmp_path, name, pattern, replacement):
    module = f"products_product_{name}"
    assert refuted_after(built, tmp_path, module, pattern, replacement) == {module}


def test_it_is_counted_about_as_yosys_counts_it(built):
    found = synthesize(built.pipeline, built.folder / "rtl", built.folder / "synth")
    for layer in make_report(built.pipeline, built.settings, found).layers:
        assert abs(layer.estimate.lut.value - layer.synth.lut.value) <= 4 * layer.copies, layer.name


def test_rows_are_split_over_stages_at_a_fast_clock():
    pipeline = create_pipeline(products(), Settings(effort="fast", clock_mhz=360.0))
    (wide,) = (module for module in pipeline.modules if module.node.name == "s13_s13")
    assert len(wide.stages) == len(booth(wide.source).rows) - 1
    assert all(a <= b for a, b in pairwise((wide.start, *wide.stages, wide.stop)))
    assert wide.stop > wide.start
