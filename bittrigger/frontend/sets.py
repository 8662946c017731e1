"""Layers that treat each constituent of a set alike, written as layers on the whole event.

The elements of a tensor `(constituents, features)` are in Keras' order: constituent after constituent, and the features
of each.
"""

from __future__ import annotations

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.ir.fixed import IntArray

MAX_WEIGHTS = 1 << 24
"""Most weights of the matrix of a whole event."""


def for_each(layer: str, kernel: IntArray, constituents: int) -> IntArray:
    """The matrix that multiplies each constituent by ``kernel`` `(n_in, n_out)`, one block a constituent.

    Raises:
        UnsupportedModelError: if it would have more than ``MAX_WEIGHTS`` weights.
    """
    if constituents**2 * kernel.size > MAX_WEIGHTS:
        raise UnsupportedModelError(
            f"layer {layer!r}: {constituents} constituents and {kernel.size} weights for each make a matrix of "
            f"{constituents**2 * kernel.size} weights; allowed are {MAX_WEIGHTS}; take fewer constituents or units"
        )
    return np.kron(np.eye(constituents, dtype=np.int64), kernel)


def mean_shift(layer: str, constituents: int) -> int:
    """The exponent of the power of two by which a mean over ``constituents`` divides.

    Raises:
        UnsupportedModelError: if it divides by another number, so that Keras rounds it.
    """
    if constituents & (constituents - 1):
        above = 1 << constituents.bit_length()
        raise UnsupportedModelError(
            f"layer {layer!r}: a mean over {constituents} constituents divides by {constituents}, which Keras rounds; allowed "
            f"are powers of two; take {above // 2} constituents, or fill up to {above} with zeros"
        )
    return constituents.bit_length() - 1
