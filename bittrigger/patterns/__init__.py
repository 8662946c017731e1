"""Pattern files of the Level-1 trigger boards: EMPv1, EMPv2 and APx; needs NumPy and nothing else.

::

    board = read(Path("rx_summary.txt"))          # any format; strict, errors name line and token
    packets = extract_packets(board)              # (events, links, words) uint64
    write(Path("inputs.txt"), pack_events(words, ChannelSpec(tmux=6, gap_frames=6))[0], Format.EMPV2)
"""

from bittrigger.patterns.board import FLAGS, FRAME, Board, idle_frames, infer_packets, make_board
from bittrigger.patterns.formats import Format, detect_format, losses, parse, parse_format, read, render, write
from bittrigger.patterns.packets import ChannelSpec, Packets, extract_packets, pack_events
from bittrigger.patterns.words import Layout, from_words, least_links, to_words

__all__ = [
    "FLAGS",
    "FRAME",
    "Board",
    "ChannelSpec",
    "Format",
    "Layout",
    "Packets",
    "detect_format",
    "extract_packets",
    "from_words",
    "idle_frames",
    "infer_packets",
    "least_links",
    "losses",
    "make_board",
    "pack_events",
    "parse",
    "parse_format",
    "read",
    "render",
    "to_words",
    "write",
]
