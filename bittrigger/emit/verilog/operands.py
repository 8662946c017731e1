"""The elements of a module's operand buses as named wires: ``x0``, ``x1`` and so on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bittrigger.emit.verilog.signals import Signals
from bittrigger.emit.verilog.views import Body, Clip, Sum, Wire, literal, vector_of
from bittrigger.ir.fixed import Interval
from bittrigger.ir.graph import Intervals
from bittrigger.ir.layout import Bus
from bittrigger.ir.pipeline import Module


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

    def body(
        self,
        module: Module,
        summary: str,
        wires: Mapping[int, Iterable[Wire | Sum | Clip]],
        results: Sequence[str],
        *,
        functions: Sequence[tuple[str, ...]] = (),
        unread: Iterable[str] = (),
    ) -> Body:
        """What ``module`` holds; to be asked for when every value has been read.

        Args:
            wires: the logic of each stage.
            unread: names of which some bits are read by nothing, besides those of operands and signals.
        """
        return Body(
            summary=summary,
            functions=tuple(functions),
            operands=self.wires(),
            stages=self.signals.stages(module, wires),
            results=tuple(results),
            unread=(*self.unread(), *self.signals.unread(), *unread),
        )


def result_code(channel: int, out: Interval, result: Bus) -> str:
    """A channel's result, ``y<channel>`` in the range ``out`` or a constant, as wide as an element of the bus."""
    if out.lo == out.hi:
        return literal(out.lo, result.element.width, signed=result.element.signed)
    return f"y{channel}" if out.width == result.element.width else f"{result.element.width}'(y{channel})"
