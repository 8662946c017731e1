"""One elementwise function of a network: how to call it exactly as Keras does, and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bittrigger.frontend.elementwise.decided import Exact
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.kernels import Float32Array
from bittrigger.ir.casts import Cast
from bittrigger.ir.fixed import FloatArray


@dataclass(frozen=True, eq=False)
class Function:
    """An elementwise float32 function.

    Attributes:
        text: how it is written in a model definition.
        apply: the function on a float32 array of any shape.
        grid: what a quantiser means to deliver; None for other functions.
        plain: whether it is ``clip(round_half_even(x * 2**grid.frac), lo, hi)`` and nothing else.
        is_relu: whether it is ``max(x, 0)``.
        trusted: largest magnitude up to which Keras' result is what the quantiser means. QKeras returns
            ``x + (q(x) - x)``; beyond ``2**24`` steps float32 rounds the bracket, and the result is off the quantiser's own
            grid. ``apply`` returns what Keras gives there too.
        varies: whether TensorFlow's vector and scalar code differ by a rounding, so that its result depends on the
            position of a value in its batch.
        in_double: the function on a float64 array, called while Keras computes in double precision.
        line: slope and offset, if by its definition it rounds and clips ``slope * x + offset`` to its grid and does nothing else.
        rational: whether doubles hold its results without rounding.
        declared: whether it is no function of the model, but the type that was declared for an output.
        slope: below zero, if above it is the identity, below it a line through zero, and nothing else but rounding to its grid,
            if it has one.
        tabulated: whether it is a table by its own definition.
        exact: its values between bounds, where these are known.
        cast: the type to which it assigns, if it does that and nothing else, with modes of its own.
    """

    text: str
    apply: Callable[[Float32Array], Float32Array]
    in_double: Callable[[FloatArray], FloatArray]
    grid: Grid | None = None
    plain: bool = False
    is_relu: bool = False
    trusted: float = math.inf
    varies: bool = False
    line: tuple[float, float] | None = None
    rational: bool = False
    declared: bool = False
    cast: Cast | None = None
    slope: float | None = None
    tabulated: bool = False
    exact: Exact | None = None


def in_single(double: Callable[[FloatArray], FloatArray]) -> Callable[[Float32Array], Float32Array]:
    """``double`` on arrays of single precision, of which its results are numbers too."""
    return lambda values: double(values.astype(np.float64)).astype(np.float32)
