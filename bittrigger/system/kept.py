"""Results that any build may use again, each under a hash of all that it was made from.

An entry is trusted only if its own checksum is right: one that was damaged, cut short or put under another key is made again.
"""

from __future__ import annotations

import hashlib
import os
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bittrigger.system.toolchain import cache_folder, private_folder

_CHECKSUM_BYTES = hashlib.sha256().digest_size


def key_of(*parts: str | bytes) -> str:
    """A hash of ``parts``; no two different lists of parts share one."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()


@dataclass(frozen=True)
class Kept:
    """One kind of results in the user's cache.

    Attributes:
        kind: name of their folder.
        room_bytes: how much of them is kept; the oldest go first.
    """

    kind: str
    room_bytes: int = 1 << 29

    def find(self, key: str) -> bytes | None:
        """What was kept under ``key``, or None if there is nothing, or nothing that is whole."""
        try:
            data = self._path(key).read_bytes()
        except OSError:
            return None
        checksum, packed = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
        if checksum != self._checksum(key, packed):
            return None
        return zlib.decompress(packed)

    def keep(self, entries: Mapping[str, bytes]) -> None:
        """Keep each content under its key; whoever reads at the same time sees all of it or nothing."""
        if not entries:
            return
        folder = private_folder(self._folder())
        for key, content in entries.items():
            packed = zlib.compress(content, 1)
            scratch = folder / f".{uuid.uuid4().hex}"
            scratch.write_bytes(self._checksum(key, packed) + packed)
            scratch.replace(self._path(key))
        if any(key.startswith("0") for key in entries):  # now and then, for it looks at every entry
            self._make_room(folder)

    def _folder(self) -> Path:
        return cache_folder() / self.kind

    def _path(self, key: str) -> Path:
        return self._folder() / key

    def _checksum(self, key: str, packed: bytes) -> bytes:
        return hashlib.sha256(f"{self.kind} {key} ".encode() + packed).digest()

    def _make_room(self, folder: Path) -> None:
        entries = sorted((status.st_mtime_ns, status.st_size, path) for path, status in _files(folder))
        excess = sum(size for _, size, _ in entries) - self.room_bytes
        for _, size, path in entries:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The files in ``folder`` with their status, those left out that another process is removing."""
    for path in folder.iterdir():
        try:
            yield path, path.stat()
        except FileNotFoundError:
            continue
