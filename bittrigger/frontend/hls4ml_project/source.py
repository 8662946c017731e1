"""The text of a project: files read whole and without following links, comments and preprocessor lines taken out, tokens."""

from __future__ import annotations

import re
from pathlib import Path

from bittrigger.errors import UnsupportedModelError
from bittrigger.system.files import read_regular

MAX_BYTES = 64 << 20
"""Largest file that is read."""

MAX_FILES = 2000
"""Most files that are looked at."""

_COMMENT = re.compile(r"//|/\*")
_TOKEN = re.compile(r"\s+|(?P<token>[A-Za-z_]\w*|\d[\w.]*(?:(?<=[eE])[+-]\d+)?|\.\d\w*|\"[^\"\n]*\"|'[^'\n]*'|::|.)")
_DIRECTIVE = re.compile(r"\s*#\s*(\w+)\s*(.*)")
_DEFINED = "__SYNTHESIS__"
"""What is read is what is synthesised."""


def read_text(path: Path) -> str:
    """The text of one file of a project.

    Raises:
        UnsupportedModelError: if it is a link, no regular file, too large or unreadable.
    """
    if path.is_symlink():
        raise UnsupportedModelError(f"hls4ml project: {path} is a link; allowed are regular files; copy the project")
    try:
        return read_regular(path, MAX_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise UnsupportedModelError(f"hls4ml project: {path} cannot be read: {error.strerror}") from error


def listed(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder that fit a pattern, by name.

    Raises:
        UnsupportedModelError: if there are too many.
    """
    found: list[Path] = []
    for path in folder.glob(pattern):
        found.append(path)
        if len(found) > MAX_FILES:
            raise UnsupportedModelError(f"hls4ml project: {folder} holds more than {MAX_FILES} files {pattern}")
    return sorted(found)


def preprocessed(text: str, where: str) -> tuple[str, dict[str, str]]:
    """The lines that are synthesised, and what ``#define`` names.

    Raises:
        UnsupportedModelError: if a condition is none of ``#ifdef`` and ``#ifndef``.
    """
    kept: list[str] = []
    names: dict[str, str] = {}
    active: list[bool] = []
    for line in _uncommented(text, where).splitlines():
        match = _DIRECTIVE.match(line)
        if match is None:
            if all(active):
                kept.append(line)
            continue
        word, rest = match[1], match[2].strip()
        if word in ("ifdef", "ifndef"):
            active.append((rest == _DEFINED) == (word == "ifdef"))
        elif word in ("else", "endif") and active:
            last = active.pop()
            active += [not last] if word == "else" else []
        elif word == "define" and all(active):
            name, _, value = rest.partition(" ")
            names[name] = value.strip()
        elif word not in ("include", "pragma", "undef", "define"):
            raise UnsupportedModelError(f"hls4ml project: {where}: line {line.strip()[:80]!r} is not known here")
    return "\n".join(kept), names


def _uncommented(text: str, where: str) -> str:
    """``text`` with a blank for each comment, found in one pass."""
    parts, at = [], 0
    while match := _COMMENT.search(text, at):
        parts.append(text[at : match.start()])
        line = match[0] == "//"
        end = text.find("\n" if line else "*/", match.end())
        if end < 0 and not line:
            raise UnsupportedModelError(f"hls4ml project: {where}: a comment does not end; copy it again")
        at = len(text) if end < 0 else end + (0 if line else 2)
    return " ".join([*parts, text[at:]])


def tokens(text: str) -> list[str]:
    """The tokens of C++ without comments and preprocessor lines."""
    return [match["token"] for match in _TOKEN.finditer(text) if match["token"]]
