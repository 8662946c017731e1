"""The grid of codes that a quantiser of QKeras means to deliver, by its settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Grid:
    """The codes ``lo..hi`` with ``frac`` fractional bits that a quantiser means to deliver."""

    frac: int
    lo: int
    hi: int


def quantizer_grid(name: str, config: Spec) -> Grid | None:
    """The codes that quantiser ``name`` means; None if it has no such grid, or mixes its argument with its result."""
    return _GRIDS[name](config) if name in _GRIDS and config.get("qnoise_factor", 1.0) == 1.0 else None


def is_plain(name: str, config: Spec) -> bool:
    """Whether it rounds half to even, clips, and does nothing else."""
    match name:
        case "quantized_bits":
            return config["alpha"] in (None, 1) and config["bits"] > bool(config["keep_negative"])
        case "quantized_relu":
            return not config["use_sigmoid"] and config["negative_slope"] == 0
        case _:
            return False


def _log2(alpha: float | None) -> int | None:
    """The exponent of a power of two, None for another number."""
    if alpha is None:
        return 0
    mantissa, exponent = math.frexp(float(alpha))
    return exponent - 1 if mantissa == 0.5 else None


def _bits_grid(config: Spec) -> Grid | None:
    scale = _log2(config["alpha"])
    signed = bool(config["keep_negative"])
    magnitude = int(config["bits"]) - signed
    if scale is None or magnitude < 0:
        return None
    if magnitude == 0:
        return Grid(-scale, -1, 1)
    lowest = -(1 << magnitude) + int(config["symmetric"]) if signed else 0
    return Grid(magnitude - int(config["integer"]) - scale, lowest, (1 << magnitude) - 1)


def _relu_grid(config: Spec) -> Grid | None:
    slope = float(config["negative_slope"])
    magnitude = int(config["bits"]) - (slope != 0)
    lowest = slope * (1 << magnitude)
    if lowest != int(lowest):
        return None
    return Grid(magnitude - int(config["integer"]), -int(lowest), (1 << magnitude) - 1)


def _tanh_grid(config: Spec) -> Grid:
    top = 1 << (int(config["bits"]) - 1)
    return Grid(int(config["bits"]) - 1, -top + int(config["symmetric"]), top - 1)


def _sigmoid_grid(config: Spec) -> Grid:
    return Grid(int(config["bits"]), int(config["symmetric"]), (1 << int(config["bits"])) - 1)


def _sign_grid(config: Spec) -> Grid | None:
    scale = _log2(config["alpha"])
    return None if scale is None else Grid(-scale, 0 if config.get("use_01") else -1, 1)


_GRIDS: dict[str, Callable[[Spec], Grid | None]] = {
    "quantized_bits": _bits_grid,
    "quantized_relu": _relu_grid,
    "quantized_tanh": _tanh_grid,
    "quantized_sigmoid": _sigmoid_grid,
    "ternary": _sign_grid,
    "binary": _sign_grid,
}
