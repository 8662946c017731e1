"""Every tampering of the campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import test_engine
import test_stream_port
import test_tally
from designs import build_of, digit_sums, digits, modulo, products, scales, solved, tables
from designs import graph as ternary_graph
from test_folding import folding_net

from bittrigger.build.folder import Build
from bittrigger.build.manifest import seal
from bittrigger.build.wrapping import wrap
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.emit.wrappers import AxisOptions
from bittrigger.ir.graph import Graph
from bittrigger.passes.hold import Holding
from bittrigger.passes.simplify import simplify
from bittrigger.patterns.design import LinkOptions
from bittrigger.report import make_report, save_report
from bittrigger.settings import Settings
from bittrigger.synth.yosys import synthesize
from tamper.edits import Rows, Tampering
from tamper.of_design import other_kinds
from tamper.of_digits import digits_netlist_kinds, digits_rtl_kinds
from tamper.of_emulator import emulator_kinds
from tamper.of_files import bus_kinds, file_kinds, wrapper_kinds
from tamper.of_folded import folded_netlist_kinds, folded_rtl_kinds
from tamper.of_held import held_emulator_kinds, held_file_kinds, held_hls_kinds, held_netlist_kinds, held_rtl_kinds
from tamper.of_hls import hls_kinds
from tamper.of_kinds import (
    FLIPPED,
    flipped_kinds,
    modulo_rtl_kinds,
    products_rtl_kinds,
    scales_rtl_kinds,
    steps_netlist_kinds,
    steps_rtl_kinds,
    sums_rtl_kinds,
    tables_rtl_kinds,
    turns_netlist_kinds,
    turns_rtl_kinds,
)
from tamper.of_memory import block_netlist_kinds, memory_netlist_kinds, memory_rtl_kinds
from tamper.of_netlist import netlist_kinds
from tamper.of_verilog import rtl_kinds
from tamper.of_vhdl import digits_vhdl_kinds, held_vhdl_kinds, words_vhdl_kinds
from tamper.of_words import words_netlist_kinds, words_rtl_kinds


def _plain(folder: Path) -> None:
    build_of(solved((9, 6, 3)), folder, synth=True)


def _folded(folder: Path) -> None:
    build_of(create_pipeline(folding_net(), Settings(clock_mhz=300.0, ii=3)), folder, synth=True)


def _whole(folder: Path) -> None:
    build = build_of(solved((9, 6, 3)), folder)
    used = synthesize(build.pipeline, folder / "rtl", folder / "synth")
    save_report(make_report(build.pipeline, build.settings, used), folder / "report.json")
    seal(folder)
    _wrap(build)


def _wrap(build: Build) -> None:
    for choice in (AxisOptions(64), LinkOptions()):
        wrap(build, choice)


def _held(folder: Path) -> None:
    held = simplify(ternary_graph((7, 5, 3)), held=Holding(weights=True, bias=False))
    _wrap(build_of(create_pipeline(held, Settings(effort="fast")), folder, synth=True, hdl="vhdl"))


def _memory(folder: Path) -> None:
    held = simplify(ternary_graph((7, 5, 3)), held=Holding(weights=True, bias=False))
    build_of(create_pipeline(held, Settings(effort="fast", ii=3)), folder, synth=True)


def _blocks(folder: Path) -> None:
    held = simplify(ternary_graph((18, 35, 2)), held=Holding(weights=True, bias=False))
    with FREE_BLOCKS:
        build_of(create_pipeline(held, Settings(effort="fast", ii=35)), folder, synth=True)


def _words(folder: Path) -> None:
    settings = Settings(clock_mhz=300.0, ii=4, port="stream")
    build_of(create_pipeline(test_stream_port.constituent_net(), settings), folder, synth=True, hdl="vhdl")


def _digits(folder: Path) -> None:
    build_of(create_pipeline(digits(), Settings(clock_mhz=360.0, ii=18)), folder, synth=True, hdl="vhdl")


def _steps(folder: Path) -> None:
    with patch("bittrigger.compile.pipeline.serial_layers", lambda *_: []):
        pipeline = create_pipeline(test_engine.network(), Settings(clock_mhz=360.0, ii=40))
    build_of(pipeline, folder, synth=True)


def _turns(folder: Path) -> None:
    build_of(create_pipeline(test_tally.network(), Settings(clock_mhz=240.0, ii=4)), folder, synth=True)


def _of(graph: Graph, clock_mhz: float) -> Callable[[Path], None]:
    return lambda folder: _synthesised(graph, Settings(clock_mhz=clock_mhz), folder)


def _synthesised(graph: Graph, settings: Settings, folder: Path) -> None:
    build_of(create_pipeline(graph, settings), folder, synth=True)


FREE_BLOCKS = patch("bittrigger.schedule.held.BLOCK_LUTS", 0)
"""Block RAM costs nothing, so that a small design takes some."""

SOUND: dict[str, Callable[[Path], None]] = {
    "plain": _plain,
    "folded": _folded,
    "whole": _whole,
    "held": _held,
    "memory": _memory,
    "blocks": _blocks,
    "words": _words,
    "digits": _digits,
    "steps": _steps,
    "turns": _turns,
    "tables": _of(tables(), 300.0),
    "sums": _of(digit_sums(), 480.0),
    "products": _of(products(), 300.0),
    "scales": _of(scales(2), 480.0),
    "modulo": _of(modulo(), 360.0),
}
"""The builds that are changed: a small one, one that is folded in time, one with wrappers and a report, one that holds weights in
registers, one in LUT memory, one in block RAM, one whose events come in words, and one for each other kind of module. Those that hold, take words or pass digits have VHDL too."""


def tamperings() -> Iterator[Tampering]:
    """All of them, kind after kind, with the executors that read what is changed."""
    table: list[tuple[str, tuple[str, ...], dict[str, Rows]]] = [
        ("plain", ("rtl-fast",), rtl_kinds()),
        ("plain", ("gates",), netlist_kinds()),
        ("plain", ("csim",), hls_kinds()),
        ("plain", ("emulator",), emulator_kinds()),
        ("plain", (), other_kinds()),
        ("folded", ("rtl-fast",), folded_rtl_kinds()),
        ("folded", ("gates",), folded_netlist_kinds()),
        ("whole", (), file_kinds()),
        ("whole", (), wrapper_kinds()),
        ("held", ("rtl-fast",), held_rtl_kinds()),
        ("held", ("gates",), held_netlist_kinds()),
        ("held", (), held_file_kinds()),
        ("held", ("emulator",), held_emulator_kinds()),
        ("held", ("csim",), held_hls_kinds()),
        ("held", ("vhdl",), held_vhdl_kinds()),
        ("held", (), bus_kinds()),
        ("memory", ("rtl-fast",), memory_rtl_kinds()),
        ("memory", ("gates",), memory_netlist_kinds()),
        ("blocks", ("gates",), block_netlist_kinds()),
        ("words", ("rtl-fast",), words_rtl_kinds()),
        ("words", ("gates",), words_netlist_kinds()),
        ("words", ("vhdl",), words_vhdl_kinds()),
        ("digits", ("rtl-fast",), digits_rtl_kinds()),
        ("digits", ("gates",), digits_netlist_kinds()),
        ("digits", ("vhdl",), digits_vhdl_kinds()),
        ("steps", ("rtl-fast",), steps_rtl_kinds()),
        ("steps", ("gates",), steps_netlist_kinds()),
        ("turns", ("rtl-fast",), turns_rtl_kinds()),
        ("turns", ("gates",), turns_netlist_kinds()),
        ("tables", ("rtl-fast",), tables_rtl_kinds()),
        ("sums", ("rtl-fast",), sums_rtl_kinds()),
        ("products", ("rtl-fast",), products_rtl_kinds()),
        ("scales", ("rtl-fast",), scales_rtl_kinds()),
        ("modulo", ("rtl-fast",), modulo_rtl_kinds()),
        *((build, ("gates",), flipped_kinds(build)) for build in FLIPPED),
    ]
    for build, executors, kinds in table:
        for kind, rows in kinds.items():
            for name, edit in rows:
                yield Tampering(kind, name, edit, executors, build)
