"""EMPv1: pattern files of the EMP framework before 0.7.0 and of its ancestors: a valid bit, at times a strobe.

::

    Board CMSSW
     Quad/Chan :         q00c0
          Link :          000
    Frame 0000 :   1v0000000000000001

Source: L1Trigger/DemonstratorTools of CMSSW.
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

_WORD = re.compile(r"(?:([01])s)?([01])v([0-9a-fA-F]{16})")
_ALLOWED = "0v or 1v and 16 hexadecimal digits, with 0s or 1s in front on a strobed link"


def read_empv1(text: str, source: str, *, lenient: bool = False) -> Board:
    """The board in ``text``; ``source`` is its name in messages. Start and end of packets are not in such a file.

    Args:
        lenient: also reads ``board``, trailing blanks and carriage returns.

    Raises:
        ConfigError: if the text is not EMPv1.
    """
    lines = split_lines(text, source, lenient=lenient, comments=True)
    first = lines.header(0, "Board ")
    if first.text[:6] != "Board " and not (lenient and first.text[:5].lower() == "board"):
        first.refuse("header", first.text, "'Board ' and the board's id")
    board_id = board_name(lines, first, first.text[6:])
    quads = lines.header(1, "Quad/Chan :")
    channels = _labelled(quads, "Quad/Chan :")
    for token in channels:
        if not re.fullmatch(r"q[0-9]{2,}c[0-9]", token):
            quads.refuse("channel", token, "quad and channel, such as q00c0")
    head = lines.header(2, "Link :")
    links = link_numbers(head, _labelled(head, "Link :"), r"([0-9]+)", "a decimal number such as 000")
    check_count(quads, len(channels), links)
    return assemble(board_id, links, _rows(lines, links))


def _labelled(line: Line, label: str) -> list[str]:
    text = line.text.strip()
    if not text.startswith(label):
        line.refuse("header", text, f"{label!r} and an entry for each link")
    return text[len(label) :].split()


def _rows(lines: Text, links: tuple[int, ...]) -> Iterator[list[tuple[int, str, str]]]:
    for number, line in enumerate(lines.lines[3:]):
        label = f"Frame {number:04d} :"
        rest = trailing_blanks(lines, line)
        if not rest.startswith(label):
            line.refuse("frame", rest, f"{label!r}; frames are numbered from 0 without a gap")
        words = rest[len(label) :].split()
        check_count(line, len(words), links)
        row = []
        for word in words:
            found = _WORD.fullmatch(word)
            if found is None:
                line.refuse("word", word, _ALLOWED)
            strobe = found[1]
            row.append((int(found[3], 16), "v" if strobe is None else "tv", (strobe or "") + found[2]))
        yield row


def write_empv1(board: Board) -> str:
    """``board`` as EMPv1; ``start``, ``last`` and ``start_of_orbit`` are not in it."""
    slow = [not bool(board.frames["strobe"][:, k].all()) for k in range(len(board.links))]
    pads = ["  " * strobed for strobed in slow]
    quads = "".join(
        f"{pad}         q{link // 4:02d}c{link % 4}       " for link, pad in zip(board.links, pads, strict=True)
    )
    heads = "".join(f"{pad}          {link:03d}        " for link, pad in zip(board.links, pads, strict=True))
    lines = [f"Board {board.id}", f" Quad/Chan :{quads}", f"      Link :{heads}"]
    for number, row in enumerate(board.frames.tolist()):
        words = [
            f"   {f'{strobe:d}s' if strobed else ''}{valid:d}v{data:016x}"
            for (data, _, _, _, valid, strobe), strobed in zip(row, slow, strict=True)
        ]
        lines.append(f"Frame {number:04d} :{''.join(words)}")
    return "\n".join(lines) + "\n"
