"""What Verilator makes of a design, compiled once for both of its users: the program of cocotb and the fast harness.

The ports of the top are what VPI may reach, and nothing else: cocotb by itself makes every signal public, which triples the
C++ of a design. Headers and objects are kept, with what Verilator had to say, for whoever comes next.
"""

from __future__ import annotations

import io
import re
import tempfile
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bittrigger.simulate.simulators.runtime import BUILD_TIMEOUT_S, Runtime, compile_units
from bittrigger.simulate.simulators.verilator import Verilator
from bittrigger.system.kept import Kept, key_of
from bittrigger.system.toolchain import run_tool

PREFIX = "Vtop"
"""Of all names in the C++; cocotb's main program wants this one."""

SPLIT = ("--output-split", "30000")
"""Most nodes of Verilator's in a function, and in a file: about 1 MB of C++ and 9 s of g++. Modules that stand once are
inlined into one function, over the whole of which g++ takes longer than over its parts, on one core."""

OPTIONS = (
    *("--cc", "--vpi", "--no-timing", "--no-public-flat-rw", "-Wall", "-Wno-fatal"),
    *("--timescale", "1ns/1ps", *SPLIT),
)
"""Of Verilator; registers start at random, its default. Whether a warning is an error is for the user of the design to say."""

DESIGNS = Kept("verilated-designs", room_bytes=1 << 28)

_PORT = re.compile(rb"^ *(?:in|out)put +wire +(?:\[[^\]\n]*\] *)?(\w+)", re.MULTILINE)
_SAID = "said.txt"
_building: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""Two users in this process: the second waits for what the first makes."""


@dataclass(frozen=True)
class Design:
    """The C++ of a design, compiled.

    Attributes:
        headers: their folder.
        objects: to link.
        said: what Verilator had to say.
    """

    headers: Path
    objects: tuple[Path, ...]
    said: str


def identity(tool: Verilator) -> tuple[str, ...]:
    """What a design is made with, besides the run-time library."""
    return (tool.version, str(tool.binary), str(tool.binary.stat().st_mtime_ns), PREFIX, *OPTIONS)


@dataclass(frozen=True)
class Maker:
    """Makes designs.

    Attributes:
        runtime: what they are compiled against.
        log: of Verilator; compilers leave theirs beside it if they fail.
        jobs: compilers at a time.
    """

    tool: Verilator
    runtime: Runtime
    log: Path
    jobs: int

    @contextmanager
    def design(self, top: str, texts: Mapping[str, bytes]) -> Iterator[Design]:
        """The design ``top``, kept or made; its files are there inside the block.

        Args:
            texts: SystemVerilog by the names of files.

        Raises:
            ToolError: if Verilator or the compiler fails.
        """
        made_with = (top, self.runtime.key, *identity(self.tool))
        key = key_of(*made_with, "files", *(part for item in texts.items() for part in item))
        with tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:
            with _building[key]:
                kept = DESIGNS.find(key)
                if kept is None:
                    design = self.verilate(
                        top, {**texts, "ports.vlt": _public_ports(top, texts)}, OPTIONS, Path(scratch)
                    )
                    DESIGNS.keep({key: _packed(design)})
            yield design if kept is None else _unpacked(kept, Path(scratch))

    def verilate(self, top: str, texts: Mapping[str, bytes], options: Sequence[str], folder: Path) -> Design:
        """Let Verilator translate ``texts`` in ``folder``, and compile that.

        Raises:
            ToolError: if Verilator or the compiler fails.
        """
        for name, text in texts.items():
            (folder / name).write_bytes(text)
        program = str(self.tool.binary)
        command = [program, *options, "--top-module", top, "--prefix", PREFIX, "--Mdir", "cpp", *texts]
        root = {"VERILATOR_ROOT": str(self.tool.root)}
        said = run_tool(command, log=self.log, cwd=folder, env=root, timeout_s=BUILD_TIMEOUT_S)
        objects = compile_units(folder / "cpp", PREFIX, self.runtime, self.log, self.jobs)
        return Design(folder / "cpp", tuple(objects), said)


def ports_of(text: bytes) -> tuple[str, ...]:
    """The ports of the module in ``text``, as our templates write them: one a line."""
    return tuple(name.decode() for name in _PORT.findall(text))


def _public_ports(top: str, texts: Mapping[str, bytes]) -> bytes:
    """Verilator's control file by which VPI reaches the ports of the top."""
    public = [f'public_flat_rw -module "{top}" -var "{port}"' for port in ports_of(texts.get(f"{top}.sv", b""))]
    return "\n".join(["`verilator_config", *public, ""]).encode()


def _packed(design: Design) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in (*sorted(design.headers.glob("*.h")), *design.objects):
            archive.write(path, path.name)
        archive.writestr(_SAID, design.said)
    return packed.getvalue()


def _unpacked(packed: bytes, folder: Path) -> Design:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)
    said = (folder / _SAID).read_text(encoding="utf-8")
    return Design(folder, tuple(sorted(folder.glob("*.o"))), said)
