"""A layer as loops over constant weights: for layers too large to unroll, and for reuse factors above 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bittrigger.emit.hls.cpp import code_type, literal, native_type
from bittrigger.ir.fixed import IntArray, Interval, hull
from bittrigger.ir.graph import Intervals, Linear

WEIGHTS_PER_WORD = 32
"""Ternary weights in a 64-bit word, two bits each."""


@dataclass(frozen=True)
class Table:
    """A constant two-dimensional array, one row a step."""

    type: str
    rows: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> int:
        """Elements of a row."""
        return len(self.rows[0])


@dataclass(frozen=True)
class LoopForm:
    """A layer ready for its template.

    Attributes:
        ternary: whether ``weights`` are packed two-bit ternary weights; else they are integers.
        columns_per_step: outputs computed in one step; the last step may compute fewer.
        operand_type: a type that holds every operand code.
        sum_type: the accumulator; it holds every partial sum in the order of the rows.
        scaled_type: holds an accumulator shifted by its column's power of two.
        weight_bits: bits of a multi-bit weight.
    """

    ternary: bool
    n_in: int
    n_out: int
    reuse_factor: int
    columns_per_step: int
    operand_type: str
    sum_type: str
    scaled_type: str
    weight_bits: int
    weights: Table
    shifts: Table
    bias: Table


def pack_ternary(weights: IntArray) -> tuple[int, ...]:
    """A column of ternary weights in 64-bit words: row ``i`` in bits ``2 * (i % 32)`` and up of word ``i // 32``.

    The two bits are the weight in two's complement: 00 is 0, 01 is +1, 11 is -1.
    """
    codes = [int(w) & 3 for w in weights]
    words = [codes[k : k + WEIGHTS_PER_WORD] for k in range(0, len(codes), WEIGHTS_PER_WORD)]
    return tuple(sum(code << (2 * i) for i, code in enumerate(word)) for word in words)


def partial_sums(weights: IntArray, source: Intervals) -> Interval:
    """The range of every sum of the first rows of ``weights``, over all columns, zero included."""
    lows = np.array([i.lo for i in source], dtype=object)[:, None]
    highs = np.array([i.hi for i in source], dtype=object)[:, None]
    positive, negative = np.maximum(weights, 0).astype(object), np.minimum(weights, 0).astype(object)
    lo = np.cumsum(lows * positive + highs * negative, axis=0)
    hi = np.cumsum(highs * positive + lows * negative, axis=0)
    return Interval(min(0, int(lo.min())), max(0, int(hi.max())))


def _signed(interval: Interval) -> str:
    """The narrowest signed type that holds ``interval``."""
    return code_type(interval.union(Interval(-1, 0)))


def _table(kind: str, columns: list[tuple[str, ...]], reuse_factor: int) -> Table:
    """One entry a column of the layer, in rows of equally many columns; the last row is filled up with zeros."""
    per_step = -(-len(columns) // reuse_factor)
    padding = [("0",) * len(columns[0])] * (per_step * reuse_factor - len(columns))
    padded = columns + padding
    rows = [
        tuple(item for column in padded[k : k + per_step] for item in column) for k in range(0, len(padded), per_step)
    ]
    return Table(kind, tuple(rows))


def _constants(values: IntArray, reuse_factor: int) -> Table:
    span = Interval(int(values.min()), int(values.max()))
    return _table(native_type(span), [(literal(int(v)),) for v in values], reuse_factor)


def loop_form(node: Linear, source: Intervals, result: Intervals, reuse_factor: int) -> LoopForm:
    """``node`` as loops.

    Args:
        source: ranges of the operand codes.
        result: ranges of the results.
        reuse_factor: steps, each of which computes ``ceil(n_out / reuse_factor)`` columns.
    """
    peaks = np.abs(node.weights).max(axis=0)
    shifts = np.array([max(0, int(peak).bit_length() - 1) for peak in peaks], dtype=np.int64)
    if not node.is_ternary:
        shifts = np.zeros_like(shifts)
    weights = node.weights >> shifts
    sums = partial_sums(weights, source)
    scaled = sums << int(shifts.max())
    if node.is_ternary:
        packed = [tuple(f"0x{word:016x}ULL" for word in pack_ternary(column)) for column in weights.T]
        table = _table("unsigned long long", packed, reuse_factor)
    else:
        span = Interval(int(weights.min()), int(weights.max()))
        columns = [tuple(literal(int(w)) for w in column) for column in weights.T]
        table = _table(native_type(span), columns, reuse_factor)
    return LoopForm(
        ternary=node.is_ternary,
        n_in=node.weights.shape[0],
        n_out=node.weights.shape[1],
        reuse_factor=reuse_factor,
        columns_per_step=-(-node.weights.shape[1] // reuse_factor),
        operand_type=code_type(hull(source)),
        sum_type=_signed(sums),
        scaled_type=_signed(scaled.union(hull(result))),
        weight_bits=Interval(min(-1, int(weights.min())), int(weights.max())).width,
        weights=table,
        shifts=_constants(shifts, reuse_factor),
        bias=_constants(node.bias, reuse_factor),
    )
