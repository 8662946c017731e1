"""Weights as integers times a power of two, and the proof that Keras adds them up without rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import Float32RoundsError, UnsupportedModelError
from bittrigger.ir.fixed import FLOAT32_BITS, MAX_WIDTH, IntArray
from bittrigger.ir.graph import Intervals

Float32Array = npt.NDArray[np.float32]

MAX_SCALED_BITS = 12
"""Widest integer of a kernel with a scale that is no power of two."""

DECLARED_BITS = 32
"""Widest integer of a kernel that was rounded to a declared type: its sums are exact, whatever float32 makes of them."""

MAX_SPREAD = 53
"""Most bits between the largest and the finest value of one array of weights."""

NO_QUANTIZER = "no quantizer"
"""What stands in messages for the quantiser of weights that have none."""


def fraction_bits(values: npt.NDArray[np.floating[Any]]) -> IntArray:
    """Fractional bits that each finite value needs; negative for multiples of powers of two, 0 for zero."""
    mantissa, exponent = np.frexp(np.asarray(values, dtype=np.float64))
    integer = np.ldexp(mantissa, 53).astype(np.int64)
    lowest = integer & -integer
    zeros = np.where(integer == 0, 0, np.frexp(lowest.astype(np.float64))[1] - 1)
    return np.where(integer == 0, 0, 53 - exponent - zeros).astype(np.int64)


def common_fraction_bits(values: npt.NDArray[np.floating[Any]]) -> int:
    """Fractional bits of the coarsest grid that holds every value; 0 if all are zero."""
    present = values[values != 0]
    return int(fraction_bits(present).max()) if present.size else 0


def to_integers(values: npt.NDArray[np.floating[Any]], frac: int) -> IntArray:
    """``values * 2**frac``; the caller has made sure that the products are integers below ``2**53``."""
    return np.ldexp(np.asarray(values, dtype=np.float64), frac).astype(np.int64)


def lowest_bit(values: IntArray) -> IntArray:
    """The largest power of two that divides each value; 0 for zero."""
    return np.asarray(values & -values, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class IntegerKernel:
    """``values * 2**-frac``, or ``values * scale``, is the kernel that Keras multiplies with.

    Attributes:
        values: `(n_in, n_out)` int64.
        frac: fractional bits of all columns.
        scale: `(n_out,)`, where the weights of Keras are these products rounded to float32, so that its sums depend on their
            order. None for a kernel that Keras has on a power-of-two grid.
    """

    values: IntArray
    frac: int
    scale: Float32Array | None = None


def factor_kernel(
    layer: str,
    kernel: Float32Array,
    described: str,
    scale: Float32Array | None = None,
    most: int = FLOAT32_BITS - 2,
) -> IntegerKernel:
    """The integers and the common power of two, or the scales, of a quantised kernel.

    Args:
        layer: name of the layer, for messages.
        kernel: `(n_in, n_out)` as Keras multiplies with, after the quantiser.
        described: the quantiser in words, for messages.
        scale: `(n_in, n_out)`, the scale of the quantiser of each weight, by which float32 multiplies; None if unknown.
        most: bits of a weight that are taken for integers; ``DECLARED_BITS`` where a type was declared for them.

    Raises:
        Float32RoundsError: if the values lie on no common grid that a float32 product could be exact on.
        UnsupportedModelError: if a value is not finite, or all are zero.
    """
    check_finite(layer, "kernel", kernel)
    if not kernel.any():
        raise UnsupportedModelError(
            f"layer {layer!r}: all {kernel.size} weights of its kernel ({described}) are zero, so that its outputs do not "
            "depend on the event; allowed is a kernel with at least one other weight; lower the quantiser's threshold, or "
            "check the training"
        )
    frac = common_fraction_bits(kernel)
    top = int(np.frexp(float(np.abs(kernel).max(initial=0.0)))[1])
    bits = top + frac
    columns = [common_fraction_bits(column) + _top(column) for column in kernel.T]
    widest = max(columns, default=0)
    if widest > most or bits > MAX_SPREAD:
        return _scaled_kernel(layer, kernel, described, max(widest, bits), scale)
    return IntegerKernel(to_integers(kernel, frac), frac)


def stored_kernel(kernel: Float32Array) -> IntegerKernel | None:
    """The floats of a kernel as they are, which are integers times a power of two; None if they lie too far apart."""
    frac = common_fraction_bits(kernel)
    return None if _top(kernel) + frac > MAX_SPREAD else IntegerKernel(to_integers(kernel, frac), frac)


def _way_out(described: str) -> str:
    """What to do about a kernel of many bits."""
    if NO_QUANTIZER in described:
        return "round it with --weight-precision 'fixed<8,2>' (--inputs tell the loss), or train it so with `bittrigger quantize`"
    return "take one of these, or quantized_po2, in the place of its quantiser"


def _scaled_kernel(
    layer: str, kernel: Float32Array, described: str, bits: int, scale: Float32Array | None
) -> IntegerKernel:
    """Small integers and a scale for each column."""
    columns, scales = [], []
    for k, column in enumerate(kernel.T):
        found = _factor_column(column) if scale is None else _steps_of_column(column, scale[:, k])
        if found is None:
            raise Float32RoundsError(
                f"layer {layer!r}: its kernel ({described}) needs {bits} bits, so that Keras itself rounds its products; allowed "
                f"are integers times one scale for each output: ternary(), binary(), quantized_bits(…); {_way_out(described)}"
            )
        columns.append(found[0])
        scales.append(found[1])
    return IntegerKernel(np.stack(columns, axis=1), 0, np.array(scales, dtype=np.float32))


def _steps_of_column(column: Float32Array, scale: Float32Array) -> tuple[IntArray, np.float32] | None:
    """The integers of ``column`` over the known ``scale`` of its weights, or over that and a power of two."""
    known = np.unique(scale[column != 0])
    if known.size > 1:
        return None
    if not known.size or not known[0] > 0:
        return np.zeros(len(column), dtype=np.int64), np.float32(1)
    ratios = column.astype(np.float64) / float(known[0])
    for places in range(-2, MAX_SCALED_BITS + 1):
        integers = np.rint(np.ldexp(ratios, places))
        # A quantiser returns x + (q(x) - x), which float32 rounds.
        if (np.abs(np.ldexp(ratios, places) - integers) < 2.0**-8).all() and np.abs(
            integers
        ).max() < 1 << MAX_SCALED_BITS:
            return integers.astype(np.int64), np.float32(np.ldexp(known[0], -places))
    return None


def _factor_column(column: Float32Array) -> tuple[IntArray, np.float32] | None:
    """The smallest integers of which ``column`` is a multiple in float32, and the factor; None beyond ``MAX_SCALED_BITS``."""
    magnitudes = np.unique(np.abs(column[column != 0]).astype(np.float64))
    if not magnitudes.size:
        return np.zeros(len(column), dtype=np.int64), np.float32(1)
    most = int((1 << MAX_SCALED_BITS) * magnitudes[0] / magnitudes[-1])
    for least in range(1, most + 1):
        integers = np.rint(magnitudes * (least / magnitudes[0]))
        if (np.abs(integers * (magnitudes[0] / least) - magnitudes) > magnitudes * 2.0**-22).any():
            continue
        near = np.float32(magnitudes[-1] / integers[-1])
        for scale in (near, np.nextafter(near, np.float32(0)), np.nextafter(near, np.float32(np.inf))):
            if (integers.astype(np.float32) * scale == magnitudes.astype(np.float32)).all():
                return np.rint(column.astype(np.float64) / float(scale)).astype(np.int64), scale
    return None


def _top(column: npt.NDArray[np.floating[Any]]) -> int:
    return int(np.frexp(float(np.abs(column).max(initial=0.0)))[1])


def check_finite(layer: str, what: str, values: npt.NDArray[np.floating[Any]]) -> None:
    """Refuse NaN and infinity.

    Raises:
        UnsupportedModelError: if a value is not finite.
    """
    bad = np.argwhere(~np.isfinite(values))
    if bad.size:
        at = tuple(int(i) for i in bad[0])
        raise UnsupportedModelError(
            f"layer {layer!r}: {what}{list(at)} is {values[at]}, and {len(bad)} of {values.size} values are not finite; "
            "allowed are finite weights; did the training diverge?"
        )


def aligned(name: str, weights: IntArray, fracs: IntArray) -> IntArray:
    """Weights of operands with so many fractional bits each, for sums in the finest of them.

    Args:
        weights: `(n_in, n_out)`.
        fracs: `(n_in,)`.

    Raises:
        UnsupportedModelError: if the points of two operands lie further apart than an integer is wide.
    """
    places = fracs.max() - fracs
    widths = np.array([int(np.abs(row).max(initial=0)).bit_length() for row in weights], dtype=np.int64)
    if (widths + places > MAX_WIDTH)[widths > 0].any():
        raise UnsupportedModelError(
            f"layer {name!r}: its operands have {int(fracs.min())} to {int(fracs.max())} fractional bits, too far apart for one "
            "sum; quantise them to steps that are nearer to each other"
        )
    moved: IntArray = weights << np.where(widths > 0, places, 0)[:, None]
    return moved


def sum_bits(weights: IntArray, bias: IntArray, source: Intervals, units: IntArray) -> IntArray:
    """Bits that the sums of each output can need in float32, in whatever order they are taken.

    Each partial sum is an integer number of units that is bounded by the sum of the magnitudes; while that is at most
    ``2**24`` units, all of them are representable and the result is exact.

    Args:
        weights: `(n_in, n_out)`.
        bias: `(n_out,)`, in units of the sums; 0 where the bias is added later.
        source: ranges of the operand codes.
        units: `(n_in,)` powers of two that divide every reachable operand code; 0 for a code that is always 0.

    Returns:
        `(n_out,)`; up to ``FLOAT32_BITS`` is exact.
    """
    peak = np.array([max(abs(i.lo), abs(i.hi)) for i in source], dtype=object)
    reach = peak @ np.abs(weights).astype(object) + np.abs(bias).astype(object)
    products = lowest_bit(weights) * units[:, None]
    grid = np.concatenate([products, lowest_bit(bias)[None, :]])
    unit = np.where(grid == 0, np.iinfo(np.int64).max, grid).min(axis=0)
    counts = [max(int(total) - 1, 0) // int(step) for total, step in zip(reach, unit, strict=True)]
    return np.array([count.bit_length() for count in counts], dtype=np.int64)


def check_exact_sums(layer: str, weights: IntArray, bias: IntArray, source: Intervals, units: IntArray) -> None:
    """Refuse a layer whose float32 sums Keras would round, so that no exact answer exists.

    Raises:
        UnsupportedModelError: if a sum could need more than 24 bits.
    """
    bits = sum_bits(weights, bias, source, units)
    if (bits > FLOAT32_BITS).any():
        raise Float32RoundsError(
            f"layer {layer!r}: output {int(bits.argmax())} can need {int(bits.max())} bits, and Keras adds up in float32, "
            f"which holds {FLOAT32_BITS}; its own result would depend on the order of the additions; use fewer bits in the "
            "input, the activation before this layer or the kernel"
        )
