"""Whether a kept proof is about the files that are there now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bittrigger.build.manifest import present, read_file, sha256
from bittrigger.errors import ConfigError

PROOF = "proof.json"
"""The last proof of a build, in its folder."""


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
