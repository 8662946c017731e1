"""Whether a kept proof is about the files that are there now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bittrigger.build.manifest import present, read_file, sha256
from bittrigger.errors import ConfigError
from bittrigger.system.kept import Kept, key_of

PROOF = "proof.json"
"""The last proof of a build, in its folder."""

MADE_HERE = Kept("proofs-of-builds", room_bytes=1 << 22)
"""Which files of that name this user's own runs have written: whoever sends a build may write one as well."""


def note_made_here(text: str) -> None:
    """Remember that a run of this user wrote the proof ``text``."""
    MADE_HERE.keep({key_of(text): b"made here"})


def is_made_here(text: str) -> bool:
    """Whether a run of this user wrote the proof ``text``."""
    return MADE_HERE.find(key_of(text)) is not None


def first_change(files: Mapping[str, str], folder: Path) -> str | None:
    """The first file of the build in ``folder`` that is not as a proof has it, or None.

    Args:
        files: the member ``files`` of ``proof.json``: SHA-256 by name.
    """
    for name in sorted({*files, *present(folder)}):
        try:
            if sha256(read_file(folder, name)) != files.get(name):
                return name
        except ConfigError:
            return name
    return None
