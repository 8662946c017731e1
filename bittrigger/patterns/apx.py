"""APx: pattern files of the APx firmware shell, with a sideband byte in front of each word.

::

    #Sideband ON
    #LinkLabel                LINK_00
    #BeginData
    0x0000    0x03 0x0000000000000001

Sideband: bit 0 valid, 1 start of packet, 2 first frame of the orbit, 3 end of packet, 4 frame error, 5 to 7 reserved.
CMSSW neither writes nor reads bit 2. Source: L1Trigger/DemonstratorTools of CMSSW.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bittrigger.patterns.board import Board
from bittrigger.patterns.text import Line, Text, assemble, check_count, link_numbers, split_lines, trailing_blanks

_WORD = re.compile(r"0x([0-9a-fA-F]{1,16})")


def read_apx(text: str, source: str, *, lenient: bool = False) -> Board:
    """The board in ``text``, whose id is empty; ``source`` is its name in messages.

    Args:
        lenient: also reads trailing blanks and carriage returns, and ignores the frame error and reserved bits.

    Raises:
        ConfigError: if the text is not APx.
    """
    lines = split_lines(text, source, lenient=lenient, comments=False)
    first = lines.header(0, "#LinkLabel")
    has_sideband = first.text.startswith("#Sideband")
    if has_sideband and first.text.split() != ["#Sideband", "ON"]:
        first.refuse("sideband", first.text, "'#Sideband ON'; without flags a file cannot tell which words are valid")
    head = lines.header(int(has_sideband), "#LinkLabel")
    if not head.text.startswith("#LinkLabel"):
        head.refuse("header", head.text, "'#LinkLabel' and a label such as LINK_00 for each link")
    links = link_numbers(head, head.text[10:].split(), r"LINK_([0-9]+)", "a label such as LINK_00")
    begin = lines.header(has_sideband + 1, "#BeginData")
    if trailing_blanks(lines, begin) != "#BeginData":
        begin.refuse("header", begin.text, "'#BeginData'")
    return assemble("", links, _rows(lines, links, has_sideband + 2))


def _rows(lines: Text, links: tuple[int, ...], first: int) -> Iterator[list[tuple[int, str, str]]]:
    for number, line in enumerate(lines.lines[first:]):
        words = trailing_blanks(lines, line).split()
        values = [_value(line, word) for word in words]
        if values[0] != number:
            line.refuse("frame", words[0], f"0x{number:04x}; frames are numbered from 0 without a gap")
        if len(words) % 2 == 0:
            line.refuse("odd number of words in", line.text, "a sideband byte and a word for each link")
        check_count(line, len(words) // 2, links)
        row = []
        for k in range(1, len(words), 2):
            sideband = values[k]
            if sideband > 0xFF or (sideband > 0xF and not lines.lenient):
                line.refuse("sideband", words[k], "at most 0x0f; error and reserved bits are ignored with --lenient")
            row.append((values[k + 1], "oslv", "".join(str(sideband >> bit & 1) for bit in (2, 1, 3, 0))))
        yield row


def _value(line: Line, word: str) -> int:
    found = _WORD.fullmatch(word)
    if found is None:
        line.refuse("word", word, "0x and 1 to 16 hexadecimal digits")
    return int(found[1], 16)


def write_apx(board: Board) -> str:
    """``board`` as APx; its id and strobes are not in it."""
    heads = "".join(f"                LINK_{link:02d}    " for link in board.links)
    lines = ["#Sideband ON", f"#LinkLabel{heads}", "#BeginData"]
    for number, row in enumerate(board.frames.tolist()):
        words = [
            f"    0x{valid | start << 1 | orbit << 2 | last << 3:02x} 0x{data:016x}"
            for data, orbit, start, last, valid, _ in row
        ]
        lines.append(f"0x{number:04x}{''.join(words)}")
    return "\n".join(lines) + "\n"
