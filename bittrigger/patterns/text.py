"""Lines of a pattern file, and errors that say where they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.patterns.board import MAX_LINK, Board, FrameArray, idle_frames

MAX_CHARS = 1 << 26
"""Longest text that is read: 64 MiB, some three million words."""

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file.

    Attributes:
        source: name of the file, for messages.
        number: from 1.
        text: without the end of the line.
    """

    source: str
    number: int
    text: str

    def refuse(self, what: str, token: str, allowed: str) -> NoReturn:
        """Raise the error of ``token`` in this line.

        Raises:
            ConfigError: always.
        """
        shown = token if len(token) <= _SHOWN else token[:_SHOWN] + "..."
        raise ConfigError(f"{self.source}, line {self.number}: {what} {shown!r}; expected {allowed}")


@dataclass(frozen=True)
class Text:
    """A pattern file as lines.

    Attributes:
        source: name of the file, for messages.
        lenient: whether known deviations of public writers are read too.
        lines: those that hold something.
    """

    source: str
    lenient: bool
    lines: tuple[Line, ...]

    def header(self, index: int, wanted: str) -> Line:
        """Line ``index`` of those that are not empty.

        Raises:
            ConfigError: if the file ends before it.
        """
        if index >= len(self.lines):
            raise ConfigError(
                f"{self.source}: ends before its line {wanted!r}; the file is truncated or of another format"
            )
        return self.lines[index]


def split_lines(text: str, source: str, *, lenient: bool, comments: bool) -> Text:
    """``text`` without empty lines and, where the format has ``comments``, without lines that begin with ``#``.

    Raises:
        ConfigError: if it is too long, or a character is not printable ASCII.
    """
    if len(text) > MAX_CHARS:
        raise ConfigError(f"{source}: {len(text):,} characters; at most {MAX_CHARS:,} are read; split the file")
    kept = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = Line(source, number, raw.removesuffix("\r") if lenient else raw)
        bad = re.search(r"[^\t -~]", line.text)
        if bad is not None:
            hint = "lines that end with a line feed alone, or --lenient" if bad[0] == "\r" else "printable ASCII"
            line.refuse("character", bad[0], hint)
        if line.text.strip() and not (comments and line.text.startswith("#")):
            kept.append(line)
    return Text(source, lenient, tuple(kept))


def board_name(text: Text, line: Line, rest: str) -> str:
    """The name of the board, which is the ``rest`` of ``line``.

    Raises:
        ConfigError: if there are blanks around it, or a tabulator is in it.
    """
    name = rest.strip() if text.lenient else rest
    if name != name.strip():
        line.refuse("blanks around", name, "the board's id alone; read the file with --lenient")
    if not name.isprintable():
        line.refuse("board id", name, "no tabulator")
    return name


def link_numbers(line: Line, tokens: list[str], pattern: str, allowed: str) -> tuple[int, ...]:
    """The link numbers in ``tokens``, each of which must match ``pattern``.

    Raises:
        ConfigError: if one does not, is too large or comes twice, or there is none.
    """
    links: list[int] = []
    for token in tokens:
        found = re.fullmatch(pattern, token)
        if found is None or len(found[1]) > 9 or int(found[1]) > MAX_LINK:
            line.refuse("link", token, f"{allowed}, at most {MAX_LINK}")
        if int(found[1]) in links:
            line.refuse("link", token, "each link once")
        links.append(int(found[1]))
    if not links:
        line.refuse("no links in", line.text, f"links such as {allowed}")
    return tuple(links)


def check_count(line: Line, found: int, links: tuple[int, ...]) -> None:
    """Refuse a line that has another number of words than the header has links.

    Raises:
        ConfigError: if so.
    """
    if found != len(links):
        line.refuse(f"{found} words in", line.text, f"{len(links)}, one for each link of the header")


def trailing_blanks(text: Text, line: Line) -> str:
    """The line without blanks at its end, which only a lenient reader accepts.

    Raises:
        ConfigError: if there are some.
    """
    stripped = line.text.rstrip()
    if stripped != line.text and not text.lenient:
        line.refuse("trailing blanks in", line.text, "none; read the file with --lenient")
    return stripped


def assemble(id: str, links: tuple[int, ...], rows: Iterator[list[tuple[int, str, str]]]) -> Board:  # noqa: A002
    """A board of ``rows``; each word is `(data, the flags that are known, their values)`, flags as letters.

    The letters are o (start of orbit), s (start), l (last), v (valid) and t (strobe); values are characters 0 and 1.
    """
    names = {"o": "start_of_orbit", "s": "start", "l": "last", "v": "valid", "t": "strobe"}
    data: list[list[int]] = []
    flags: dict[str, list[tuple[int, int]]] = {name: [] for name in names.values()}
    for number, row in enumerate(rows):
        data.append([word for word, _, _ in row])
        for column, (_, letters, values) in enumerate(row):
            for letter, value in zip(letters, values, strict=True):
                if (value == "0") == (letter == "t"):
                    flags[names[letter]].append((number, column))
    frames: FrameArray = idle_frames(len(data), len(links))
    if data:
        frames["data"] = np.array(data, dtype=np.uint64)
    for name, places in flags.items():
        if places:
            at = np.array(places)
            frames[name][at[:, 0], at[:, 1]] = name != "strobe"
    return Board(id, links, frames)
