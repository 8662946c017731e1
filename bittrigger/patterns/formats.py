"""The formats of pattern files: recognise, read, write, convert, and say what one cannot carry."""

from __future__ import annotations

import enum
from collections.abc import Collection
from pathlib import Path
from typing import assert_never

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.patterns.apx import read_apx, write_apx
from bittrigger.patterns.board import FRAME, Board
from bittrigger.patterns.empv1 import read_empv1, write_empv1
from bittrigger.patterns.empv2 import read_empv2, write_empv2
from bittrigger.patterns.text import MAX_CHARS
from bittrigger.system.files import replace_text


class Format(enum.Enum):
    """A format of pattern files."""

    EMPV1 = "empv1"
    EMPV2 = "empv2"
    APX = "apx"


LOSSES = {Format.EMPV1: ("start_of_orbit", "start", "last"), Format.EMPV2: (), Format.APX: ("id", "strobe")}
"""What each format cannot carry."""


def parse_format(name: str) -> Format:
    """The format called ``name``: ``empv1`` (or ``emp``), ``empv2`` or ``apx``, in any case.

    Raises:
        ConfigError: if there is none.
    """
    key = {"emp": "empv1"}.get(name.lower(), name.lower())
    if key not in {item.value for item in Format}:
        note = "; X2O has no published reader or writer" if key == "x2o" else ""
        raise ConfigError(f"format {name!r}; allowed are {', '.join(item.value for item in Format)}{note}")
    return Format(key)


def detect_format(text: str, source: str = "text") -> Format:
    """The format of ``text``, by its first line.

    Raises:
        ConfigError: if it is none.
    """
    for line in text.split("\n", 1000):
        if line.startswith(("#Sideband", "#LinkLabel")):
            return Format.APX
        if line.startswith("#") or not line.strip():
            continue
        if line[:3].lower() == "id:":
            return Format.EMPV2
        if line[:5].lower() == "board":
            return Format.EMPV1
        break
    raise ConfigError(
        f"{source}: not a pattern file; it begins neither with 'ID: ' (EMPv2), nor 'Board ' (EMPv1), nor '#Sideband' (APx)"
    )


def parse(text: str, source: str = "text", *, form: Format | None = None, lenient: bool = False) -> Board:
    """The board in ``text``.

    Args:
        source: name of the text in messages.
        form: its format; None looks at its first line.
        lenient: also reads the deviations that public writers are known for.

    Raises:
        ConfigError: if the text is not of that format; the message names source, line, token and what is allowed.
    """
    match form or detect_format(text, source):
        case Format.EMPV1:
            return read_empv1(text, source, lenient=lenient)
        case Format.EMPV2:
            return read_empv2(text, source, lenient=lenient)
        case Format.APX:
            return read_apx(text, source, lenient=lenient)
        case other:
            assert_never(other)


def read(path: Path, *, form: Format | None = None, lenient: bool = False) -> Board:
    """The board in the file ``path``; see ``parse``.

    Raises:
        ConfigError: if the file cannot be read, is too long, or is not of that format.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ConfigError(f"pattern file {path}: it is no regular file; copy it to one")
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_CHARS + 1)
    except OSError as error:
        raise ConfigError(f"pattern file {path}: {error.strerror}; give a readable file") from error
    return parse(content.decode("latin-1"), str(path), form=form, lenient=lenient)


def losses(board: Board, form: Format) -> tuple[str, ...]:
    """What ``board`` holds that ``form`` cannot carry: names among ``id`` and the flags of ``FRAME``."""
    idle = {"strobe": True}
    return tuple(
        name
        for name in LOSSES[form]
        if (bool(board.id) if name == "id" else bool((board.frames[name] != idle.get(name, False)).any()))
    )


def render(board: Board, form: Format, *, drop: Collection[str] = ()) -> str:
    """``board`` as text of ``form``.

    Args:
        drop: what may be left out where the format cannot carry it: ``id`` and names of flags.

    Raises:
        ConfigError: if something would be lost that ``drop`` does not name.
    """
    unknown = sorted(set(drop) - {"id", *(FRAME.names or ())} | set(drop) & {"data", "valid"})
    if unknown:
        raise ConfigError(f"{unknown[0]!r} cannot be dropped; allowed are id, start_of_orbit, start, last, strobe")
    lost = [name for name in losses(board, form) if name not in drop]
    if lost:
        raise ConfigError(
            f"{form.value} cannot carry {_place(board, lost[0])}; choose another format, or --drop {lost[0]}"
        )
    match form:
        case Format.EMPV1:
            return write_empv1(board)
        case Format.EMPV2:
            return write_empv2(board)
        case Format.APX:
            return write_apx(board)
        case other:
            assert_never(other)


def _place(board: Board, name: str) -> str:
    if name == "id":
        return f"the board's id {board.id!r}"
    frame, column = (int(k) for k in np.argwhere(board.frames[name] != (name == "strobe"))[0])
    return f"{name}, as in frame {frame} of link {board.links[column]}"


def write(path: Path, board: Board, form: Format, *, drop: Collection[str] = ()) -> None:
    """Write ``board`` to ``path``, which appears whole or not at all; see ``render``.

    Raises:
        ConfigError: if something would be lost, or the file cannot be written.
    """
    text = render(board, form, drop=drop)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
    except OSError as error:
        raise ConfigError(f"pattern file {path} cannot be written: {error.strerror}; choose another place") from error
