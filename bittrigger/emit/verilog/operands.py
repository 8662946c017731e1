"""The elements of a module's operand buses as named wires: ``x0``, ``x1`` and so on."""

from __future__ import annotations

from dataclasses import dataclass, field

from bittrigger.emit.verilog.signals import Signals
from bittrigger.emit.verilog.views import Wire, vector_of
from bittrigger.ir.graph import Intervals
from bittrigger.ir.layout import Bus


@dataclass
class Operands:
    """Operand code ``k`` is element ``places[k][1]`` of bus ``places[k][0]`` and takes the range ``ranges[k]``."""

    places: tuple[tuple[Bus, int], ...]
    ranges: Intervals
    start: int
    signals: Signals = field(default_factory=Signals)

    def __post_init__(self) -> None:
        for name, interval in zip(self.names, self.ranges, strict=True):
            self.signals.define(name, interval, self.start)

    @property
    def names(self) -> list[str]:
        """The wire of each operand code."""
        return [f"x{k}" for k in range(len(self.places))]

    def wires(self) -> tuple[Wire, ...]:
        """The wires that something reads; each is as narrow as the range of its code."""
        return tuple(
            Wire(vector_of(interval), name, bus.name + bus.bits(index, interval.width))
            for name, interval, (bus, index) in zip(self.names, self.ranges, self.places, strict=True)
            if self.signals.is_read(name)
        )

    def unread(self) -> tuple[str, ...]:
        """Buses of which some bits are read by nothing: pruned inputs, and bits that a narrow element does not need."""
        elements = {
            (bus, index): interval.width
            for name, interval, (bus, index) in zip(self.names, self.ranges, self.places, strict=True)
            if self.signals.is_read(name)
        }
        buses = dict.fromkeys(bus for bus, _ in self.places)
        return tuple(
            bus.name for bus in buses if sum(bits for (at, _), bits in elements.items() if at == bus) < bus.width
        )
