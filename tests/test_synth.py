"""Yosys runs and the parsers of vendor reports."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from designs import mlp, solved

from bittrigger.emit.verilog import emit_verilog
from bittrigger.errors import ConfigError, ReportError, ToolError
from bittrigger.report import vitis, vivado
from bittrigger.report.model import Origin
from bittrigger.synth import yosys, yosys_worker
from bittrigger.synth.count import utilization
from bittrigger.synth.netlist import read_netlist
from bittrigger.synth.vivado_script import write_vivado_script
from bittrigger.synth.yosys import synthesize

REPORTS = Path(__file__).parent / "reports"


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth")
    pipeline = mlp((8, 6, 3))
    emit_verilog(pipeline, folder / "rtl")
    return pipeline, folder, synthesize(pipeline, folder / "rtl", folder / "synth")


def run_one(tmp_path, text, name="example"):
    """Synthesise hand-written Verilog as the top ``example``."""
    pipeline = dataclasses.replace(mlp((2, 1)), modules=())
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl" / f"{name}.sv").write_text(text)
    return synthesize(pipeline, tmp_path / "rtl", tmp_path / "synth").total


def test_modules_add_up_to_the_design(build):
    _, _, made = build
    for name in ("lut", "ff", "carry_bits", "carry8", "dsp"):
        assert sum(getattr(used, name) for used in made.modules.values()) == getattr(made.total, name)
    assert made.total.dsp == 0
    assert made.total.bram36 == 0


def test_adders_stay_in_carry_chains(build):
    """One LUT a sum bit: without the kept wires a tree becomes compressors, with few carry bits and large LUTs."""
    used = build[2].modules["example_bitlinear_dense_0"]
    assert set(used.cells) <= {"CARRY4", "CARRY8", "FDRE", "INV", "LUT1", "LUT2", "LUT6_2"}
    assert used.lut <= used.carry_bits <= 1.5 * used.lut


def test_an_adder_costs_its_bits(tmp_path):
    text = """module example(input signed [7:0] a, b, output signed [8:0] y);
    wire signed [8:0] s0 = 9'(a) - 9'(b); assign y = s0; endmodule"""
    used = run_one(tmp_path, text)
    assert (used.lut, used.ff, used.carry_bits, used.carry8, used.logic_levels) == (8, 0, 9, 2, 2)


def test_levels_end_at_registers(tmp_path):
    text = """module example(input clk, input [6:0] a, output reg y); reg q;
    always_ff @(posedge clk) begin q <= ^a; y <= q & a[0]; end endmodule"""
    used = run_one(tmp_path, text)
    assert (used.ff, used.logic_levels) == (2, 2)


def test_three_input_adders_take_one_dual_lut_a_bit(tmp_path):
    pipeline = solved((9, 4))
    emit_verilog(pipeline, tmp_path / "rtl")
    used = synthesize(pipeline, tmp_path / "rtl", tmp_path / "synth").total
    assert used.cells["LUT6_2"] > 0.5 * used.lut
    assert used.logic_levels <= 6


@pytest.mark.usefixtures("empty_cache")
def test_unchanged_modules_are_not_run_again(build, tmp_path, monkeypatch):
    pipeline, _, made = build
    emit_verilog(pipeline, tmp_path / "rtl")
    ran, execute = [], yosys._execute
    monkeypatch.setattr(
        yosys, "_execute", lambda runs, *rest: (ran.append([r.name for r in runs]), execute(runs, *rest))
    )
    assert synthesize(pipeline, tmp_path / "rtl", tmp_path / "synth") == made
    assert synthesize(pipeline, tmp_path / "rtl", tmp_path / "elsewhere") == made
    other = tmp_path / "rtl" / "example_requantize_relu_0.sv"
    other.write_text(other.read_text() + "// changed\n")
    assert synthesize(pipeline, tmp_path / "rtl", tmp_path / "synth") == made
    # the top instantiates it
    assert [sorted(names) for names in ran[1:]] == [[], ["example", "example_requantize_relu_0"]]


@pytest.mark.usefixtures("empty_cache")
def test_a_script_names_the_verilog_of_its_own_place(tmp_path):
    """Also where the netlist is known from a place that lay elsewhere; `prove` compares scripts byte by byte."""
    pipeline = solved((3, 2))
    emit_verilog(pipeline, tmp_path / "here" / "rtl")
    synthesize(pipeline, tmp_path / "here" / "rtl", tmp_path / "far" / "off" / "synth")
    synthesize(pipeline, tmp_path / "here" / "rtl", tmp_path / "here" / "synth")
    scripts = sorted((tmp_path / "here" / "synth").glob("*.ys"))
    assert scripts
    for path in scripts:
        assert '"../rtl/' in path.read_text()
        assert "here" not in path.read_text()


def test_a_failing_run_names_the_log_and_leaves_no_netlist(tmp_path):
    with pytest.raises(ToolError, match=r"failed with exit code 1; full log: .*example\.log"):
        run_one(tmp_path, "module example(output y); assign y = nothing(1); endmodule")
    assert not (tmp_path / "synth" / "example.json").exists()


@pytest.mark.usefixtures("empty_cache")
def test_one_process_at_a_time_or_several_give_the_same_netlists(build, tmp_path):
    pipeline, folder, made = build
    emit_verilog(pipeline, tmp_path / "rtl")
    assert synthesize(pipeline, tmp_path / "rtl", tmp_path / "synth", jobs=1) == made
    for path in yosys.netlist_files(pipeline, tmp_path / "synth"):
        data = json.loads(path.read_text())
        shared = json.loads((folder / "synth" / path.name).read_text())
        assert data["modules"][path.stem]["cells"] == shared["modules"][path.stem]["cells"]


def test_forms_are_mapped_once_and_dissolve_into_what_a_flat_run_gives(tmp_path, empty_cache, monkeypatch):
    """Operands that are constant in part, shared and unread bits: as if Yosys had seen no module boundary."""
    pipeline = solved((9, 4, 3))
    emit_verilog(pipeline, tmp_path / "rtl")
    made = synthesize(pipeline, tmp_path / "rtl", tmp_path / "synth")
    kept = sorted((empty_cache / "yosys-forms").iterdir())
    assert kept
    assert empty_cache.stat().st_mode & 0o077 == 0
    monkeypatch.setattr(yosys, "forms_in", lambda *_: frozenset())  # nothing is known of the library then
    monkeypatch.setenv("BITTRIGGER_CACHE", str(tmp_path / "other"))
    flat = synthesize(pipeline, tmp_path / "rtl", tmp_path / "flat")
    assert not (tmp_path / "other" / "yosys-forms").exists()
    assert flat.total == made.total
    assert flat.modules == made.modules


@pytest.mark.parametrize("kind", ["yosys-forms", "yosys-netlists", "yosys-counts"])
def test_a_damaged_cache_is_not_trusted(tmp_path, empty_cache, kind):
    pipeline = solved((9, 2))
    emit_verilog(pipeline, tmp_path / "rtl")
    made = synthesize(pipeline, tmp_path / "rtl", tmp_path / "synth")
    good = {path: path.read_bytes() for path in sorted((empty_cache / kind).iterdir())}
    assert good
    for damage in (lambda data, _: data[:-1], lambda data, _: data[:40] + b"\0" + data[41:], lambda _, other: other):
        for path, data in good.items():
            path.write_bytes(damage(data, good[max(good)] if path != max(good) else good[min(good)][::-1]))
        if kind == "yosys-forms":
            shutil.rmtree(empty_cache / "yosys-netlists")  # else forms are not read
        again = synthesize(pipeline, tmp_path / "rtl", tmp_path / "again")
        assert again == made
        assert {path: path.read_bytes() for path in good} == good, "made again"


def test_the_cache_of_somebody_else_is_refused(tmp_path, empty_cache, monkeypatch):
    empty_cache.mkdir()
    monkeypatch.setattr("os.getuid", lambda: empty_cache.stat().st_uid + 1)
    with pytest.raises(ConfigError, match="cache folder .* belongs to user .*; expected one of user"):
        run_one(tmp_path, "module example(output y); assign y = 1; endmodule")


def test_a_module_that_fails_among_others_is_named(tmp_path):
    pipeline = mlp((8, 6, 3))
    emit_verilog(pipeline, tmp_path / "rtl")
    module = tmp_path / "rtl" / "example_requantize_relu_0.sv"
    module.write_text(module.read_text().replace("endmodule", "assign y = nothing(1); endmodule"))
    with pytest.raises(
        ToolError, match=r"example_requantize_relu_0\.ys: failed; its log: example_requantize_relu_0\.log"
    ):
        synthesize(pipeline, tmp_path / "rtl", tmp_path / "synth")
    assert not (tmp_path / "synth" / "example_requantize_relu_0.json").exists()
    assert not (tmp_path / "synth" / "example.json").exists()


def test_of_scripts_that_fail_the_first_in_their_order_is_named(tmp_path):
    """Two at a time read the same wrong file; the one that comes second fails long before the first."""
    (tmp_path / "wrong.sv").write_text("module wrong(output y); assign y = nothing(1); endmodule\n")
    slow = tmp_path / "slow.ys"
    slow.write_text("# slow\n" + "design -push\ndesign -pop\n" * 300 + f"read_verilog -sv {tmp_path}/wrong.sv\n")
    quick = tmp_path / "quick.ys"
    quick.write_text(f"# quick\nread_verilog -sv {tmp_path}/wrong.sv\n")
    worker = [sys.executable, yosys_worker.__file__, "-j", "2", slow, quick]
    ended = subprocess.run(worker, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert f"{slow}: failed; its log: {slow.with_suffix('.log')}" in ended.stdout
    assert "quick.ys: failed" not in ended.stdout


def test_absent_module(tmp_path):
    with pytest.raises(ToolError, match="module 'example' is declared in no .sv file"):
        run_one(tmp_path, "module other(); endmodule", name="other")


def test_unreadable_netlist(tmp_path):
    (tmp_path / "top.json").write_text("{")
    with pytest.raises(ToolError, match="not readable .*; synthesise the design again"):
        read_netlist("top", [tmp_path / "top.json"])


def test_worker_is_the_installed_python(build):
    script = (build[1] / "synth" / "example.ys").read_text()
    assert script.startswith(f"# Yosys {yosys.tool_version()}: example for UltraScale+\n")
    assert 'read_verilog -sv -lib "../rtl/example_bitlinear_dense_0.sv"\n' in script


def test_counting_is_the_same_from_the_files(build):
    pipeline, folder, made = build
    assert utilization(read_netlist("example", yosys.netlist_files(pipeline, folder / "synth"))) == made.total


def test_kept_counts_depend_on_all_code_that_counts(root):
    folder = root / "bittrigger" / "synth"
    read = {
        name
        for file in yosys.COUNTING
        for name in re.findall(r"^from bittrigger\.synth\.(\w+)", (folder / file).read_text(), re.M)
    }
    assert {f"{name}.py" for name in read} <= set(yosys.COUNTING)


def test_vivado_script_lists_every_source(tmp_path):
    pipeline = solved((9, 4))
    emit_verilog(pipeline, tmp_path / "rtl")
    text = write_vivado_script(pipeline, "xcvu13p-flga2577-2-e", tmp_path / "rtl", tmp_path / "synth").read_text()
    assert '"../rtl/example.sv"' in text
    assert '"ultrascale/bittrigger_adder3.sv"' in text
    assert "-period 2.7778" in text


def test_utilization_of_two_layouts():
    routed = vivado.parse_utilization(REPORTS / "utilization_route.rpt")
    assert [figure.value for figure in (routed.lut, routed.ff, routed.carry8, routed.dsp, routed.bram36)] == [
        1234, 2345, 210, 0, 1.5,
    ]  # fmt: skip
    assert (routed.lut.origin, routed.lut.tool, routed.lut.version) == (Origin.ROUTE, "Vivado", "2023.2")
    older = vivado.parse_utilization(REPORTS / "utilization_synth_7series.rpt")
    assert (older.lut.value, older.ff.value, older.carry8.value) == (987, 654, None)
    assert (older.lut.origin, older.lut.version) == (Origin.SYNTH, "2018.3")


def test_slack():
    slack = vivado.parse_slack(REPORTS / "timing_route.rpt")
    assert (slack.value, slack.origin) == (-0.123, Origin.ROUTE)


def test_high_level_synthesis_in_both_forms():
    found = vitis.parse_csynth_xml(REPORTS / "csynth.xml")
    assert found == vitis.parse_csynth_text(REPORTS / "example_csynth.rpt")
    assert (found.resources.lut.value, found.resources.ff.value, found.resources.bram36.value) == (7890, 4567, 1.5)
    assert (found.latency_cycles.value, found.ii_cycles.value, found.clock_period_ns.value) == (11, 1, 1.987)
    assert found.resources.lut.origin is Origin.CSYNTH


def test_cosimulation():
    found = vitis.parse_cosim(REPORTS / "example_cosim.rpt")
    assert (found.passed, found.latency_cycles.value, found.resources.lut.value) == (True, 11, None)


@pytest.mark.parametrize(
    ("parse", "fixture", "old", "new", "message"),
    [
        (vivado.parse_utilization, "utilization_route.rpt", "CLB LUTs", "CLB lookups", "no row CLB LUTs or Slice LUTs"),
        (vivado.parse_utilization, "utilization_route.rpt", "| Used |", "| Gone |", "no row CLB LUTs or Slice LUTs"),
        (
            vivado.parse_utilization,
            "utilization_route.rpt",
            "State : Routed",
            "State : Fully Placed",
            "design state 'Fully Placed'",
        ),
        (
            vivado.parse_utilization,
            "utilization_route.rpt",
            "| 1234 |",
            "| some |",
            "'some' where a number is expected",
        ),
        (vivado.parse_utilization, "utilization_route.rpt", "Vivado v.2023.2", "other", "no tool version"),
        (vivado.parse_slack, "timing_route.rpt", "WNS(ns)", "WNS(ps)", r"no column 'WNS\(ns\)'"),
        (vivado.parse_slack, "timing_route.rpt", ": Routed", ": Synthesized", "allowed is Routed"),
        (vitis.parse_csynth_xml, "csynth.xml", "</profile>", "", "not XML"),
        (vitis.parse_csynth_xml, "csynth.xml", "LUT>", "Lookup>", "no element AreaEstimates/Resources/LUT"),
        (vitis.parse_csynth_text, "example_csynth.rpt", "|Total ", "|Sum ", "no row 'Total'"),
        (
            vitis.parse_csynth_text,
            "example_csynth.rpt",
            "Latency (cycles)",
            "Delay",
            "no summary of timing and latency",
        ),
        (vitis.parse_cosim, "example_cosim.rpt", "Pass", "Done", "no row Verilog or VHDL"),
    ],
)
def test_unknown_layouts_are_refused(tmp_path, parse, fixture, old, new, message):  # noqa: PLR0917 - a table
    text = (REPORTS / fixture).read_text()
    assert old in text
    (tmp_path / fixture).write_text(text.replace(old, new))
    with pytest.raises(ReportError, match=message):
        parse(tmp_path / fixture)


@pytest.mark.parametrize(
    "parse", [vivado.parse_utilization, vivado.parse_slack, vitis.parse_csynth_xml, vitis.parse_cosim]
)
def test_absent_reports(tmp_path, parse):
    with pytest.raises(ReportError, match="No such file or directory; run the vendor's tool first"):
        parse(tmp_path / "absent.rpt")
