"""A verilated design as a shared library with the fast harness, and one that is looked into while it runs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bittrigger.emit.render import render
from bittrigger.simulate.simulators.compiled import digest, make_atomically
from bittrigger.simulate.simulators.runtime import LIBRARIES, Runtime, compiled_runtime
from bittrigger.simulate.simulators.verilated_design import PREFIX, SPLIT, Design, Maker, identity, ports_of
from bittrigger.simulate.simulators.verilator import find_verilator
from bittrigger.simulate.simulators.waves import WaveFormat

LINK_FLAGS = ("-shared", "-Wl,-Bsymbolic", "-Wl,--build-id=none")
PROBED = ("--cc", "--no-timing", "-Wno-lint", "-Wno-style", "-Wno-fatal", *SPLIT)
"""Options of Verilator for a design that is looked into."""


@dataclass(frozen=True)
class Probe:
    """A bus of the top module that the harness reads in every cycle.

    Attributes:
        variable: its name in Verilog.
        signal: its name in the verilated C++.
        size: codes on it.
    """

    variable: str
    signal: str
    size: int


def build_library(
    top: str,
    sources: Sequence[Path],
    cache: Path,
    *,
    jobs: int = 1,
    probes: Sequence[Probe] = (),
    wave: WaveFormat | None = None,
) -> Path:
    """The shared library of the design ``top``, from ``cache`` or built there.

    Args:
        sources: SystemVerilog.
        cache: may be deleted, shared and used at the same time by several builds.
        jobs: compilers at a time, for a large design.
        probes: what the harness reads inside the design.
        wave: format of the waveform that it writes, if any.

    Raises:
        ToolNotFoundError: if Verilator or g++ is missing.
        ToolError: if one of them fails.
    """
    tool = find_verilator()
    runtime = compiled_runtime(tool, ("verilated", "verilated_threads", *((wave.part,) if wave else ())))
    texts = {path.name: path.read_bytes() for path in sources}
    if probes:
        texts["probes.vlt"] = _public(top, probes)
    apart = (*PROBED, *((wave.option,) if wave else ())) if probes or wave else ()
    ports = ports_of(texts[f"{top}.sv"])
    starts, holds = "in_start" in ports, "settings_write" in ports
    harness = render("rtl_harness.cpp.j2", prefix=PREFIX, probes=probes, wave=wave, starts=starts, holds=holds)
    made_with = (*identity(tool), runtime.key, harness, *apart)
    content = [part for name, text in texts.items() for part in (name, text)]
    library = cache / f"lib{top}-{digest(top, *made_with, *LINK_FLAGS, *content)}.so"
    if library.is_file():
        return library
    cache.mkdir(parents=True, exist_ok=True)
    log = cache / f"{library.stem}.log"
    maker = Maker(tool, runtime, log, jobs)
    with tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:
        if apart:
            _link(library, harness, maker.verilate(top, texts, apart, Path(scratch)), runtime, wave)
        else:
            with maker.design(top, texts) as design:
                _link(library, harness, design, runtime, wave)
    log.unlink(missing_ok=True)
    return library


def _link(library: Path, harness: str, design: Design, runtime: Runtime, wave: WaveFormat | None) -> None:
    source = design.headers / "harness.cc"
    source.write_text(harness, encoding="utf-8")
    inputs = map(str, (source, *design.objects, *runtime.objects))
    command = [
        *runtime.command,
        *LINK_FLAGS,
        f"-I{design.headers}",
        *inputs,
        *LIBRARIES,
        *(wave.libraries if wave else ()),
    ]
    make_atomically(library, lambda path: [*command, "-o", str(path)])


def _public(top: str, probes: Sequence[Probe]) -> bytes:
    """Verilator's control file by which ``probes`` keep their names and stay readable."""
    lines = [f'public_flat_rd -module "{top}" -var "{probe.variable}"' for probe in probes]
    return "\n".join(["`verilator_config", *lines, ""]).encode()
