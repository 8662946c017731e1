"""The VHDL as GHDL reads it: an implementation of the language that shares nothing with the emitters."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from bittrigger.errors import ToolError
from bittrigger.ir.pipeline import Pipeline
from bittrigger.prove.sources.rtl import Rtl, read_rtl
from bittrigger.system.toolchain import require_tool, run_tool

_TEXT = re.compile(r'"([01]+)"')
_EXTENDED = re.compile(r"\\(\w+)\\")
_COPY = re.compile(r"^(\w+)_n(\d+)_(u_\w+)$")
STANDARD = "--std=08"
TIMEOUT_S = 600.0


def ghdl_version() -> str:
    """What GHDL says of itself, in its first line.

    Raises:
        ToolNotFoundError: if there is none.
        ToolError: if it fails.
    """
    done = subprocess.run(
        [require_tool("ghdl"), "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise ToolError(f"ghdl --version failed with exit code {done.returncode}")
    return done.stdout.splitlines()[0].strip()


def read_vhdl(pipeline: Pipeline, folder: Path, work: Path) -> Rtl:
    """Let GHDL turn the VHDL in ``folder`` into Verilog of gates and registers, module by module, and Yosys read that.

    Args:
        folder: holds ``<design>_vhdl.f``, which names the files in order.
        work: folder for logs and results.

    Raises:
        ToolNotFoundError: if GHDL or Yosys is not installed.
        ToolError: if one of them does not take the design.
    """
    program, work = require_tool("ghdl"), work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    names = (folder / f"{pipeline.graph.name}_vhdl.f").read_text(encoding="ascii").split()
    options = [STANDARD, f"--workdir={work}"]
    run_tool([program, "-a", *options, *names], log=work / "analyse.log", cwd=folder.absolute(), timeout_s=TIMEOUT_S)
    result = work / "design.v"
    with result.open("w", encoding="utf-8") as stream, (work / "synth.log").open("w", encoding="utf-8") as log:
        done = subprocess.run(
            [program, "synth", *options, "--out=verilog", pipeline.graph.name],
            stdout=stream,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=work,
            timeout=TIMEOUT_S,
            check=False,
        )
    if done.returncode:
        said = (work / "synth.log").read_text(encoding="utf-8", errors="replace")[-400:]
        raise ToolError(f"ghdl synth failed with exit code {done.returncode}: {said}")
    result.write_text(repaired(result.read_text(encoding="utf-8")), encoding="utf-8")
    found = read_rtl(pipeline, [result], work / "yosys")
    tops = [name for name in (pipeline.graph.name, pipeline.settings_name) if name is not None]
    numbered = {name: {**found.modules[name], "cells": _numbered(found.modules[name]["cells"])} for name in tops}
    return replace(found, modules={**found.modules, **numbered})


def repaired(text: str) -> str:
    """What GHDL 2.0 writes, as Verilog has it: long constants are no characters, and a name has no second backslash."""
    sized = _TEXT.sub(lambda found: f"{len(found[1])}'b{found[1]}", text)
    return _EXTENDED.sub(r"\1", sized)


def _numbered(cells: dict[str, Any]) -> dict[str, Any]:
    """Instances of a generate loop named as Yosys names them: GHDL flattens the names of blocks and counts from 1.

    A name only tells which copy an instance claims to be; that it is that copy is proven by what it reads and drives.
    """
    return {
        _COPY.sub(lambda found: f"{found[1]}[{int(found[2]) - 1}].{found[3]}", name): cell
        for name, cell in cells.items()
    }
