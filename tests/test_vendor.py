"""Vendor tools: their scripts are run, and what they leave behind is read; absent, they are named."""

import shutil
from pathlib import Path

import pytest

from bittrigger.build.folder import write_firmware
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.errors import ReportError, ToolError, ToolNotFoundError
from bittrigger.ir.fixed import FixedPoint
from bittrigger.ir.graph import Graph, Input, Linear, frozen_array
from bittrigger.report import make_report
from bittrigger.report.vendor import add_captured, run_vendor_tools
from bittrigger.settings import Settings

CAPTURED = Path(__file__).parent / "reports"


@pytest.fixture
def build(tmp_path):
    kind = FixedPoint(True, 8, 4)
    layer = Linear("dense", ("x",), frozen_array([[1], [-1]]), frozen_array([0]), 4)
    settings = Settings()
    pipeline = create_pipeline(Graph("tiny", (Input("x", 2, kind, kind.interval), layer), ("dense",)), settings)
    write_firmware(pipeline, tmp_path, settings)
    return tmp_path, make_report(pipeline, settings, None)


def program(folder: Path, name: str, body: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\nset -e\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_without_the_tools_their_rows_are_missing_and_the_command_is_named(build):
    folder, report = build
    same = add_captured(report, folder)
    assert same.totals.route.lut.value is None
    assert any("vivado -mode batch -source synth/vivado_synth.tcl" in missing.command for missing in same.missing)
    assert (folder / "synth" / "vivado_synth.tcl").is_file()


def test_a_missing_tool_is_named(build, monkeypatch):
    monkeypatch.setenv("BITTRIGGER_VITIS_RUN", "no-such-program")
    with pytest.raises(ToolNotFoundError, match="'vitis-run' not found; .* settings64.sh"):
        run_vendor_tools(build[0])


def test_the_scripts_are_run_and_their_reports_read(build, monkeypatch):
    folder, report = build
    hls = "grep -q 'set name tiny' build_prj.tcl; mkdir -p tiny_prj/solution1/syn/report"
    copy = f"cp {CAPTURED}/csynth.xml tiny_prj/solution1/syn/report/"
    monkeypatch.setenv("BITTRIGGER_VITIS_RUN", program(folder, "vitis", f"{hls}; {copy}"))
    reports = f"cp {CAPTURED}/utilization_route.rpt {CAPTURED}/timing_route.rpt ."
    monkeypatch.setenv("BITTRIGGER_VIVADO", program(folder, "vivado", f'test -f "$6"; {reports}'))
    run_vendor_tools(folder)
    full = add_captured(report, folder)
    assert full.totals.route.lut.value == 1234
    assert full.totals.route.lut.origin.value == "route"
    assert full.totals.csynth.lut.value is not None
    assert full.totals.wns_ns.value is not None
    assert not any("vivado" in missing.command for missing in full.missing)


def test_a_failing_tool_shows_its_last_lines(build, monkeypatch):
    folder, _ = build
    monkeypatch.setenv("BITTRIGGER_VITIS_RUN", program(folder, "vitis", "echo ERROR: no licence; exit 3"))
    monkeypatch.setenv("BITTRIGGER_VIVADO", shutil.which("true"))
    with pytest.raises(ToolError, match=r"exit code 3; full log: .*build_prj.log\nERROR: no licence"):
        run_vendor_tools(folder)


def test_a_damaged_report_is_refused(build):
    folder, report = build
    (folder / "synth" / "timing_route.rpt").write_text("truncated")
    with pytest.raises(ReportError, match="timing_route.rpt"):
        add_captured(report, folder)


def test_the_vivado_script_fails_on_negative_slack_and_keeps_a_checkpoint(tmp_path):
    from designs import mlp

    from bittrigger.device.parts import vivado_name
    from bittrigger.synth.vivado_script import write_vivado_script

    (tmp_path / "rtl").mkdir()
    text = write_vivado_script(mlp((3, 2)), "xcvu9p-flga2104-2L-e", tmp_path / "rtl", tmp_path / "synth").read_text()
    for command in ("get_timing_paths -$kind", "exit 1", "write_checkpoint -force", "report_utilization -hierarchical"):
        assert command in text
    assert "no package" not in text
    bare = write_vivado_script(mlp((3, 2)), vivado_name("xcvu37p"), tmp_path / "rtl", tmp_path / "bare").read_text()
    assert "part xcvu37p: no package and speed grade" in bare
    assert vivado_name("xcvu9p") == "xcvu9p-flga2104-2L-e"
    assert vivado_name("xcu250") == "xcu250-figd2104-2L-e"
    assert vivado_name("xcvu13p-flga2577-2-e") == "xcvu13p-flga2577-2-e"


def test_no_free_running_pipeline_is_asked_for(root):
    for path in [*(root / "hls_templates").glob("*"), *(root / "firmware").glob("*/hls/*.tcl")]:
        assert "frp" not in path.read_text(), path
