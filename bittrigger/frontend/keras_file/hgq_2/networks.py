"""QDenseT and QConvT of HGQ2: a small network from each value to each result, which is a table of its codes, and their sum."""

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

_WINDOWS = {"QConvT1D": 1, "QConvT2D": 2}
NETWORKS = ("QDenseT", *_WINDOWS)

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
    shape = [int(n) for n in part.input_shape[1:]]
    if part.kind in _WINDOWS:
        shape, stages = _patches(part, shape)
        given = net.chain(given, *stages)
    n_in, n_out = shape[-1], int(part.config["filters" if part.kind in _WINDOWS else "n_out"])
    if not part.config.get("enable_iq"):
        raise part.refused("nothing quantises its operand", "allowed is enable_iq=True; train it so")
    read = part.of_values(part.config.get("iq_conf"), "iq/")
    whole = [read, part.types(part.config.get("toq_conf"), "toq/")]
    alike = all(n == 1 for types in whole for n in types.bits.shape[: len(shape)])
    places_of = (1 if alike else math.prod(shape[:-1]), n_in, n_out)
    kinds = [_of_each(part, types, (*shape, n_out), places_of) for types in whole]
    size = math.prod(places_of)
    frac, least, count = _codes(part, kinds[0], size)
    steps = np.ldexp(least + np.arange(count, dtype=np.float64), -frac)
    table, left = _tables(part, _held(steps, kinds[0]), kinds[1], n_in)
    wide = net.chain(given, ("Reshape", {"target_shape": [*shape, 1]}, []), operator("repeat", repeats=n_out, axis=-1))
    places: Stage = ("Rescaling", {"scale": 2.0**frac, "offset": float(-least)}, [])
    entries: Stage = ("ChannelLUT", {"entries": count, "size": size, "left_open": left}, [table])
    total = operator("math.reduce_sum", axis=[-2], keepdims=False)
    last: Stage = ("Activation", {"activation": part.config.get("activation", "linear")}, [])
    made = net.chain(wide, part.as_stage(read), places, entries, total, last)
    part.own(0)
    if part.config.get("enable_oq"):
        net.add(part.quantiser(part.config.get("oq_conf"), "oq/"), made)
    return net.finished()


def _patches(part: Part, shape: list[int]) -> tuple[list[int], list[Stage]]:
    """What each window of a convolution covers, position by position: the shape, and how it is made."""
    config, rank = part.config, _WINDOWS[part.kind]
    size, strides, gaps = (_each(config[name], rank) for name in ("kernel_size", "strides", "dilation_rate"))
    odd = [name for name, one in (("data_format", "channels_last"), ("groups", 1)) if config.get(name, one) != one]
    if odd or config.get("padding") not in ("valid", "same") or len(shape) != rank + 1:
        raise part.refused(
            f"{part.kind} with {', '.join(odd) or config.get('padding')}", "allowed are channels_last, valid and same"
        )
    axes, padding = [], []
    for n, taps, stride, gap in zip(shape, size, strides, gaps, strict=False):
        reach = (taps - 1) * gap + 1
        lack = max((-(-n // stride) - 1) * stride + reach - n, 0) if config["padding"] == "same" else 0
        padding.append([lack // 2, lack - lack // 2])
        count = (n + lack - reach) // stride + 1
        if count < 1 or count * taps > MAX_ENTRIES:
            raise ValueError(f"windows of {reach} on {n} positions")
        axes.append(stride * np.arange(count)[:, None] + gap * np.arange(taps)[None, :])
    outputs = [len(axis) for axis in axes]
    places = axes[0]
    if rank == 2:
        across = shape[1] + sum(padding[1])
        places = axes[0][:, None, :, None] * across + axes[1][None, :, None, :]
        places = places.reshape(math.prod(outputs), -1)
    total = math.prod(n + sum(pair) for n, pair in zip(shape, padding, strict=False))
    stages: list[Stage] = [
        (f"ZeroPadding{rank}D", {"padding": padding[0] if rank == 1 else padding}, []),
        ("Reshape", {"target_shape": [total, shape[-1]]}, []),
        operator("gather", indices=places.tolist(), axis=1),
        ("Reshape", {"target_shape": [*outputs, places.shape[-1] * shape[-1]]}, []),
    ]
    return [*outputs, places.shape[-1] * shape[-1]], stages


def _each(value: Json, rank: int) -> list[int]:
    listed = list(value) if isinstance(value, list | tuple) else [value] * rank
    if len(listed) != rank or not all(type(n) is int and 0 < n <= MAX_CODES for n in listed):
        raise ValueError(f"{str(value)[:40]} for {rank} axes")
    return listed


def _of_each(part: Part, types: Types, shape: tuple[int, ...], places: tuple[int, int, int]) -> Types:
    """The type of each pair of an operand and a result, at each position where these differ."""
    try:
        whole = [np.broadcast_to(array, (1, *shape)) for array in (types.signs, types.integers, types.fractions)]
    except ValueError as error:
        raise part.refused(f"types of the shape {types.bits.shape} for {shape}", "save it again") from error
    signs, integers, fractions = (array.reshape(-1, *places[1:])[: places[0]] for array in whole)
    return Types(signs, integers, fractions, types.rounding, types.overflow, types.free)


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
    """What each pair reads at each code: the value of its own type that is next below, `(codes, positions, n_in, n_out)`."""
    step = np.exp2(-types.fractions.astype(np.float64))
    top = np.exp2(types.integers.astype(np.float64))
    held = np.clip(np.floor(steps[:, None, None, None] / step) * step, -top * types.signs, top - step)
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
        return np.asarray(np.einsum("epiod,iodD->epioD", values, weights))

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
