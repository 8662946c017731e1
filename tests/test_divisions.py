"""Quantisers behind divisions as sums of tables: equal on every code, chosen by their LUTs, in every executor, and proven."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from designs import build_of, disagreements, divided_sums, divisions, halved
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_prove import failures, refuted_after, replace_once

from bittrigger.build.store.sums import sum_from_json, sum_to_json
from bittrigger.compile.divisions import Grid, _Channel, with_divided_sums
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.errors import ConfigError, InternalError
from bittrigger.frontend.elementwise.exact import Line
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Overflow, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, evaluate, frozen_array
from bittrigger.ir.nodes.digit_sum import DigitSum, shorten
from bittrigger.prove import prove
from bittrigger.prove.claims import Unproven
from bittrigger.prove.modules.elementwise import _codes, prove_channel, tail_of
from bittrigger.prove.sources.files import copy_build
from bittrigger.prove.sources.structure import read_structure
from bittrigger.report import make_report
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes
from bittrigger.synth.yosys import synthesize


@pytest.fixture(scope="module")
def graph():
    return divided_sums()


@pytest.fixture(scope="module")
def built(graph, tmp_path_factory):
    pipeline = create_pipeline(graph, Settings(clock_mhz=360.0))
    return build_of(pipeline, tmp_path_factory.mktemp("halves"), synth=True)


def critical_codes(graph, events=400):
    """Codes at the steps of each channel, next to them, and anywhere between, of all ports side by side."""
    generator = np.random.default_rng(5)
    columns = []
    for port in graph.nodes:
        if not isinstance(port, Input):
            continue
        table = graph[f"{port.name}_codes"]
        for starts in table.starts:
            near = np.array(starts)[:, None] + np.arange(-65, 66, 13)
            anywhere = generator.integers(port.interval.lo, port.interval.hi + 1, events)
            codes = np.concatenate([near.ravel(), near.ravel() + 1, near.ravel() - 1, anywhere])
            columns.append(np.clip(codes, port.interval.lo, port.interval.hi))
    most = max(map(len, columns))
    return np.stack([np.resize(generator.permutation(column), most) for column in columns], axis=1)


def test_floors_become_sums_of_tables(graph):
    kinds = {node.name: type(node) for node in graph.nodes}
    assert kinds == dict.fromkeys("xyz", Input) | {f"{name}_codes": Lookup for name in "xyz"}
    assert [digits.tail for digits in graph["x_codes"].sums] == [6, 6, 7]
    assert all(digits.is_limited for digits in graph["x_codes"].sums)
    assert not graph["z_codes"].sums[0].is_limited
    assert graph["y_codes"].sums[2] is None


def test_they_are_equal_on_every_code(graph):
    before = divisions()
    codes = np.concatenate([critical_codes(graph), corner_codes(before), random_codes(before, 2000, 1)])
    assert np.array_equal(evaluate(before, codes), evaluate(graph, codes))


def test_all_codes_of_a_narrow_port_are_equal(graph):
    codes = np.zeros((62768, 7), dtype=np.int64)
    codes[:, 6] = np.arange(-30000, 32768)
    assert np.array_equal(evaluate(divisions(), codes), evaluate(graph, codes))


def test_sums_take_fewer_luts_and_no_more_cycles(graph):
    for clock_mhz in (240.0, 360.0, 480.0):
        before, after = (create_pipeline(one, Settings(clock_mhz=clock_mhz)) for one in (divisions(), graph))
        assert after.latency_cycles <= before.latency_cycles
        assert estimate(after)[1].lut < 0.6 * estimate(before)[1].lut


def test_steps_between_codes_that_do_not_come_are_moved():
    """Where only even codes come, a step at an odd one is as good, and leaves a tail."""
    nodes = {node.name: node for node in divisions().nodes}
    port = Input("x", 3, FixedPoint(True, 22, 0), FixedPoint(True, 22, 0).interval)
    doubled = Linear("double", ("x",), frozen_array(np.diag([2, 2, 2])), frozen_array(np.array([0, 0, 0])), 0)
    scale = nodes["x_scale"]
    shifted = replace(scale, inputs=("double",), bias=scale.bias - np.abs(scale.weights).sum(axis=0))
    plain = Graph(
        "even", (port, doubled, shifted, *(nodes[f"x_{n}"] for n in ("floors", "sum", "codes"))), ("x_codes",)
    )
    verify(plain)
    summed = with_divided_sums(plain, Settings())
    assert [digits.tail for digits in summed["x_codes"].sums] == [6, 6, 7]
    near = np.array(summed["x_codes"].starts[0])[:, None] // 2 + np.arange(-40, 41)
    codes = np.clip(np.repeat(near.reshape(-1, 1), 3, axis=1), port.interval.lo, port.interval.hi)
    assert np.array_equal(evaluate(plain, codes), evaluate(summed, codes))
    assert (
        with_divided_sums(replace(plain, nodes=(port, replace(shifted, inputs=("x",)), *plain.nodes[3:])), Settings())[
            "x_codes"
        ]
        is nodes["x_codes"]
    )


@given(
    st.sets(st.integers(-40, 60), min_size=1, max_size=12),
    st.integers(-99, 99),
    st.integers(1, 12),
)
@example(
    {8, 9, 10}, 1, 5
)  # two of them between the same two codes, where one may stay and the other is moved in front of it
@settings(max_examples=100, deadline=None)
def test_steps_stay_in_order_and_give_what_they_gave(steps, first, step):
    span, starts = Interval(-41, 63), np.array([-41, *sorted(steps)])
    values = np.arange(starts.size)
    channel = _Channel.of(span, starts, values, Grid(first, step))
    assert list(channel.starts) == sorted(set(channel.starts))
    every = np.arange(span.lo, span.hi + 1)
    found = np.array(channel.values)[np.searchsorted(channel.starts, every, side="right") - 1]
    come = (every - first) % step == 0
    assert np.array_equal(found[come], values[np.searchsorted(starts, every[come], side="right") - 1])
    assert len(set(shorten(every, channel.tail).tolist())) == len(
        set(zip(shorten(every, channel.tail), found, strict=True))
    )


def test_few_bits_behind_a_tail_are_no_sum():
    """One table holds them."""
    span = Interval(0, 100)
    nodes = (Input("x", 1, FixedPoint.holding(span, 0), span), *halved((Line(1, 0, 96),), span, (0, 255), "x"))
    plain = Graph("few", nodes, ("x_codes",))
    assert with_divided_sums(plain, Settings()) is plain


def test_limits_in_front_of_registers_reset_them(tmp_path):
    """A register that is set is no cell of the grammar of netlists: it was neither proven nor simulated."""
    span = Interval(0, 394213)
    port = Input("x", 1, FixedPoint.holding(span, 0), span)
    plain = Graph("wide", (port, *halved((Line(1, 0, 24),), span, (0, 7), "x")), ("x_codes",))
    summed = with_divided_sums(plain, Settings())
    assert summed["x_codes"].sums[0].is_limited
    build = build_of(create_pipeline(summed, Settings(clock_mhz=480.0)), tmp_path / "build", synth=True)
    assert not [file.name for file in (tmp_path / "build" / "synth").glob("*.v") if "FDSE" in file.read_text()]
    assert failures(prove(build)) == []
    assert disagreements(build, ["gates"], random_codes(summed, 500, 2)) == []


def test_what_is_no_sum_of_floors_stays():
    plain = divisions()
    nodes = {node.name: node for node in plain.nodes}

    def stays(changed, outputs=plain.outputs):
        made = replace(plain, nodes=tuple(changed.get(name, node) for name, node in nodes.items()), outputs=outputs)
        verify(made)
        return isinstance(with_divided_sums(made, Settings())["z_codes"], Requantize)

    floors, total, clip = (nodes[f"z_{name}"] for name in ("floors", "sum", "codes"))
    assert not stays({})
    assert stays({}, outputs=(*plain.outputs, "z_floors"))
    assert stays({}, outputs=(*plain.outputs, "z_sum"))
    assert stays({"z_codes": replace(clip, overflow=Overflow.WRAP)})
    assert stays({"z_codes": replace(clip, shift=1)})
    assert stays({"z_floors": replace(floors, rounding=Rounding.RND)})
    assert stays({"z_sum": replace(total, weights=frozen_array([[1], [-1]]))})
    assert stays(
        {"z_scale": replace(nodes["z_scale"], weights=nodes["z_scale"].weights * 1013)}
    )  # its steps have no tail


@given(
    st.integers(-70000, 0),
    st.integers(1, 70000),
    st.integers(0, 8),
)
@settings(max_examples=50, deadline=None)
def test_runs_of_codes_that_are_alike_cover_the_range(lo, hi, tail):
    span = Interval(lo, hi)
    digits = DigitSum(span, 0, (), tail)
    firsts, lasts = digits.alike()
    assert firsts[0] == lo
    assert lasts[-1] == hi
    assert np.array_equal(firsts[1:], lasts[:-1] + 1)
    for first, last in zip(firsts[:300].tolist(), lasts[:300].tolist(), strict=True):
        kinds = {(code >> tail, code & (1 << tail) - 1 != 0) for code in {first, last, first + last >> 1}}
        assert len(kinds) == 1 or tail == 0


@pytest.mark.parametrize("executor", ["csim", "emulator", "rtl", "rtl-fast", "gates"])
def test_every_executor_agrees(built, executor):
    codes = np.concatenate([corner_codes(built.graph), critical_codes(built.graph)[:1500]])
    assert disagreements(built, [executor], codes) == []


def test_it_is_proven(built):
    proof = prove(built)
    assert failures(proof) == []
    assert proof.proven
    assert [claim.detail for claim in proof.claims if "x_codes" in claim.subject and claim.kind == "verilog"] == [
        "3 channels, 25165824 codes"  # none is left to SAT
    ]


@pytest.fixture(scope="module")
def read(built, tmp_path_factory):
    copy = copy_build(built.folder, tmp_path_factory.mktemp("copy"))
    return read_structure(copy, tmp_path_factory.mktemp("read"), netlist=False)[1]


def test_one_code_stands_for_all_of_equal_tail(read):
    """Each pair of upper bits and OR is there once, and every code at which a value starts."""
    module = next(module for module in read.pipeline.modules if module.node.name == "z_codes")
    tail = tail_of(module, read.vectors, read.verilog(module), 0)
    assert tail == module.node.sums[0].tail == 4
    codes = np.concatenate(list(_codes(module.node, module.source[0], tail)))
    every = np.arange(-30000, 32768)
    assert set(module.node.starts[0]) <= set(codes.tolist()) <= set(every.tolist())
    assert np.array_equal(np.unique(shorten(codes, tail)), np.unique(shorten(every, tail)))


@pytest.mark.parametrize("name", ["x_codes", "z_codes"])
def test_a_value_that_starts_within_a_tail_is_refuted(read, name):
    module = next(module for module in read.pipeline.modules if module.node.name == name)
    for k in (1, len(module.node.starts[0]) // 2, -1):
        for by in (-1, 1, 3):
            starts = list(module.node.starts[0])
            starts[k] += by
            node = replace(module.node, starts=(tuple(starts), *module.node.starts[1:]))
            moved, netlist = replace(module, node=node), read.verilog(module)
            with pytest.raises(Unproven, match="its definition gives"):
                prove_channel(moved, read.vectors, netlist, 0, tail_of(moved, read.vectors, netlist, 0))


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"\|x0\[3:0\]", "|x0[3:1]"),
        (r"\|x0\[3:0\]", "&x0[3:0]"),
        (r"\|x0\[3:0\]", "(|x0[3:0]) ^ x0[2]"),
        (r"\|x0\[3:0\]", "(|x0[3:0]) ^ (|x0[1:0])"),
        (r"\|x0\[3:0\]", "|(x0[3:0] + 4'd1)"),
    ],
)
def test_tails_that_are_read_otherwise_are_none(built, tmp_path, pattern, replacement):
    build_of(built.pipeline, tmp_path / "build")
    replace_once(tmp_path / "build" / "rtl" / "halves_scale_z_codes.sv", pattern, replacement)
    (copied := tmp_path / "copy").mkdir()
    (work := tmp_path / "work").mkdir()
    _, setting = read_structure(copy_build(tmp_path / "build", copied), work, netlist=False)
    module = next(module for module in setting.pipeline.modules if module.node.name == "z_codes")
    netlist = setting.rtl.module(module.name)
    assert tail_of(module, setting.vectors, netlist, 0) == 0
    with pytest.raises(Unproven, match="its definition gives"):
        prove_channel(module, setting.vectors, netlist, 0)


@pytest.mark.parametrize(
    ("name", "pattern", "replacement"),
    [
        ("x_codes", r"\|x0\[5:0\]", "|x0[5:1]"),
        ("x_codes", r"x0\[21:20\] != ", "x0[21:20] == "),
        ("x_codes", r"~x1\[22\]", "x1[22]"),
        ("z_codes", r"\|x0\[3:0\]", "&x0[3:0]"),
    ],
)
def test_what_is_broken_is_refuted(built, tmp_path, name, pattern, replacement):
    module = f"halves_scale_{name}"
    assert refuted_after(built, tmp_path, module, pattern, replacement) == {module}


def test_it_is_counted_about_as_yosys_counts_it(built):
    found = synthesize(built.pipeline, built.folder / "rtl", built.folder / "synth")
    for layer in make_report(built.pipeline, built.settings, found).layers:
        assert 0.8 <= layer.estimate.lut.value / layer.synth.lut.value <= 1.2, layer.name


def test_a_wrong_tail_is_not_well_formed(graph):
    node = graph["z_codes"]
    for tail in (node.sums[0].tail - 1, node.sums[0].tail + 1, -1, 0):
        changed = replace(node, sums=(replace(node.sums[0], tail=tail),))
        with pytest.raises(InternalError, match="z_codes"):
            verify(replace(graph, nodes=tuple(changed if n is node else n for n in graph.nodes)))


def test_a_file_with_codes_that_are_too_wide_is_refused(graph):
    data = sum_to_json(graph["x_codes"].sums[0])
    assert sum_from_json(data) == graph["x_codes"].sums[0]
    with pytest.raises(ConfigError, match="a sum of tables for codes of 23 bits; allowed are 16"):
        sum_from_json(data | {"tail": 0})
    with pytest.raises(ConfigError, match="a sum of tables for codes of 22 bits; allowed are 20"):
        sum_from_json(data | {"tail": 2})
