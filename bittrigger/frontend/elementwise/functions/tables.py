"""Functions that are tables by their own definition."""

from __future__ import annotations

import numpy as np

from bittrigger.frontend.elementwise.functions.function import Function, in_single
from bittrigger.frontend.elementwise.grids import Spec
from bittrigger.ir.fixed import FloatArray

BIT_TABLE = "BitTable"
"""That of ``bittrigger.layers``."""


def unary_lut(config: Spec) -> Function:
    """A table, read at the code of its operand as an unsigned number."""
    table = np.array(config["table"], dtype=np.float64)

    def double(values: FloatArray) -> FloatArray:
        codes = np.rint(values * config["scale"]).astype(np.int64)
        return np.asarray(table[codes % len(table)])

    return Function("UnaryLUT", in_single(double), double, rational=True)


def bit_table(config: Spec) -> Function:
    """A table, read at the nearest code of its operand, half to even, or the limit that is next."""
    table, places = np.array(config["table"], dtype=np.float64), int(config["bits"]) - int(config["integer"])

    def double(values: FloatArray) -> FloatArray:
        codes = np.clip(np.rint(np.ldexp(values, places)), 0, len(table) - 1)
        return np.asarray(table[codes.astype(np.int64)])

    return Function(BIT_TABLE, in_single(double), double, rational=True, tabulated=True)
