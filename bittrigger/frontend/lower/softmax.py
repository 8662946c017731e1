"""Softmax and its logarithm, exactly rounded: differences of logits, tables of powers, their sums, and a table of these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from bittrigger.errors import Float32RoundsError
from bittrigger.frontend.elementwise.chains import StridedInterval, reach_of_one_copy
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.lower.declared import declared_grid
from bittrigger.frontend.lower.softmax_tables import SoftmaxTables, softmax_tables
from bittrigger.frontend.lower.walk import Walk
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.positions import positions
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Lookup

DEFAULT = {"softmax": "ufixed<8,0>", "log_softmax": "fixed<8,5>"}
"""Types of results at an output for want of another."""


def softmax(walk: Walk, node: Any, name: str) -> Signal:
    """The softmax along the last axis, in the type of its result: that of the output, or of the quantiser that reads it.

    Raises:
        Float32RoundsError: if only the exact grade will do.
        UnsupportedModelError: if nothing gives it a type, or its tables become too large.
    """
    grid = declared_grid(walk, node, name, DEFAULT[name])
    walk.builder.account.rounds(
        Float32RoundsError(
            f"layer {node.name!r}: {name} divides by a sum of exponentials, each of which float32 rounds, so that its last bits "
            "depend on the program; allowed is its definition, exactly rounded; leave out --require exact"
        )
    )
    (source,) = walk.operands(node)
    part = walk.builder.joined(f"{node.name}_operand", source.parts)
    copies, classes = positions(source.shape), source.shape[-1]
    made = _lowered(walk.builder, node.name, part, (copies, classes), grid, log=name == "log_softmax")
    return Signal((made,), source.shape)


def _lowered(builder: Builder, name: str, part: str, shape: tuple[int, int], grid: Grid, *, log: bool) -> str:
    """The node of the results.

    Args:
        part: the logits, of one node.
        shape: how many positions there are, and classes at each.
    """
    copies, classes = shape
    if classes == 1:
        whole = min(max(0 if log else round(math.ldexp(1.0, grid.frac)), grid.lo), grid.hi)
        zero = np.zeros((1, 1), dtype=np.int64)
        return builder.add(builder.linear(name, (part,), zero, np.array([whole]), grid.frac, copies))
    pairs = [(other, own) for own in range(classes) for other in range(classes) if other != own]
    weights = np.zeros((classes, len(pairs)), dtype=np.int64)
    for column, (other, own) in enumerate(pairs):
        weights[other, column], weights[own, column] = 1, -1
    frac, none = builder[part].frac, np.zeros(len(pairs), dtype=np.int64)
    differences = builder.add(builder.linear(f"{name}_differences", (part,), weights, none, frac, copies))
    reach = reach_of_one_copy(builder.reach(differences), copies)
    tables = softmax_tables(name, classes, _hull(reach), frac, grid, log=log)
    rows = [_reached(tables, span) for span in reach]
    if classes == 2:  # one difference decides
        return builder.add(_table(name, differences, rows, grid.frac, copies))
    powers = builder.add(_table(f"{name}_powers", differences, rows, tables.places, copies))
    own_terms = np.array([[own == column for column in range(classes)] for _, own in pairs], dtype=np.int64)
    none = np.zeros(classes, dtype=np.int64)
    sums = builder.add(builder.linear(f"{name}_sums", (powers,), own_terms, none, tables.places, copies))
    return builder.add(_table(name, sums, [(tables.sum_starts, tables.codes)] * classes, grid.frac, copies))


def _hull(reach: Sequence[StridedInterval]) -> StridedInterval:
    """Every difference of any pair of classes."""
    return reduce(StridedInterval.union, reach)


def _reached(tables: SoftmaxTables, span: StridedInterval) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The part of the table of powers that the differences of one pair of classes reach."""
    starts: IntArray = np.array(tables.starts)
    first = int(np.searchsorted(starts, span.lo, side="right")) - 1
    last = int(np.searchsorted(starts, span.hi, side="right"))
    return tables.starts[first:last], tables.powers[first:last]


def _table(
    name: str, part: str, rows: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], frac: int, copies: int
) -> Lookup:
    starts, values = zip(*rows, strict=True)
    return Lookup(name, (part,), starts, values, frac, copies)
