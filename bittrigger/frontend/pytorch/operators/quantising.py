"""Quantisers as networks of PyTorch write them: a rounding and a clamp, in either order, or one operator."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from bittrigger.frontend.pytorch.values import Call, Codes, Compared, Half, Known, Scaled, Value, Wire
from bittrigger.frontend.qonnx.tensors import is_power_of_two

MAX_LIMIT = (1 << 31) - 1
MAX_FLOAT = 3.4e38

_OF_HARDTANH = (("min_val", -1.0), ("max_val", 1.0))
_OF_CLAMP = (("min", None), ("max", None))


def _limits(call: Call) -> tuple[float | None, float | None]:
    if call.kind == "relu6":
        return 0.0, 6.0
    ends: list[float | None] = [None, None]
    names = _OF_HARDTANH if call.kind == "hardtanh" else _OF_CLAMP
    for place, (name, default) in enumerate(names):
        value = call.argument(place + 1, name, default)
        if value is not None and not math.isinf(limit := _limit(call, value)):
            ends[place] = limit
    return ends[0], ends[1]


def _limit(call: Call, value: Any) -> float:
    if isinstance(value, Known) and value.tensor.numel() == 1:
        value = float(value.tensor)
    if not isinstance(value, int | float):
        raise call.refused(
            "its limits depend on the event or on the channel", "allowed are fixed ones for all; or maximum and minimum"
        )
    found = float(np.float32(value))
    if math.isnan(found):
        raise call.refused("its limit is no number", "allowed are fixed ones for all; or maximum and minimum")
    return found


def clamp(call: Call) -> Value:
    """A clamp, or with a rounding before it a quantiser."""
    return _limited(call, call.wire(call.args[0]), *_limits(call))


def compared(call: Call) -> Value:
    """A comparison with a limit, which a ``where`` reads."""
    return Compared(call.wire(call.args[0]), _limit(call, call.args[1]), call.kind in ("gt", "ge"))


def chosen(call: Call) -> Value:
    """A ``where`` that limits what it reads."""
    condition, *sides = call.args[:3]
    known = [_limit(call, side) if isinstance(side, Known | int | float) else None for side in sides]
    wires = [side for side in sides if isinstance(side, Wire)]
    fits = isinstance(condition, Compared) and len(wires) == 1 and wires[0] == condition.source
    if not fits or condition.limit not in known:
        raise call.refused(
            "it chooses by the values of an event", "allowed is a limit of what is compared; use clamp, maximum or relu"
        )
    upper = condition.above == (known[0] is not None)
    return _limited(call, wires[0], *((None, condition.limit) if upper else (condition.limit, None)))


def rounding(call: Call) -> Value:
    """A rounding half to even, or with a clamp before it a quantiser."""
    if call.named.get("decimals", 0):
        raise call.refused("it rounds to decimal places", "allowed are whole numbers; multiply before it")
    source = call.wire(call.args[0])
    found = call.origins.get(source.name)
    before = found if isinstance(found, Half) else Half(source, None, None, rounded=True)
    whole = all(end is None or end == math.floor(end) for end in (before.lo, before.hi))
    half = replace(before, rounded=True) if whole else Half(source, None, None, rounded=True)
    return _quantiser(call, half) or _half(call, call.made("Round", source), half)


def _limited(call: Call, source: Wire, lo: float | None, hi: float | None) -> Wire:
    found = call.origins.get(source.name)
    half = found if isinstance(found, Half) else Half(source, None, None, rounded=False)
    lows, highs = ([end for end in pair if end is not None] for pair in ((half.lo, lo), (half.hi, hi)))
    least, most = max(lows, default=None), min(highs, default=None)
    half = replace(half, lo=least, hi=most)
    plain = {"min": -MAX_FLOAT if lo is None else lo, "max": MAX_FLOAT if hi is None else hi}
    return _quantiser(call, half) or _half(call, call.made("Clip", source, **plain), half)


def _half(call: Call, made: Wire, half: Half) -> Wire:
    call.origins[made.name] = half
    return made


def _quantiser(call: Call, half: Half) -> Wire | None:
    """The codes of a quantiser, if it is a whole one; these times its step come of one node."""
    ends = [half.lo, half.hi]
    if not half.rounded or any(end is None or end != int(end) or abs(end) > MAX_LIMIT for end in ends):
        return None
    lo, hi = (int(end) for end in ends if end is not None)
    if not lo <= 0 < hi:
        return None
    codes = Wire(call.writer.quant(call.owner, half.source.name, lo, hi), call.shape)
    origin = call.origins.get(half.source.name)
    if isinstance(origin, Scaled):
        values = Wire(call.writer.quant(call.owner, origin.source.name, lo, hi, origin.step), call.shape)
        call.origins[codes.name] = Codes(values, origin.step)
    return codes


def scaled(call: Call) -> Value | None:
    """The values of a quantiser, if a product or quotient with a number gives these."""
    source, number = call.args[:2] if isinstance(call.args[0], Wire) else call.args[1::-1]
    step = _step_behind(call, number)
    origin = call.origins.get(source.name) if isinstance(source, Wire) else None
    return origin.values if isinstance(origin, Codes) and origin.step == step else None


def note_scaled(call: Call, made: Wire) -> None:
    """Remember that ``made`` is an operand over a step, where float32 divides by it as a quantiser does."""
    source, number = call.args[:2] if isinstance(call.args[0], Wire) else call.args[1::-1]
    factor = _number(number)
    if not isinstance(source, Wire) or factor is None:
        return
    if call.kind == "div" and source is call.args[0]:
        call.origins[made.name] = Scaled(source, factor)
    elif call.kind == "mul" and is_power_of_two(np.array(factor)):
        call.origins[made.name] = Scaled(source, 1 / factor)


def _step_behind(call: Call, number: Any) -> float | None:
    """By what a product, or a quotient of a power of two, multiplies."""
    factor = _number(number)
    if factor is None or call.kind == "mul":
        return factor
    divides = isinstance(call.args[0], Wire) and is_power_of_two(np.array(factor))
    return 1 / factor if divides else None


def _number(value: Any) -> float | None:
    """A positive number, as float32 has it."""
    if isinstance(value, Known) and value.tensor.numel() == 1:
        value = float(value.tensor)
    found = float(np.float32(value)) if isinstance(value, int | float) else 0.0
    return found if found > 0 else None


def fake_quantised(call: Call) -> Value:
    """``fake_quantize_per_tensor_affine``: values over a step, rounded half to even, limited, and times the step."""
    scale, zero = (_single(call, call.args[place]) for place in (1, 2))
    lo, hi = (int(call.args[place]) - int(zero) for place in (3, 4))
    if not lo <= 0 < hi:
        raise call.refused(f"its limits are {lo} and {hi} around its zero point", "allowed are limits around it")
    source, inverse = call.wire(call.args[0]), np.float32(1) / np.float32(scale)
    if is_power_of_two(np.array(scale)):
        return Wire(call.writer.quant(call.owner, source.name, lo, hi, scale), call.shape)
    scaled_up = call.step("Mul", call.shape, source, float(inverse))  # so PyTorch computes it, where others divide
    codes = Wire(call.writer.quant(f"{call.owner}/codes", scaled_up.name, lo, hi), call.shape)
    return call.made("Mul", codes, float(np.float32(scale)))


def _single(call: Call, value: Any) -> float:
    if isinstance(value, Known):
        if value.tensor.numel() != 1:
            raise call.refused("it has a step of each channel", "allowed is one for all values of the event")
        return float(value.tensor)
    return float(value)
