"""What wrappers cost with Yosys for UltraScale+, the design itself left out: python benchmarks/wrappers.py."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from networks import network

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.compile.read import read_file
from bittrigger.emit.verilog import emit_verilog
from bittrigger.emit.wrappers import AxisOptions, axis_latency_cycles, axis_streams, emit_axis, emit_emp
from bittrigger.emit.wrappers.control import AxiLiteOptions, IpbusOptions, emit_control
from bittrigger.ir.held.bus import writes
from bittrigger.ir.pipeline import Pipeline
from bittrigger.patterns.design import LinkOptions, make_payload
from bittrigger.settings import Settings

SYNTHESIZE = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
top, stub, *sources = sys.argv[1:]
for command in (
    f"read_verilog -sv -lib {stub}",
    "read_verilog -sv " + " ".join(sources),
    f"synth_xilinx -family xcup -top {top} -flatten -noiopad -noclkbuf",
    "tee -q -o stat.json stat -json",
):
    ys.run_pass(command, design)
"""


def cells(files: tuple[Path, ...], design: Path) -> dict[str, int]:
    """How many primitives of each kind the wrapper ``files`` have, the top first, the design left out."""
    with tempfile.TemporaryDirectory() as scratch:
        text = design.read_text(encoding="utf-8")
        stub = Path(scratch) / "stub.sv"
        stub.write_text(text[text.index("\nmodule ") : text.index("\n);") + 3] + "\nendmodule\n", encoding="utf-8")
        command = [sys.executable, "-c", SYNTHESIZE, files[0].stem, str(stub), *map(str, files)]
        subprocess.run(command, cwd=scratch, check=True, capture_output=True)
        found = json.loads((Path(scratch) / "stat.json").read_text(encoding="utf-8"))["design"]["num_cells_by_type"]
    return {str(kind): int(number) for kind, number in found.items()}


def total(found: dict[str, int], *prefixes: str) -> int:
    """The primitives whose names begin so."""
    return sum(number for kind, number in found.items() if kind.startswith(prefixes))


def count(files: tuple[Path, ...], design: Path) -> str:
    """LUT, of these shift registers and memory, and FF of the wrapper ``files``, the top first, as table cells."""
    return counted(cells(files, design))


def counted(found: dict[str, int]) -> str:
    """The same of primitives that are counted."""
    memory = total(found, "SRL") + 8 * total(found, "RAM32M16")  # a RAM32M16 takes the eight LUTs of a slice
    return f"{total(found, 'LUT', 'INV') + memory} | {memory} | {total(found, 'FD')}"


def control_rows(pipeline: Pipeline, folder: Path) -> None:
    """Print a row for each slave by which a control computer writes what ``pipeline`` holds."""
    design, words = emit_verilog(pipeline, folder / "rtl")[0], len(writes(pipeline.graph)) - 1
    for title, options in (("AXI4-Lite", AxiLiteOptions()), ("IPbus", IpbusOptions())):
        found = cells(emit_control(pipeline, options, folder / options.bus), design)
        blocks = f"{total(found, 'RAMB18')} RAMB18, {total(found, 'RAMB36')} RAMB36"
        print(f"| {pipeline.graph.name}, held weights | {title}: {words} words, {blocks} | {counted(found)} | - |")


def rows(pipeline: Pipeline, folder: Path) -> None:
    """Print a row for each wrapper of ``pipeline``."""
    name, design = pipeline.graph.name, emit_verilog(pipeline, folder / "rtl")[0]
    for tmux in (1, 6, 18):
        payload = make_payload(pipeline.graph, pipeline.latency_cycles, LinkOptions(tmux))
        cost = count(emit_emp(pipeline, payload, folder / "emp"), design)
        shape = f"{payload.inputs.links} x {payload.inputs.words} words in, {payload.outputs.links} x {payload.outputs.words} out"
        print(f"| {name} | EMP, TMUX {tmux}: {shape} | {cost} | {payload.latency_cycles} |")
    for beat_bits in (64, 512):
        options = AxisOptions(beat_bits)
        inputs, outputs = axis_streams(pipeline, options)
        cost = count(emit_axis(pipeline, options, folder / "axis"), design)
        shape = f"{inputs.beats} beats in, {outputs.beats} out"
        print(f"| {name} | AXI, {beat_bits} bits: {shape} | {cost} | {axis_latency_cycles(pipeline, inputs)} |")


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["jet_tagger", "event_filter"])
    options = parser.parse_args()
    settings = Settings()
    print("| model | wrapper | LUT | of these memory | FF | latency (cycles) |\n|---|---|---|---|---|---|")
    for name in options.models:
        graph = read_file(network(name), replace(settings, name=name), check=False).graph
        with tempfile.TemporaryDirectory() as scratch:
            rows(create_pipeline(graph, settings), Path(scratch))
    held = replace(settings, name="jet_tagger", reloadable="weights")
    graph = read_file(network("jet_tagger"), held, check=False).graph
    with tempfile.TemporaryDirectory() as scratch:
        control_rows(create_pipeline(graph, replace(held, effort="fast")), Path(scratch))


if __name__ == "__main__":
    main()
