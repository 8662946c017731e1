"""Wrappers in the simulator: pattern files through an EMP wrapper, packets through an AXI4-Stream wrapper."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree

import bittrigger
from bittrigger.errors import ConfigError, ToolError
from bittrigger.ir.held.bus import SETTLING, writes
from bittrigger.ir.pipeline import Pipeline
from bittrigger.patterns import Board, Format, read, write
from bittrigger.simulate.simulators.model import build_model, launch
from bittrigger.system.locks import locked

_GRACE_S = 30.0


@dataclass(frozen=True)
class WrapperSim:
    """A wrapper under Verilator.

    Attributes:
        top: name of its module.
        sources: the wrapper's files and those of the design.
        cache: for the compiled model and logs; kept, so that a second run starts at once.
        timeout_s: after which a run that has not ended is stopped.
        writes: address and data of what the design holds, the command last.
        idle: cycles before and after these.
    """

    top: str
    sources: tuple[Path, ...]
    cache: Path
    timeout_s: float = 3600.0
    writes: tuple[tuple[int, int], ...] = ()
    idle: int = 0

    @classmethod
    def of_build(
        cls, folder: Path, pipeline: Pipeline, files: tuple[Path, ...], work: Path | None = None
    ) -> WrapperSim:
        """The wrapper ``files``, the top first, around the design in the build ``folder``.

        Args:
            work: where the model and the bench go; ``sim`` in ``folder`` by default.

        Raises:
            ConfigError: if the build holds no SystemVerilog.
        """
        design = pipeline.graph.name
        if not (folder / "rtl" / f"{design}.sv").is_file():
            raise ConfigError(f"{folder / 'rtl'}: no {design}.sv; convert the model again")
        top = files[0].stem
        sources, cache = (*sorted((folder / "rtl").glob("*.sv")), *files), (work or folder / "sim") / f"wrap_{top}"
        idle = pipeline.latency_cycles + SETTLING
        return cls(top, sources, cache, writes=tuple(writes(pipeline.graph)), idle=idle)

    def model(self) -> Path:
        """The compiled model, built unless it is there for the very same sources.

        Raises:
            ToolNotFoundError: if Verilator or a compiler is missing.
            ToolError: if a compiler fails, or Verilator warns of the design.
        """
        return build_model(self.top, self.sources, self.cache, "verilator")

    def run(self, module: str, bench: Path) -> None:
        """Run the cocotb tests of ``sim/<module>.py``, which read and write ``bench``.

        Raises:
            ToolError: if the simulator fails, dies or takes too long, or a test does not pass.
        """
        model = self.model()
        results, log = self.cache / "results.xml", self.cache / "test.log"
        results.unlink(missing_ok=True)
        job = {
            "simulator": "verilator",
            "top": self.top,
            "module": module,
            "build_dir": str(model.parent.absolute()),
            "test_dir": str(bench.absolute()),
            "results": str(results.absolute()),
            "seed": 1,
        }
        package = str(Path(bittrigger.__file__).resolve().parent.parent)
        environment = {
            "BITTRIGGER_BENCH": str(bench.absolute()),
            "BITTRIGGER_TIMEOUT_S": f"{self.timeout_s:g}",
            "COCOTB_REWRITE_ASSERTION_FILES": "",
            "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
        }
        launch("test", job, log=log, environment=environment, timeout_s=self.timeout_s + _GRACE_S)
        cases = list(ElementTree.parse(results).getroot().iter("testcase"))  # noqa: S314 (our own file)
        if not cases or any(child.tag in ("failure", "error") for case in cases for child in case):
            tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
            raise ToolError(f"the bench of {self.top!r} did not pass; full log: {log}\n{tail}")


@dataclass(frozen=True)
class Capture:
    """What came out of an EMP wrapper.

    Attributes:
        board: as many frames as were played.
        packet_error: frames in which the output of that name was high.
        overrun: the same of the other.
    """

    board: Board
    packet_error: tuple[int, ...]
    overrun: tuple[int, ...]


def play_boards(sim: WrapperSim, boards: Sequence[Board], links: int) -> tuple[Capture, ...]:
    """What the EMP wrapper ``sim``, which has ``links`` inputs, gives for each of ``boards``, each after a reset.

    Raises:
        ConfigError: if a board has another number of links.
        ToolError: if the build or the simulator fails.
    """
    for board in boards:
        if len(board.links) != links:
            raise ConfigError(f"board {board.id!r} has {len(board.links)} links; {sim.top!r} has {links}; see --links")
    with locked(sim.cache, "the bench in"):
        return _play(sim, boards)


def _play(sim: WrapperSim, boards: Sequence[Board]) -> tuple[Capture, ...]:
    bench = _fresh(sim.cache / "bench")
    for number, board in enumerate(boards):
        write(bench / f"in_{number}.txt", board, Format.EMPV2)
    (bench / "bench.json").write_text(
        json.dumps({"files": len(boards), "writes": sim.writes, "idle": sim.idle}) + "\n", encoding="utf-8"
    )
    sim.run("test_emp", bench)
    errors = json.loads((bench / "errors.json").read_text(encoding="utf-8"))
    return tuple(
        Capture(read(bench / f"out_{k}.txt"), tuple(seen["packet_error"]), tuple(seen["overrun"]))
        for k, seen in enumerate(errors)
    )


@dataclass(frozen=True)
class Beat:
    """A beat of an AXI4-Stream: ``data`` and ``keep`` as integers, the lowest byte first."""

    data: int
    keep: int
    last: bool
    user: bool = False


@dataclass(frozen=True)
class Traffic:
    """How beats are offered and taken.

    Attributes:
        gap: chance of a cycle without an offer, from 0 to below 1.
        stall: chance of a cycle in which nothing is taken; above 0 there are long pauses too.
        seed: of both.
        cycles: after which the run is cut off; None lets it end.
    """

    gap: float
    stall: float
    seed: int = 1
    cycles: int | None = None


@dataclass(frozen=True)
class Streamed:
    """What came out of an AXI4-Stream wrapper.

    Attributes:
        beats: in order.
        taken: the cycle in which each input beat was taken.
        came: the cycle in which each output beat was taken.
        full_cycles: cycles in which ``s_axis_tready`` was low.
    """

    beats: tuple[Beat, ...]
    taken: tuple[int, ...]
    came: tuple[int, ...]
    full_cycles: int


def stream_beats(sim: WrapperSim, beats: Sequence[Beat], traffic: Sequence[Traffic]) -> tuple[Streamed, ...]:
    """What the AXI4-Stream wrapper ``sim`` gives for ``beats``, once for each of ``traffic``, each after a reset.

    Raises:
        ToolError: if the build or the simulator fails, or the wrapper breaks the rules of the stream.
    """
    with locked(sim.cache, "the bench in"):
        return _stream(sim, beats, traffic)


def _stream(sim: WrapperSim, beats: Sequence[Beat], traffic: Sequence[Traffic]) -> tuple[Streamed, ...]:
    bench = _fresh(sim.cache / "bench")
    setup = {
        "beats": [(f"{beat.data:x}", f"{beat.keep:x}", int(beat.last)) for beat in beats],
        "runs": [asdict(run) for run in traffic],
        "writes": sim.writes,
        "idle": sim.idle,
    }
    (bench / "bench.json").write_text(json.dumps(setup) + "\n", encoding="utf-8")
    sim.run("test_axis", bench)
    found = json.loads((bench / "out.json").read_text(encoding="utf-8"))
    return tuple(
        Streamed(
            tuple(Beat(data, keep, bool(last), bool(user)) for data, keep, last, user in run["beats"]),
            tuple(run["taken"]),
            tuple(run["came"]),
            run["full_cycles"],
        )
        for run in found
    )


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
