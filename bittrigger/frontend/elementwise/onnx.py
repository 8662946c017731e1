"""Elementwise functions of ONNX and QONNX, which no framework is needed for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.ir.fixed import FloatArray

Floats = npt.NDArray[np.floating[Any]]
Config = dict[str, Any]

ROUNDINGS: dict[str, Callable[[Any], Any]] = {
    "ROUND": np.rint,
    "FLOOR": np.floor,
    "CEIL": np.ceil,
    "DOWN": np.trunc,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + np.asarray(0.5, dtype=x.dtype)),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - np.asarray(0.5, dtype=x.dtype)),
}
"""How QONNX rounds, by the names that it has for them."""


def rounded(values: Any, mode: str) -> Any:
    """``values`` rounded to whole numbers."""
    return ROUNDINGS[mode](values)


def _elu(x: FloatArray, config: Config) -> FloatArray:
    return np.asarray(np.where(x < 0, config["alpha"] * np.expm1(np.minimum(x, 0)), x))


def _sigmoid(x: FloatArray, _config: Config) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x)))


def _hard_sigmoid(x: FloatArray, config: Config) -> FloatArray:
    return np.asarray(np.clip(config["alpha"] * x + config["beta"], 0, 1))


def _erf(x: FloatArray) -> FloatArray:
    return np.array([math.erf(value) for value in x.ravel().tolist()]).reshape(x.shape)


def _gelu_tanh(x: FloatArray) -> FloatArray:
    return np.asarray(x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2)


IN_DOUBLE: dict[str, Callable[[FloatArray, Config], FloatArray]] = {
    "Sigmoid": _sigmoid,
    "Tanh": lambda x, _: np.tanh(x),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda x, _: x * np.clip(x / 6 + 0.5, 0, 1),
    "Elu": _elu,
    "Selu": lambda x, config: config["gamma"] * _elu(x, config),
    "Softplus": lambda x, config: np.where(x > config.get("threshold", np.inf), x, np.logaddexp(0, x)),
    "Softsign": lambda x, _: x / (1 + np.abs(x)),
    "Exp": lambda x, _: np.exp(x),
    "Log": lambda x, _: np.log(x),
    "Sqrt": lambda x, _: np.sqrt(x),
    "Reciprocal": lambda x, _: 1 / x,
    "Sin": lambda x, _: np.sin(x),
    "Cos": lambda x, _: np.cos(x),
    "Atan": lambda x, _: np.arctan(x),
    "Sinh": lambda x, _: np.sinh(x),
    "Cosh": lambda x, _: np.cosh(x),
    "Asinh": lambda x, _: np.arcsinh(x),
    "Celu": lambda x, config: np.maximum(x, 0) + config["alpha"] * np.expm1(np.minimum(x, 0) / config["alpha"]),
    "Mish": lambda x, _: x * np.tanh(np.logaddexp(0, x)),
    "Swish": lambda x, config: x / (1 + np.exp(-config["alpha"] * x)),
    "Gelu": lambda x, config: _gelu_tanh(x) if config["approximate"] else x * (1 + _erf(x / math.sqrt(2))) / 2,
    "Erf": lambda x, _: _erf(x),
}
"""Functions whose last bits depend on the program, so that their definition decides."""


def even(name: str, x: Any, config: Config) -> Any:
    """A function that rounds once at most, where every program gives the same bits; in the precision of ``x``."""
    match name:
        case "Relu":
            return np.maximum(x, 0)
        case "LeakyRelu":
            return np.where(x < 0, x * np.float32(config["alpha"]).astype(x.dtype), x)
        case "Clip":
            return np.clip(x, *(np.float32(config[end]).astype(x.dtype) for end in ("min", "max")))
        case "Abs":
            return np.abs(x)
        case "ThresholdedRelu":
            return np.where(x > np.float32(config["alpha"]).astype(x.dtype), x, np.zeros((), x.dtype))
        case "Floor" | "Ceil" | "Round" | "Sign":
            return _TO_WHOLE[name](x)
        case _:
            raise KeyError(name)


_TO_WHOLE: dict[str, Callable[[Any], Any]] = {"Floor": np.floor, "Ceil": np.ceil, "Round": np.rint, "Sign": np.sign}

EVEN = ("Relu", "LeakyRelu", "Clip", "Abs", "ThresholdedRelu", *_TO_WHOLE)
"""The names that ``even`` knows."""
