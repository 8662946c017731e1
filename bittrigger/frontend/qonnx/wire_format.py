"""The wire format of protocol buffers: numbered fields, each a number or a run of bytes; nothing is allocated ahead."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_FIELDS = 1 << 22
"""Most fields of a file."""

_SIZES = {1: 8, 5: 4}
"""Bytes of the fixed kinds of fields."""

VARINT, BYTES = 0, 2


@dataclass(eq=False)
class Budget:
    """How many fields may still come."""

    left: int = field(default=MAX_FIELDS)

    def take(self) -> None:
        """Count one field.

        Raises:
            ValueError: if there are too many.
        """
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"more than {MAX_FIELDS:,} fields")


def fields(data: memoryview, budget: Budget) -> Iterator[tuple[int, int, int | memoryview]]:
    """The fields of a message: number, kind, and the number or the bytes.

    Raises:
        ValueError: if it is cut off, or holds a group, which no file of ONNX does.
    """
    place = 0
    while place < len(data):
        budget.take()
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = _varint(data, place)
            yield number, kind, value
            continue
        if kind == BYTES:
            size, place = _varint(data, place)
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise ValueError(f"a field of kind {kind}")
        if size > len(data) - place:
            raise ValueError("a field that is cut off")
        yield number, kind, data[place : place + size]
        place += size


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise ValueError("a number that is cut off")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, place
    raise ValueError("a number of more than 10 bytes")


def signed(value: int | memoryview) -> int:
    """A field as an int64."""
    if not isinstance(value, int):
        raise ValueError("bytes where a number belongs")  # noqa: TRY004 - the file is wrong, not the call
    return value - (1 << 64) if value >> 63 else value


def integers(value: int | memoryview, budget: Budget) -> list[int]:
    """The int64 of a repeated field, packed or one of several."""
    if isinstance(value, int):
        return [signed(value)]
    found, place = [], 0
    while place < len(value):
        budget.take()
        number, place = _varint(value, place)
        found.append(signed(number))
    return found


def message(value: int | memoryview) -> memoryview:
    """A field as bytes."""
    if isinstance(value, int):
        raise ValueError("a number where bytes belong")  # noqa: TRY004 - the file is wrong, not the call
    return value


def text(value: int | memoryview, most: int = 500) -> str:
    """A field as a text of at most ``most`` bytes."""
    data = message(value)
    if len(data) > most:
        raise ValueError(f"a name of {len(data)} bytes; allowed are {most}")
    return bytes(data).decode("utf-8", "replace")


def single(value: int | memoryview) -> float:
    """A field as a float32."""
    data = message(value)
    if len(data) != struct.calcsize("<f"):
        raise ValueError("no float32")
    return float(struct.unpack("<f", data)[0])
