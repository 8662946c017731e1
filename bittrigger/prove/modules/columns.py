"""The range of each column of a layer that is built for one column at a time."""

from __future__ import annotations

import numpy as np

from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.graph import Linear
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module
from bittrigger.prove.claims import Unproven


def column_spans(module: Module) -> tuple[Interval, ...]:
    """The hull of each column of the matrix, for all operand codes in their ranges.

    Raises:
        Unproven: if the module is no matrix.
    """
    node = module.node
    if not isinstance(node, Linear):
        raise Unproven("not a matrix", refuted=False)
    lows, highs = (np.array([getattr(span, end) for span in module.source], dtype=object) for end in ("lo", "hi"))
    up, down = (function(node.weights, 0).astype(object) for function in (np.maximum, np.minimum))
    least, most = lows @ up + highs @ down + node.bias, highs @ up + lows @ down + node.bias
    return tuple(Interval(int(lo), int(hi)) for lo, hi in zip(least, most, strict=True))


def check_widths(module: Module, vectors: BusLayout) -> None:
    """Check that the sum of every column holds its range.

    Raises:
        Unproven: naming the first column that may leave it.
    """
    element, (span,) = vectors.result(module).element, module.result
    held = FixedPoint(element.signed, element.width, 0).interval
    for column, found in enumerate(column_spans(module)):
        if found.lo < max(span.lo, held.lo) or found.hi > min(span.hi, held.hi):
            raise Unproven(
                f"column {column} reaches [{found.lo}, {found.hi}], its sum is made for [{span.lo}, {span.hi}]"
            )
