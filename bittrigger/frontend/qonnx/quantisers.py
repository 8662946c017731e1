"""Quant, BipolarQuant and Trunc of QONNX: integers of a given width, times a scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bittrigger.frontend.elementwise.onnx import ROUNDINGS, rounded
from bittrigger.frontend.kernels import Float32Array
from bittrigger.frontend.qonnx.constants import check_size, whole
from bittrigger.frontend.qonnx.file import OnnxNode
from bittrigger.frontend.qonnx.steps import are_whole, why_not
from bittrigger.frontend.qonnx.tensors import (
    Array,
    Codes,
    Constant,
    Tensor,
    Value,
    Walk,
    is_power_of_two,
    quant_spec,
    refused,
)

MAX_BITS = 32

_ONE = np.ones((), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Quantiser:
    """``(clip(round(x / scale + zero), lo, hi) - zero) * scale``; of ``sign`` the bracket is 1 or -1.

    Attributes:
        scale: positive, of a shape that fits the tensor.
        zero: the zero point, of such a shape too.
    """

    scale: Float32Array
    zero: Float32Array
    lo: int
    hi: int
    rounding: str = "ROUND"
    sign: bool = False

    def spec(self, frac: int = 0) -> dict[str, Any]:
        """The function that makes its codes of values in its steps."""
        return quant_spec(self.lo, self.hi, frac, self.rounding, "Bipolar" if self.sign else "Quant")


def quant(walk: Walk, node: OnnxNode) -> Value:
    """A Quant, or IntQuant as it is called too."""
    source = walk.values[node.inputs[0]]
    scale, zero, bits = (number(walk, node, place) for place in (1, 2, 3))
    width = _width(node, bits)
    missing = [name for name in ("signed", "narrow") if name not in node.attributes]
    if missing:
        raise refused(node, f"it does not say {' and '.join(missing)}", "allowed are 0 and 1; export it again")
    signed, narrow = (bool(whole(node, name, 0)) for name in ("signed", "narrow"))
    if width == 1 and signed:
        return quantised(walk, node, source, Quantiser(scale, zero, -1, 1, sign=True))
    most = (1 << width - signed) - 1 - (narrow and not signed)
    least = -(1 << width - 1) + narrow if signed else 0
    if most <= least:
        raise refused(node, f"{width} bits leave one value", "allowed are widths with two values and more")
    return quantised(walk, node, source, Quantiser(scale, zero, least, most, _rounding(node, "ROUND")))


def bipolar(walk: Walk, node: OnnxNode) -> Value:
    """A BipolarQuant: the scale, or less than nothing of it."""
    scale = number(walk, node, 1)
    return quantised(walk, node, walk.values[node.inputs[0]], Quantiser(scale, np.zeros_like(scale), -1, 1, sign=True))


def trunc(walk: Walk, node: OnnxNode) -> Value:
    """A Trunc: what a Quant has made, with its low bits cut off.

    With six inputs the second scale is given; with five, which QONNX had first, the integers are cut and keep their scale.
    """
    source = walk.values[node.inputs[0]]
    numbers = [number(walk, node, place) for place in range(1, len(node.inputs))]
    scale, zero = numbers[0], numbers[1]
    wide = _width(node, numbers[2])
    mode = _rounding(node, "FLOOR")
    if zero.any() or len(numbers) not in (4, 5) or any(one.size > 1 for one in numbers):
        raise refused(
            node, f"{len(numbers)} parameters, a zero point or a scale of each channel", "allowed are 0 and one scale"
        )
    if len(numbers) == 4:
        places = wide - _width(node, numbers[3])
        lo, hi = -(1 << MAX_BITS), 1 << MAX_BITS
        out = scale
    else:
        out, width = numbers[3], _width(node, numbers[4])
        places = round(float(np.log2(out.astype(np.float64) / scale.astype(np.float64)).reshape(-1)[0]))
        signed, narrow = bool(whole(node, "signed", 1)), bool(whole(node, "narrow", 0))
        hi = (1 << width - signed) - 1 - (narrow and not signed)
        lo = -(1 << width - 1) + narrow if signed else 0
    if not 0 <= places < MAX_BITS:
        raise refused(node, f"it drops {places} bits", f"allowed are 0 to {MAX_BITS - 1}")
    if not isinstance(source, Tensor) or not (
        (source.scale is None and is_power_of_two(scale))
        or (source.scale is not None and (scale == source.scale).all() and why_not(walk, source, "ROUND") is None)
    ):
        raise refused(
            node, "what it truncates is not in steps of its scale", "allowed is what a Quant of that scale made"
        )
    step = np.float32(scale.reshape(-1)[0])
    if source.scale is None:  # what it cuts are integers, which a Quant of finer steps has not made
        nearest = quant_spec(-(1 << MAX_BITS), 1 << MAX_BITS, 1 - int(np.frexp(np.abs(step))[1]))
        source = walk.function(node, source, nearest)
    by = np.float32(1 if source.scale is not None else 1 / step) * np.float32(2.0**-places)
    codes = replace(walk.affine(node, source, by, 0.0), scale=None)
    cut = walk.function(node, codes, quant_spec(lo, hi, rounding=mode))
    return rescaled(walk, node, cut, out.reshape(-1)[:1].reshape(()))


def number(walk: Walk, node: OnnxNode, place: int) -> Float32Array:
    """A parameter of a quantiser, which is a constant."""
    value = walk.values[node.inputs[place]] if place < len(node.inputs) else None
    if not isinstance(value, Constant):
        raise refused(
            node, f"its input {place} is no constant", "allowed are fixed parameters; export the trained model"
        )
    found = np.asarray(value.values, dtype=np.float32)
    if not found.size or not np.isfinite(found).all():
        raise refused(node, f"its input {place} is not finite", "allowed are finite parameters")
    return found


def _width(node: OnnxNode, bits: Float32Array) -> int:
    given = np.unique(bits)
    width = float(given[0])
    if given.size > 1 or width != int(width) or not 1 <= width <= MAX_BITS:
        raise refused(node, f"its bit width is {given[:4].tolist()}", f"allowed is one whole number up to {MAX_BITS}")
    return int(width)


def _rounding(node: OnnxNode, default: str) -> str:
    mode = str(node.attributes.get("rounding_mode", default)).upper()
    mode = "ROUND" if mode == "HALF_EVEN" else mode
    if mode not in ROUNDINGS:
        raise refused(node, f"its rounding_mode is {mode[:40]!r}", f"allowed are {', '.join(ROUNDINGS)}")
    return mode


def quantised(walk: Walk, node: OnnxNode, source: Value, kind: Quantiser) -> Value:
    """What a quantiser makes of values, or of constants."""
    if not (kind.scale > 0).all():
        raise refused(node, "its scale is not positive", "allowed are positive scales")
    if isinstance(source, Codes):
        raise refused(
            node, "it reads integers of a QuantizeLinear", "allowed are values; put a DequantizeLinear before it"
        )
    if isinstance(source, Constant):
        return _constant(source.values, kind)
    scale, zero = _fitting(walk, node, source, kind)
    exact = is_power_of_two(scale)
    if exact and not scale.ndim and not zero.any():  # a quantiser with a binary point of its own
        return walk.function(node, walk.plain(node, source), kind.spec(1 - int(np.frexp(scale)[1])))
    undone = not scale.ndim and source.scale is not None and source.scale == scale
    unsure = None
    if (kind.sign and not zero.any()) or undone:
        if source.scale is not None:
            whole_zero = (zero == np.rint(zero)).all()
            unsure = why_not(walk, source, kind.rounding if whole_zero else "", sign=kind.sign and not zero.any())
            if whole_zero and are_whole(walk, source):
                kind = replace(kind, rounding="ROUND")
        codes = replace(source, scale=None)
    else:
        why = None if exact else f"it divides by {float(scale.flat[0]):.6g}, which is no power of two"
        codes = walk.divided(node, walk.plain(node, source), scale, why)
    if zero.any():
        codes = walk.affine(node, codes, 1.0, zero)
    codes = walk.function(node, codes, kind.spec(), unsure)
    if zero.any():
        codes = walk.affine(node, codes, 1.0, -zero)
    return rescaled(walk, node, codes, scale)


def codes_of(walk: Walk, node: OnnxNode, source: Tensor, kind: Quantiser, why: str | None = None) -> Tensor:
    """The integers ``clip(round(x / scale), lo, hi)`` of a quantiser without a zero point: one division in float32.

    Args:
        why: the definition decides, as programs round otherwise; None where they do not.
    """
    scale, _ = _fitting(walk, node, source, kind)
    if not scale.ndim and source.scale is not None and source.scale == scale:
        return walk.function(node, replace(source, scale=None), kind.spec(), why_not(walk, source, kind.rounding))
    if is_power_of_two(scale) and not scale.ndim and why is None:
        codes = walk.function(node, walk.plain(node, source), kind.spec(1 - int(np.frexp(scale)[1])))
        return walk.affine(node, codes, 1 / scale, 0.0)
    return walk.function(node, walk.divided(node, walk.plain(node, source), scale, why), kind.spec())


def _fitting(walk: Walk, node: OnnxNode, source: Tensor, kind: Quantiser) -> tuple[Float32Array, Float32Array]:
    """Scale and zero point without the axis of the batch, and the scale as one number where it is one."""
    for values in (kind.scale, kind.zero):
        if np.broadcast_shapes(values.shape, (1, *source.shape)) != (1, *source.shape):
            raise refused(node, f"a parameter of shape {values.shape}", f"allowed are shapes that fit {source.shape}")
    scale, zero = (values.reshape(values.shape[-len(source.shape) :]) for values in (kind.scale, kind.zero))
    if (scale == scale.flat[0]).all():
        scale = scale.reshape(-1)[0].reshape(())
    if source.name in walk.layers.inputs and is_power_of_two(scale) and max(kind.hi, -kind.lo - 1) >= 1 << 24:
        raise refused(
            node,
            f"it makes integers up to {kind.hi:,} of a port",
            "allowed are 24 bits and a sign, as float32 has them",
        )
    return scale, zero


def rescaled(walk: Walk, node: OnnxNode, codes: Tensor, scale: Float32Array) -> Tensor:
    """Integers times ``scale``, which is left for later where it is one number and no power of two."""
    if is_power_of_two(scale):
        return codes if (scale == _ONE).all() else walk.affine(node, codes, scale, 0.0)
    if not scale.ndim:
        return replace(codes, scale=np.float32(scale))
    return walk.affine(node, codes, scale, 0.0, "each channel has a scale that is no power of two")


def _constant(values: Array, kind: Quantiser) -> Constant:
    """Weights, as QONNX computes them in float32."""
    check_size(np.broadcast_shapes(values.shape, kind.scale.shape, kind.zero.shape))
    scaled = np.divide(values, kind.scale, dtype=np.float32) + kind.zero
    if kind.sign:
        whole = np.where(scaled >= 0, np.float32(1), np.float32(-1))
    else:
        whole = rounded(np.clip(scaled, np.float32(kind.lo), np.float32(kind.hi)), kind.rounding)
    made = np.multiply(whole - kind.zero, kind.scale, dtype=np.float32)
    return Constant(made, np.broadcast_to(kind.scale, made.shape).astype(np.float32))
