"""Ranges of activation quantizers from data: the power of two with the least error, or one that holds most values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError
from bittrigger.layers.activations import MAX_INTEGER, QuantizedInput, StaticQuantizer
from bittrigger.layers.keras_types import Layer, Model, Option, Tensor

__all__ = ["METHODS", "Calibration", "calibrate"]

METHODS = ("mse", "percentile")

Real = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What was chosen for one quantizer.

    Attributes:
        integer: log2 of its range.
        error: root mean square of the difference to the values, or to their positive parts if it is unsigned.
        beyond: share of the values that it clips; zero is no loss for an unsigned one.
    """

    integer: int
    error: float
    beyond: float


def calibrate(
    model: Model, x: Option, *, method: str = "mse", percentile: float = 99.9, keep: Collection[str] = ()
) -> dict[str, Calibration]:
    """Set the range of each activation quantizer of `model` from what it sees for the events `x`.

    The quantizers are set in the order in which the events reach them, each behind those that are set already. The same
    events give the same ranges. Do it before the training, or after a float one; learned ranges go on from there.

    Args:
        model: a Keras model with BitLinear or BitActivation layers, Functional, Sequential or subclassed.
        x: events as the model takes them, all in one batch; some thousand do.
        method: "mse" takes the least mean squared error of all powers of two; "percentile" takes the least power of two
            whose range holds this percentage of the magnitudes.
        percentile: above 0 and up to 100.
        keep: names of layers whose ranges stay as they are.

    Returns:
        What was chosen, by the name of the layer. A layer that is called several times gets the largest range.

    Raises:
        ConfigError: the method is unknown, there is no quantizer, there are no events, or a value is not finite.
    """
    if method not in METHODS or not 0 < percentile <= 100:
        raise ConfigError(
            f"calibration by {method!r} with percentile {percentile}; allowed are {' and '.join(METHODS)}, and percentiles "
            "above 0 and up to 100"
        )
    chosen: dict[str, Calibration] = {}

    def observe(layer: Layer, inputs: Tensor) -> None:
        if layer.name in keep:
            return
        values = np.asarray(inputs, dtype=np.float64).ravel()
        if not values.size or not np.isfinite(values).all():
            raise ConfigError(
                f"layer {layer.name!r}: {values.size} values to calibrate with, "
                f"{np.count_nonzero(~np.isfinite(values))} of them not finite; expected at least one, and finite ones"
            )
        settings: StaticQuantizer = layer.quantizer_now()
        integer = _least_error(values, settings) if method == "mse" else _holding(values, settings, percentile)
        if layer.name in chosen:
            integer = max(integer, chosen[layer.name].integer)
        layer.range_log2.assign(float(integer))
        chosen[layer.name] = _describe(values, settings, integer)

    with _observed(model, observe):
        model(x, training=False)
    if not chosen and not keep:
        raise ConfigError(
            f"model {model.name!r}: it has no static activation quantizer to calibrate; expected BitLinear(..., "
            "input_quantizer=8) or BitActivation layers"
        )
    return chosen


@contextmanager
def _observed(model: Model, observe: Callable[[Layer, Tensor], None]) -> Iterator[None]:
    """Let `observe` see the inputs of each quantizer before it quantises them."""
    layers = [module for module in model.submodules if isinstance(module, QuantizedInput)]
    for layer in layers:
        layer.observer = observe
    try:
        yield
    finally:
        for layer in layers:
            layer.observer = None


def _step(settings: StaticQuantizer, integer: int) -> float:
    return float(2.0 ** (integer - settings.bits + settings.signed))


def _quantised(values: Real, settings: StaticQuantizer, integer: int) -> Real:
    step = _step(settings, integer)
    codes: Real = np.clip(np.rint(values / step), settings.lo, settings.hi)
    return codes * step


def _wanted(values: Real, settings: StaticQuantizer) -> Real:
    wanted: Real = values if settings.signed else np.maximum(values, 0.0)
    return wanted


def _least_error(values: Real, settings: StaticQuantizer) -> int:
    wanted = _wanted(values, settings)
    errors = [np.mean((_quantised(values, settings, k) - wanted) ** 2) for k in range(MAX_INTEGER + 1)]
    return int(np.argmin(errors))


def _holding(values: Real, settings: StaticQuantizer, percentile: float) -> int:
    peak = np.percentile(np.abs(_wanted(values, settings)), percentile)
    fits = (k for k in range(MAX_INTEGER) if settings.hi * _step(settings, k) >= peak)
    return next(fits, MAX_INTEGER)


def _describe(values: Real, settings: StaticQuantizer, integer: int) -> Calibration:
    wanted, found = _wanted(values, settings), _quantised(values, settings, integer)
    step = _step(settings, integer)
    beyond = (wanted < settings.lo * step) | (wanted > settings.hi * step)
    return Calibration(integer, float(np.sqrt(np.mean((found - wanted) ** 2))), float(np.mean(beyond)))
