"""Several designs in one FPGA project: modules bear the name of their design, and the library is there once."""

import os
import subprocess
import sys
from pathlib import Path

from designs import mlp
from library import yosys

from bittrigger.emit.verilog import LIBRARY, emit_verilog
from bittrigger.ir.graph import evaluate
from bittrigger.ir.ports import bus_width, input_fields, output_fields, pack
from bittrigger.simulate.simulators.verilator import find_verilator
from bittrigger.simulate.vectors import random_codes

MODELS = ("jet_tagger", "event_filter", "anomaly")


def sources(*folders: Path) -> list[Path]:
    """The Verilog of all folders, each file of the library once."""
    found = [path for folder in folders for path in sorted(folder.glob("*.sv"))]
    return list({path.name: path for path in found}.values())


def modules(path: Path) -> set[str]:
    return {line.split()[1] for line in path.read_text().splitlines() if line.startswith("module ")}


def test_no_module_occurs_in_two_shipped_designs(root):
    folders = [root / "firmware" / name / "rtl" for name in MODELS]
    named = [{module for path in folder.glob("*.sv") for module in modules(path)} - set(LIBRARY) for folder in folders]
    assert sum(map(len, named)) == len(set().union(*named))
    for name, found in zip(MODELS, named, strict=True):
        assert all(module == name or module.startswith(f"{name}_") for module in found)


BENCH = """\
module bench;
    bit clk, rst = 1;
    bit [{a_in}:0] a_events [{events}];
    bit [{b_in}:0] b_events [{events}];
    bit in_valid;
    bit [{a_in}:0] a_in;
    bit [{b_in}:0] b_in;
    wire a_valid, b_valid;
    wire [{a_out}:0] a_out;
    wire [{b_out}:0] b_out;

    {a} u_a (.clk(clk), .rst(rst), .in_valid(in_valid), .in_data(a_in), .out_valid(a_valid), .out_data(a_out));
    {b} u_b (.clk(clk), .rst(rst), .in_valid(in_valid), .in_data(b_in), .out_valid(b_valid), .out_data(b_out));

    always #1 clk = !clk;
    always @(negedge clk) begin
        if (a_valid) $display("a %h", a_out);
        if (b_valid) $display("b %h", b_out);
    end
    initial begin
        $readmemh("a.hex", a_events);
        $readmemh("b.hex", b_events);
        repeat (2) @(negedge clk);
        rst = 0;
        for (int k = 0; k < {events}; k++) begin
            in_valid = 1; a_in = a_events[k]; b_in = b_events[k];
            @(negedge clk);
        end
        in_valid = 0;
        repeat (40) @(negedge clk);
        $finish;
    end
endmodule
"""


MAKE = (
    *("CXX=g++", "LINK=g++", "AR=ar", f"PYTHON3={sys.executable}", "OPT_FAST=-O1", "OPT_GLOBAL=-O1"),
    *("CFG_CXXFLAGS_PCH_I=-include", "CFG_CXXFLAGS_COROUTINES=-fcoroutines", "CFG_LDLIBS_THREADS=-pthread"),
)
"""What the make file of the wheel took from the machine that it was built on: a bench with times of its own needs make."""


def words(codes, fields):
    """Each event as the integer on the port."""
    return [int.from_bytes(row.tobytes(), "little") for row in pack(codes, fields)]


def simulated(folder: Path, pipelines, codes) -> tuple[list[str], list[str]]:
    """What two designs in one top deliver, event after event."""
    first, second = pipelines
    fields = [input_fields(pipeline.graph) for pipeline in pipelines]
    results = [output_fields(pipeline.graph) for pipeline in pipelines]
    widths = [bus_width(ports) - 1 for ports in (*fields, *results)]
    values = dict(zip(("a_in", "b_in", "a_out", "b_out"), widths, strict=True))
    bench = folder / "bench.sv"
    bench.write_text(BENCH.format(a=first.graph.name, b=second.graph.name, events=len(codes[0]), **values))
    for name, events, ports in zip("ab", codes, fields, strict=True):
        (folder / f"{name}.hex").write_text("\n".join(f"{word:x}" for word in words(events, ports)) + "\n")
    tool = find_verilator()
    environment = {**os.environ, "MAKEFLAGS": " ".join(MAKE), "VERILATOR_ROOT": str(tool.root)}
    command = [
        tool.binary,
        "--binary",
        "--timing",
        "-Wno-fatal",
        "--top-module",
        "bench",
        "--Mdir",
        "built",
        "-o",
        "bench",
    ]
    made = sources(folder / first.graph.name, folder / second.graph.name)
    subprocess.run([*command, *made, bench], cwd=folder, env=environment, check=True, capture_output=True)
    printed = subprocess.run(
        [folder / "built" / "bench"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    lines = [line.split() for line in printed.splitlines() if line[:2] in ("a ", "b ")]
    return tuple([word for name, word in lines if name == which] for which in "ab")


def test_two_versions_of_a_design_share_a_top(tmp_path):
    """The same layers by the same names, with other weights: each instance delivers its own results."""
    pipelines = [mlp((6, 5, 3), seed=1, name="first"), mlp((6, 5, 3), seed=2, name="second")]
    for pipeline in pipelines:
        emit_verilog(pipeline, tmp_path / pipeline.graph.name)
    codes = [random_codes(pipeline.graph, 50, 3) for pipeline in pipelines]
    found = simulated(tmp_path, pipelines, codes)
    for pipeline, events, printed in zip(pipelines, codes, found, strict=True):
        assert [int(word, 16) for word in printed] == words(
            evaluate(pipeline.graph, events), output_fields(pipeline.graph)
        )


def test_all_shipped_designs_are_one_project(root, tmp_path):
    made = sources(*(root / "firmware" / name / "rtl" for name in MODELS))
    instances = "\n".join(f"    {name} u_{name} ();" for name in MODELS)
    (tmp_path / "board.sv").write_text(f"module board;\n{instances}\nendmodule\n")
    done = yosys(tmp_path, f"read_verilog -sv board.sv {' '.join(map(str, made))}", "hierarchy -check -top board")
    assert done.returncode == 0, done.stderr
    tool = find_verilator()
    command = [tool.binary, "--lint-only", "-Wno-PINMISSING", "--top-module", "board", "board.sv", *made]
    environment = {**os.environ, "VERILATOR_ROOT": str(tool.root)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
