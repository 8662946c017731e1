"""The nodes of the quantised integer graph: what each computes of its operand.

Every node produces one vector of integer codes with a common number of fractional bits; its operand is the concatenation
of the nodes named in ``inputs``. Four kinds suffice for scales that are the same for every event:

* ``Input``: codes of a fixed-point port;
* ``Linear``: constant integer matrix and bias; ternary, binary and multi-bit layers, folded scales and merges alike;
* ``Requantize``: drop bits with a stated rounding, then clip or wrap around; ReLU is a clip at zero;
* ``Lookup``: a piecewise constant function for each channel; thresholds, ternary activations and tables.

What a layer does at many positions is one node with ``copies``: it reads its operand in as many equal parts, one after the
other, treats each of them alike, and delivers their results in that order. Which codes those are is the matter of a ``Wire``
(``wire``), which reads codes in any order and computes nothing.

The largest or least of several codes is an ``Extremum`` (``extremum``), the product of two a ``Product`` (``product``).

Weights and biases that are no constants are those of a ``Weigh`` or a ``Hold``, see ``held``.

Scales of each event's own take three more, see ``block_floating_point``: ``MagnitudeOr``, ``ShiftDown`` and ``ShiftUp``.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from bittrigger.ir.fixed import FixedPoint, IntArray, Interval, Overflow, Rounding
from bittrigger.ir.nodes.block_floating_point import Scaling
from bittrigger.ir.nodes.digit_sum import DigitSum
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Held
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import Wire

Intervals = tuple[Interval, ...]


def frozen_array(values: IntArray) -> IntArray:
    """A read-only contiguous int64 copy of ``values``, fit for a frozen dataclass."""
    array = np.array(values, dtype=np.int64, order="C")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Input:
    """Port of the design: ``size`` codes of ``type``.

    ``interval`` is the range that the codes really take, within ``type`` (a symmetric quantiser leaves out the lowest).
    """

    name: str
    size: int
    type: FixedPoint
    interval: Interval
    inputs: tuple[str, ...] = ()

    @property
    def frac(self) -> int:
        """Fractional bits of the codes."""
        return self.type.frac


@dataclass(frozen=True, eq=False)
class Linear:
    """``codes @ weights + bias``, exact, of each of ``copies`` parts of the operand.

    Attributes:
        weights: `(n_in, n_out)` int64, of one copy.
        bias: `(n_out,)` int64, in units of the output codes.
        frac: fractional bits of the output codes.
        copies: parts of the operand, `n_in` codes each.
    """

    name: str
    inputs: tuple[str, ...]
    weights: IntArray
    bias: IntArray
    frac: int
    copies: int = 1

    @property
    def size(self) -> int:
        """Number of outputs, of all copies."""
        return self.copies * int(self.weights.shape[1])

    @property
    def is_diagonal(self) -> bool:
        """Whether channel `k` of the result is a multiple of channel `k` of the operand, and nothing else is added but a bias."""
        n_in, n_out = self.weights.shape
        return n_in == n_out and not (self.weights - np.diag(np.diagonal(self.weights))).any()

    @property
    def is_ternary(self) -> bool:
        """Whether each column is ternary up to a power of two, so that the layer is a BitLinear."""
        magnitudes = np.abs(self.weights)
        peak = magnitudes.max(axis=0, initial=0)
        same = (magnitudes == 0) | (magnitudes == peak)
        return bool(same.all() and ((peak & (peak - 1)) == 0).all())


@dataclass(frozen=True, eq=False)
class Requantize:
    """``clip(round((codes + offset) / 2**shift), lo, hi)`` on each code; a negative ``shift`` multiplies.

    ``offset`` is not 0 where a constant was moved into the layer before: see ``passes.fold_rounding``. ``size`` counts the codes
    of all ``copies``.

    Attributes:
        overflow: ``SAT``, or ``WRAP``: then the rounded code is taken modulo ``hi - lo + 1`` in the place of the clip, and ``lo``
            and ``hi`` are the ends of a fixed-point type, so that its lowest bits are the result.
        rectified: whether a rounded code below 0 becomes 0 before it wraps around; ``lo`` is 0 then.
    """

    name: str
    inputs: tuple[str, ...]
    size: int
    shift: int
    rounding: Rounding
    lo: int
    hi: int
    frac: int
    offset: int = 0
    copies: int = 1
    overflow: Overflow = Overflow.SAT
    rectified: bool = False

    @property
    def word(self) -> str:
        """What becomes of a rounded code beyond ``lo`` and ``hi``: ``clip``, ``wrap`` or, rectified first, ``rectify``."""
        return "rectify" if self.rectified else "wrap" if self.overflow is Overflow.WRAP else "clip"

    @property
    def operand_text(self) -> str:
        """What is scaled, for comments: ``code``, or ``(code - 2)``."""
        return f"(code {'-' if self.offset < 0 else '+'} {abs(self.offset)})" if self.offset else "code"

    @property
    def is_floor(self) -> bool:
        """Whether rounding drops bits and does nothing else."""
        return self.rounding is Rounding.TRN and self.shift > 0 and not self.offset

    @property
    def clears_ties(self) -> bool:
        """Whether rounding is no more than the floor with its last bit cleared where only zeros are dropped.

        Of ``t = code + half``, where half is ``2**(shift - 1)``, that is what half-to-even rounding gives of ``code``.
        """
        return self.rounding is Rounding.RND_CONV and self.shift > 0 and self.offset == -(1 << (self.shift - 1))


@dataclass(frozen=True, eq=False)
class Lookup:
    """A piecewise constant function for each channel.

    Channel `j` gives ``values[j][k]`` for the largest `k` with ``starts[j][k] <= code``; ``starts[j]`` ascends and
    ``starts[j][0]`` is not above the lowest code that can occur. Channels are those of one of ``copies`` parts of the operand.

    Attributes:
        sums: nothing, or for each channel the same function as a sum of tables, limited to the values that occur; None where it
            is a constant.
    """

    name: str
    inputs: tuple[str, ...]
    starts: tuple[tuple[int, ...], ...]
    values: tuple[tuple[int, ...], ...]
    frac: int
    copies: int = 1
    sums: tuple[DigitSum | None, ...] = ()

    @property
    def size(self) -> int:
        """Number of codes, of all copies."""
        return self.copies * len(self.starts)

    def reached(self, channel: int, source: Interval) -> slice:
        """The segments of a channel in which codes of ``source`` lie."""
        starts = self.starts[channel]
        return slice(max(bisect_right(starts, source.lo) - 1, 0), bisect_right(starts, source.hi))

    def segments(self, channel: int, source: Interval) -> tuple[tuple[int, int], ...]:
        """The segments in which codes of ``source`` lie, as start and value, neighbours of equal value joined.

        The first start is not above ``source.lo``.
        """
        reached = self.reached(channel, source)
        found: list[tuple[int, int]] = []
        for start, value in zip(self.starts[channel][reached], self.values[channel][reached], strict=True):
            if not found or value != found[-1][1]:
                found.append((start, value))
        return tuple(found)


Operation = Linear | Requantize | Lookup | Extremum | Product | Held | Scaling
"""A node that computes something."""

Node = Input | Wire | Operation
