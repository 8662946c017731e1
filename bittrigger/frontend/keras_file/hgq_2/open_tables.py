"""Tables of functions of floats: how many of their entries the last bits of float32 decide, so that programs may differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.frontend.elementwise.onnx import IN_DOUBLE
from bittrigger.frontend.elementwise.own_functions import LEFT_OPEN, OWN
from bittrigger.frontend.keras_file.hgq_2.parts import Array, Part, Stage
from bittrigger.frontend.keras_file.hgq_2.tables import MAX_TABLE_BITS, ULPS
from bittrigger.frontend.keras_file.hgq_2.types import Types, quantised

Doubles = npt.NDArray[np.float64]

_SELU = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}
FUNCTIONS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "tanh": ("Tanh", {}),
    "sigmoid": ("Sigmoid", {}),
    "exponential": ("Exp", {}),
    "exp": ("Exp", {}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "elu": ("Elu", {"alpha": 1.0}),
    "selu": ("Selu", _SELU),
    "silu": ("Swish", {"alpha": 1.0}),
    "swish": ("Swish", {"alpha": 1.0}),
    "gelu": ("Gelu", {"approximate": False}),
    "mish": ("Mish", {}),
    "sin": ("Sin", {}),
    "cos": ("Cos", {}),
}
"""Functions of Keras 3 whose last bits depend on its backend, by the name that they have in ONNX."""


def by_definition(part: Part, stages: list[Stage], front: Stage, back: Stage) -> list[Stage]:
    """The stages of a table, with its function under a name that stands for its definition where float32 leaves entries open."""
    *affine, (kind, settings, arrays) = stages
    if not say_open(part, front, back, *(stage[1] for stage in affine)):
        return stages
    name = function_name(settings.get("activation"))
    own = LEFT_OPEN + {"silu": "swish"}.get(name, name)
    return [*affine, (kind, {**settings, "activation": own}, arrays)] if own in OWN else stages


def say_open(part: Part, front: Stage, back: Stage, *affine: Mapping[str, Any]) -> int:
    """How many entries of the tables of a layer lie so near to a step that programs may round them apart; the report tells it.

    Args:
        front: the quantiser before the function.
        back: the quantiser behind it.
        affine: a factor and an offset between ``front`` and the function.
    """
    name = function_name(part.config.get("activation"))
    if name not in FUNCTIONS:
        return 0
    kind, options = FUNCTIONS[name]
    count = sum(
        _open_entries(read, given, lambda x: IN_DOUBLE[kind](x, options), affine) for read, given in _pairs(front, back)
    )
    if count:
        part.said.append(
            f"layer {part.name!r}: {count} entries of its tables of {name} lie so near to a step that the last bit of float32 "
            "decides; they are those of its definition, and a backend of Keras 3, or XLA, may give others"
        )
    return count


def function_name(value: Any) -> str:
    """The name of a function of Keras, which files have in a dictionary or alone."""
    return str(value.get("config") if isinstance(value, dict) else value)


def _pairs(front: Stage, back: Stage) -> list[tuple[Types, Types]]:
    """The types before and behind each table, each pair once."""
    arrays = np.broadcast_arrays(*front[2], *back[2])
    rows = np.unique(np.stack([array.reshape(-1) for array in arrays]), axis=1).T
    modes = [(stage[1]["RND"], stage[1]["SAT"]) for stage in (front, back)]

    def types(row: Array, modes: tuple[str, str]) -> Types:
        sign, bits, whole = (np.array([value]) for value in row)
        return Types(sign, whole - sign, bits - whole, *modes, free=False)

    return [(types(row[:3], modes[0]), types(row[3:], modes[1])) for row in rows if row[1] <= MAX_TABLE_BITS]


def _open_entries(
    read: Types, given: Types, function: Callable[[Doubles], Doubles], affine: tuple[Mapping[str, Any], ...]
) -> int:
    width = int(read.bits[0])
    codes = np.arange(1 << width, dtype=np.float64) - (int(read.signs[0]) << width >> 1)
    values = np.ldexp(codes, -int(read.fractions[0]))
    shift = np.zeros(1)
    for part in affine:
        shift = (np.abs(values * part["scale"]) + abs(part["offset"])) * ULPS
        values = values * part["scale"] + part["offset"]
    with np.errstate(all="ignore"):
        near = np.stack([function(values + side * shift) for side in (-1, 0, 1)])
    sure = (values == 0) & (shift == 0)  # of 0 every backend gives the same
    error = np.where(sure, 0, np.abs(near[1]) * ULPS)
    bound = float(np.finfo(np.float32).max)
    lo, hi = (np.clip(side, -bound, bound) for side in (near.min(0) - error, near.max(0) + error))
    return int((quantised(lo, given) != quantised(hi, given)).sum())
