"""Numbers that a design holds in registers and takes new ones of at any time: weights and biases that are no constants.

A layer whose weights are held is two nodes: a ``Weigh``, which multiplies operand codes by held weights, two at a time, and hands
the held bias on; and a ``Linear`` node of as many copies as there are columns, which adds up what belongs to each. A layer that
holds biases alone is a ``Hold``, which puts them behind the operand codes, and a ``Linear`` node that takes them as operands.

A weight is two bits, the lower one whether it counts, the upper one whether it subtracts. What is subtracted enters as its
complement, and the ones that are missing then are in the held bias. Every state of the registers lies within the ranges that the
rest of the design is made for: a weight of the bits 10 is 0, and a bias may be whatever fits its register.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.ir.fixed import IntArray, Interval

Ranges = tuple[Interval, ...]

MAX_HELD_BITS = 32
"""Widest register of a bias: a word of the bus."""

WEIGH_SUFFIX = "_terms"
HOLD_SUFFIX = "_operands"

TERMS = 2
"""Operand codes that are weighed and added at a time."""


def register_interval(bits: int) -> Interval:
    """What a register of ``bits`` bits holds, in two's complement."""
    return Interval(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


@dataclass(frozen=True, eq=False)
class Weigh:
    """For each column the sums of every two operand codes times their held weights, and then the held bias.

    Attributes:
        weights: `(n_in, n_out)` int64 of -1, 0 and 1; what is held in the beginning.
        bias: `(n_out,)` int64, in units of the codes of the layer; what is held in the beginning.
        offset: `(n_out,)` int64 that is added to a bias before it is held.
        bits: of the register of a bias.
        shift: a sum counts ``2**shift`` units of the bias.
        frac: fractional bits of the bias.
    """

    name: str
    inputs: tuple[str, ...]
    weights: IntArray
    bias: IntArray
    offset: IntArray
    bits: int
    shift: int
    frac: int

    @property
    def copies(self) -> int:
        """One."""
        return 1

    @property
    def columns(self) -> int:
        """Columns of the matrix."""
        return int(self.weights.shape[1])

    @property
    def pairs(self) -> int:
        """Sums of a column."""
        return -(-int(self.weights.shape[0]) // TERMS)

    @property
    def size(self) -> int:
        """Number of codes."""
        return self.columns * (self.pairs + 1)

    @property
    def held(self) -> IntArray:
        """What the registers of the biases hold, `(n_out,)`: a unit of the sums more for each weight that subtracts."""
        subtracted: IntArray = (self.weights < 0).sum(axis=0)
        return np.asarray(self.bias + self.offset + (subtracted << self.shift))


@dataclass(frozen=True, eq=False)
class Hold:
    """The codes of each of ``copies`` parts of the operand, and behind them the held biases, which are the same for all.

    Attributes:
        bias: `(n_out,)` int64; what is held in the beginning.
        offset: `(n_out,)` int64 that is added to a bias before it is held.
        bits: of the register of a bias.
        operands: operand codes of a copy.
        frac: fractional bits of the bias.
    """

    name: str
    inputs: tuple[str, ...]
    bias: IntArray
    offset: IntArray
    bits: int
    operands: int
    frac: int
    copies: int = 1

    @property
    def size(self) -> int:
        """Number of codes, of all copies."""
        return self.copies * (self.operands + int(self.bias.size))

    @property
    def held(self) -> IntArray:
        """What the registers of the biases hold, `(n_out,)`."""
        return np.asarray(self.bias + self.offset)


Held = Weigh | Hold
"""A node that holds numbers."""

MAX_TURNS, MAX_BLOCK_TURNS = 32, 256
"""Most turns of columns whose numbers lie in LUTs, 64 words of two banks, and in block RAM, 512 words."""


def bits_a_memory(places: int) -> int:
    """Bits of a word in the eight LUTs of a memory with an address of ``places`` bits; the eighth is read where it is written."""
    return 14 if places < 6 else 7


READING = 1
"""Cycles from the one in which weights that take turns are read to that in which codes are multiplied by them; one more in
block RAM."""


@dataclass(frozen=True)
class Turns:
    """How the columns of a ``Weigh`` take turns: ``lanes`` of them a cycle are multiplied and added up.

    Attributes:
        n_out: columns.
    """

    n_out: int
    lanes: int

    @property
    def groups(self) -> int:
        """Turns of an event, a cycle each."""
        return -(-self.n_out // self.lanes)

    @property
    def period(self) -> int:
        """Cycles from one turn to the next."""
        return 1

    @property
    def in_blocks(self) -> bool:
        """Whether numbers lie in block RAM, which is read a cycle later."""
        return self.groups > MAX_TURNS


def evaluate_held(node: Held, codes: IntArray) -> IntArray:
    """The output codes of one copy, for operand codes `(events, n_in)`."""
    events = codes.shape[0]
    held = np.broadcast_to(node.held, (events, node.held.size))
    if isinstance(node, Hold):
        return np.concatenate([codes, held], axis=1)
    n_in, columns = node.weights.shape
    padded = np.zeros((node.pairs * TERMS, columns), dtype=np.int64)
    padded[:n_in] = node.weights
    sums = np.empty((events, columns, node.pairs + 1), dtype=np.int64)
    for pair in range(node.pairs):
        weights = padded[TERMS * pair : TERMS * (pair + 1)]
        part = codes[:, TERMS * pair : TERMS * (pair + 1)]
        sums[:, :, pair] = part @ weights[: part.shape[1]] - (weights < 0).sum(axis=0)
    sums[:, :, -1] = held
    return sums.reshape(events, -1)


def weighed(code: Interval) -> Interval:
    """The range of an operand code times a held weight: nothing, itself, or its complement."""
    return code.union(Interval(0, 0)).union(Interval(~code.hi, ~code.lo))


def held_intervals(node: Held, source: Ranges) -> Ranges:
    """The range of each output code of one copy, whatever is held."""
    own = register_interval(node.bits)
    if isinstance(node, Hold):
        return (*source, *(own,) * int(node.bias.size))
    sums = []
    for pair in range(node.pairs):
        terms = [weighed(code) for code in source[TERMS * pair : TERMS * (pair + 1)]]
        sums.append(Interval(sum(term.lo for term in terms), sum(term.hi for term in terms)))
    return (*sums, own) * node.columns


def register_bits(node: Held) -> int:
    """Bits that a node holds."""
    weights = 2 * node.weights.size if isinstance(node, Weigh) else 0
    return int(weights + node.bits * node.bias.size)


def layer_name(node: Held) -> str:
    """The layer whose numbers ``node`` holds."""
    return node.name.removesuffix(WEIGH_SUFFIX if isinstance(node, Weigh) else HOLD_SUFFIX)
