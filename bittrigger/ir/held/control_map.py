"""The registers by which a control computer reaches what a design holds: their addresses, and what loads numbers.

The map is that of the library module ``bittrigger_control``: three windows of ``1 << window_bits`` words, the registers, what was
written, and what counts. AXI4-Lite counts bytes, IPbus words.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from bittrigger.ir.graph import Graph
from bittrigger.ir.held.bus import APPLY, address_bits, writes
from bittrigger.ir.held.weight_file import network_hash

KIND = 0x42545247
"""``BTRG``: what the register of that name reads."""

VERSION = 1
"""Of the map."""

REGISTERS = {
    "kind": 0,
    "version": 1,
    "words": 2,
    "status": 3,
    "apply": 4,
    "apply_if": 5,
    "label": 6,
    "live_label": 7,
    "crc": 8,
    "live_crc": 9,
    "applied": 10,
    "refusals": 11,
    "network": 16,
}
"""The offset of each register in the first window; ``network`` has eight words."""

NETWORK_WORDS = 8
LABEL_BITS = 32

UNITS = {"axi-lite": 4, "ipbus": 1}
"""How many addresses a word has on each bus."""


@dataclass(frozen=True)
class Access:
    """A word to write, or one to read and what it has to be.

    Attributes:
        address: in words.
    """

    write: bool
    address: int
    data: int


def window_bits(graph: Graph) -> int:
    """Bits of an offset in a window."""
    return max(5, address_bits(graph))


def written_address(graph: Graph, offset: int) -> int:
    """The address of a word in the window of what was written."""
    return (1 << window_bits(graph)) + offset


def live_address(graph: Graph, offset: int) -> int:
    """The address of a word in the window of what counts."""
    return (2 << window_bits(graph)) + offset


def words_crc(graph: Graph) -> int:
    """The CRC-32 of all words that ``graph`` holds, in order, the low byte first."""
    return zlib.crc32(b"".join(data.to_bytes(4, "little") for address, data in writes(graph) if address != APPLY))


def load_accesses(graph: Graph, label: int) -> list[Access]:
    """What loads the numbers of ``graph``: look whether it is the right design, write all words, let them count, look again."""
    words = [(address, data) for address, data in writes(graph) if address != APPLY]
    network = bytes.fromhex(network_hash(graph))
    due = {"kind": KIND, "version": VERSION, "words": len(words)}
    found = [Access(write=False, address=REGISTERS[name], data=data) for name, data in due.items()]
    for k in range(NETWORK_WORDS):
        data = int.from_bytes(network[4 * k : 4 * k + 4], "big")
        found.append(Access(write=False, address=REGISTERS["network"] + k, data=data))
    found += [Access(write=True, address=written_address(graph, offset), data=data) for offset, data in words]
    for name, data in (("label", label), ("apply_if", words_crc(graph))):
        found.append(Access(write=True, address=REGISTERS[name], data=data))
    for name, data in (("live_crc", words_crc(graph)), ("live_label", label)):
        found.append(Access(write=False, address=REGISTERS[name], data=data))
    return found


def accesses_text(graph: Graph, bus: str, *, base: int, label: int) -> str:
    """What a control computer plays on ``bus`` to load the numbers of ``graph``; see docs/reload.md.

    Args:
        base: address of the first register, in the units of the bus.
    """
    lines = [
        f"# bittrigger bus 1: {bus}, addresses of {'bytes' if UNITS[bus] > 1 else 'words'}",
        f"# design {graph.name}",
        f"# network {network_hash(graph)}",
    ]
    for access in load_accesses(graph, label):
        address = base + UNITS[bus] * access.address
        lines.append(f"{'write' if access.write else 'read'} 0x{address:08x} 0x{access.data:08x}")
    return "\n".join(lines) + "\n"
