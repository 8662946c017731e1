"""Layers that do the same at each position of a tensor: constituents of a set, pixels of an image.

The codes of a tensor `(positions…, features)` are in Keras' order: position after position, and the features of each.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.elementwise.chains import AddBias, Apply, Divide, Parametric, Scale, Step
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.graph import frozen_array

MAX_WEIGHTS = 1 << 24
"""Most weights of a matrix that is written out for several positions, because something behind it tells them apart."""


def positions(shape: tuple[int, ...]) -> int:
    """How many positions a tensor of ``shape`` has."""
    return math.prod(shape[:-1])


def add_step(signal: Signal, step: Step, copies: int | None = None) -> Signal:
    """``signal`` with one more operation on top.

    Args:
        step: with the parameters of one position.
        copies: how many positions have these parameters; None for an operation that is the same for every code.
    """
    if signal.is_settled:
        return replace(signal, steps=(step,), copies=copies or positions(signal.shape))
    copies = signal.copies if copies is None else copies
    common = math.gcd(signal.copies, copies)
    signal = fewer_copies(signal, common)
    return replace(signal, steps=(*signal.steps, _repeated(step, copies // common)))


def fewer_copies(signal: Signal, copies: int) -> Signal:
    """The same signal as ``copies`` larger parts.

    Args:
        copies: a divisor of those that it has.

    Raises:
        UnsupportedModelError: if a matrix becomes too large.
    """
    factor = signal.copies // copies
    if factor == 1:
        return signal
    linear = signal.linear
    if linear is not None:
        if linear.weights.size * factor**2 > MAX_WEIGHTS:
            raise UnsupportedModelError(
                f"layer {linear.name!r}: what follows it differs between its positions, so that it becomes one matrix of "
                f"{linear.weights.size * factor**2} weights; allowed are {MAX_WEIGHTS}; put a quantizer between them"
            )
        weights = np.kron(np.eye(factor, dtype=np.int64), linear.weights)
        bias = np.tile(linear.bias, factor)
        linear = replace(linear, weights=frozen_array(weights), bias=frozen_array(bias), copies=copies)
    steps = tuple(_repeated(step, factor) for step in signal.steps)
    return replace(signal, linear=linear, steps=steps, copies=copies)


def _repeated(step: Step, times: int) -> Step:
    """``step`` for as many positions, one after the other."""
    match step:
        case AddBias():
            return AddBias(step.layer, np.tile(step.bias, times))
        case Scale():
            return Scale(step.layer, np.tile(step.multiplier, times), np.tile(step.offset, times))
        case Parametric():
            arrays = (np.tile(array, (*(1,) * (array.ndim - 1), times)) for array in step.parameters)
            return replace(step, parameters=tuple(arrays))
        case Apply() | Divide():
            return step
