"""What a static timing analysis says: the slowest path to each module, step by step, and the slack."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from bittrigger.synth.count import CARRIES, FLIP_FLOPS, SHIFT_REGISTERS


@dataclass(frozen=True)
class Step:
    """One cell of a path.

    Attributes:
        cell: its name.
        type: of cell.
        pin: by which the path leaves it.
        wire_ps: the wire in front of it, pins included; 0 within a slice.
        cell_ps: the cell.
        arrival_ps: at its output.
    """

    cell: str
    type: str
    pin: str
    wire_ps: float
    cell_ps: float
    arrival_ps: float


@dataclass(frozen=True)
class Path:
    """The slowest path to the registers of one module, or to the output ports.

    Attributes:
        module: instance in which it ends; empty for the top.
        end: the cell or port.
        delay_ps: with clock-to-output and set-up.
        logic_ps: of it, cells.
        wire_ps: of it, wires.
        slack_ps: of the clock period less the uncertainty of the clock.
        steps: from the first cell on.
    """

    module: str
    end: str
    delay_ps: float
    logic_ps: float
    wire_ps: float
    slack_ps: float
    steps: tuple[Step, ...]

    @property
    def levels(self) -> int:
        """LUTs and carry chains on it; the blocks of one chain are one."""
        kinds = [step for step in self.steps if step.type not in FLIP_FLOPS | SHIFT_REGISTERS and step.type != "port"]
        cascades = sum(a.type in CARRIES and b.type in CARRIES for a, b in pairwise(kinds))
        return len(kinds) - cascades


@dataclass(frozen=True)
class Timing:
    """Of a whole design.

    Attributes:
        paths: the slowest to each module, the slowest first.
        columns, rows: tiles of the region that the placement takes.
    """

    clock_mhz: float
    paths: tuple[Path, ...]
    columns: int
    rows: int

    @property
    def slack_ps(self) -> float:
        """Of the slowest path."""
        return self.paths[0].slack_ps

    @property
    def slack_ns(self) -> float:
        """The same in nanoseconds, rounded down to a picosecond, so that what is missed by less is not met."""
        return math.floor(self.slack_ps) / 1000
