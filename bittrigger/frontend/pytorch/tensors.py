"""The tensors of a ``.pt`` file: a zip archive with a pickle, of which only what ``torch.save`` writes for tensors is followed.

A pickle is a program. This reader knows the instructions that build dictionaries, lists, tuples, numbers and texts, and the few
names that stand for tensors; it calls nothing. Any other name is an error that says which class the file wants to run.
"""

from __future__ import annotations

import math
import pickletools
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import UnsupportedModelError
from bittrigger.system.files import read_regular

Array = npt.NDArray[Any]

MAX_BYTES = 2 << 30
MAX_INSTRUCTIONS = 1 << 20
MAX_DEPTH = 8
MAX_PLACES = 100_000
"""Most entries of all dictionaries."""

MAX_NAME = 500
"""Longest name of a tensor, those of the dictionaries around it included."""

MAX_AXES = 16

MAX_VALUES = 1 << 27
"""Most elements of all tensors."""

_STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "u1",
}
_REBUILD = ("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter")
_ORDERED = "collections OrderedDict"
_ADVICE = "allowed are files of torch.save(model.state_dict(), 'name.pt'); save that"


@dataclass(frozen=True)
class _Name:
    """A name that the pickle would import."""

    text: str


@dataclass(frozen=True)
class _Storage:
    """Numbers in a member of the archive."""

    key: str
    kind: str


class _Mark:
    """Where a sequence begins."""


_DAMAGED = (
    *(ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, EOFError),
    *(zipfile.BadZipFile, RuntimeError, struct.error),  # the second is what zipfile says of an encrypted member
)


def read_tensors(path: Path) -> dict[str, Array]:
    """The tensors of a checkpoint by name; those of dictionaries inside have the names of both, with a dot between.

    Raises:
        UnsupportedModelError: if the file is no checkpoint, is damaged, or names a class.
    """
    try:
        data = read_regular(path, MAX_BYTES)
    except OSError as error:
        raise UnsupportedModelError(
            f"PyTorch file {path}: it cannot be read: {error.strerror}; check the path"
        ) from error
    try:
        members = _members(data)
        found = _collect(_Reader(members).value())
    except _DAMAGED as error:
        raise UnsupportedModelError(
            f"PyTorch file {path}: it is damaged, or not as torch.save writes it ({str(error)[:200]}); {_ADVICE}"
        ) from error
    if not found:
        raise UnsupportedModelError(f"PyTorch file {path}: it holds no tensors by name; {_ADVICE}")
    return found


def _members(data: bytes) -> dict[str, bytes]:
    """The members of the archive without their common folder."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if len(set(names)) < len(names) or len(names) > 100_000:
            raise ValueError("two members of one name, or too many")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("a compressed member")
        if sum(entry.file_size for entry in entries) > len(data):
            raise ValueError("its members overlap")
        return {name.partition("/")[2]: archive.read(name) for name in names}


def _spelled(name: object) -> str:
    return name.text[:100].replace(" ", ".") if isinstance(name, _Name) else "no name"


def _collect(root: Any) -> dict[str, Array]:
    """The tensors below ``root`` by name; a dictionary may stand in many places, so that places are counted."""
    found: dict[str, Array] = {}
    pending = [(root, "", 0)]
    places = 0
    while pending:
        value, prefix, depth = pending.pop()
        places += 1
        if places > MAX_PLACES:
            raise ValueError(f"more than {MAX_PLACES:,} entries")
        if isinstance(value, np.ndarray):
            found[prefix] = value
        elif isinstance(value, Mapping) and depth < MAX_DEPTH:
            entries = [(key, item) for key, item in value.items() if isinstance(key, str)]
            entries = [(key, item) for key, item in entries if not key.startswith("_metadata")]
            if entries and len(prefix) + max(len(key) for key, _ in entries) > MAX_NAME:
                raise ValueError(f"a name of more than {MAX_NAME} characters")
            pending += [(item, f"{prefix}.{key}" if prefix else key, depth + 1) for key, item in reversed(entries)]
    return found


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise ValueError("a name that is no text")
    return value


def _plain(axes: object) -> tuple[Any, ...]:
    if not isinstance(axes, tuple) or len(axes) > MAX_AXES:
        raise ValueError("a tensor of no shape")
    return axes


class _Reader:
    """A machine for the few instructions of tensors."""

    def __init__(self, members: dict[str, bytes]) -> None:
        self._members = members
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._values = 0
        self._order = "<" if members.get("byteorder", b"little") == b"little" else ">"

    def value(self) -> Any:
        """What the pickle builds."""
        for count, (code, argument, _) in enumerate(pickletools.genops(self._members["data.pkl"])):
            if count > MAX_INSTRUCTIONS:
                raise ValueError("too many instructions")
            if code.name == "STOP":
                return self._stack.pop()
            self._step(code.name, argument)
        raise ValueError("no end")

    def _step(self, name: str, argument: Any) -> None:  # noqa: C901, PLR0912, PLR0915 - an instruction a case
        stack = self._stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "MARK":
                stack.append(_Mark())
            case "TUPLE":
                stack.append(tuple(self._to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack[-int(name[-1]) :] = [tuple(stack[-int(name[-1]) :])]
            case "SETITEM" | "SETITEMS":
                items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else self._to_mark()
                if not all(isinstance(key, str | int) for key in items[::2]):
                    raise TypeError("a key that is no text")  # to hash tuples of tuples takes for ever
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
            case "APPEND" | "APPENDS":
                items = [stack.pop()] if name == "APPEND" else self._to_mark()
                stack[-1].extend(items)
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "GLOBAL":
                stack.append(_Name(argument))
            case "STACK_GLOBAL":
                stack[-2:] = [_Name(" ".join(map(_text, stack[-2:])))]
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(self._made(stack.pop(), arguments))
            case "BUILD":
                stack.pop()  # _metadata of a state_dict: versions of layers
                if not isinstance(stack[-1], dict):
                    raise TypeError("it holds an object of a class, and no code of a file is run")
            case "NEWOBJ":
                raise ValueError(f"it holds an object of {_spelled(stack[-2])}, and no code of a file is run")
            case _:
                raise ValueError(f"instruction {name}")

    def _to_mark(self) -> list[Any]:
        at = len(self._stack) - 1
        while not isinstance(self._stack[at], _Mark):
            at -= 1
            if at < 0:
                raise ValueError("a sequence that has no beginning")
        items = self._stack[at + 1 :]
        del self._stack[at:]
        return items

    @staticmethod
    def _storage(identity: Any) -> _Storage:
        word, kind, key, _, _ = identity
        if word != "storage" or not isinstance(kind, _Name):
            raise ValueError("no storage")
        name = kind.text.split(" ")[-1]
        if name not in _STORAGES:
            raise ValueError(f"numbers of {name}; allowed are {', '.join(_STORAGES)}")
        return _Storage(_text(key), _STORAGES[name])

    def _made(self, name: Any, arguments: Any) -> Any:
        text = name.text if isinstance(name, _Name) else ""
        if not isinstance(arguments, tuple):
            raise TypeError("a call without arguments")
        if text == _ORDERED and not arguments:
            return {}
        if text == _REBUILD[1]:
            return arguments[0]
        if text == _REBUILD[0]:
            return self._tensor(*arguments[:4])
        raise ValueError(f"it wants to call {_spelled(name)}, and no code of a file is run")

    def _tensor(self, storage: _Storage, offset: int, size: tuple[int, ...], strides: tuple[int, ...]) -> Array:
        numbers = (offset, *_plain(size), *_plain(strides))
        if not all(type(number) is int and 0 <= number <= MAX_BYTES for number in numbers):
            raise ValueError("a tensor whose place or size is no number")
        values = np.frombuffer(self._members[f"data/{storage.key}"], dtype=np.dtype(self._order + storage.kind))
        count = math.prod(size)
        last = offset + sum((n - 1) * step for n, step in zip(size, strides, strict=True))
        if count > len(values) or (count and last >= len(values)):
            raise ValueError(f"a tensor of {size} beyond its storage")
        self._values += count
        if self._values > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES:,} numbers")
        steps = tuple(step * values.itemsize for step in strides)
        view = np.lib.stride_tricks.as_strided(values[offset:], size, steps, writeable=False)
        return np.array(view)
