"""The HTML report: one file that fetches nothing, says what the figures say, and opens in a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from designs import graph as dense_network
from designs import mlp, places
from test_tally import network as summed_network

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.timing import usable_ns
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.graph import Graph, Input, Lookup
from bittrigger.passes.hold import Holding
from bittrigger.passes.simplify import simplify
from bittrigger.report import make_report
from bittrigger.report.draw import draw_svg
from bittrigger.report.hints import hints, late
from bittrigger.report.html import Evidence, Fact, render_html
from bittrigger.report.html.network import draw_network
from bittrigger.report.html.page import marked
from bittrigger.report.html.timeline import draw_timeline, stage_times
from bittrigger.report.html.treemap import areas, shortened
from bittrigger.report.html.weights import weights_of
from bittrigger.schedule.schedule import Schedule
from bittrigger.settings import Settings
from bittrigger.synth.count import Utilization
from bittrigger.synth.yosys import Synthesis

SETTINGS = SimpleNamespace(part="xcvu13p-flga2577-2-e", own_part=None, budget="cms-phase2-correlator-layer2")


@pytest.fixture(scope="module")
def pipeline():
    return mlp((6, 12, 5), clock_mhz=360.0)


@pytest.fixture(scope="module")
def report(pipeline):
    used = Utilization(100, 0, 200, 90, 13, 0, 0.0, 5, {"LUT2": 100})
    modules = {module.name: used for module in pipeline.modules}
    whole = Utilization(100 * len(modules) + 7, 0, 200 * len(modules) + 50, 90, 13, 0, 0.0, 5, {"LUT2": 100})
    return make_report(pipeline, SETTINGS, Synthesis("0.70", whole, modules))


@pytest.fixture(scope="module")
def page(report, pipeline, tmp_path_factory):
    card = tmp_path_factory.mktemp("card") / "card.md"
    card.write_text(
        "# A card\n\n| net | accuracy |\n| --- | --- |\n| this | 71.4 |\n\n<script>alert(1)</script> ![x](../../etc/passwd)\n"
    )
    evidence = Evidence(
        proven=[Fact("yes", "12 of 12 claims", "Yosys 0.70")],
        tested=[Fact("no", "rtl: mismatch", "10 events")],
        assumed=["nothing <b>much</b>"],
        provenance={"model sha256": "0123"},
        card=card,
    )
    return render_html(report, pipeline, evidence)


def test_the_page_fetches_nothing(page):
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert "default-src 'none'" in page


def test_the_page_says_what_the_figures_say(page, report):
    assert f">{report.totals.synth.lut.value:,}<" in page
    assert "pass, provided that 360 MHz is met" in page
    assert "% left" in page
    for layer in report.layers:
        assert f">{layer.name}<" in page
    for said in (
        "12 of 12 claims",
        "rtl: mismatch",
        "model sha256",
        "71.4",
        "prefers-color-scheme: dark",
        "@media print",
    ):
        assert said in page


def test_copies_and_wires_are_drawn_and_timed():
    made = places()
    pipeline = create_pipeline(made, Settings(effort="fast"))
    report = make_report(pipeline, SETTINGS, None)
    page = render_html(report, pipeline, Evidence())
    for node in made.nodes:
        assert f">{node.name}" in page
    assert "conv x 4" in page
    times = stage_times(pipeline)
    assert len(times) == pipeline.latency_cycles
    assert all(item.slack_ns >= -1e-9 for item in times)


def test_weights_that_are_held_are_shown_under_their_layer():
    pipeline = create_pipeline(simplify(dense_network((7, 5, 3)), held=Holding(weights=True, bias=False)), Settings())
    found = weights_of(pipeline)
    assert [(item.n_in, item.n_out, item.kind) for item in found] == [(7, 5, "held"), (5, 3, "held")]
    assert not any(item.name.endswith("_terms") for item in found)


def test_what_takes_turns_is_no_sum_in_one_cycle():
    pipeline = create_pipeline(summed_network(), Settings(effort="fast", ii=9))
    (tally,) = (module for module in pipeline.modules if module.tally)
    assert not re.search(rf"{tally.label}, cycle \d+: \d+ adders", draw_timeline(pipeline))
    assert f"{tally.label}, cycle {tally.start}: {tally.tally.lanes} positions a cycle" in draw_timeline(pipeline)
    assert all(item.slack_ns >= -1e-9 for item in stage_times(pipeline))


def test_steps_and_digits_are_not_reckoned_and_that_is_said():
    pipeline = create_pipeline(dense_network((32, 40, 8)), Settings(effort="fast", ii=18))
    planned = [module for module in pipeline.modules if module.engine or module.serial]
    assert planned
    times = stage_times(pipeline)
    assert all(times[k].partly for module in planned for k in range(module.start, module.stop))
    assert all(item.slack_ns >= -1e-9 for item in times)
    page = render_html(make_report(pipeline, SETTINGS, None), pipeline, Evidence())
    assert "of which nothing is reckoned here" in page


def test_a_cut_name_says_so_and_keeps_its_end():
    assert shortened("dense_4", 12) == "dense_4"
    assert shortened("dense_4_input", 8) == "dens…put"
    assert len({shortened(f"layer_{k}_terms", 9) for k in (1, 2)}) == 1  # too little room to tell
    assert shortened("dense_4_input", 4) == "de…t"


def test_commands_are_code_and_the_rest_is_text():
    assert str(marked("run `a <b>` & <c>")) == "run <code>a &lt;b&gt;</code> &amp; &lt;c&gt;"
    assert str(marked("an odd ` one")) == "an odd ` one"


def test_what_comes_from_outside_stays_text(page):
    assert "<script>alert" not in page
    assert "nothing &lt;b&gt;much&lt;/b&gt;" in page
    assert "passwd" not in page


def test_every_layer_is_in_every_picture(pipeline):
    network, timeline = draw_network(pipeline), draw_timeline(pipeline)
    for module in pipeline.modules:
        assert f">{module.node.name}" in network
        assert f">{module.node.name}" in timeline
    drawn = sum(int(count) for count in re.findall(r"cycle \d+: (\d+) adders", timeline))
    assert drawn == sum(len(module.adders.adders) for module in pipeline.modules if module.adders)


def test_stages_fit_the_clock_that_they_were_placed_for(pipeline):
    times = stage_times(pipeline)
    assert [item.stage for item in times] == list(range(pipeline.latency_cycles))
    assert all(item.slack_ns >= -1e-9 for item in times)
    assert max(item.spent_ns for item in times) <= usable_ns(360.0) + 1e-9
    assert max(item.levels for item in times) >= 1


@pytest.mark.parametrize("resource", ["lut", "ff"])
def test_areas_add_up_to_the_whole(report, resource):
    parts, whole = areas(report, resource)
    assert sum(part.count for part in parts) == whole.value
    assert [part.count for part in parts] == sorted((part.count for part in parts), reverse=True)


def test_the_picture_of_weights_holds_every_weight(pipeline):
    from io import BytesIO

    image = pytest.importorskip("PIL.Image")
    import base64

    found = weights_of(pipeline)
    matrices = [module.node.weights for module in pipeline.modules if module.adders]
    for shown, matrix in zip(found, matrices, strict=True):
        data = base64.b64decode(shown.picture.split(",")[1])
        pixels = np.asarray(image.open(BytesIO(data)))
        assert pixels.shape == matrix.shape
        assert np.array_equal(pixels == 0, matrix == 0)
        assert np.isclose(sum(shown.shares), 1.0)


def test_a_picture_with_stages_has_them_all(pipeline):
    module = next(module for module in pipeline.modules if module.adders)
    picture = draw_svg(module.adders, module.stages)
    for stage in set(module.stages):
        assert f">stage {stage}<" in picture
    shifts = sum(t.shift > 0 for adder in module.adders.adders for t in adder.terms)
    shifts += sum(out.shift > 0 for out in module.adders.outputs)
    assert len(re.findall(r">≪\d", picture)) == shifts
    for word in ("two operands", "three operands", "subtracted", "register", "shifted left"):
        assert word in picture


def test_a_table_that_takes_longer_than_a_stage_is_said():
    port = Input("x", 1, FixedPoint(True, 12, 0), Interval(-2048, 2047))
    steps = tuple(range(-2048, 2048, 8))
    deep = Lookup("deep", ("x",), (steps,), (tuple(range(len(steps))),), 0)
    wide = Lookup("wide", ("x",), (steps[::32],), (tuple(range(16)),), 0)
    graph = Graph("tables", (port, deep, wide), ("deep", "wide"))
    (said,) = late(Schedule(480.0).apply(graph, {}))
    assert said.startswith("wide: its table takes about 2.1 ns in one stage, and 480 MHz leave 1.7")
    assert late(Schedule(360.0).apply(graph, {})) == ()


def test_a_hint_names_the_option_for_a_normalisation_of_copies(report):
    layer = replace(report.layers[0], name="n", kind="linear", n_in=16, n_out=16, copies=20, zeros=0, non_zeros=320)
    (said, *_) = hints(replace(report, layers=(layer,)))
    assert "it scales each channel by itself" in said
    assert "--layer-precision 'n=fixed<16,6>'" in said


def test_a_scale_that_keeps_every_bit_is_told_what_to_declare(report):
    layer = replace(report.layers[0], name="n", kind="linear", n_in=16, n_out=16, copies=20, zeros=0, non_zeros=320)
    first = report.layers[0]
    total = report.totals.synth if report.totals.synth.lut.value is not None else report.totals.estimate

    def said(luts, after):
        figures = {
            field: replace(getattr(layer, field), lut=replace(getattr(layer, field).lut, value=luts))
            for field in ("synth", "estimate")
        }
        whole = replace(total, lut=replace(total.lut, value=20000))
        totals = replace(report.totals, synth=whole, estimate=whole)
        return hints(replace(report, totals=totals, layers=(replace(layer, **figures), replace(first, kind=after))))

    (wide,) = said(2100, "bitlinear")
    assert wide.startswith("n takes 2,100 of 20,000 LUT")
    assert "keeps every bit of its products" in wide
    assert "--layer-precision 'n=fixed<16,6>'" in wide
    assert said(2100, "requantize") == said(1900, "linear") == ()


def test_a_hint_names_the_layer_that_takes_most(report):
    found = hints(report)
    assert found
    assert all("of the LUT" in hint or " LUT (" in hint for hint in found)


@pytest.mark.parametrize(("interval", "often"), [(1, "an event a clock,"), (4, "an event every 4 clocks,")])
def test_a_design_that_does_not_fit_is_told_of_rarer_events(report, interval, often):
    figures = {
        field: replace(getattr(report.totals, field), lut=replace(getattr(report.totals, field).lut, value=5_184_000))
        for field in ("synth", "estimate")
    }
    totals = replace(report.totals, ii_cycles=replace(report.totals.ii_cycles, value=interval), **figures)
    first, *_ = hints(replace(report, totals=totals))
    assert first.startswith(f"the design, for {often} takes 3.0 times the 1,728,000 LUT of {report.part}: ")
    assert f"--ii N, with N over {interval}, " in first
    assert not any("--ii" in hint for hint in hints(report))


def test_a_notebook_shows_the_head(report):
    shown = report._repr_html_()
    assert "<html" not in shown
    assert "pass, provided that 360 MHz is met" in shown


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no Chromium here")
def test_the_page_opens_in_a_browser(page, tmp_path):
    browser = next(filter(None, map(shutil.which, BROWSERS)))
    path = tmp_path / "report.html"
    path.write_text(page)
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        f"--user-data-dir={tmp_path}/p",
    ]
    done = subprocess.run(
        [browser, *flags, "--enable-logging=stderr", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    assert done.stdout.count("<svg") == page.count("<svg")
    assert 'id="provenance"' in done.stdout
    assert "Refused to" not in done.stderr
    assert ":CONSOLE" not in done.stderr
