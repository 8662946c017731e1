"""The inputs and outputs of an emulator, spelled in C++."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bittrigger.emit.emulator.lanes import signed_literal
from bittrigger.errors import UnsupportedModelError
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.graph import Graph, intervals
from bittrigger.ir.ports import common_type, reads_float32

MAX_FRAC = 1000
"""Fractional bits, of either sign, whose step is a normal double."""
NARROW_WIDTH = 51
"""Widest code that is rounded by adding 1.5 * 2**52."""


@dataclass(frozen=True)
class Column:
    """One input port, or one node that leaves the design.

    Attributes:
        first: its first column in an event.
        bits: bits of its lanes.
    """

    name: str
    first: int
    size: int
    type: FixedPoint
    interval: Interval
    bits: int

    @property
    def columns(self) -> str:
        """The columns, for people."""
        return f"{self.first}" if self.size == 1 else f"{self.first} to {self.first + self.size - 1}"

    @property
    def frac(self) -> int:
        """Fractional bits of the codes."""
        return self.type.frac

    @property
    def narrow(self) -> bool:
        """Whether the codes leave room in a double to round by adding a large number."""
        return self.type.width <= NARROW_WIDTH

    @property
    def float32(self) -> bool:
        """Whether real values are rounded to float32 first."""
        return reads_float32(self.type)

    @property
    def lo(self) -> str:
        """The lowest code."""
        return signed_literal(self.interval.lo)

    @property
    def hi(self) -> str:
        """The highest code."""
        return signed_literal(self.interval.hi)

    @property
    def type_lo(self) -> str:
        """The lowest code of the type, as the nearest double."""
        return float(self.type.interval.lo).hex()

    @property
    def type_hi(self) -> str:
        """The highest code of the type, as the nearest double."""
        return float(self.type.interval.hi).hex()

    @property
    def scale(self) -> str:
        """Codes in a unit."""
        return (2.0**self.type.frac).hex()

    @property
    def step(self) -> str:
        """The value of one code."""
        return (2.0**-self.type.frac).hex()


def check_fracs(graph: Graph) -> None:
    """Check that the steps of all ports are doubles.

    Raises:
        UnsupportedModelError: if one is not.
    """
    for node in (*graph.inputs, *(graph[name] for name in graph.outputs)):
        if abs(node.frac) > MAX_FRAC:
            raise UnsupportedModelError(
                f"layer {node.name!r}: {node.frac} fractional bits; the emulator allows -{MAX_FRAC} to {MAX_FRAC}; "
                "rescale the layer"
            )


def input_columns(graph: Graph, lanes: dict[str, int]) -> list[Column]:
    """The input ports, in order."""
    columns: list[Column] = []
    for port in graph.inputs:
        first = columns[-1].first + columns[-1].size if columns else 0
        columns.append(Column(port.name, first, port.size, port.type, port.interval, lanes[port.name]))
    return columns


def output_columns(graph: Graph, lanes: dict[str, int]) -> list[Column]:
    """The nodes that leave the design, in order."""
    ranges = intervals(graph)
    columns: list[Column] = []
    for name in graph.outputs:
        first = columns[-1].first + columns[-1].size if columns else 0
        kind = common_type(ranges[name], graph[name].frac)
        columns.append(Column(name, first, graph[name].size, kind, kind.interval, lanes[name]))
    return columns


def common_ap_type(columns: Sequence[Column]) -> str | None:
    """The ``ap_fixed`` type of every column, or None if they differ."""
    kinds = {column.type for column in columns}
    return str(kinds.pop()) if len(kinds) == 1 else None
