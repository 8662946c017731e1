"""The integer fit of a tabulated function: exact on every code, or none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bittrigger.frontend.elementwise.requantizer_fit import Affine, Segments, fit_channel
from bittrigger.ir.fixed import Rounding, shift_round


def runs_of(codes, values):
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    return Segments(codes[starts], codes[np.r_[starts[1:], len(codes)] - 1], values[starts])


def applied(fit, codes, rounding, lo, hi):
    return np.clip(shift_round(codes * fit.multiplier + fit.offset, fit.shift, rounding), lo, hi)


@settings(max_examples=150, deadline=None)
@given(
    st.floats(-4, 4, width=32),
    st.floats(-300, 300, width=32),
    st.tuples(st.integers(-300, 0), st.integers(1, 600), st.integers(1, 5)),
    st.sampled_from([(0, 15), (-8, 7), (-1, 1), (0, 1)]),
)
def test_a_float32_scale_and_offset_is_reproduced_on_every_code(scale, offset, lattice, clip):
    first, points, stride = lattice
    codes = first + stride * np.arange(points, dtype=np.int64)
    real = codes.astype(np.float32) * np.float32(scale / 16) + np.float32(offset / 16)
    values = np.clip(np.rint(real), *clip).astype(np.int64)
    runs = runs_of(codes, values)
    for rounding in (Rounding.TRN, Rounding.RND_CONV):
        fit = fit_channel(runs, rounding, *clip)
        if fit is not None:
            assert np.array_equal(applied(fit, codes, rounding, *clip), values)


@pytest.mark.parametrize("multiplier", [1, -1, 3, -5, 11, 96])
@pytest.mark.parametrize("rounding", [Rounding.TRN, Rounding.RND_CONV])
def test_what_has_a_fit_is_fitted(multiplier, rounding):
    codes = np.arange(-200, 201, dtype=np.int64)
    values = applied(Affine(multiplier, 37, 5), codes, rounding, -20, 20)
    fit = fit_channel(runs_of(codes, values), rounding, -20, 20)
    assert fit is not None
    assert fit.digits <= Affine(multiplier, 37, 5).digits
    assert np.array_equal(applied(fit, codes, rounding, -20, 20), values)


def test_half_to_even_needs_its_own_rounding():
    codes = np.arange(-64, 64, dtype=np.int64)
    values = shift_round(codes, 2, Rounding.RND_CONV)
    runs = runs_of(codes, values)
    assert fit_channel(runs, Rounding.TRN, -16, 16) is None
    assert fit_channel(runs, Rounding.RND_CONV, -16, 16) == Affine(1, 0, 2)


def test_ties_that_cannot_occur_cost_nothing():
    codes = np.arange(-63, 64, 2, dtype=np.int64)
    values = shift_round(codes, 1, Rounding.RND_CONV)
    odd = runs_of(codes * 2 + 1, shift_round(codes * 2 + 1, 2, Rounding.RND_CONV))
    assert fit_channel(odd, Rounding.TRN, -32, 32) is not None
    assert fit_channel(runs_of(codes, values), Rounding.TRN, -32, 32) is None


def test_a_function_that_turns_has_no_fit():
    codes = np.arange(4, dtype=np.int64)
    assert fit_channel(runs_of(codes, np.array([0, 1, 1, 0])), Rounding.TRN, 0, 1) is None


def test_a_constant_has_multiplier_zero():
    codes = np.arange(4, dtype=np.int64)
    assert fit_channel(runs_of(codes, np.full(4, 7)), Rounding.TRN, 0, 15) == Affine(0, 7, 0)
