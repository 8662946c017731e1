"""Zip archives as Keras and NumPy write them: one archive from the first byte to the last, each member of one name."""

from __future__ import annotations

import io
import zipfile

SIGNATURE = b"PK\x03\x04"
_END = b"PK\x05\x06"
_END_BYTES = 22

MAX_MEMBERS = 10_000


class ZipError(ValueError):
    """The bytes are damaged, or no archive that Keras writes."""


def stored_members(data: bytes, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """The members ``wanted`` of an archive that is not compressed.

    Args:
        data: the whole file.

    Raises:
        ZipError: if it is damaged, lacks one of them, or holds what Keras does not write: another file in front or behind,
            two members of one name, compressed members.
    """
    if not data.startswith(SIGNATURE) or data[-_END_BYTES:][:4] != _END:
        raise ZipError("it does not begin and end as a zip archive")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if len(names) > MAX_MEMBERS or len(set(names)) != len(names):
                raise ZipError("it holds two members of one name, or too many")
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                    raise ZipError(f"its {entry.filename[:80]!r} is compressed, which Keras never does")
            if sum(entry.file_size for entry in entries) > len(data):
                raise ZipError("its members overlap")
            if min((entry.header_offset for entry in entries), default=0) != 0:
                raise ZipError("it holds another file in front")
            missing = [name for name in wanted if name not in names]
            if missing:
                raise ZipError(f"the archive lacks {missing[0]}")
            return {name: archive.read(name) for name in wanted}
    except (zipfile.BadZipFile, OSError, RuntimeError, EOFError, NotImplementedError, ValueError) as error:
        raise error if isinstance(error, ZipError) else ZipError(str(error) or type(error).__name__) from error
