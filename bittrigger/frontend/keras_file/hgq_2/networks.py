"""QDenseT of HGQ2: a small network from each value to each result, of which its few codes make a table, and the sum of these."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.frontend.elementwise.onnx import IN_DOUBLE
from bittrigger.frontend.keras_file.hgq_2.net import Net, operator
from bittrigger.frontend.keras_file.hgq_2.open_tables import FUNCTIONS, function_name
from bittrigger.frontend.keras_file.hgq_2.parts import Array, Part, Stage
from bittrigger.frontend.keras_file.hgq_2.tables import ULPS
from bittrigger.frontend.keras_file.hgq_2.types import Types, quantised
from bittrigger.frontend.keras_file.keras_3 import numbered
from bittrigger.frontend.keras_model.hgq import MAX_ENTRIES

Json = Any
Doubles = npt.NDArray[np.float64]

NETWORKS = ("QDenseT",)

MAX_CODES = 4096
"""Most codes of one operand."""

_UNIT = 2.0**-24
_STEEPEST = 2.0
"""More than any function rises."""


@dataclass(frozen=True, eq=False)
class _Near:
    """Values in double precision, and how far float32 may be from them."""

    values: Doubles
    error: Doubles


def network(part: Part) -> list[Json]:
    """The tables of the layer, between its quantisers, and their sum."""
    net = Net(part)
    (given,) = net.given()
    shape = list(part.input_shape[1:])
    n_in, n_out = int(shape[-1]), int(part.config["n_out"])
    if not part.config.get("enable_iq"):
        raise part.refused("nothing quantises its operand", "allowed is enable_iq=True; train it so")
    read = part.of_values(part.config.get("iq_conf"), "iq/")
    given_types = part.types(part.config.get("toq_conf"), "toq/")
    lead = len(shape) - 1
    if any(n != 1 for types in (read, given_types) for n in types.bits.shape[: 1 + lead]):
        raise part.refused(
            "its types differ from position to position", "allowed is one for all positions; train it so"
        )
    kinds = [_of_each(part, types, (n_in, n_out)) for types in (read, given_types)]
    frac, least, count = _codes(part, kinds[0], n_in * n_out)
    steps = np.ldexp(least + np.arange(count, dtype=np.float64), -frac)
    table, left = _tables(part, _held(steps, kinds[0]), kinds[1], n_in)
    wide = net.chain(given, ("Reshape", {"target_shape": [*shape, 1]}, []), operator("repeat", repeats=n_out, axis=-1))
    places: Stage = ("Rescaling", {"scale": 2.0**frac, "offset": float(-least)}, [])
    entries: Stage = ("ChannelLUT", {"entries": count, "size": n_in * n_out, "left_open": left}, [table])
    total = operator("math.reduce_sum", axis=[-2], keepdims=False)
    last: Stage = ("Activation", {"activation": part.config.get("activation", "linear")}, [])
    made = net.chain(wide, part.as_stage(read), places, entries, total, last)
    part.own(0)
    if part.config.get("enable_oq"):
        net.add(part.quantiser(part.config.get("oq_conf"), "oq/"), made)
    return net.finished()


def _of_each(part: Part, types: Types, shape: tuple[int, int]) -> Types:
    """The type of each pair of an operand and a result."""
    try:
        arrays = [
            np.broadcast_to(array.reshape(array.shape[-2:]), shape)
            for array in (types.signs, types.integers, types.fractions)
        ]
    except ValueError as error:
        raise part.refused(f"types of the shape {types.bits.shape} for {shape}", "save it again") from error
    return Types(*arrays, types.rounding, types.overflow, types.free)


def _codes(part: Part, types: Types, size: int) -> tuple[int, int, int]:
    """The bits behind the point that all operands have, the least code in these steps, and how many there are."""
    there = types.bits > 0
    frac = int(types.fractions[there].max(initial=0))
    most = int(types.integers[there].max(initial=0)) + frac
    least = -(1 << max(most, 0)) if types.signs[there].any() else 0
    count = (1 << max(most, 0)) - least
    if most > MAX_CODES.bit_length() or count > MAX_CODES or count * size > MAX_ENTRIES:
        raise part.refused(
            f"tables of {size} networks with {count if most < 64 else 'more'} codes each",
            f"allowed are {MAX_CODES:,} codes, and {MAX_ENTRIES:,} entries of a layer; train it with fewer bits",
        )
    return frac, least, count


def _held(steps: Doubles, types: Types) -> Doubles:
    """What each pair reads at each code: the value of its own type that is next below, `(codes, n_in, n_out)`."""
    step = np.exp2(-types.fractions.astype(np.float64))
    top = np.exp2(types.integers.astype(np.float64))
    held = np.clip(np.floor(steps[:, None, None] / step) * step, -top * types.signs, top - step)
    return np.where(types.bits > 0, held, 0.0)


def _tables(part: Part, held: Doubles, types: Types, n_in: int) -> tuple[Array, int]:
    """The entries, and how many of them the last bits of float32 decide."""
    near = _Near(held[..., None], np.zeros_like(held)[..., None])
    kind = function_name(part.config.get("subnn_activation") or "linear")
    if kind not in (*FUNCTIONS, "relu", "linear"):
        raise part.refused(f"networks with {kind[:40]!r}", f"allowed are relu, linear, {', '.join(FUNCTIONS)}")
    layers, biased = int(part.config["n_hl"]), bool(part.config.get("use_bias"))
    for number in range(layers + 1):
        place = f"{part.place}module/layers/einsum_dense{f'_{number}' if number else ''}/vars"
        arrays = numbered(part.weights.pop(place, {}))
        if len(arrays) != 1 + biased or not all(np.isfinite(array).all() for array in arrays):
            raise ValueError(f"layer {number} of its networks has {len(arrays)} arrays, expected {1 + biased}")
        kernel, bias = arrays[0].astype(np.float64), arrays[1].astype(np.float64) if biased else np.zeros(1)
        last = number == layers
        near = _summed(near, kernel[..., None] if last else kernel, bias[..., None] if last and biased else bias)
        near = near if last else _function(near, kind)
    near = _Near(near.values[..., 0], near.error[..., 0])
    if part.config.get("batch_norm"):
        near = _normalised(part, near, n_in)
    bound = float(np.finfo(np.float32).max)
    sides = [quantised(np.clip(near.values + side * near.error, -bound, bound), types) for side in (-1, 0, 1)]
    return sides[1].reshape(len(held), -1), int((sides[0] != sides[2]).sum())


def _summed(near: _Near, kernel: Doubles, bias: Doubles) -> _Near:
    def through(values: Doubles, weights: Doubles) -> Doubles:
        return np.asarray(np.einsum("eiod,iodD->eioD", values, weights))

    sizes = through(np.abs(near.values), np.abs(kernel)) + np.abs(bias)
    error = through(near.error, np.abs(kernel)) + sizes * (kernel.shape[2] + 2) * _UNIT
    return _Near(through(near.values, kernel) + bias, error)


def _function(near: _Near, kind: str) -> _Near:
    if kind == "linear":
        return near
    if kind == "relu":
        return _Near(np.maximum(near.values, 0), near.error)
    name, options = FUNCTIONS[kind]
    values = IN_DOUBLE[name](near.values, options)
    return _Near(values, near.error * _STEEPEST + np.abs(values) * ULPS)


def _normalised(part: Part, near: _Near, n_in: int) -> _Near:
    """With the normalisation behind the networks, and divided by the root of how many are summed."""
    scaled, centred = bool(part.config.get("bn_scale", True)), bool(part.config.get("bn_center", True))
    arrays = [array.astype(np.float64) for array in numbered(part.weights.pop(f"{part.place}bn_module/vars", {}))]
    if len(arrays) != 2 + scaled + centred or not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"its normalisation has {len(arrays)} arrays")
    *own, mean, variance = arrays
    gamma = own.pop(0) if scaled else np.ones_like(mean)
    beta = own.pop(0) if centred else np.zeros_like(mean)
    factor = gamma / np.sqrt(variance + float(part.config.get("bn_epsilon", 0.001)))
    values = (near.values - mean) * factor + beta
    sizes = (np.abs(near.values) + np.abs(mean)) * np.abs(factor) + np.abs(beta)
    root = math.sqrt(n_in)
    return _Near(values / root, (near.error * np.abs(factor) + sizes * 8 * _UNIT) / root)
