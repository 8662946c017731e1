"""The buses of a design: which bits of a packed word carry which code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError
from bittrigger.ir.fixed import FLOAT32_BITS, FixedPoint, FloatArray, IntArray, clip, decode, encode, hull
from bittrigger.ir.graph import Graph, Intervals, intervals, output_fracs


@dataclass(frozen=True, slots=True)
class Field:
    """One code in a packed bus: ``width`` bits from bit ``offset``, two's complement when signed."""

    port: str
    index: int
    offset: int
    type: FixedPoint

    @property
    def width(self) -> int:
        """Bits of the field."""
        return self.type.width


def common_type(ranges: Intervals, frac: int) -> FixedPoint:
    """The narrowest type that holds every code of a vector; the vector's elements all take it on a bus."""
    return FixedPoint.holding(hull(ranges), frac)


def fields_of(vectors: list[tuple[str, int, FixedPoint]]) -> tuple[Field, ...]:
    """The fields of a bus of vectors: name, codes and type of each, one behind the other."""
    fields = []
    offset = 0
    for name, size, kind in vectors:
        for index in range(size):
            fields.append(Field(name, index, offset, kind))
            offset += kind.width
    return tuple(fields)


def input_fields(graph: Graph) -> tuple[Field, ...]:
    """The fields of the input bus, element 0 of the first port in the lowest bits."""
    return fields_of([(port.name, port.size, port.type) for port in graph.inputs])


def output_fields(graph: Graph) -> tuple[Field, ...]:
    """The fields of the output bus, element 0 of the first output in the lowest bits."""
    ranges = intervals(graph)
    return fields_of([(name, graph[name].size, common_type(ranges[name], graph[name].frac)) for name in graph.outputs])


def bus_width(fields: tuple[Field, ...]) -> int:
    """Bits of the packed bus."""
    return fields[-1].offset + fields[-1].width


def pack(codes: IntArray, fields: tuple[Field, ...]) -> npt.NDArray[np.uint8]:
    """Packed little-endian words, `(events, ceil(bits / 8))`, for codes `(events, len(fields))`."""
    bits = np.concatenate([(codes[:, k, None] >> np.arange(field.width)) & 1 for k, field in enumerate(fields)], axis=1)
    return np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")


def unpack(words: npt.NDArray[np.uint8], fields: tuple[Field, ...]) -> IntArray:
    """Codes `(events, len(fields))` of packed little-endian words `(events, bytes)`."""
    bits = np.unpackbits(words, axis=1, bitorder="little").astype(np.int64)
    codes = np.empty((words.shape[0], len(fields)), dtype=np.int64)
    for k, field in enumerate(fields):
        part = bits[:, field.offset : field.offset + field.width] @ (1 << np.arange(field.width))
        sign = 1 << (field.width - 1)
        codes[:, k] = (part ^ sign) - sign if field.type.signed else part
    return codes


def reads_float32(kind: FixedPoint) -> bool:
    """Whether a port of type ``kind`` takes real values as float32, as Keras reads them; wider ones hold more than that."""
    return kind.width <= FLOAT32_BITS


def encode_events(graph: Graph, values: npt.NDArray[np.floating[Any]]) -> IntArray:
    """Input codes `(events, n_inputs)` of real ``values`` of that shape, as the model's input quantisers make them.

    Keras rounds its inputs to float32 before it does anything, and so does every port that no wider code passes.

    Raises:
        ConfigError: if the shape is wrong, or a value is not finite or beyond the port's float32.
    """
    if values.ndim != 2 or values.shape[1] != graph.n_inputs:
        raise ConfigError(f"inputs of shape {values.shape}; expected (events, {graph.n_inputs}) for {graph.name!r}")
    parts, start = [], 0
    for port in graph.inputs:
        real = values[:, start : start + port.size]
        if reads_float32(port.type):
            with np.errstate(over="ignore"):
                real = real.astype(np.float32)
        bad = np.argwhere(~np.isfinite(real))
        if bad.size:
            event, column = int(bad[0, 0]), start + int(bad[0, 1])
            raise ConfigError(
                f"inputs hold {values[event, column]} at event {event}, column {column}; all must be finite in float32"
            )
        codes = encode(real, port.type)
        parts.append(clip(codes, port.interval.lo, port.interval.hi))
        start += port.size
    return np.concatenate(parts, axis=1)


def decode_inputs(graph: Graph, codes: IntArray) -> FloatArray:
    """The real values of input codes `(events, n_inputs)`."""
    fracs = np.repeat([port.frac for port in graph.inputs], [port.size for port in graph.inputs])
    return decode(codes, fracs)


def decode_outputs(graph: Graph, codes: IntArray) -> FloatArray:
    """The outputs in the units of the Keras model, `(events, n_outputs)` float64, exact."""
    return decode(codes, output_fracs(graph))
