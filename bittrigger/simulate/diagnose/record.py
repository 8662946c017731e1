"""What a mismatch leaves behind: the event, where it goes wrong, a waveform, and one command that shows it again."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bittrigger.build.folder import Build
from bittrigger.errors import ConfigError, MismatchError
from bittrigger.ir.fixed import FloatArray, IntArray
from bittrigger.ir.ports import decode_inputs
from bittrigger.simulate.diagnose.locate import WAVE, Location, context, locate
from bittrigger.simulate.intake import is_emitted


@dataclass(frozen=True)
class Record:
    """A mismatch that has been looked into.

    Attributes:
        location: where the design departs from the oracle.
        folder: holds ``event.npy`` (real inputs), ``mismatch.json``, ``reproduce.sh`` and, of Verilog, a waveform (.fst or .vcd).
        command: one shell line that shows the mismatch again.
    """

    location: Location
    folder: Path
    command: str


def record_mismatch(
    build: Build,
    executor: str,
    codes: IntArray,
    error: MismatchError,
    *,
    simulator: str = "verilator",
    model: Path | None = None,
    events: FloatArray | None = None,
) -> Record | None:
    """Look into a mismatch and write it to ``sim/mismatch/<n>`` of the build; None for one of timing alone.

    Args:
        executor: the one that differs from the oracle.
        codes: input codes `(events, n_inputs)` of the run.
        error: what the run ended with.
        events: the real events behind the first of ``codes``.

    Raises:
        ConfigError: if the build folder cannot be written.
    """
    if error.event is None:
        return None
    try:
        folder = _next_folder(build.work.absolute() / "mismatch")
        location = locate(build, executor, codes, error, folder / WAVE)
        if location is None:
            return None
        rows = (error.event, error.event + 1)
        if location.layer is None and executor.startswith("rtl"):
            rows = context(build, error.event, len(codes))  # it may take the events before it
        reals = decode_inputs(build.graph, codes[slice(*rows)])
        if events is not None and rows[1] <= len(events):
            reals = events[slice(*rows)]
        np.save(folder / "event.npy", reals)
        words = ["bittrigger", "simulate", str(build.folder.absolute()), "--executor", executor]
        words += ["--inputs", str(folder / "event.npy")]
        words += ["--simulator", simulator] if executor == "rtl" and simulator != "verilator" else []
        words += ["--model", str(model.absolute())] if executor == "keras" and model is not None else []
        words += [] if is_emitted(build) else ["--as-is"]
        command = shlex.join(words)
        (folder / "reproduce.sh").write_text(f"#!/bin/sh\nexec {command}\n", encoding="utf-8")
        facts = {"executor": executor, "message": str(error), **asdict(location), "command": command}
        (folder / "mismatch.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    except OSError as failure:
        raise ConfigError(f"mismatch cannot be written to {build.work}: {failure.strerror}") from failure
    return Record(location, folder, command)


def _next_folder(base: Path) -> Path:
    """A new folder in ``base``, named by the next free number."""
    base.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(path.name) for path in base.iterdir() if path.name.isdigit()), default=0)
    while True:
        folder = base / str(number)
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder
