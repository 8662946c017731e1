"""Where the codes of a pipeline lie: the buses at the boundaries of its modules, and the stages in which they are there.

What writes hardware and what proves it both take the layout from here, and neither from the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bittrigger.ir.fixed import FixedPoint
from bittrigger.ir.graph import Intervals
from bittrigger.ir.nodes.wire import Wire, wire_intervals
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.ir.ports import common_type
from bittrigger.ir.waiting import last_reads, registers_until


@dataclass(frozen=True)
class Bus:
    """A packed vector at a module's boundary: element ``i`` of ``size`` in bits ``width*i`` and up."""

    name: str
    size: int
    element: FixedPoint

    @property
    def width(self) -> int:
        """Bits of the bus."""
        return self.size * self.element.width

    @property
    def format(self) -> str:
        """What the bus carries, for a comment."""
        return f"{self.size} x {self.element}"

    def bits(self, index: int, width: int) -> str:
        """The range of the lowest ``width`` bits of element ``index``: ``[15:8]``."""
        low = index * self.element.width
        return f"[{low + width - 1}:{low}]"


@dataclass(frozen=True)
class BusLayout:
    """The codes of every node of a pipeline: their types, and the stages in which they are there.

    Attributes:
        registers: which register behind the codes of a node is read in a stage; 0 for none.
    """

    types: dict[str, FixedPoint]
    sizes: dict[str, int]
    stages: dict[str, int]
    registers: Callable[[str, int], int]

    @classmethod
    def of(cls, pipeline: Pipeline) -> BusLayout:
        """Those of ``pipeline``."""
        ranges: dict[str, Intervals] = {port.name: (port.interval,) * port.size for port in pipeline.graph.inputs}
        ranges |= {module.node.name: module.result * module.copies for module in pipeline.modules}
        for node in pipeline.graph.nodes:
            if isinstance(node, Wire):
                source = tuple(span for name in node.inputs for span in ranges[name])
                ranges[node.name] = wire_intervals(node, source)
        last = last_reads(pipeline)
        return cls(
            types={node.name: common_type(ranges[node.name], node.frac) for node in pipeline.graph.nodes},
            sizes={node.name: node.size for node in pipeline.graph.nodes},
            stages={port.name: pipeline.source_stage(port.name) for port in pipeline.graph.inputs}
            | {module.node.name: module.done for module in pipeline.modules},
            registers=lambda name, stage: registers_until(pipeline, name, stage, last[name]),
        )

    def bus(self, node: str, name: str, copies: int = 1) -> Bus:
        """The codes of ``node`` as a bus called ``name``, or one of ``copies`` equal parts of it."""
        return Bus(name, self.sizes[node] // copies, self.types[node])

    def operands(self, module: Module) -> tuple[Bus, ...]:
        """The operand buses of one copy of ``module``."""
        nodes = tuple(dict.fromkeys(module.node.inputs))
        if module.tally:
            return (Bus("x", module.tally.lanes, self.types[nodes[0]]),)
        return tuple(self.bus(node, "x" if len(nodes) == 1 else f"x_{node}", module.node.copies) for node in nodes)

    def places(self, module: Module) -> tuple[tuple[Bus, int], ...]:
        """The bus and the element in it of each operand code of one copy of ``module``."""
        buses = dict(zip(dict.fromkeys(module.node.inputs), self.operands(module), strict=True))
        return tuple((buses[node], index) for node in module.node.inputs for index in range(buses[node].size))

    def result(self, module: Module) -> Bus:
        """The result bus of one copy of ``module``."""
        return self.bus(module.node.name, "y", module.copies)
