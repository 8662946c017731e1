"""Reports: figures with their origin, rendering, and JSON and back."""

import json
from dataclasses import replace
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pytest
from designs import mlp
from rich.console import Console

from bittrigger.errors import ReportError
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.graph import Graph, Input, Linear, frozen_array
from bittrigger.passes.lower_trees import lower_graph_to_trees
from bittrigger.report import (
    Figure,
    Origin,
    Resources,
    load_report,
    make_report,
    render_markdown,
    render_text,
    save_report,
)
from bittrigger.report.create import with_vendor
from bittrigger.report.numbers import counted
from bittrigger.report.render import foreign_part_text
from bittrigger.report.timing_text import latency_text
from bittrigger.schedule.schedule import Schedule
from bittrigger.synth.count import Utilization
from bittrigger.synth.yosys import Synthesis

SETTINGS = SimpleNamespace(part="xcvu13p-flga2577-2-e", own_part=None, budget="atlas-phase2-l0-global")


@pytest.fixture(scope="module")
def pipeline():
    return mlp((6, 5, 2), clock_mhz=200.0)


@pytest.fixture(scope="module")
def report(pipeline):
    used = Utilization(1000, 0, 2000, 900, 130, 0, 0.0, 5, {"LUT2": 1000})
    names = [*(module.name for module in pipeline.modules), "example"]
    return make_report(pipeline, SETTINGS, Synthesis("0.70", used, dict.fromkeys(names, used)))


def test_totals(report, pipeline):
    totals = report.totals
    assert totals.latency_cycles == Figure(pipeline.latency_cycles, Origin.RTL, "bittrigger", totals.latency_ns.version)
    assert totals.latency_ns.value == pipeline.latency_cycles * 5.0
    assert totals.latency_bx.value == pipeline.latency_cycles / 5
    assert totals.synth.lut == Figure(1000, Origin.SYNTH, "Yosys", "0.70")
    assert totals.route.lut.value is None


def test_layers(report, pipeline):
    dense = report.layers[0]
    weights = pipeline.modules[0].node.weights
    assert (dense.zeros, dense.non_zeros) == ((weights == 0).sum(), (weights != 0).sum())
    assert dense.multiplications_avoided == weights.size
    assert dense.adder_depth >= 1
    assert report.layers[1].adders == 0


def test_missing_numbers_are_none_and_name_their_command(pipeline):
    made = make_report(pipeline, SETTINGS, None)
    assert made.totals.synth.lut.value is None
    assert all(layer.synth.lut.value is None for layer in made.layers)
    assert [missing.command.split()[0] for missing in made.missing] == ["run", "source", "source"]
    assert "vivado -mode batch -source synth/vivado_synth.tcl" in made.missing[1].command


def test_vendor_figures_settle_what_was_missing(report):
    route = Resources.of(Origin.ROUTE, "Vivado", "2023.2", lut=900, ff=1900)
    done = with_vendor(report, route=route, wns_ns=Figure(0.1, Origin.ROUTE, "Vivado", "2023.2"))
    assert len(done.missing) == len(report.missing) - 1
    assert done.totals.synth.lut.value == 1000


def test_json_and_back(report, tmp_path):
    save_report(report, tmp_path / "report.json")
    assert load_report(tmp_path / "report.json") == report
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["schema"] == 3
    latency = report.totals.latency_ns
    expected = {"value": latency.value, "origin": "rtl", "tool": "bittrigger", "version": latency.version}
    assert data["totals"]["latency_ns"] == expected
    assert data["totals"]["route"]["lut"]["value"] is None


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(schema=1),
        lambda data: data.pop("clock_mhz"),
        lambda data: data.update(clock_mhz="fast"),
        lambda data: data["totals"]["ii_ns"].update(origin="guess"),
        lambda data: data.update(extra=1),
        lambda data: data["layers"][0].update(adders=True),
    ],
)
def test_other_layouts_are_refused(report, tmp_path, change):
    path = tmp_path / "report.json"
    save_report(report, path)
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(ReportError, match="convert the model again"):
        load_report(path)


def test_absent_report(tmp_path):
    with pytest.raises(ReportError, match="not a report of bittrigger"):
        load_report(tmp_path / "report.json")


def test_text_and_markdown_say_origin_and_share(report):
    stream = StringIO()
    render_text(report, Console(file=stream, width=240))
    for said in (stream.getvalue(), render_markdown(report)):
        for part in (
            "dense_0",
            "Yosys 0.70",
            "estimate",
            "0.06 %",
            "0.23 %",
            "1.00 %",
            "pass, provided that 200 MHz is met",
        ):
            assert part in said
        assert "bunch crossings of 25 ns, at 200 MHz (rtl)" in said


def test_text_without_budget_or_synthesis(pipeline):
    made = replace(make_report(pipeline, SETTINGS, None), budget=None)
    stream = StringIO()
    render_text(made, Console(file=stream, width=240))
    assert "Budget" not in stream.getvalue()
    assert "missing: LUT, FF, CARRY8 and logic levels after synthesis" in stream.getvalue()


def test_a_scale_for_each_channel_counts_one_weight_a_channel():
    scales = np.diag([3, 0, 5])
    port = Input("x", 3, FixedPoint(True, 8, 4), Interval(-128, 127))
    layer = Linear("norm", ("x",), frozen_array(scales), frozen_array([1, 2, 3]), 4)
    graph = Graph("scale", (port, layer), ("norm",))
    made = make_report(Schedule(200.0).apply(graph, lower_graph_to_trees(graph)), SETTINGS, None)
    assert (made.layers[0].zeros, made.layers[0].non_zeros, made.layers[0].multiplications_avoided) == (1, 2, 3)


def test_a_narrow_terminal_breaks_no_number(report):
    stream = StringIO()
    render_text(report, Console(file=stream, width=80))
    said = stream.getvalue()
    assert max(map(len, said.splitlines())) <= 80
    for layer in report.layers:
        assert f"{layer.synth.lut.value:,}" in said
        assert layer.name in said
    assert "too narrow for" in said


def test_one_is_a_singular_and_what_is_not_known_is_said(report):
    assert counted(1, "bunch crossing") == "1 bunch crossing"
    assert counted(1.0, "bunch crossing") == "1 bunch crossing"
    assert counted(1.5, "cycle") == "1.5 cycles"
    assert latency_text(report)[-1] == (
        "timing at 200 MHz is not known: nothing has been routed (`bittrigger timing` estimates it)"
    )


def test_a_budget_for_another_part_is_remarked(report):
    assert foreign_part_text(replace(report, budget="cms-phase2-correlator-layer2")) is None
    said = foreign_part_text(replace(report, budget="atlas-phase1-level1"))
    assert "xcvu9p" in said
    assert "xcvu13p" in said
