"""The forms of layers at an interval: those that were considered, which one each took and why, and those that keep a latency."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from io import StringIO

import numpy as np
import pytest
import test_engine
import test_folding
import test_stream_port
import test_tally
from designs import build_of, disagreements
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import validate
from rich.console import Console
from strategies import graphs
from test_prove import failures

from bittrigger.build.folder import MANIFEST, load_build
from bittrigger.build.store import adders_of
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.errors import ConfigError
from bittrigger.ir.basis import Grade, Reference
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Requantize, frozen_array
from bittrigger.passes.hold import Holding
from bittrigger.passes.simplify import simplify
from bittrigger.prove import prove
from bittrigger.report import make_report, render_markdown, render_text, save_report
from bittrigger.report.html import Evidence, render_html
from bittrigger.report.model import Origin
from bittrigger.report.recount import wrong_figures
from bittrigger.report.schema import load_report, report_json
from bittrigger.schedule.forms import CHEAPEST, FASTER, TOO_LATE
from bittrigger.schedule.hasten import Way, hastened, steps
from bittrigger.schedule.schedule import Schedule
from bittrigger.settings import Settings

NETWORKS = {
    "matrices": (test_engine.network, 40),
    "chains": (test_folding.folding_net, 3),
    "sums": (test_tally.network, 4),
    "digits": (test_engine.network, 9),
}


@pytest.fixture(scope="module", params=NETWORKS)
def pipeline(request):
    network, ii = NETWORKS[request.param]
    return create_pipeline(network(), Settings(effort="fast", clock_mhz=300.0, ii=ii))


def test_each_layer_says_which_form_it_took_and_why(pipeline):
    assert list(pipeline.forms) == [module.node.name for module in pipeline.modules]
    for module in pipeline.modules:
        first, *others = pipeline.forms[module.node.name]
        assert first.chosen
        assert not any(form.chosen for form in others)
        names = [form.name for form in (first, *others)]
        assert len(set(names)) == len(names)
        assert all(form.reason for form in (first, *others))
        known = [form for form in others if form.lut_estimate is not None]
        if first.reason == CHEAPEST and known:
            assert first.lut_estimate <= min(form.lut_estimate for form in known)
        for form in known:
            more = form.lut_estimate - first.lut_estimate
            assert form.reason == (f"{more:,} LUT more" if more > 0 else "as many LUTs")
        if module.serial:
            assert first.name.startswith(f"digits of {module.serial.digit} bit")
            assert first.cycles_estimate == module.done - module.reads
        elif module.engine:
            assert first.name.startswith(f"steps of {module.engine.terms} code")
            assert first.cycles_estimate == module.done - module.reads
        elif module.queue:
            assert first.name == f"folded, {module.lanes} of {module.copies} at a time"
        elif module.is_folded:
            assert first.name == "folded"
        elif module.tally:
            assert first.name.startswith("sums of ")
        else:
            assert first.name == "unrolled"


def test_what_does_not_hold_the_interval_is_named_with_what_it_takes():
    forms = create_pipeline(test_engine.network(), Settings(effort="fast", clock_mhz=300.0, ii=5)).forms
    said = {form.name: form.reason for form in forms["first"]}
    late = [name for name in ("digits of 1 bit", "steps") if name in said]
    assert late
    for name in late:
        assert said[name].startswith("takes ")
        assert said[name].endswith(" cycles, 5 are there")
        assert int(said[name].split()[1]) > 5


def test_weights_of_several_bits_have_no_other_form():
    weights = frozen_array(np.random.default_rng(1).integers(-5, 6, (6, 4)))
    nodes = (Input("x", 6, FixedPoint(True, 5, 0), Interval(-16, 15)),)
    nodes += (Linear("wide", ("x",), weights, frozen_array(np.zeros(4, dtype=np.int64)), 0),)
    (form,) = create_pipeline(Graph("several", nodes, ("wide",)), Settings(effort="fast", ii=9)).forms["wide"]
    assert (form.name, form.chosen) == ("unrolled", True)
    assert form.reason == "its weights are not 0 and plus or minus one power of two"


def test_held_numbers_are_said_to_be_the_reason():
    graph = simplify(test_engine.network(), held=Holding(weights=False, bias=True))
    forms = create_pipeline(graph, Settings(effort="fast", ii=9)).forms
    held = [name.removesuffix("_operands") for name in forms if name.endswith("_operands")]
    assert "its biases are held in registers" in {forms[name][0].reason for name in held}
    turned = create_pipeline(
        simplify(test_engine.network(), held=Holding(weights=True, bias=False)), Settings(effort="fast", ii=9)
    ).forms
    first, other = turned["first_terms"]
    assert first.name.startswith("columns, ")
    assert (other.name, other.lut_estimate > first.lut_estimate) == ("unrolled", True)
    assert turned["first"][0].reason == "follows first_terms, which see"


def test_an_event_a_clock_leaves_no_choice(tmp_path):
    pipeline = create_pipeline(test_engine.network(), Settings(effort="fast", clock_mhz=300.0))
    assert pipeline.forms == {}
    report = make_report(pipeline, Settings(), None)
    assert all("forms" not in layer for layer in report_json(report)["layers"])
    assert "Forms considered" not in render_markdown(report)
    save_report(report, tmp_path / "report.json")
    assert load_report(tmp_path / "report.json") == report


def test_every_report_shows_them(pipeline, tmp_path, root):
    report = make_report(pipeline, Settings(ii=9), None)
    save_report(report, tmp_path / "report.json")
    assert load_report(tmp_path / "report.json") == report
    data = json.loads((tmp_path / "report.json").read_text())
    validate(root, "report-3", data)
    console = Console(width=200, record=True, file=StringIO())
    render_text(report, console)
    page = render_html(report, pipeline, Evidence())
    texts = [console.export_text(), render_markdown(report), page]
    forms = [form for layer in data["layers"] for form in layer["forms"]]
    for text in texts:
        assert "Forms considered at the interval asked for (estimate)" in text
        assert "a half block RAM counts as 321 LUTs" in text
        for form in forms:
            assert form["name"] in text
            assert form["reason"] in text.replace("&#39;", "'")


def test_the_schema_knows_every_form_grade_and_reference(root):
    schema = json.loads((root / "schemas" / "report-3.json").read_text())["properties"]
    layer = schema["layers"]["items"]["properties"]
    assert set(layer["form"]["enum"]) == {"unrolled", "folded", "accumulated", "serial"}
    assert set(layer["latency_cycles"]["properties"]["origin"]["enum"]) >= {origin.value for origin in Origin}
    assert schema["grade"]["properties"]["reference"]["enum"] == [reference.value for reference in Reference]
    assert schema["grade"]["properties"]["name"]["enum"] == [grade.value for grade in Grade]


def test_a_build_counts_them_again(tmp_path):
    built = build_of(create_pipeline(test_engine.network(), Settings(effort="fast", clock_mhz=360.0, ii=9)), tmp_path)
    report = make_report(built.pipeline, built.settings, None)
    again = load_build(tmp_path)
    assert again.pipeline.forms == built.pipeline.forms
    assert wrong_figures(report, again) == []
    layer = report.layers[0]
    lie = replace(layer.forms[-1], lut_estimate=1)
    wrong = replace(report, layers=(replace(layer, forms=(*layer.forms[:-1], lie)), *report.layers[1:]))
    assert [line.split(" is ")[0] for line in wrong_figures(wrong, again)] == [
        f"layers {layer.name} forms {lie.name} lut_estimate"
    ]


def test_the_cheapest_cycle_comes_first():
    ways = {
        "a": [Way("slow", 10, 50), Way("middling", 20, 40), Way("dear", 60, 39), Way("fast", 100, 10)],
        "b": [Way("slow", 5, 30), Way("fast", 10, 20)],
    }
    assert steps(ways) == [("b", "fast"), ("a", "middling"), ("a", "fast")]
    cycles = {(name, way.name): way.cycles for name, own in ways.items() for way in own}

    def latency(chosen):
        return sum(cycles[name, chosen.get(name, "slow")] for name in ways)

    assert hastened(ways, latency, 80) == ({}, 80)
    assert hastened(ways, latency, 70) == ({"b": "fast"}, 70)
    assert hastened(ways, latency, 60) == ({"b": "fast", "a": "middling"}, 60)
    assert hastened(ways, latency, 40) == ({"a": "fast"}, 40)  # what is not needed then is taken back
    assert hastened(ways, latency, 5) == ({"b": "fast", "a": "fast"}, 30)


@cache
def unhurried(network, ii, port="whole"):
    """The pipeline of the cheapest forms."""
    return create_pipeline(network(), Settings(effort="fast", clock_mhz=360.0, ii=ii, port=port))


@pytest.mark.parametrize(
    ("network", "ii", "port"),
    [
        (test_engine.network, 40, "whole"),
        (test_folding.folding_net, 7, "whole"),
        (test_tally.network, 8, "whole"),
        (test_stream_port.constituent_net, 8, "stream"),
    ],
)
def test_a_latency_is_kept_with_the_forms_that_cost_least(network, ii, port):
    cheapest = unhurried(network, ii, port)
    most = cheapest.latency_cycles
    luts, refused = [], False
    for latency in (most, 2 * most // 3, most // 3, 2):
        settings = Settings(effort="fast", clock_mhz=360.0, ii=ii, port=port, latency_cycles=latency)
        try:
            made = create_pipeline(network(), settings)
        except ConfigError as error:
            refused = True
            least = int(str(error).split("takes at least ")[1].split(";")[0])
            assert latency < least <= most
            continue
        assert not refused  # nothing holds that is less than what does not
        assert made.latency_cycles <= latency
        if latency == most:
            assert made.forms == cheapest.forms
        reasons = {form.reason for forms in made.forms.values() for form in forms if form.chosen}
        assert (FASTER in reasons) == bool(made.chosen)
        luts.append(sum(layer.estimate.lut.value for layer in make_report(made, settings, None).layers))
    assert luts
    assert luts[0] == min(luts)


@pytest.mark.parametrize("copies", [16, 8])
def test_what_repeats_behind_a_matrix_keeps_a_latency_where_the_matrix_is_unrolled(copies):
    rng, kind = np.random.default_rng(1), FixedPoint(True, 5, 0)
    shapes = {"matrix": (16, 16), "each": (16 // copies, 4), "last": (4 * copies, 4)}
    weights = {name: frozen_array(rng.integers(-1, 2, shape)) for name, shape in shapes.items()}
    bias = {name: frozen_array(np.arange(n_out)) for name, (_, n_out) in shapes.items()}
    nodes = (
        Input("x", 16, kind, kind.interval),
        Linear("matrix", ("x",), weights["matrix"], bias["matrix"], 0),
        Requantize("codes", ("matrix",), 16, 3, Rounding.RND_CONV, 0, 7, 0, copies=16),
        Linear("each", ("codes",), weights["each"], bias["each"], 0, copies=copies),
        Linear("last", ("each",), weights["last"], bias["last"], 0),
    )
    graph = Graph("behind", nodes, ("last",))
    least = create_pipeline(graph, Settings(effort="fast")).latency_cycles
    free = create_pipeline(graph, Settings(effort="fast", ii=40))
    assert [free.module_of(name).is_folded for name in ("matrix", "codes")] == [True, True]
    for latency in (least, (least + free.latency_cycles) // 2):
        settings = Settings(effort="fast", ii=40, latency_cycles=latency)
        assert create_pipeline(graph, settings).latency_cycles <= latency


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    most = unhurried(test_engine.network, 40).latency_cycles
    settings = Settings(effort="fast", clock_mhz=360.0, ii=40, latency_cycles=most // 2)
    pipeline = create_pipeline(test_engine.network(), settings)
    assert pipeline.ii == 40
    assert pipeline.chosen
    assert TOO_LATE in {form.reason for forms in pipeline.forms.values() for form in forms}
    return build_of(pipeline, tmp_path_factory.mktemp("hasty"), synth=True, settings=settings)


@pytest.mark.parametrize("executor", ["csim", "emulator", "rtl", "rtl-fast", "gates"])
def test_every_executor_agrees(hasty, executor):
    assert disagreements(hasty, [executor], test_engine.codes_for(hasty.graph)) == []


def test_it_is_proven_and_read_again(hasty):
    assert failures(prove(hasty)) == []
    again = load_build(hasty.folder).pipeline
    assert again.chosen == hasty.pipeline.chosen
    assert again.forms == hasty.pipeline.forms
    assert [module.stages for module in again.modules] == [module.stages for module in hasty.pipeline.modules]
    assert again.latency_cycles == hasty.pipeline.latency_cycles


def test_everything_unrolled_holds_any_interval(tmp_path):
    flat = create_pipeline(test_engine.network(), Settings(effort="fast", clock_mhz=360.0))
    with pytest.raises(ConfigError, match=r"takes at least (\d+)") as refused:
        create_pipeline(test_engine.network(), Settings(effort="fast", clock_mhz=360.0, ii=40, latency_cycles=1))
    least = int(str(refused.value).split("at least ")[1].split(";")[0])
    settings = Settings(effort="fast", clock_mhz=360.0, ii=40, latency_cycles=least)
    made = create_pipeline(test_engine.network(), settings)
    assert (made.latency_cycles, made.ii) == (least, 1)
    assert least <= flat.latency_cycles
    built = build_of(made, tmp_path, settings=settings)
    again = load_build(tmp_path).pipeline
    assert [module.stages for module in again.modules] == [module.stages for module in built.pipeline.modules]
    assert failures(prove(built, netlist=False)) == []


def test_a_form_that_is_none_is_refused(hasty):
    layer = next(iter(hasty.pipeline.chosen))
    text = (hasty.folder / MANIFEST).read_text()
    manifest = json.loads(text)
    manifest["forms"][layer] = "digits of 9 bits, 1 lane"
    try:
        (hasty.folder / MANIFEST).write_text(json.dumps(manifest))
        with pytest.raises(
            ConfigError, match=f"layer '{layer}': form 'digits of 9 bits, 1 lane' is unknown; allowed are "
        ):
            load_build(hasty.folder, sealed=False)
    finally:
        (hasty.folder / MANIFEST).write_text(text)


@settings(max_examples=25, deadline=None)
@given(graph=graphs(), ii=st.sampled_from([2, 3, 5, 9, 20, 60]), share=st.floats(0, 1))
def test_any_network_keeps_a_latency_or_says_the_least(graph, ii, share):
    free = create_pipeline(graph, Settings(effort="fast", ii=ii))
    latency = max(int(share * free.latency_cycles), 1)
    asked = Settings(effort="fast", ii=ii, latency_cycles=latency)
    try:
        made = create_pipeline(graph, asked)
    except ConfigError as error:
        least = int(str(error).split("at least ")[1].split(";")[0])
        assert latency < least <= free.latency_cycles
        made = create_pipeline(graph, replace(asked, latency_cycles=least))
        latency = least
    assert made.latency_cycles <= latency
    adders, serial = adders_of(made)
    again = Schedule(asked.clock_mhz, latency_cycles=made.latency_cycles, ii=ii, serial=serial, chosen=made.chosen)
    read = again.apply(made.graph, adders)
    assert read.forms == made.forms
    assert [(module.lanes, module.stages, module.stop) for module in read.modules] == [
        (module.lanes, module.stages, module.stop) for module in made.modules
    ]
    for forms in made.forms.values():
        assert [form.chosen for form in forms] == [True] + [False] * (len(forms) - 1)
