"""HDF5 files as Keras writes them, read from bytes in memory by a reader of our own.

The HDF5 library follows links and external storage out of the file, opens what hides behind a user block, and can crash the
process on a flipped bit. Keras needs a small part of the format: groups of symbol tables, attributes of texts, and arrays of
numbers that lie in one piece. That part is read here; everything else is refused, and no size is believed that the bytes do not
cover.

Source: HDF5 File Format Specification, version 3.0: superblock 0, object headers 1, groups of symbol tables, global heap.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_STEPS = 1_000_000
"""Most messages, names and texts that are looked at, each kilobyte of them counted as one more; a second or two."""

MAX_TEXTS_BYTES = 64 << 20
"""Most bytes that all texts take together."""

Array = npt.NDArray[Any]

_DATASPACE, _DATATYPE, _EXTERNAL, _LAYOUT, _FILTERS, _ATTRIBUTE, _CONTINUED, _TABLE = 1, 3, 7, 8, 11, 12, 16, 17
_SHARED = 2
"""Flag of a message that lies elsewhere."""

_LINK_KINDS = (0, 1)
"""Cache types of a symbol-table entry that is an object; 2 is a soft link."""


_MOST = 1 << 31
"""Most numbers that the sides of an array may span, those of none left out: more are in no file that is read."""


class Hdf5Error(ValueError):
    """The bytes are damaged, or use a part of the format that Keras does not."""


@dataclass(frozen=True)
class Group:
    """A group: where each object in it lies, and its attributes."""

    entries: dict[str, int]
    attributes: dict[str, bytes]


@dataclass(frozen=True)
class _Kind:
    """The type of an element: a NumPy type, or a text of fixed length, or of any length (``dtype`` None)."""

    size: int
    dtype: np.dtype[Any] | None
    fixed_text: bool = False


class Hdf5:
    """An HDF5 file in memory.

    Args:
        data: the whole file.

    Raises:
        Hdf5Error: if the bytes are no HDF5 file from the first to the last; as do all methods for what is damaged or unusual.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._room = len(data)
        self._steps = MAX_STEPS
        self._text_room = MAX_TEXTS_BYTES
        self._heaps: dict[int, dict[int, bytes]] = {}
        if not data.startswith(SIGNATURE):
            raise Hdf5Error("it does not begin as an HDF5 file")
        version, offsets, lengths = self._take("<8xB4xBB", 0)
        if (version, offsets, lengths) != (0, 8, 8):
            raise Hdf5Error(f"it has a header of version {version}, Keras writes 0: it was not saved with model.save")
        base, end = self._take("<Q8xQ", 24)
        if base != 0 or end != len(data):
            raise Hdf5Error(f"it has {len(data)} bytes, its header says {end} from byte {base} on")
        (self.root,) = self._take("<Q", 64)

    def _take(self, layout: str, at: int) -> tuple[Any, ...]:
        if at > len(self._data):
            raise Hdf5Error("it points beyond its end")
        try:
            return struct.unpack_from(layout, self._data, at)
        except struct.error as error:
            raise Hdf5Error("it points beyond its end") from error

    def _bytes(self, at: int, size: int) -> bytes:
        if at + size > len(self._data):
            raise Hdf5Error("it points beyond its end")
        self._steps -= 1 + (size >> 10)
        if self._steps < 0:
            raise Hdf5Error("its parts lie in one another, or there are far too many")
        return self._data[at : at + size]

    def _messages(self, header: int) -> Iterator[tuple[int, int, bytes]]:
        """Kind, flags and content of each message of an object header."""
        version, count, size = self._take("<BxHxxxxI", header)
        if version != 1:
            raise Hdf5Error(f"an object at byte {header} is damaged or was not written by Keras")
        blocks, seen = [(header + 16, size)], 0
        for start, length in blocks:  # grows
            at, stop = start, start + length
            while at + 8 <= stop and seen < count:
                kind, size, flags = self._take("<HHB", at)
                content = self._bytes(at + 8, size)
                seen, at = seen + 1, at + 8 + size
                if at > stop:
                    raise Hdf5Error(f"an object at byte {header} is damaged")
                if kind == _CONTINUED:
                    blocks.append(_unpack("<QQ", content))
                else:
                    yield kind, flags, content

    def group(self, header: int) -> Group:
        """The group whose header lies at byte ``header``."""
        attributes: dict[str, bytes] = {}
        entries: dict[str, int] | None = None
        for kind, flags, content in self._messages(header):
            if kind == _ATTRIBUTE and not flags & _SHARED:
                name, rest = _attribute(content)
                attributes[name] = rest
            elif kind == _TABLE:
                entries = self._entries(*_unpack("<QQ", content))
        if entries is None:
            raise Hdf5Error(f"the object at byte {header} is no group")
        return Group(entries, attributes)

    def _entries(self, tree: int, heap: int) -> dict[str, int]:
        magic, size, place = self._take("<4s4xQ8xQ", heap)
        if magic != b"HEAP":
            raise Hdf5Error(f"the names at byte {heap} are damaged")
        names = self._bytes(place, size)
        found: dict[str, int] = {}
        nodes, seen = [tree], set()
        while nodes:
            node = nodes.pop()
            if node in seen:
                raise Hdf5Error(f"the group at byte {node} leads in a circle")
            seen.add(node)
            magic = self._bytes(node, 4)
            if magic == b"TREE":
                kind, used = self._take("<4xBxH", node)
                if kind != 0:
                    raise Hdf5Error(f"the group at byte {node} is damaged")
                nodes += self._take(f"<{'8xQ' * used}", node + 24)
            elif magic == b"SNOD":
                (used,) = self._take("<6xH", node)
                for k in range(used):
                    offset, header, link = self._take("<QQI", node + 8 + 40 * k)
                    name = names[offset : max(offset, names.find(b"\0", offset))].decode("utf-8", "replace")
                    if not name or link not in _LINK_KINDS:
                        raise Hdf5Error(f"{name[:80]!r} is a link, which Keras never writes")
                    found[name] = header
            else:
                raise Hdf5Error(f"the group at byte {node} is damaged")
        return found

    def find(self, group: Group, path: str) -> int:
        """The header of the object at ``path`` below ``group``, through groups of the file alone."""
        parts = path.split("/")
        for k, part in enumerate(parts):
            if part not in group.entries:
                raise Hdf5Error(f"it has no {path[:80]!r}")
            header = group.entries[part]
            if k < len(parts) - 1:
                group = self.group(header)
        return header

    def texts(self, group: Group, name: str) -> list[str] | None:
        """The texts in attribute ``name``, or None if there is none."""
        if name not in group.attributes:
            return None
        kind, shape, data = _value(group.attributes[name])
        count = math.prod(shape)
        if count == 0:
            return []
        if count * kind.size > len(data):
            raise Hdf5Error(f"attribute {name!r} is damaged")
        cells = [data[k * kind.size : (k + 1) * kind.size] for k in range(count)]
        if kind.fixed_text:
            found = [cell.rstrip(b"\0") for cell in cells]
        elif kind.dtype is None:
            found = [self._text(*_unpack("<IQI", cell)) for cell in cells]
        else:
            raise Hdf5Error(f"attribute {name!r} is no text")
        try:
            return [text.decode("utf-8") for text in found]
        except UnicodeDecodeError as error:
            raise Hdf5Error(f"attribute {name!r} is no text") from error

    def names(self, group: Group, name: str) -> list[str]:
        """The texts in attribute ``name``; Keras writes a long list as ``name0``, ``name1`` and so on."""
        whole = self.texts(group, name)
        if whole is not None:
            return whole
        found: list[str] = []
        for number in range(len(group.attributes)):
            found += self.texts(group, f"{name}{number}") or []
        return found

    def _text(self, length: int, heap: int, index: int) -> bytes:
        if heap not in self._heaps:
            self._heaps[heap] = dict(self._heap(heap))
        text = self._heaps[heap].get(index)
        if text is None or length > len(text):
            raise Hdf5Error(f"the texts at byte {heap} are damaged")
        self._text_room -= length
        if self._text_room < 0:
            raise Hdf5Error(f"its texts take more than {MAX_TEXTS_BYTES} bytes")
        return text[:length]

    def _heap(self, heap: int) -> Iterator[tuple[int, bytes]]:
        """Number and content of each object in a collection of texts."""
        magic, size = self._take("<4s4xQ", heap)
        if magic != b"GCOL":
            raise Hdf5Error(f"the texts at byte {heap} are damaged")
        at = heap + 16
        while at + 16 <= heap + size:
            number, length = self._take("<H6xQ", at)
            if number == 0:  # the free space at the end
                return
            yield number, self._bytes(at + 16, length)
            at += 16 + (length + 7) // 8 * 8

    def array(self, header: int, name: str) -> Array:
        """The numbers whose header lies at byte ``header``.

        Args:
            name: for messages.
        """
        shape, kind, layout = None, None, None
        for what, flags, content in self._messages(header):
            if what in (_DATASPACE, _DATATYPE, _LAYOUT) and flags & _SHARED:
                raise Hdf5Error(f"array {name!r} is described elsewhere, which Keras never writes")
            if what in (_EXTERNAL, _FILTERS):
                raise Hdf5Error(f"array {name!r} is compressed or in another file, which Keras never writes")
            if what == _DATASPACE:
                shape = _shape(content)
            elif what == _DATATYPE:
                kind = _kind(content)
            elif what == _LAYOUT:
                layout = content
        if shape is None or kind is None or layout is None:
            raise Hdf5Error(f"{name!r} is no array")
        if kind.dtype is None:
            raise Hdf5Error(f"array {name!r} holds no numbers")
        wanted = math.prod(shape) * kind.size
        if wanted > self._room or math.prod(n or 1 for n in shape) > _MOST:
            raise Hdf5Error(f"array {name!r} of {shape} in {wanted} bytes is larger than what is left of the file")
        self._room -= wanted
        content = self._content(name, layout, wanted)
        return np.frombuffer(content, dtype=kind.dtype).reshape(shape)

    def _content(self, name: str, layout: bytes, wanted: int) -> bytes:
        if wanted == 0:
            return b""
        version, where = _unpack("<BB", layout)
        if version in (3, 4) and where == 0:
            (size,) = _unpack("<xxH", layout)
            content = layout[4 : 4 + size]
        elif version in (3, 4) and where == 1:
            at, size = _unpack("<xxQQ", layout)
            content = self._bytes(at, size)
        else:
            raise Hdf5Error(f"array {name!r} lies in pieces, which Keras never writes")
        if len(content) != wanted:
            raise Hdf5Error(f"array {name!r} says {wanted} bytes and has {len(content)}")
        return content

    def arrays(self) -> Iterator[tuple[str, int]]:
        """Path and header of every array; no object may be reached in two ways."""
        seen: set[int] = set()
        pending = [("", self.root)]
        while pending:
            path, header = pending.pop()
            if header in seen:
                raise Hdf5Error(f"{path[:80]!r} is an object that has another name too, which Keras never writes")
            seen.add(header)
            kinds = {kind for kind, _, _ in self._messages(header)}
            if _TABLE in kinds:
                entries = self.group(header).entries
                pending += [(f"{path}/{name}".lstrip("/"), place) for name, place in entries.items()]
            elif _LAYOUT in kinds:
                yield path, header


def _unpack(layout: str, data: bytes) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(layout, data)
    except struct.error as error:
        raise Hdf5Error("a message is cut off") from error


def _attribute(content: bytes) -> tuple[str, bytes]:
    """The name of an attribute, and the rest of its message with the sizes in front."""
    version, flags, length, kind, space = _unpack("<BBHHH", content)
    if version not in (1, 2, 3) or (version > 1 and flags):
        raise Hdf5Error("an attribute was not written by Keras")
    start = 9 if version == 3 else 8
    name = content[start : start + length].split(b"\0", 1)[0].decode("utf-8", "replace")
    start += _padded(length, version)
    head = struct.pack("<HHH", kind, _padded(kind, version), _padded(space, version))
    return name, head + content[start:]


def _padded(size: int, version: int) -> int:
    return (size + 7) // 8 * 8 if version == 1 else size


def _value(rest: bytes) -> tuple[_Kind, tuple[int, ...], bytes]:
    """Type, shape and bytes of an attribute, from what ``_attribute`` left of it."""
    kind, kind_padded, space_padded = _unpack("<HHH", rest)
    body = rest[6:]
    found = _kind(body[:kind])
    return found, _shape(body[kind_padded : kind_padded + space_padded]), body[kind_padded + space_padded :]


def _shape(content: bytes) -> tuple[int, ...]:
    version, rank, _, kind = _unpack("<BBBB", content)
    if version not in (1, 2) or rank > 32 or (version == 2 and kind > 1):
        raise Hdf5Error("a shape was not written by Keras")
    return _unpack(f"<{8 if version == 1 else 4}x{rank}Q", content)


def _kind(content: bytes) -> _Kind:
    """The type in a datatype message: whole bytes, two's complement or IEEE, or a text."""
    head, bits, sign, _, size = _unpack("<BBBBI", content)
    kind = head & 15
    if kind == 3 and size:
        return _Kind(size, None, fixed_text=True)
    if kind == 9 and bits & 15 == 1 and size == 16:
        return _Kind(size, None)
    if kind == 8 and size == 1:  # truth values, whose names are not looked at
        return _Kind(size, np.dtype("i1"))
    order = ">" if bits & 1 else "<"
    if kind == 0 and size in (1, 2, 4, 8) and _unpack("<8xHH", content) == (0, 8 * size):
        return _Kind(size, np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}"))
    real = kind == 1 and size in _IEEE and not bits & 64 and sign == 8 * size - 1
    if real and _unpack("<8xHHBBBBI", content) == _IEEE[size]:
        return _Kind(size, np.dtype(f"{order}f{size}"))
    raise Hdf5Error(f"a type of class {kind} with {size} bytes was not written by Keras")


_IEEE = {
    2: (0, 16, 10, 5, 0, 10, 15),
    4: (0, 32, 23, 8, 0, 23, 127),
    8: (0, 64, 52, 11, 0, 52, 1023),
}
"""Offset, bits, exponent's place and bits, mantissa's place and bits, bias, by bytes."""
