"""The words of an event for a design with a stream port, cut out of the event that a wrapper has gathered."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.ir.forms.arrival import word_fields
from bittrigger.ir.pipeline import Pipeline
from bittrigger.ir.ports import bus_width, input_fields


@dataclass(frozen=True)
class EventWords:
    """How an event becomes words.

    Attributes:
        count: words of an event.
        bits: of a word.
        parts: of all words, the lowest first; each is a slice of ``event_data``, or zeros.
    """

    count: int
    bits: int
    parts: tuple[str, ...]


def event_words(pipeline: Pipeline) -> EventWords | None:
    """Those of ``pipeline``; None where an event comes whole."""
    graph, arrival = pipeline.graph, pipeline.arrival
    if arrival is None:
        return None
    offsets = {field.port: field.offset for field in reversed(input_fields(graph))}
    fields = word_fields(graph, arrival)
    rooms = {port.name: sum(field.port == port.name for field in fields) * port.type.width for port in graph.inputs}
    parts = []
    for word in range(arrival.words):
        for port in graph.inputs:
            room, whole = rooms[port.name], port.size * port.type.width
            low = (
                word * room if port.name in arrival.ports or not word else whole
            )  # whole ones come with the first word
            size = max(min(room, whole - low), 0)
            if size:
                base = offsets[port.name] + low
                parts.append(f"event_data[{base + size - 1}:{base}]")
            if room > size:
                parts.append(f"{room - size}'d0")
    return EventWords(arrival.words, bus_width(fields), tuple(parts))
