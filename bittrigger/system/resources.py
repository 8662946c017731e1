"""Where the files that bittrigger ships lie: templates, firmware library, cocotb code."""

from __future__ import annotations

from pathlib import Path

from bittrigger.errors import InternalError

_PACKAGE = Path(__file__).resolve().parents[1]


def folder(name: str) -> Path:
    """The shipped folder ``name`` (``hls_templates``, ``firmware``, ``sim``, ``schemas``, ``jet_tagger``), in wheel or checkout.

    Raises:
        InternalError: if the installation is incomplete.
    """
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name, _PACKAGE.parent / "models" / name):
        if candidate.is_dir():
            return candidate
    raise InternalError(f"the installation lacks its folder {name!r}")
