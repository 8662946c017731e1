"""Dense layers and convolutions: one matrix, at every position."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bittrigger.errors import Float32RoundsError, UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.chains import AddBias, Divide, Scale, Step, reach_of_one_copy
from bittrigger.frontend.keras_layers.windows import elements
from bittrigger.frontend.kernels import (
    NO_QUANTIZER,
    Float32Array,
    IntegerKernel,
    aligned,
    check_exact_sums,
    check_finite,
    common_fraction_bits,
    factor_kernel,
    stored_kernel,
    sum_bits,
    to_integers,
)
from bittrigger.frontend.lower.walk import Walk
from bittrigger.frontend.nodes.builder import Builder, units
from bittrigger.frontend.nodes.elementwise import lower_elementwise, unscaled
from bittrigger.frontend.nodes.positions import positions
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import FLOAT32_BITS, MAX_WIDTH, IntArray
from bittrigger.ir.graph import Intervals

_WIDEST_SUM = MAX_WIDTH - 2
"""Bits of the sums with a kernel of floats: one less than what the solver takes, so that a bias has room."""


def dense(walk: Walk, node: Any) -> Signal:
    """A matrix, and perhaps a bias."""
    source, divisor = walk.undivided(node)
    return _kernel(walk, node, source, divisor=divisor)


def convolution(walk: Walk, node: Any) -> Signal:
    """What each window covers, by a wire, and then a dense layer on it."""
    return _kernel(walk, node, _windows(walk, node))


def separable(walk: Walk, node: Any) -> Signal:
    """A depthwise matrix on each window, and a dense layer on what it makes."""
    source = _windows(walk, node)
    deep = np.asarray(attributes.read(node, attributes.KERNEL), dtype=np.float32)
    first = _kernel(walk, node, source, deep, np.zeros(deep.shape[1], dtype=np.float32))
    point = np.asarray(attributes.read(node, attributes.POINTWISE), dtype=np.float32)
    return _kernel(walk, node, lower_elementwise(walk.builder, first), point)


def einsum(walk: Walk, node: Any) -> Signal:
    """A dense layer on codes that are brought in order, and its results in another order."""
    (source,) = walk.operands(node)
    order = np.asarray(attributes.read(node, attributes.INDICES))
    part = walk.builder.joined(f"{node.name}_operand", source.parts)
    wire = walk.builder.wire(f"{node.name}_operand", (part,), order)
    made = lower_elementwise(walk.builder, _kernel(walk, node, Signal((wire,), order.shape)))
    part = walk.builder.joined(f"{node.name}_sums", made.parts)
    shape = tuple(int(n) for n in attributes.read(node, attributes.SHAPE))
    places = np.asarray(attributes.read(node, attributes.TERMS))
    return Signal((walk.builder.wire(f"{node.name}_moved", (part,), places),), shape)


def _windows(walk: Walk, node: Any) -> Signal:
    """What each window covers, side by side."""
    (source,) = walk.operands(node)
    windows = elements(np.asarray(attributes.read(node, attributes.INDICES)), source.shape[-1])
    part = walk.builder.joined(f"{node.name}_operand", source.parts)
    wire = walk.builder.wire(f"{node.name}_windows", (part,), windows)
    return Signal((wire,), windows.shape)


def _kernel(
    walk: Walk,
    node: Any,
    source: Signal,
    kernel: Float32Array | None = None,
    bias: Float32Array | None = None,
    *,
    divisor: int = 1,
) -> Signal:
    """``source / divisor @ kernel + bias`` along its last axis; by default those of ``node``."""
    scale = node.get_attr(attributes.SCALE) if kernel is None else None
    if kernel is None:
        kernel = np.asarray(attributes.read(node, attributes.KERNEL), dtype=np.float32)
    if bias is None:
        bias = np.asarray(attributes.read(node, attributes.BIAS), dtype=np.float32)
    quantizer = str(attributes.read(node, attributes.QUANTIZER))
    check_finite(node.name, "bias", bias)
    copies = positions(source.shape)
    if copies > 1:
        source = replace(source, parts=(walk.builder.joined(f"{node.name}_operand", source.parts),))
    fracs = walk.builder.fracs(source.parts)[: kernel.shape[0]]
    operand = operand_ranges(walk.builder, source, copies)
    try:
        factored = factor_kernel(node.name, kernel, quantizer, scale, walk.weight_bits)
    except Float32RoundsError as refusal:
        if quantizer != NO_QUANTIZER or source.exponent is not None or divisor > 1:
            raise
        factored = _as_stored(walk, refusal, kernel, fracs, operand[0])
    weights = aligned(node.name, factored.values, fracs)
    frac = factored.frac + int(fracs.max())
    none = np.zeros(len(bias), dtype=np.int64)
    shape = (*source.shape[:-1], kernel.shape[1])
    if source.exponent is not None:
        check_exact_sums(node.name, weights, none, *operand)
        _check_scale(node, factored)
        linear = walk.builder.linear(node.name, source.parts, weights, none, frac, copies)
        return _scaled_dense(walk, node, replace(source, shape=shape, linear=linear, copies=copies), bias)
    steps: tuple[Step, ...] = ()
    added = none
    ideal = walk.beyond_float32(node.name, weights, none, operand)
    if divisor > 1:
        ideal, steps = True, (Divide(node.name, divisor),)
        steps += () if factored.scale is None else (Scale(node.name, factored.scale, np.zeros_like(factored.scale)),)
        steps += (AddBias(node.name, bias),) if bias.any() else ()
    elif factored.scale is not None:
        walk.builder.account.rounds(_scale_rounds(node, factored.scale))
        ideal, steps = True, (Scale(node.name, factored.scale, np.zeros_like(factored.scale)),)
        steps += (AddBias(node.name, bias),) if bias.any() else ()
    elif common_fraction_bits(bias) <= frac and (ideal or _fits(operand, weights, to_integers(bias, frac))):
        added = to_integers(bias, frac)
    else:
        steps = (AddBias(node.name, bias),)
    linear = walk.builder.linear(node.name, source.parts, weights, added, frac, copies)
    return Signal(source.parts, shape, linear, steps, copies=copies, ideal=ideal)


def _as_stored(
    walk: Walk, refusal: Float32RoundsError, kernel: Float32Array, fracs: IntArray, source: Intervals
) -> IntegerKernel:
    """The floats of a kernel without a quantiser, every bit of them, whose products float32 rounds.

    Raises:
        Float32RoundsError: ``refusal``, if the sums are too wide, or only the exact grade will do.
    """
    found = None if walk.builder.account.exact else stored_kernel(kernel)
    if found is None:
        raise refusal
    peak = np.array([max(abs(span.lo), abs(span.hi)) for span in source], dtype=object) << (fracs.max() - fracs)
    widest = int((peak @ np.abs(found.values).astype(object)).max()).bit_length() + 1
    if widest > _WIDEST_SUM:
        too_wide = f"its exact sums take {widest} bits, and {_WIDEST_SUM} are allowed"
        raise Float32RoundsError(str(refusal).replace("; allowed", f", and {too_wide}; allowed", 1))
    walk.builder.account.rounds(refusal)
    return found


def _scale_rounds(node: Any, scale: Float32Array) -> Float32RoundsError:
    quantizer = attributes.read(node, attributes.QUANTIZER)
    wrong = scale[np.frexp(scale)[0] != 0.5]
    if not wrong.size:
        return Float32RoundsError(
            f"layer {node.name!r}: kernel quantizer {quantizer} rounds x + (q(x) - x) off its own "
            "grid for large weights; allowed are weights within the range of their quantiser; clip them to it"
        )
    return Float32RoundsError(
        f"layer {node.name!r}: kernel quantizer {quantizer} has the scale "
        f"{float(wrong[0]):.9g}, which is no power of two, so that Keras rounds its products and its sums depend on their order; "
        "allowed are powers of two; use alpha='auto_po2' or alpha=1"
    )


def _check_scale(node: Any, factored: IntegerKernel) -> None:
    if factored.scale is not None:
        raise _scale_rounds(node, factored.scale)


def _scaled_dense(walk: Walk, node: Any, sums: Signal, bias: Float32Array) -> Signal:
    """Sums of codes with an exponent; for a bias they are multiplied back first."""
    if not bias.any():
        return sums
    source = unscaled(walk.builder, sums)
    own = walk.builder[source.parts[0]].frac
    frac = max(own, common_fraction_bits(bias))
    if frac - own > MAX_WIDTH:
        raise UnsupportedModelError(
            f"layer {node.name!r}: its bias has {frac} fractional bits, and the codes that it is added to have {own}; Keras' "
            f"float32 holds {FLOAT32_BITS} bits; quantise the bias, or set use_bias=False"
        )
    weights = np.eye(len(bias), dtype=np.int64) << (frac - own)
    added = to_integers(bias, frac)
    bits = sum_bits(weights, added, *operand_ranges(walk.builder, source, source.copies))
    if (bits > FLOAT32_BITS).any():
        raise UnsupportedModelError(
            f"layer {node.name!r}: output {int(bits.argmax())} can need {int(bits.max())} bits with its bias at the greatest "
            f"scale of an event, and Keras' float32 holds {FLOAT32_BITS}; bound the ranges of the DynamicQuantizer before it by "
            "least and most, or set use_bias=False"
        )
    linear = walk.builder.linear(f"{node.name}_bias", source.parts, weights, added, frac, source.copies)
    return replace(source, linear=linear)


def operand_ranges(builder: Builder, source: Signal, copies: int = 1) -> tuple[Intervals, IntArray]:
    """The ranges of the codes that each of ``copies`` parts may have, and the powers of two that divide them."""
    reach = reach_of_one_copy(builder.operand(source.parts), copies)
    return tuple(span.interval for span in reach), units(reach)


def _fits(operand: tuple[Intervals, IntArray], weights: IntArray, bias: IntArray) -> bool:
    """Whether Keras adds the bias without rounding."""
    return bool((sum_bits(weights, bias, *operand) <= FLOAT32_BITS).all())
