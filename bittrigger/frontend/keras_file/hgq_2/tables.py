"""Functions of the codes of a type, rounded to another, as tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.frontend.keras_file.hgq_2.parts import Array, Part, Stage
from bittrigger.frontend.keras_file.hgq_2.types import Types, quantised

Doubles = npt.NDArray[np.float64]

MAX_TABLE_BITS = 16
"""Widest code that a table is read at."""

ULPS = 8 * 2.0**-24
"""How far from the exact value a function of float32 may be, of its size: more than any library allows itself."""


def table(
    part: Part, read: Types, given: Types, function: Callable[[Doubles], Doubles], *, exact: bool = False
) -> Stage:
    """The table of ``function`` between two quantisers of one type each.

    Args:
        read: the type of its operand.
        given: the type of its results.
        function: in double precision, or, if ``exact``, as float32 gives it in whatever program.

    Raises:
        UnsupportedModelError: if a type is not one, is too wide, or float32 leaves open to which step a result rounds.
    """
    if read.bits.size != 1 or given.bits.size != 1:
        raise part.refused(
            f"a table between types of the shapes {read.bits.shape} and {given.bits.shape}",
            "allowed is one type for all; train it with allow_heterogeneous_table=False",
        )
    sign, whole, places, width = (
        int(values.flat[0]) for values in (read.signs, read.integers, read.fractions, read.bits)
    )
    if width > MAX_TABLE_BITS:
        raise part.refused(
            f"a table read at codes of {width} bits", f"allowed are {MAX_TABLE_BITS}; train it with fewer bits"
        )
    if width == 0:
        sign, whole, places = 0, 1, 0  # the operand is 0, at either code
    codes = np.arange(1 << max(width, 1))
    codes[len(codes) // 2 :] -= len(codes) * sign
    with np.errstate(all="ignore"):
        values = function(np.ldexp(codes.astype(np.float64) * (width > 0), -places))
    error = np.zeros(1) if exact else np.where(codes == 0, 0, np.abs(values) * ULPS)
    kind = np.float32 if exact else np.float64
    sides = [_limited((values + side).astype(kind), given) for side in (-error, error)]
    if (sides[0] != sides[1]).any():
        raise part.refused(
            f"float32 leaves open to which step {int((sides[0] != sides[1]).sum())} entries of a table round",
            "allowed are tables without entries between two steps; give its result one bit more, or less",
        )
    kinds = [(sign, whole, places), tuple(int(v.flat[0]) for v in (given.signs, given.integers, given.fractions))]
    return ("UnaryLUT", {"kif_in": list(kinds[0]), "kif_out": list(kinds[1])}, [sides[0]])


def _limited(values: Array, types: Types) -> Array:
    """Values in the one type of ``types``; infinite ones at its limits."""
    bound = np.finfo(np.float32).max.astype(values.dtype)
    return quantised(np.clip(values, -bound, bound), types).reshape(-1)


def negative_exponential(scale: float) -> Callable[[Doubles], Doubles]:
    """``exp(-x * scale)``, the product rounded to float32."""
    factor = np.float32(scale)
    return lambda values: np.exp(-(values.astype(np.float32) * factor).astype(np.float64))


def exponential(scale: float) -> Callable[[Doubles], Doubles]:
    """``exp(x * scale)``, the product rounded to float32."""
    factor = np.float32(scale)
    return lambda values: np.exp((values.astype(np.float32) * factor).astype(np.float64))


def reciprocal(values: Doubles) -> Doubles:
    """``1 / (x + 1e-7)`` in float32, each step correctly rounded."""
    return (np.float32(1) / (values.astype(np.float32) + np.float32(1e-7))).astype(np.float64)


def sound_scale(value: Any) -> float:
    """A factor of a configuration.

    Raises:
        ValueError: if it is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"a factor is {str(value)[:40]}")
    return float(value)
