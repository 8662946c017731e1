"""What the pins of the top have to read: the nets that carry each node's codes, and the cycles after which they are read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bittrigger.ir.fixed import FixedPoint
from bittrigger.ir.forms.arrival import word_fields
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.nodes.wire import ZERO
from bittrigger.ir.pipeline import Pipeline
from bittrigger.ir.routes import Route, route
from bittrigger.prove.claims import Unproven
from bittrigger.prove.top.entry import ABSENT
from bittrigger.synth.netlist import LOW, Bits, Cell, Netlist

_NUMBER = re.compile(r"\[(\d+)\]\.u_\w+$")
"""The number of an instance, as Yosys names it."""


@dataclass(frozen=True)
class Due:
    """What a bit has to be.

    Attributes:
        net: where it comes from.
        delay: cycles since it was there; None for a constant.
        stage: in which it is read.
    """

    net: int
    delay: int | None
    stage: int


def instances_of(pipeline: Pipeline, netlist: Netlist, *, pruned: bool) -> dict[str, dict[int, Cell]]:
    """The cell that each copy of each module stands for.

    Which instance is which copy is told by the number in its name; that it reads and drives the codes of that copy is what is
    then proven.
    """
    found: dict[str, list[Cell]] = {module.name: [] for module in pipeline.modules}
    for cell in netlist.cells:
        if cell.type in found:
            found[cell.type].append(cell)
    instances = {}
    for module in pipeline.modules:
        cells = found[module.name]
        copies = {_copy(cell): cell for cell in cells} if module.instances > 1 else dict(enumerate(cells))
        due = range(module.instances)
        if len(copies) != len(cells) or copies.keys() - set(due) or (not pruned and len(copies) != module.instances):
            raise Unproven(
                f"module {module.name} occurs {len(cells)} times in the top; it is due {module.instances} times"
            )
        instances[module.name] = copies
    return instances


def _copy(cell: Cell) -> int:
    """The number of an instance in its generate loop; -1 if it bears none."""
    number = _NUMBER.search(cell.name)
    return int(number[1]) if number else -1


def sources_of(
    pipeline: Pipeline, vectors: BusLayout, netlist: Netlist, instances: dict[str, dict[int, Cell]]
) -> dict[str, Bits]:
    """The nets that carry the codes of each port and module when they come into being."""
    sources: dict[str, Bits] = {}
    for port in pipeline.graph.inputs:
        width, size = vectors.types[port.name].width, vectors.sizes[port.name]
        fields = word_fields(pipeline.graph, pipeline.arrival)
        places = [field.offset for field in fields if field.port == port.name]
        a_word = [netlist.inputs["in_data"][at + k] for at in places for k in range(width)]
        sources[port.name] = tuple(a_word * (1 + pipeline.arriving * pipeline.is_streamed(port.name)))[: width * size]
    for module in pipeline.modules:
        width, cells = len(module.result) * vectors.types[module.node.name].width, instances[module.name]
        if module.serial:
            nets = cells[0].outputs["y"]
            columns = [k % module.lanes for k in range(module.copies)]
            sources[module.node.name] = tuple(net for k in columns for net in nets[width * k : width * (k + 1)])
            continue
        sources[module.node.name] = tuple(
            net
            for k in range(module.copies)
            for net in (
                cells[k % module.instances].outputs["y"] if k % module.instances in cells else (ABSENT,) * width
            )
        )
    return sources


def due_of(pipeline: Pipeline, vectors: BusLayout, sources: dict[str, Bits], node: str, stage: int) -> list[Due]:
    """The bits that the codes of ``node`` consist of where they are read in ``stage``, wires followed."""
    return due_of_route(pipeline, vectors, sources, route(pipeline.graph, (node,)), vectors.types[node], stage)


def due_of_route(  # noqa: PLR0917 - what, where, of what kind and when
    pipeline: Pipeline, vectors: BusLayout, sources: dict[str, Bits], found: Route, element: FixedPoint, stage: int
) -> list[Due]:
    """As ``due_of``, of the codes of a route, each of which has the type ``element``."""
    due: list[Due] = []
    for source, index in zip(found.sources.tolist(), found.elements.tolist(), strict=True):
        if source == ZERO:
            due += [Due(LOW, None, stage)] * element.width
            continue
        name = found.nodes[source]
        own, delay = vectors.types[name], stage - _born(pipeline, vectors, name, index)
        nets = sources[name][own.width * index : own.width * (index + 1)]
        above = Due(nets[-1], delay, stage) if own.signed else Due(LOW, None, stage)
        due += [Due(net, delay, stage) for net in nets[: element.width]] + [above] * (element.width - own.width)
    return due


def _born(pipeline: Pipeline, vectors: BusLayout, name: str, index: int) -> int:
    """The stage in which code ``index`` of a node comes into being; those of a folded module follow each other."""
    module = pipeline.module_of(name)
    if pipeline.arrival and pipeline.is_streamed(name):
        each = pipeline.graph[name].size // pipeline.arrival.positions
        return index // each // pipeline.arrival.lanes
    if module is None or not module.is_folded:
        return vectors.stages[name]
    return module.stop + index // len(module.result) // module.lanes * module.pace


def flowing(pipeline: Pipeline, sources: dict[str, Bits], name: str) -> Bits:
    """The nets of the codes that node ``name``, which is folded or an input that comes in words, delivers in a cycle."""
    module, arrival = pipeline.module_of(name), pipeline.arrival
    if module is None and arrival:
        return sources[name][: len(sources[name]) // arrival.positions * arrival.lanes]
    if module is None:
        raise Unproven(f"{name} does not come copy by copy")
    return sources[name][: len(sources[name]) // module.copies * module.lanes]
