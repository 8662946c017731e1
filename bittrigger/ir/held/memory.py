"""How held numbers lie in memory where columns take turns, and how a load of them is followed word by word.

A *slot* is a memory of one word of one of the columns that are read at a time: there are ``lanes`` times ``stride`` of them,
and in each turn a word of each is read. Each memory has two banks. One counts; words are written to the other. Words come in the
order of their addresses, from the first to the last, and a command counts where all of them have come: it makes the other
bank count. An event takes the number of the bank with its operand codes, and reads all of its turns there.
"""

from __future__ import annotations

from collections.abc import Iterator

from bittrigger.ir.graph import Graph
from bittrigger.ir.held.bus import (
    WORD_BITS,
    Place,
    address_bits,
    bus_ports,
    column_ports,
    places,
    reader_ports,
    stride_of,
)
from bittrigger.ir.pipeline import Module, Pipeline, held_node


def placed(pipeline: Pipeline) -> Iterator[tuple[Place, Module]]:
    """The words of each module that reads what is held."""
    return zip(places(pipeline.graph), pipeline.held, strict=True)


def in_memory(pipeline: Pipeline) -> list[tuple[Place, Module]]:
    """The words of each module whose numbers lie in memory."""
    return [(place, module) for place, module in placed(pipeline) if module.is_fed]


def slots(module: Module) -> int:
    """The memories of a module."""
    return module.lanes * stride_of(held_node(module))


def row_bits(module: Module) -> int:
    """Bits of a place in each memory: the turn, and above it the bank."""
    return (module.phases - 1).bit_length() + 1


def slot_bits(module: Module) -> int:
    """Bits of the number of a memory."""
    return (slots(module) - 1).bit_length()


def due_bits(graph: Graph) -> int:
    """Bits of the address of the word that is due, which after the last one is one more, or two."""
    last = places(graph)[-1]
    return (last.first + last.words + 1).bit_length()


def fed_ports(module: Module, operand: int) -> tuple[dict[str, int], dict[str, int]]:
    """Inputs and outputs, but for ``clk`` and ``load``, of what feeds columns that take turns.

    Args:
        operand: bits of all operand codes.
    """
    given = {"x": operand, "bank": 1, "row": row_bits(module), "hits": slots(module), "data": WORD_BITS}
    numbers = reader_ports(held_node(module)).items()
    return given, {"now_codes": operand, **{f"now_{port}": module.lanes * width for port, width in numbers}}


def loader_ports(pipeline: Pipeline) -> tuple[dict[str, int], dict[str, int]]:
    """Inputs and outputs, but for ``clk``, of what follows a load; registers are outputs too."""
    driven = {"applies": 1, "due": due_bits(pipeline.graph), "bank": 1}
    for place, module in in_memory(pipeline):
        name = place.node.name
        driven |= {f"{name}_slot": slot_bits(module), f"{name}_turn": row_bits(module) - 1}
        driven |= memory_ports(place, module)
    return {"writes": 1, "place": address_bits(pipeline.graph), "command": 1}, driven


def memory_ports(place: Place, module: Module) -> dict[str, int]:
    """What tells the memories of a module where a word goes, and which bank counts for the event that comes."""
    name = place.node.name
    return {f"{name}_row": row_bits(module), f"{name}_hits": slots(module), f"{name}_bank": 1}


def settings_ports(pipeline: Pipeline) -> tuple[dict[str, int], dict[str, int]]:
    """Inputs and outputs, but for ``clk``, of the module with the bus of what is held."""
    driven = {"busy": 1}
    for place, module in placed(pipeline):
        if module.is_fed:
            driven |= memory_ports(place, module)
            continue
        for port, width in column_ports(place)[1].items():
            driven[f"{place.node.name}_{port}"] = width * place.columns
    return bus_ports(pipeline.graph), driven | ({"settings_word": WORD_BITS} if in_memory(pipeline) else {})
