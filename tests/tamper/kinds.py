"""Every tampering of the campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from designs import build_of, solved
from test_folding import folding_net

from bittrigger.build.manifest import seal
from bittrigger.build.wrapping import wrap
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.emit.wrappers import AxisOptions
from bittrigger.patterns.design import LinkOptions
from bittrigger.report import make_report, save_report
from bittrigger.settings import Settings
from bittrigger.synth.yosys import synthesize
from tamper.edits import Tampering
from tamper.of_design import other_kinds
from tamper.of_emulator import emulator_kinds
from tamper.of_files import file_kinds
from tamper.of_folded import folded_netlist_kinds, folded_rtl_kinds
from tamper.of_hls import hls_kinds
from tamper.of_netlist import netlist_kinds
from tamper.of_verilog import rtl_kinds


def _plain(folder: Path) -> None:
    build_of(solved((9, 6, 3)), folder, synth=True)


def _folded(folder: Path) -> None:
    build_of(create_pipeline(folding_net(), Settings(clock_mhz=300.0, ii=3)), folder, synth=True)


def _whole(folder: Path) -> None:
    build = build_of(solved((9, 6, 3)), folder)
    used = synthesize(build.pipeline, folder / "rtl", folder / "synth")
    save_report(make_report(build.pipeline, build.settings, used), folder / "report.json")
    seal(folder)
    for choice in (AxisOptions(64), LinkOptions()):
        wrap(build, choice)


SOUND: dict[str, Callable[[Path], None]] = {"plain": _plain, "folded": _folded, "whole": _whole}
"""The builds that are changed: a small one, one that is folded in time, and one with wrappers and a report."""


def tamperings() -> Iterator[Tampering]:
    """All of them, kind after kind, with the executors that read what is changed."""
    for build, executors, kinds in (
        ("plain", ("rtl-fast",), rtl_kinds()),
        ("plain", ("gates",), netlist_kinds()),
        ("plain", ("csim",), hls_kinds()),
        ("plain", ("emulator",), emulator_kinds()),
        ("plain", (), other_kinds()),
        ("folded", ("rtl-fast",), folded_rtl_kinds()),
        ("folded", ("gates",), folded_netlist_kinds()),
        ("whole", (), file_kinds()),
    ):
        for kind, rows in kinds.items():
            for name, edit in rows:
                yield Tampering(kind, name, edit, executors, build)
