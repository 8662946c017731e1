"""Waveform formats: FST where its libraries are installed, VCD everywhere."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from bittrigger.system.toolchain import require_tool


@dataclass(frozen=True)
class WaveFormat:
    """A format that Verilator writes.

    Attributes:
        suffix: of its files.
        option: by which Verilator is told.
        part: of Verilator's run-time library; its header has the same name.
        writer: C++ class.
        libraries: to link.
    """

    suffix: str
    option: str
    part: str
    writer: str
    libraries: tuple[str, ...]


VCD = WaveFormat(".vcd", "--trace-vcd", "verilated_vcd_c", "VerilatedVcdC", ())
FST = WaveFormat(".fst", "--trace-fst", "verilated_fst_c", "VerilatedFstC", ("-llz4", "-lz"))

_PROBE = "#include <lz4.h>\n#include <zlib.h>\nint main() { return LZ4_versionNumber() == 0 || !zlibVersion(); }\n"


def wave_format() -> WaveFormat:
    """FST, which is ten times smaller, if headers and libraries of lz4 and zlib are there; else VCD.

    Raises:
        ToolNotFoundError: if g++ is missing.
    """
    command = [require_tool("g++"), "-x", "c++", "-", "-o", os.devnull, *FST.libraries]
    done = subprocess.run(command, input=_PROBE, capture_output=True, text=True, check=False)
    return VCD if done.returncode else FST
