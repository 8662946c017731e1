"""Ternary weights: the absmean scale, RoundClip and a two-bit packing.

NumPy only, so that training and lowering share one definition without TensorFlow.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError

__all__ = [
    "CODES_PER_BYTE",
    "SMALLEST_SCALE",
    "absmean_scale",
    "nearest_power_of_two",
    "pack_ternary",
    "round_clip",
    "unpack_ternary",
]

SMALLEST_SCALE = 1e-8
"""Floor of the absmean scale, so that an all-zero matrix can still be divided by it.

Source: BitHEP, arXiv:2504.03387, and its code `ramonpeter/hep-bitnet`.
"""

CODES_PER_BYTE = 4

_FIELD_SHIFTS = np.arange(0, 2 * CODES_PER_BYTE, 2, dtype=np.uint8)


def absmean_scale(weights: npt.NDArray[Any]) -> float:
    """Return the mean magnitude of `weights`, at least `SMALLEST_SCALE`.

    One scale serves the whole matrix. The mean is taken in double precision.

    Args:
        weights: real array of any shape with at least one element.

    Raises:
        ConfigError: `weights` is empty or holds a value that is not finite.

    Source: BitNet b1.58, arXiv:2402.17764; BitHEP, arXiv:2504.03387.
    """
    values = np.asarray(weights, dtype=np.float64)
    if values.size == 0:
        raise ConfigError("weights: the array is empty; expected at least one value")
    if not np.isfinite(values).all():
        raise ConfigError("weights: a value is NaN or infinite; expected finite values; did the training diverge?")
    return max(float(np.abs(values).mean()), SMALLEST_SCALE)


def round_clip(weights: npt.NDArray[Any], beta: float) -> npt.NDArray[np.int8]:
    """Return the ternary codes `clip(round(weights / beta), -1, 1)`.

    Rounding is half to even: a weight of exactly `beta / 2` becomes 0.

    Args:
        weights: finite real array of any shape.
        beta: the scale, positive and finite; `absmean_scale(weights)` for the absmean rule.

    Returns:
        Codes in {-1, 0, +1}, same shape as `weights`.

    Raises:
        ConfigError: `beta` is not positive and finite, or a weight is NaN.

    Source: RoundClip of BitNet b1.58, arXiv:2402.17764.
    """
    if not (math.isfinite(beta) and beta > 0):
        raise ConfigError(f"beta {beta}: expected a positive, finite scale")
    values = np.asarray(weights, dtype=np.float64)
    if np.isnan(values).any():
        raise ConfigError("weights: a value is NaN; expected real numbers")
    codes: npt.NDArray[np.int8] = np.clip(np.rint(values / beta), -1, 1).astype(np.int8)
    return codes


def nearest_power_of_two(beta: float) -> float:
    """Return the power of two that is nearest to `beta` on the logarithmic axis.

    The boundary between two neighbours is their geometric mean, so 1.4 gives 1 and 1.5 gives 2.
    Multiplying by the result is a shift in hardware and exact in floating point.

    Args:
        beta: positive, finite scale.

    Raises:
        ConfigError: `beta` is not positive and finite, or its nearest power of two overflows.
    """
    if not (math.isfinite(beta) and beta > 0):
        raise ConfigError(f"beta {beta}: expected a positive, finite scale")
    mantissa, exponent = math.frexp(beta)  # beta = mantissa * 2**exponent, 0.5 <= mantissa < 1
    if mantissa < math.sqrt(0.5):
        exponent -= 1
    try:
        return math.ldexp(1.0, exponent)
    except OverflowError as error:
        raise ConfigError(f"beta {beta}: its nearest power of two overflows a double") from error


def pack_ternary(codes: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Pack ternary codes into bytes, four codes a byte.

    Each code is a two-bit two's complement field: `00` is 0, `01` is +1, `11` is -1; `10` is
    unused. Code `i` of the flattened array (row-major) fills bits `2 * (i % 4)` and
    `2 * (i % 4) + 1` of byte `i // 4`. Unfilled fields of the last byte are `00`.

    Args:
        codes: integer array of any shape with values in {-1, 0, +1}.

    Returns:
        Array of shape `(ceil(codes.size / 4),)`.

    Raises:
        ConfigError: `codes` is no integer array, or holds a value outside {-1, 0, +1}.
    """
    array = np.asarray(codes)
    if array.dtype.kind not in "iu":
        raise ConfigError(f"codes: dtype {array.dtype}; expected integers in {{-1, 0, +1}}")
    flat = array.reshape(-1)
    stray = flat[~np.isin(flat, (-1, 0, 1))]
    if stray.size:
        raise ConfigError(f"codes: value {stray[0]} is not ternary; expected -1, 0 or +1")
    fields = np.zeros(-(-flat.size // CODES_PER_BYTE) * CODES_PER_BYTE, dtype=np.uint8)
    fields[: flat.size] = flat.astype(np.int8).view(np.uint8) & 0b11
    shifted = fields.reshape(-1, CODES_PER_BYTE) << _FIELD_SHIFTS
    packed: npt.NDArray[np.uint8] = np.bitwise_or.reduce(shifted, axis=1)
    return packed


def unpack_ternary(packed: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    """Return the codes that `pack_ternary` packed.

    Args:
        packed: bytes of shape `(ceil(n / 4),)`, where `n` is the product of `shape`.
        shape: shape of the codes.

    Returns:
        Codes in {-1, 0, +1} of shape `shape`.

    Raises:
        ConfigError: `packed` has another length or dtype, holds the unused field `10`, or has set bits
            after the last code.
    """
    count = math.prod(shape)
    expected_bytes = -(-count // CODES_PER_BYTE)
    if packed.dtype != np.uint8 or packed.shape != (expected_bytes,):
        raise ConfigError(
            f"packed: {packed.dtype} of shape {packed.shape}; "
            f"expected uint8 of shape ({expected_bytes},) for codes of shape {shape}"
        )
    fields = (packed[:, np.newaxis] >> _FIELD_SHIFTS & 0b11).reshape(-1)
    if (fields == 0b10).any():
        raise ConfigError("packed: the field 10 stands for no code; expected 00, 01 or 11")
    if fields[count:].any():
        raise ConfigError(f"packed: bits are set after the last of {count} codes; expected zeros")
    codes = fields[:count].astype(np.int8)
    codes[codes == 0b11] = -1
    return codes.reshape(shape)
