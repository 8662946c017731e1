"""What an ONNX file says: nodes, constants and shapes, as plain data; whatever else a file may hold is refused by name."""

from __future__ import annotations

import math
import sys
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.qonnx.wire_format import Budget, fields, integers, message, signed, single, text
from bittrigger.system.files import read_regular

Array = npt.NDArray[Any]

MAX_BYTES = 1 << 30
MAX_NODES = 20_000
MAX_VALUES = 1 << 27
"""Most elements of all constants."""

MAX_AXES = 8

_KINDS: dict[int, Any] = {
    1: "<f4",
    2: "u1",
    3: "i1",
    4: "<u2",
    5: "<i2",
    6: "<i4",
    7: "<i8",
    9: "?",
    10: "<f2",
    11: "<f8",
    12: "<u4",
    13: "<u8",
    21: np.dtype("u1", align=False, metadata={"bits": 4}),
    22: np.dtype("i1", align=False, metadata={"bits": 4}),
}
"""Numbers by their code; others (texts, complex numbers, bfloat16, float8) are refused."""

_FLOATING = (0, 1)
"""The codes of float32, and of what is not said; other floats have other bits."""

_FLOATS, _INT32, _INT64, _RAW, _DOUBLES, _UINT64 = 4, 5, 7, 9, 10, 11
_ADVICE = "allowed are files of ONNX with their numbers inside, as Brevitas' export_qonnx and qkeras2qonnx write them"


def bits_of(array: Array) -> int:
    """Bits of the integers of an array, of which those of 4 bits are kept as 8."""
    own: Mapping[str, Any] = array.dtype.metadata or {}
    return int(own.get("bits", 8 * array.dtype.itemsize))


Attribute = float | int | str | Array | list[int] | list[float]


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """One operator.

    Attributes:
        kind: its name, such as ``Gemm``.
        domain: whose operator it is; empty for ONNX itself.
    """

    name: str
    kind: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]

    @property
    def called(self) -> str:
        """What users call it: its name, or for want of one that of its first output."""
        return self.name or next(iter(self.outputs), "")


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """A graph without subgraphs.

    Attributes:
        inputs: names and shapes of its inputs, constants left out; None for an axis of no fixed length.
        outputs: names.
        constants: by name.
        types: of inputs, as FINN annotates them (``UINT8``), or of those that are no floats as ONNX calls them (``int8``).
        opset: the version of ONNX' own operators.
    """

    nodes: tuple[OnnxNode, ...]
    inputs: Mapping[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]
    constants: Mapping[str, Array]
    opset: int
    types: Mapping[str, str] = field(default_factory=dict)


def unused(name: str, *taken: Container[str]) -> str:
    """A name like ``name`` that is in none of ``taken``."""
    while any(name in names for names in taken):
        name += "'"
    return name


def read_onnx(path: Path) -> OnnxModel:
    """The model in ``path``.

    Raises:
        UnsupportedModelError: if it cannot be read, is damaged, or holds what no design can be made of.
    """
    try:
        data = read_regular(path, MAX_BYTES)
    except OSError as error:
        raise UnsupportedModelError(f"ONNX file {path}: it cannot be read: {error.strerror}; check the path") from error
    try:
        return _Reader().model(memoryview(data))
    except (ValueError, TypeError, OverflowError) as error:
        raise UnsupportedModelError(
            f"ONNX file {path}: it is damaged, or holds what is not read ({str(error)[:200]}); {_ADVICE}; export it again"
        ) from error


_NIBBLES = {21: "uint4", 22: "int4"}
"""The codes of integers of 4 bits, of which two lie in a byte, the lower one first."""


def _unpacked(packed: Array, count: int, kind: Any) -> Array:
    halves = np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1)[:count].astype(np.int64)
    if np.dtype(kind).kind == "i":
        halves = np.where(halves > 7, halves - 16, halves)
    made: Array = halves.astype(kind)
    return made if packed.size == -(-count // 2) else made[:0]


@dataclass(eq=False)
class _Tensor:
    """A TensorProto while it is read."""

    name: str = ""
    shape: list[int] = field(default_factory=list)
    kind: int = 0
    parts: dict[int, list[Any]] = field(default_factory=dict)


class _Reader:
    """The state of one reading."""

    def __init__(self) -> None:
        self.budget = Budget()
        self.values = 0
        self.nodes = 0

    def model(self, data: memoryview) -> OnnxModel:
        """A ModelProto."""
        graph: memoryview | None = None
        opset = 1
        for number, _, value in fields(data, self.budget):
            match number:
                case 7:
                    if graph is not None:
                        raise ValueError("two graphs")
                    graph = message(value)
                case 8:
                    opset = max(opset, self._opset(message(value)))
                case 20 | 25:
                    raise ValueError("training steps" if number == 20 else "functions of its own")
        if graph is None:
            raise ValueError("no graph")
        return self._graph(graph, opset)

    def _opset(self, data: memoryview) -> int:
        domain, version = "", 1
        for number, _, value in fields(data, self.budget):
            if number == 1:
                domain = text(value)
            elif number == 2:
                version = signed(value)
        return version if domain in ("", "ai.onnx") else 1

    def _graph(self, data: memoryview, opset: int) -> OnnxModel:
        nodes: list[OnnxNode] = []
        constants: dict[str, Array] = {}
        inputs: dict[str, tuple[int | None, ...]] = {}
        outputs: list[str] = []
        types: dict[str, str] = {}
        for number, _, value in fields(data, self.budget):
            match number:
                case 1:
                    nodes.append(self._node(message(value)))
                case 5:
                    name, array = self._tensor(message(value))
                    if constants.setdefault(name, array) is not array:
                        raise ValueError(f"two constants {name[:80]!r}")
                case 11:
                    name, shape = self._value(message(value), types)
                    if inputs.setdefault(name, shape) is not shape:
                        raise ValueError(f"two inputs {name[:80]!r}")
                case 12:
                    outputs.append(self._value(message(value), {})[0])
                case 14:
                    self._annotation(message(value), types)
                case 15:
                    raise ValueError("sparse constants")
        real = {name: shape for name, shape in inputs.items() if name not in constants}
        return OnnxModel(tuple(nodes), real, tuple(outputs), constants, opset, types)

    def _annotation(self, data: memoryview, types: dict[str, str]) -> None:
        """A TensorAnnotation, of which FINN's type of a tensor is read."""
        name = ""
        for number, _, value in fields(data, self.budget):
            if number == 1:
                name = text(value)
                continue
            pair = {key: text(part) for key, _, part in fields(message(value), self.budget) if key in (1, 2)}
            if pair.get(1) == "finn_datatype":
                types.setdefault(name, pair.get(2, ""))

    def _node(self, data: memoryview) -> OnnxNode:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise ValueError(f"more than {MAX_NODES:,} nodes")
        found: dict[int, list[str]] = {}
        attributes: dict[str, Attribute] = {}
        for number, _, value in fields(data, self.budget):
            if number in (1, 2, 3, 4, 7):
                found.setdefault(number, []).append(sys.intern(text(value)))
            elif number == 5:
                name, attribute = self._attribute(message(value))
                if name in attributes:
                    raise ValueError(f"two attributes {name[:80]!r}")
                attributes[name] = attribute
        name, kind, domain = (found.get(number, [""])[-1] for number in (3, 4, 7))
        return OnnxNode(name, kind, domain, tuple(found.get(1, [])), tuple(found.get(2, [])), attributes)

    def _attribute(self, data: memoryview) -> tuple[str, Attribute]:  # noqa: C901 - one case a field
        name = ""
        value: Attribute | None = None
        whole: list[int] = []
        real: list[float] = []
        for number, kind, item in fields(data, self.budget):
            match number:
                case 1:
                    name = text(item)
                case 2:
                    value = single(item)
                case 3:
                    value = signed(item)
                case 4:
                    value = text(item)
                case 5:
                    value = self._tensor(message(item))[1]
                case 7:
                    packed = kind != 5
                    real += np.frombuffer(message(item), "<f4").tolist() if packed else [single(item)]
                case 8:
                    whole += integers(item, self.budget)
                case 6 | 11:
                    raise ValueError("a graph within a node: loops and branches, which no design has")
                case 9 | 10 | 22 | 23 | 14 | 15:
                    raise ValueError(f"attribute {name[:80]!r} of an unknown kind")
                case 21:
                    raise ValueError("an attribute of a function")
        return name, whole or real or (value if value is not None else [])

    def _value(self, data: memoryview, types: dict[str, str]) -> tuple[str, tuple[int | None, ...]]:
        """The name and the shape of a ValueInfoProto; a type that is no float goes to ``types``."""
        name, shape = "", tuple[int | None, ...]()
        for number, _, value in fields(data, self.budget):
            if number == 1:
                name = text(value)
            elif number == 2:
                shape, kind = self._shape(message(value))
                if kind not in _FLOATING:
                    types[name] = _NIBBLES.get(kind) or np.dtype(_KINDS.get(kind, "V")).name
        return name, shape

    def _shape(self, data: memoryview) -> tuple[tuple[int | None, ...], int]:
        """The shape and the kind of numbers of a TypeProto."""
        found: list[int | None] = []
        numbers = 0
        for number, _, kind in fields(data, self.budget):
            if number != 1:
                raise ValueError("an input or output that is no tensor")
            for place, _, value in fields(message(kind), self.budget):
                if place == 1:
                    numbers = signed(value)
                if place != 2:
                    continue
                for _, _, axis in fields(message(value), self.budget):
                    sizes = [signed(n) for key, _, n in fields(message(axis), self.budget) if key == 1]
                    found.append(sizes[-1] if sizes and sizes[-1] > 0 else None)
        if len(found) > MAX_AXES:
            raise ValueError(f"a tensor of {len(found)} axes; allowed are {MAX_AXES}")
        return tuple(found), numbers

    def _tensor(self, data: memoryview) -> tuple[str, Array]:
        """The name and the numbers of a TensorProto."""
        read = _Tensor()
        for number, _, value in fields(data, self.budget):
            match number:
                case 1:
                    read.shape += integers(value, self.budget)
                case 2:
                    read.kind = signed(value)
                case 8:
                    read.name = text(value)
                case 13 | 14:
                    if number == 13 or signed(value):
                        raise ValueError(f"constant {read.name[:80]!r} lies in another file")
                case 3 | 6:
                    raise ValueError(f"constant {read.name[:80]!r} of pieces or texts")
                case 4 | 5 | 7 | 9 | 10 | 11:
                    whole = number in (_INT32, _INT64, _UINT64)
                    read.parts.setdefault(number, []).extend(
                        integers(value, self.budget) if whole else [message(value)]
                    )
        return read.name, self._array(read)

    def _array(self, read: _Tensor) -> Array:
        kind = _KINDS.get(read.kind)
        if kind is None:
            raise ValueError(f"constant {read.name[:80]!r} of the kind {read.kind}")
        if len(read.shape) > MAX_AXES or any(not 0 <= n <= MAX_VALUES for n in read.shape):
            raise ValueError(f"constant {read.name[:80]!r} of a shape that none has")
        count = math.prod(read.shape)
        self.values += count
        if self.values > MAX_VALUES:
            raise ValueError(f"constants of more than {MAX_VALUES:,} values")
        if len(read.parts) > 1 or (count and not read.parts):
            raise ValueError(f"constant {read.name[:80]!r} has its numbers in {len(read.parts)} places")
        values = self._numbers(read, kind)
        if values.size != count:
            raise ValueError(f"constant {read.name[:80]!r} has {values.size} numbers for a shape of {count}")
        return values.reshape(read.shape)

    @staticmethod
    def _numbers(read: _Tensor, kind: Any) -> Array:
        if not read.parts:
            return np.zeros(0, dtype=kind)
        ((place, parts),) = read.parts.items()
        if read.kind in _NIBBLES:
            packed = (
                np.array([n & 255 for n in parts], np.uint8)
                if place == _INT32
                else np.frombuffer(b"".join(parts), "u1")
            )
            return _unpacked(packed, math.prod(read.shape), kind)
        if place in (_INT32, _INT64, _UINT64):
            if read.kind == 10:  # float16 comes as its bits
                return np.array(parts, dtype=np.int64).astype(np.uint16).view("<f2")
            return np.array([n & (1 << 64) - 1 if place == _UINT64 else n for n in parts]).astype(kind)
        stored = {_FLOATS: "<f4", _DOUBLES: "<f8", _RAW: kind}[place]
        return np.frombuffer(b"".join(bytes(part) for part in parts), stored).astype(kind)
