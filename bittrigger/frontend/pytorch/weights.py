"""Kernels as their classes quantise them, in exact arithmetic: integers and one scale."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.pytorch.tensors import Array
from bittrigger.ir.fixed import IntArray

MAX_BITS = 24
"""Widest code of a kernel that is taken as it is stored."""


def quantized_kernel(weight: Array, form: str, bits: int, owner: str) -> tuple[IntArray, Fraction]:
    """Integer codes, shaped as ``weight``, and the scale that they are multiples of.

    Args:
        form: one of ``description.FORMS``.
        bits: of the form ``brevitas``.

    Sources: BitHEP, arXiv:2504.03387 (``beta = max(mean|W|, 1e-8)``, half to even, or ``sign(W - mean W)``); BitNet b1.58,
    arXiv:2402.17764, and microsoft's code (``1 / max(mean|W|, 1e-5)``); Brevitas, ``Int8WeightPerTensorFloat``
    (``max|W| / (2**(bits-1) - 1)``, narrow range).

    Raises:
        UnsupportedModelError: if a value is not finite, or a float kernel is too fine.
    """
    values = weight.astype(np.float64)
    if not np.isfinite(values).all() or values.ndim < 2:
        raise UnsupportedModelError(
            f"{owner}: a weight of shape {weight.shape}; allowed are finite kernels; did the training diverge?"
        )
    exact = [Fraction(value) for value in values.ravel().tolist()]
    mean = sum((abs(value) for value in exact), Fraction(0)) / len(exact)
    match form:
        case "bithep" | "bitnet":
            scale = max(mean, Fraction(1e-8 if form == "bithep" else 1e-5))
            codes = [min(max(round(value / scale), -1), 1) for value in exact]
        case "bithep-binary":
            scale, centre = max(mean, Fraction(1e-8)), sum(exact, Fraction(0)) / len(exact)
            codes = [(value > centre) - (value < centre) for value in exact]
        case "brevitas":
            highest = max((1 << (bits - 1)) - 1, 1)
            scale = max(map(abs, exact)) / highest or Fraction(1)
            codes = [min(max(round(value / scale), -highest), highest) for value in exact]
        case _:
            unit = max((value.denominator for value in exact), default=1)
            scale = Fraction(1, unit)
            codes = [int(value * unit) for value in exact]
            width = max(map(abs, codes)).bit_length()
            if width > MAX_BITS:
                raise UnsupportedModelError(
                    f"{owner}: its float weights take {width} bits; allowed are {MAX_BITS}; quantise them, "
                    "or name how their class does (weights: bithep, bitnet, brevitas)"
                )
    return np.array(codes, dtype=np.int64).reshape(weight.shape), scale
