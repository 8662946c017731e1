"""Whether the netlist of a build meets its clock, and how it is known later that a slack is of that netlist."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from bittrigger.errors import ToolError
from bittrigger.ir.pipeline import Pipeline
from bittrigger.synth.paths import Timing
from bittrigger.synth.sta import analyse
from bittrigger.synth.strict import read_strict
from bittrigger.synth.yosys import netlist_files
from bittrigger.system.kept import Kept, key_of

TOOL = "bittrigger timing"

MEASURED_HERE = Kept("slacks", room_bytes=1 << 22)
"""Which slacks this user's own runs have measured, of which netlist and at which clock: who sends a build may write some too."""


def timing_of(pipeline: Pipeline, folder: Path, clock_mhz: float | None = None) -> Timing:
    """The static timing of the netlist in ``folder`` over our own placement.

    Args:
        folder: with the netlist of each module of ``pipeline``.
        clock_mhz: by default that of ``pipeline``.

    Raises:
        ToolError: if a netlist is missing or cannot be read, or the delays of a cell are not known.
    """
    files = netlist_files(pipeline, folder)
    stages = {f"u_{module.label}": module.stop for module in pipeline.modules}
    timing = analyse(read_strict(files), pipeline.clock_mhz if clock_mhz is None else clock_mhz, stages)
    key = _key(netlist_hash(files), timing.clock_mhz, timing.slack_ns)
    MEASURED_HERE.keep({key: b"measured here"})
    return timing


def is_measured_here(netlist: str, clock_mhz: float, slack_ns: float) -> bool:
    """Whether a run of this user found that slack for the netlist of that hash."""
    return MEASURED_HERE.find(_key(netlist, clock_mhz, slack_ns)) is not None


def _key(netlist: str, clock_mhz: float, slack_ns: float) -> str:
    return key_of(netlist, repr(float(clock_mhz)), repr(float(slack_ns)))


def netlist_hash(files: Sequence[Path]) -> str:
    """The SHA-256 of a netlist: of the names and the contents of its files.

    Raises:
        ToolError: if one cannot be read.
    """
    total = hashlib.sha256()
    try:
        for path in files:
            total.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n".encode())
    except OSError as error:
        raise ToolError(
            f"netlist {error.filename}: not readable ({error.strerror}); convert the model again"
        ) from error
    return total.hexdigest()
