from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bittrigger.errors import ConfigError
from bittrigger.layers.ternary import (
    SMALLEST_SCALE,
    absmean_scale,
    nearest_power_of_two,
    pack_ternary,
    round_clip,
    unpack_ternary,
)

SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9)
CODES = hnp.arrays(np.int8, SHAPES, elements=st.integers(-1, 1))
WEIGHTS = hnp.arrays(np.float32, SHAPES, elements=st.floats(-8, 8, width=32))


@given(CODES)
def test_packing_round_trip(codes: npt.NDArray[np.int8]) -> None:
    packed = pack_ternary(codes)
    assert packed.dtype == np.uint8
    assert packed.shape == (math.ceil(codes.size / 4),)
    restored = unpack_ternary(packed, codes.shape)
    assert restored.dtype == np.int8
    assert np.array_equal(restored, codes)


def test_packing_places_the_first_code_in_the_lowest_bits() -> None:
    assert pack_ternary(np.array([1, -1, 0, 1, -1])).tolist() == [0b01_00_11_01, 0b11]


def test_packing_accepts_an_empty_array() -> None:
    packed = pack_ternary(np.zeros((0, 3), dtype=np.int8))
    assert packed.shape == (0,)
    assert unpack_ternary(packed, (0, 3)).shape == (0, 3)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.array([0, 2]), "codes: value 2 is not ternary; expected -1, 0 or +1"),
        (np.array([255], dtype=np.uint8), "codes: value 255 is not ternary; expected -1, 0 or +1"),
        (np.array([1.0]), "codes: dtype float64; expected integers in {-1, 0, +1}"),
    ],
)
def test_packing_refuses_what_is_not_ternary(codes: npt.NDArray[np.generic], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        pack_ternary(codes)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("packed", "shape", "message"),
    [
        ([0b10], (4,), "the field 10 stands for no code"),
        ([0b01_00], (1,), "bits are set after the last of 1 codes"),
        ([0, 0], (4,), r"expected uint8 of shape \(1,\)"),
    ],
)
def test_unpacking_refuses_foreign_bytes(packed: list[int], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        unpack_ternary(np.array(packed, dtype=np.uint8), shape)


@given(WEIGHTS)
def test_absmean_scale_lies_between_floor_and_largest_weight(weights: npt.NDArray[np.float32]) -> None:
    beta = absmean_scale(weights)
    assert beta >= SMALLEST_SCALE
    assert beta <= max(float(np.abs(weights).max()) * (1 + 1e-12), SMALLEST_SCALE)


@given(WEIGHTS)
def test_round_clip_is_the_band_of_half_a_scale(weights: npt.NDArray[np.float32]) -> None:
    beta = absmean_scale(weights)
    codes = round_clip(weights, beta)
    outside = np.abs(weights.astype(np.float64) / beta) > 0.5
    assert codes.dtype == np.int8
    assert np.array_equal(codes, np.where(outside, np.sign(weights), 0))


@given(WEIGHTS, st.integers(-6, 6))
def test_codes_do_not_depend_on_a_power_of_two(weights: npt.NDArray[np.float32], exponent: int) -> None:
    weights = np.round(weights, 3)
    scaled = weights.astype(np.float64) * 2.0**exponent
    if not weights.any():
        return
    assert np.array_equal(round_clip(scaled, absmean_scale(scaled)), round_clip(weights, absmean_scale(weights)))


@given(WEIGHTS)
def test_codes_of_negated_weights_are_negated(weights: npt.NDArray[np.float32]) -> None:
    beta = absmean_scale(weights)
    assert np.array_equal(round_clip(-weights, beta), -round_clip(weights, beta))


def test_round_clip_rounds_half_to_even() -> None:
    assert round_clip(np.array([0.5, -0.5, 0.75, 1.5, -9.0]), 1.0).tolist() == [0, 0, 1, 1, -1]


def test_all_zero_weights_get_the_smallest_scale_and_zero_codes() -> None:
    weights = np.zeros((3, 2), dtype=np.float32)
    assert absmean_scale(weights) == SMALLEST_SCALE
    assert not round_clip(weights, absmean_scale(weights)).any()


@pytest.mark.parametrize(("values", "word"), [([], "empty"), ([1.0, math.nan], "NaN"), ([math.inf], "infinite")])
def test_absmean_scale_refuses(values: list[float], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        absmean_scale(np.array(values))


@pytest.mark.parametrize("beta", [0.0, -1.0, math.nan, math.inf])
def test_a_scale_must_be_positive_and_finite(beta: float) -> None:
    with pytest.raises(ConfigError, match="expected a positive, finite scale"):
        round_clip(np.ones(2), beta)
    with pytest.raises(ConfigError, match="expected a positive, finite scale"):
        nearest_power_of_two(beta)


@given(st.floats(1e-300, 1e300))
def test_nearest_power_of_two_is_within_half_an_octave(beta: float) -> None:
    scale = nearest_power_of_two(beta)
    assert math.frexp(scale)[0] == 0.5
    assert math.sqrt(0.5) * (1 - 1e-15) <= beta / scale <= math.sqrt(2) * (1 + 1e-15)


@pytest.mark.parametrize(("beta", "scale"), [(1.0, 1.0), (1.4, 1.0), (1.5, 2.0), (0.3, 0.25), (5e-324, 5e-324)])
def test_nearest_power_of_two_of_known_values(beta: float, scale: float) -> None:
    assert nearest_power_of_two(beta) == scale


def test_nearest_power_of_two_refuses_to_overflow() -> None:
    with pytest.raises(ConfigError, match="overflows"):
        nearest_power_of_two(1.7e308)
