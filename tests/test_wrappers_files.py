"""Files of wrappers: clean under every lint, read by Yosys, with the contract and the ports that they state; and the commands."""

import json
import re
import shutil
from dataclasses import replace

import pytest
from designs import build_of
from emp_adapter import check_adapter
from layouts import validate
from library import elaborate, yosys
from wrapped_designs import AXIS, EMP, GRAPH, PIPELINE, payload_of

from bittrigger.build.folder import fresh_folder
from bittrigger.cli import main
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.emit.wrappers import AxisOptions, axis_depth, emit_axis, emit_emp
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.passes.hold import Holding
from bittrigger.passes.simplify import simplify
from bittrigger.patterns.design import LinkOptions, make_payload
from bittrigger.settings import Settings
from bittrigger.simulate.simulators.verilator import find_verilator

# Text


@pytest.mark.parametrize("links", [1, 2, 5])
@pytest.mark.parametrize("out_links", [1, 2])
def test_emp_wrappers_are_clean_under_every_lint(workshop, tmp_path, links, out_links):
    options = LinkOptions(tmux=1, links=links, out_links=out_links)
    files = emit_emp(PIPELINE, make_payload(GRAPH, PIPELINE.latency_cycles, options), tmp_path)
    find_verilator().lint([*workshop[1], *files], "example_emp", tmp_path / "lint.log")


@pytest.mark.parametrize("beat_bits", [8, 320, 328, 1024])
@pytest.mark.parametrize("out_beat_bits", [8, 96])
def test_axis_wrappers_are_clean_under_every_lint(workshop, tmp_path, beat_bits, out_beat_bits):
    files = emit_axis(PIPELINE, AxisOptions(beat_bits, out_beat_bits), tmp_path)
    find_verilator().lint([*workshop[1], *files], "example_axis", tmp_path / "lint.log")


def test_the_header_states_the_contract(tmp_path):
    text = emit_emp(PIPELINE, payload_of("1 link"), tmp_path)[0].read_text()
    latency = 4 + 2 + PIPELINE.latency_cycles
    assert f"latency          {latency} cycles from the first word of a packet on d" in text
    assert f"(4 to collect it, 1 register, {PIPELINE.latency_cycles} in the design, 1 register)" in text
    assert "a packet every 5 cycles or more; TMUX 1 sends one every 9" in text
    text = emit_axis(PIPELINE, AXIS["64"], tmp_path)[0].read_text()
    assert "5 beats of 64 bits, the lowest bits of in_data first" in text
    assert f"s_axis_tready is low while {axis_depth(PIPELINE)} events are between" in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_the_vhdl_adapter_has_the_records_of_emp(tmp_path):
    emit_emp(PIPELINE, payload_of("5 links"), tmp_path)
    text = (tmp_path / "example_emp_links.vhd").read_text()
    assert "d            : in  ldata(4 downto 0);" in text
    assert "q            : out ldata(1 downto 0);" in text
    for flag in ("valid", "start", "last", "start_of_orbit", "strobe"):
        assert f"d_{flag}(k) <= d(k).{flag};" in text
        assert f"q(k).{flag} <= q_{flag}(k);" in text
    ports = re.findall(r"\b([dq]_\w+|packet_error|overrun|rst)\s*:", text)
    wrapper = (tmp_path / "example_emp.sv").read_text()
    assert {port for port in ports if port != "clk_p"} <= set(
        re.findall(r"(\w+)[,\n)]", wrapper[: wrapper.index(");")])
    )


@pytest.mark.skipif(shutil.which("ghdl") is None, reason="GHDL is not installed")
@pytest.mark.parametrize("holds", [False, True], ids=["plain", "held"])
def test_the_vhdl_adapter_hands_on_every_bit(tmp_path, holds):
    graph = simplify(GRAPH, held=Holding(weights=True, bias=False))
    pipeline = create_pipeline(graph, Settings(effort="fast")) if holds else PIPELINE
    for name, options in EMP.items():
        emit_emp(pipeline, make_payload(pipeline.graph, pipeline.latency_cycles, options), tmp_path / name)
        check_adapter(tmp_path / name, "example", tmp_path / f"{name} checked")
    path = tmp_path / "uneven" / "example_emp_links.vhd"
    text = path.read_text()
    for old, new in (
        ("d_start(k) <= d(k).start;", "d_start(k) <= d(k).last;"),
        ("q(k).data <= q_data(", "q(k).data <= not q_data("),
        ("overrun => overrun", "overrun => packet_error"),
    ):
        path.write_text(text.replace(old, new))
        assert path.read_text() != text
        with pytest.raises(AssertionError):
            check_adapter(path.parent, "example", tmp_path / f"broken {old[:5]}")


def test_names_of_the_wrapper_are_reserved(tmp_path):
    taken = replace(PIPELINE, graph=replace(GRAPH, name="bittrigger_delay"))
    with pytest.raises(UnsupportedModelError, match="a module 'bittrigger_delay', a name of the wrapper"):
        emit_axis(taken, AxisOptions(), tmp_path)
    with pytest.raises(ConfigError, match="beats of 12 bits; allowed are multiples of 8 from 8 to 4096"):
        emit_axis(PIPELINE, AxisOptions(12), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("interface", ["emp", "axi-stream"])
def test_yosys_reads_the_wrappers(workshop, tmp_path, interface):
    files = (
        emit_emp(PIPELINE, payload_of("1 link"), tmp_path)
        if interface == "emp"
        else emit_axis(PIPELINE, AXIS["64"], tmp_path)
    )
    sources = " ".join(map(str, (*workshop[1], *files)))
    commands = (f"read_verilog -sv {sources}", f"hierarchy -check -top {files[0].stem}", "proc", "check -assert")
    done = yosys(tmp_path, *commands)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


# Command line


def test_a_file_goes_through_the_wrapper_and_comes_back(root, tmp_path, capsys):
    folder = tmp_path / "tagger"
    with fresh_folder(folder, overwrite=False) as scratch:
        build_of(PIPELINE, scratch)

    def run(*arguments):
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as stop:
            code = stop.code
        streams = capsys.readouterr()
        return code, (streams.out + streams.err).replace("\n", " ")

    link = ("--tmux", 6, "--links", 2, "--gap", 6)
    names = {name: tmp_path / f"{name}.txt" for name in ("in", "expected", "out")}
    assert "latency" in run("wrap", folder, "-i", "emp", *link)[1]
    assert elaborate([folder / "wrap" / "emp" / "example_emp.f"], "example_emp") == (0, "")
    assert run("patterns", "write", folder, "-n", 12, "-o", names["in"], "--expected", names["expected"], *link)[0] == 0
    said = tmp_path / "played.json"
    code, text = run("patterns", "play", folder, names["in"], "-o", names["out"], "--json", said, *link)
    validate(root, "patterns-play-1", json.loads(said.read_text()))
    assert (code, "packet errors 0, overruns 0" in text) == (0, True), text
    assert names["out"].read_text() == names["expected"].read_text()
    assert "12 events, every bit equal" in run("patterns", "check", folder, names["out"], "-n", 12, *link)[1]
    report = tmp_path / "cases.xml"
    judge = ("patterns", "check", folder, names["out"], *link, "--junit", report)
    assert run(*judge, "-n", 12)[0] == 0
    assert "<failure" not in report.read_text()
    assert run(*judge, "-n", 12, "--seed", 5)[0] == 1  # of other events
    assert "<failure" in report.read_text()
    code, text = run("patterns", "play", folder, names["in"], "-o", names["out"], "--links", 3)
    assert code == 2
    assert "board 'example' has 2 links; 'example_emp' has 3; see --links" in text
    assert "latency 12 cycles if nothing waits" in run("wrap", folder, "--interface", "axi-stream")[1]
    for wrong, message in (
        (("-i", "wishbone"), "--interface 'wishbone'; allowed are axi-stream, emp, axi-lite, ipbus"),
        (("-i", "emp", "--tmux", 0), "TMUX 0"),
    ):
        code, text = run("wrap", folder, *wrong)
        assert code == 2
        assert message in text
