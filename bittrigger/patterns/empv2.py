"""EMPv2: pattern files of the EMP framework from 0.7.0 on, with flags in front of each word.

::

    ID: CMSSW
    Metadata: (strobe,) start of orbit, start of packet, end of packet, valid

          Link           000
    Frame 0000    1101 0000000000000001

A word has four flags, or five on a link whose strobe is ever low; the strobe comes first.
Source: L1Trigger/DemonstratorTools of CMSSW, and the documentation of the EMP framework.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bittrigger.patterns.board import Board
from bittrigger.patterns.text import (
    Line,
    Text,
    assemble,
    board_name,
    check_count,
    link_numbers,
    split_lines,
    trailing_blanks,
)

METADATA = "Metadata: (strobe,) start of orbit, start of packet, end of packet, valid"
"""The second line, which states the order of the flags; some drawings of the format label them otherwise."""

_WORD = re.compile(r"([01]{4,5}) ([0-9a-fA-F]{16})")
_ALLOWED = "(strobe,) start of orbit, start, end, valid as 4 or 5 digits 0 or 1, one blank, 16 hexadecimal digits"


def read_empv2(text: str, source: str, *, lenient: bool = False) -> Board:
    """The board in ``text``; ``source`` is its name in messages.

    Args:
        lenient: also reads ``Id:``, trailing blanks, single blanks between words and carriage returns.

    Raises:
        ConfigError: if the text is not EMPv2.
    """
    lines = split_lines(text, source, lenient=lenient, comments=True)
    board_id = _board_id(lines, lines.header(0, "ID: "))
    second = lines.header(1, METADATA)
    if second.number != lines.lines[0].number + 1 and not lenient:
        second.refuse("line between ID and", second.text, "the Metadata line directly after the ID line")
    if not second.text.startswith(METADATA):
        second.refuse("metadata", second.text, repr(METADATA))
    head = lines.header(2, "Link  ")
    label = head.text.strip()
    if not label.startswith("Link" if lenient else "Link  "):
        head.refuse("header", head.text, "'Link', two blanks or more, and the numbers of the links")
    links = link_numbers(head, label[4:].split(), r"([0-9]+)", "a decimal number such as 000")
    return assemble(board_id, links, _rows(lines, links))


def _board_id(lines: Text, line: Line) -> str:
    if line.text[:4] != "ID: ":
        if line.text[:3].lower() != "id:":
            line.refuse("header", line.text, "'ID: ' and the board's id")
        if not lines.lenient:
            line.refuse("header", line.text, "'ID: ', to the letter (CMSSW rejects others too); read it with --lenient")
    return board_name(lines, line, line.text[3 if lines.lenient else 4 :])


def _rows(lines: Text, links: tuple[int, ...]) -> Iterator[list[tuple[int, str, str]]]:
    gap = re.compile(r"\s+(?=[01]{3,5} )" if lines.lenient else r"\s\s+")
    strobed: list[bool] | None = None
    for number, line in enumerate(lines.lines[3:]):
        label = f"Frame {number:04d}"
        rest = trailing_blanks(lines, line)
        if not rest.startswith(label + (" " if lines.lenient else "  ")):
            line.refuse("frame", rest, f"{label!r} and two blanks; frames are numbered from 0 without a gap")
        words = gap.split(rest[len(label) :].lstrip())
        check_count(line, len(words), links)
        row = [_word(lines, line, word) for word in words]
        kinds = [len(flags) == 5 for _, _, flags in row]
        strobed = strobed or kinds
        if kinds != strobed and not lines.lenient:
            at = next(k for k, kind in enumerate(kinds) if kind != strobed[k])
            line.refuse(
                "flags", words[at], f"{5 if strobed[at] else 4} digits, as in the first frame of link {links[at]}"
            )
        yield row


def _word(lines: Text, line: Line, word: str) -> tuple[int, str, str]:
    found = _WORD.fullmatch(word)
    if found is None:
        if re.fullmatch(r"[01]{3} [0-9a-fA-F]{16}", word):
            line.refuse(
                "word without its valid bit",
                word,
                f"{_ALLOWED}; some versions of CMSSW left the valid bit out, which cannot be restored: write the file again",
            )
        hint = "" if lines.lenient else "; words are two blanks or more apart, one blank is read with --lenient"
        line.refuse("word", word, _ALLOWED + hint)
    flags = found[1]
    return int(found[2], 16), "oslv" if len(flags) == 4 else "toslv", flags


def write_empv2(board: Board) -> str:
    """``board`` as EMPv2, as CMSSW writes it; every field is carried."""
    frames = board.frames
    slow = [not bool(frames["strobe"][:, k].all()) for k in range(len(board.links))]
    heads = "".join(
        f"{' ' * strobed}            {link:03d}        " for link, strobed in zip(board.links, slow, strict=True)
    )
    lines = [f"ID: {board.id}", METADATA, "", f"      Link  {heads}"]
    for number, row in enumerate(frames.tolist()):
        words = [
            f"  {f'{strobe:d}' if strobed else ''}{orbit:d}{start:d}{last:d}{valid:d} {data:016x}"
            for (data, orbit, start, last, valid, strobe), strobed in zip(row, slow, strict=True)
        ]
        lines.append(f"Frame {number:04d}  {''.join(words)}")
    return "\n".join(lines) + "\n"
