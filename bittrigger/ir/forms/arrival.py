"""How the positions of an event come to a stream port: some a clock, word after word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Graph, Input
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.ports import Field, fields_of, input_fields


@dataclass(frozen=True)
class Arrival:
    """The words of an event, one a clock, without a gap.

    Attributes:
        positions: of an event.
        lanes: positions of a word; the last one may hold fewer.
        ports: the inputs that come so, by name; the others come whole, with the first word.
    """

    positions: int
    lanes: int
    ports: tuple[str, ...]

    @property
    def words(self) -> int:
        """Words of an event, at least 2."""
        return -(-self.positions // self.lanes)


def arrival_of(graph: Graph, ii: int) -> Arrival:
    """How the inputs of ``graph`` come where an event comes at most every ``ii`` cycles: as few positions a clock as keep pace.

    Raises:
        ConfigError: if no layer reads an input position by position, or all of them come in one word.
    """
    readers = [
        (node.inputs[0], node.copies)
        for node in graph.nodes
        if not isinstance(node, Input | Wire) and len(node.inputs) == 1 and isinstance(graph[node.inputs[0]], Input)
    ]
    positions = max((copies for _, copies in readers), default=1)
    if positions == 1:
        raise ConfigError(
            f"port 'stream' for {graph.name!r}: no layer reads an input position by position; allowed is 'whole'; drop --port"
        )
    lanes = -(-positions // ii)
    if lanes == positions:
        raise ConfigError(
            f"port 'stream' for {graph.name!r} at an event every {ii} cycles: its {positions} positions come in one word; "
            "allowed are intervals of 2 cycles and more; give --ii, or leave out --port"
        )
    return Arrival(positions, lanes, tuple(dict.fromkeys(name for name, copies in readers if copies == positions)))


def word_fields(graph: Graph, arrival: Arrival | None) -> tuple[Field, ...]:
    """The fields of ``in_data``: those of an event, or of a word of it; element 0 of the first port in the lowest bits."""
    if arrival is None:
        return input_fields(graph)
    return fields_of([(port.name, _size(port, arrival), port.type) for port in graph.inputs])


def _size(port: Input, arrival: Arrival) -> int:
    return port.size // arrival.positions * arrival.lanes if port.name in arrival.ports else port.size


def to_words(graph: Graph, arrival: Arrival | None, codes: IntArray) -> IntArray:
    """The codes of all words, `(events * words, fields)`, of input codes `(events, n_inputs)`; zeros where nothing is read."""
    if arrival is None:
        return codes
    events, parts, start = len(codes), [], 0
    for port in graph.inputs:
        own, size = codes[:, start : start + port.size], _size(port, arrival)
        start += port.size
        padded = np.zeros((events, arrival.words * size), dtype=np.int64)
        padded[:, : port.size] = own
        parts.append(padded.reshape(events, arrival.words, size))
    return np.ascontiguousarray(np.concatenate(parts, axis=2).reshape(events * arrival.words, -1))
