"""Quantisers and functions of QKeras, with the settings that have a meaning."""

from __future__ import annotations

import inspect
import math
from typing import Any

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.elementwise.functions.function import Function
from bittrigger.frontend.elementwise.functions.keras import calls
from bittrigger.frontend.elementwise.functions.rounding import rounded_to
from bittrigger.frontend.elementwise.grids import Grid, Spec, is_plain, quantizer_grid
from bittrigger.ir.fixed import FLOAT32_BITS

QUANTIZERS = (
    *("quantized_bits", "quantized_relu", "quantized_tanh", "quantized_sigmoid", "ternary", "binary"),
    *(
        "quantized_ulaw",
        "quantized_po2",
        "quantized_relu_po2",
        "quantized_hswish",
        "stochastic_ternary",
        "stochastic_binary",
    ),
)

FUNCTIONS = ("hard_sigmoid", "hard_tanh", "smooth_sigmoid", "smooth_tanh", "binary_tanh", "binary_sigmoid")

_WIDEST = {"quantized_bits": (53, "what a float64 holds")}
"""Most bits of quantisers whose definition decides where float32 rounds, and why; the others are functions of a float32."""

MAX_INTEGER = 30
"""Most integer bits of a quantiser: QKeras computes the power of two in 32 bits."""


def of_qkeras(layer: str, name: str, config: Spec) -> Function | None:
    """A quantiser or a function of QKeras; None if it is none that is known.

    Raises:
        UnsupportedModelError: if a setting has no meaning, or another one than it seems to have.
    """
    if name in QUANTIZERS:
        return _quantizer(layer, name, config)
    if name in FUNCTIONS:
        grid = {"binary_tanh": Grid(0, -1, 1), "binary_sigmoid": Grid(0, 0, 1)}.get(name)
        return Function(name, *calls(_qkeras(name)), grid, rational="smooth" in name or "binary" in name)
    return None


def _quantizer(layer: str, name: str, config: Spec) -> Function:
    _check_settings(layer, name, config)
    quantizer = rebuilt(_qkeras(name), config)
    text = (
        str(quantizer) if name != "quantized_hswish" else f"{name}({config['bits']},{config['integer']})"
    )  # it has none
    grid = quantizer_grid(name, config)
    varies = name == "quantized_sigmoid" and bool(config.get("use_real_sigmoid"))
    single, double = calls(quantizer)
    plain, slope = grid is not None and is_plain(name, config), _slope(name, config, grid)
    if grid is not None and (plain or slope is not None):  # QKeras takes float32 for its ReLU, whatever it is given
        double = rounded_to(text, grid, 1.0 if slope is None else slope).in_double
    return Function(
        text,
        single,
        double,
        grid,
        plain=plain,
        trusted=_trusted_range(name, config, grid),
        varies=varies,
        line=(1.0, 0.0) if plain else _line(name, config),
        rational=not varies,
        slope=slope,
    )


def _slope(name: str, config: Spec, grid: Grid | None) -> float | None:
    """The slope below zero of a quantised ReLU that rounds, clips, and does nothing else."""
    bent = name == "quantized_relu" and grid is not None and config["negative_slope"] and not config["use_sigmoid"]
    return float(config["negative_slope"]) if bent and config.get("relu_upper_bound") is None else None


def _line(name: str, config: Spec) -> tuple[float, float] | None:
    """The line that QKeras' own tanh and sigmoid are between their limits."""
    if name not in ("quantized_tanh", "quantized_sigmoid") or internal_sigmoid() != "hard_sigmoid":
        return None
    if config.get("use_real_tanh") or config.get("use_real_sigmoid"):
        return None
    return (1.0, 0.0) if name == "quantized_tanh" else (0.5, 0.5)


def _trusted_range(name: str, config: Spec, grid: Grid | None) -> float:
    """How far from zero the results of Keras are on the quantiser's own grid."""
    bounded = name == "quantized_relu" and config["negative_slope"] == 0  # it is clipped before it is rounded
    if grid is None or bounded or name in ("quantized_tanh", "quantized_sigmoid"):
        return math.inf
    return math.ldexp(1.0, FLOAT32_BITS - grid.frac)


def _check_settings(layer: str, name: str, config: Spec) -> None:
    """Refuse settings of a quantiser that have no meaning, or another one in QKeras than they seem to have."""
    alpha = config.get("alpha")
    if isinstance(alpha, str):
        raise UnsupportedModelError(
            f"layer {layer!r}: activation {name}(alpha={alpha!r}) takes its scale from the batch that it sees, so that one event "
            "alone has no answer; allowed are numbers and None for alpha; set alpha=1"
        )
    if alpha is not None and not _is_real(alpha):
        raise UnsupportedModelError(
            f"layer {layer!r}: activation {name} has alpha {str(alpha)[:80]}; allowed are None and finite numbers; set alpha=1"
        )
    widest = _WIDEST.get(name, (FLOAT32_BITS, "what a float32 holds"))
    for key, least, most, reason in (
        ("bits", 1, *widest),
        ("integer", 0, MAX_INTEGER, "what QKeras itself can compute"),
        ("symmetric", 0, 1, "no or yes"),
    ):
        value = config.get(key, least)
        if not _is_real(value) or value != int(value) or not least <= value <= most:
            raise UnsupportedModelError(
                f"layer {layer!r}: activation {name} has {key} {str(value)[:80]}; allowed are whole numbers from {least} to "
                f"{most}, {reason}; use other {key}, or scale the values"
            )


def _is_real(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def rebuilt(kind: Any, config: Spec) -> Any:
    """A quantiser of QKeras with the settings ``config``; its own ``from_config`` fails on those that some do not take."""
    taken = inspect.signature(kind.__init__).parameters
    return kind(**{key: value for key, value in config.items() if key in taken})


def internal_sigmoid() -> str:
    """The function that QKeras takes for its own sigmoid and tanh in this process: ``hard_sigmoid`` unless it was switched."""
    from qkeras import quantizers

    return str(quantizers._sigmoid.__name__)


def _qkeras(name: str) -> Any:
    from qkeras import quantizers

    return getattr(quantizers, name)
