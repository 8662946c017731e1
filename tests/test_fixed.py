"""Fixed point: the semantics of ap_fixed, compared with the ap_fixed sources themselves."""

import itertools
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittrigger.errors import ConfigError, InternalError
from bittrigger.ir.fixed import (
    FixedPoint,
    Interval,
    Overflow,
    Rounding,
    decode,
    encode,
    parse_fixed,
    requantize,
    shift_round,
)
from bittrigger.simulate.executors.csim import ap_types_folder

SOURCE = FixedPoint(True, 8, 4)
TARGETS = [FixedPoint(True, 4, 1), FixedPoint(False, 3, 0), FixedPoint(True, 10, 6), FixedPoint(True, 5, 4)]
AP_FIXED_MODES = list(Overflow)

PROGRAM = """
#include <cstdio>
#include "ap_fixed.h"
template <class T> void show() {
    for (int code = -128; code < 128; code++) {
        ap_fixed<8, 4> x;
        x.range(7, 0) = ap_int<8>(code).range(7, 0);
        T y = x;
        std::printf("%%.10f\\n", y.to_double());
    }
}
int main() {
%s
}
"""


def cpp_type(target: FixedPoint, rounding: Rounding, mode: Overflow) -> str:
    return f"{str(target)[:-1]}, AP_{rounding.value}, AP_{mode.value}>"


def test_requantize_equals_ap_fixed_for_every_code_and_mode(tmp_path):
    cases = list(itertools.product(TARGETS, Rounding, AP_FIXED_MODES))
    body = "\n".join(f"    show<{cpp_type(*case)} >();" for case in cases)
    (tmp_path / "modes.cpp").write_text(PROGRAM % body)
    command = ["g++", "-O0", "-std=c++11", "-w", "-I", str(ap_types_folder()), "-o", "modes", "modes.cpp"]
    subprocess.run(command, cwd=tmp_path, check=True)
    lines = subprocess.run([tmp_path / "modes"], capture_output=True, text=True, check=True).stdout.split()
    wanted = np.array(lines, dtype=float).reshape(len(cases), 256)
    codes = np.arange(-128, 128)
    for (target, rounding, mode), values in zip(cases, wanted, strict=True):
        ours = decode(requantize(codes, SOURCE.frac, target, rounding, mode), target.frac)
        assert np.array_equal(ours, values), (str(target), rounding, mode)


@pytest.mark.parametrize("rounding", Rounding)
def test_shift_round_by_zero_or_less_is_exact(rounding):
    codes = np.array([-5, 0, 7])
    assert np.array_equal(shift_round(codes, 0, rounding), codes)
    assert np.array_equal(shift_round(codes, -2, rounding), codes * 4)


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("shift", [63, 64, 65, 104])
def test_shift_round_by_more_than_a_word_leaves_a_sign_at_most(rounding, shift):
    codes = np.array([-(1 << 61), -1, 0, 1, (1 << 61) - 1])
    below = -1 if rounding is Rounding.TRN else 0
    assert shift_round(codes, shift, rounding).tolist() == [below, below, 0, 0, 0]


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))
def test_interval_width_is_the_least_that_holds_it(a, b):
    interval = Interval(min(a, b), max(a, b))
    width, signed = interval.width, interval.signed

    def holds(bits):
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        return low <= interval.lo and interval.hi <= high

    assert holds(width)
    assert width == 1 or not holds(width - 1)


def test_interval_arithmetic():
    a, b = Interval(-3, 5), Interval(2, 4)
    assert a + b == Interval(-1, 9)
    assert -a == Interval(-5, 3)
    assert a << 2 == Interval(-12, 20)
    assert a.scaled(-2) == Interval(-10, 6)
    assert a.union(b) == Interval(-3, 5)
    with pytest.raises(InternalError, match=r"empty interval \[2, 1\]"):
        Interval(2, 1)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ap_fixed<24,12,AP_RND,AP_SAT>", FixedPoint(True, 24, 12)),
        ("fixed<8,3,TRN>", FixedPoint(True, 8, 5)),
        ("fixed<16,6>", FixedPoint(True, 16, 10)),
        ("ap_fixed<8, 4>", FixedPoint(True, 8, 4)),
        ("ap_ufixed<8,0>", FixedPoint(False, 8, 8)),
        ("ufixed<8,-2>", FixedPoint(False, 8, 10)),
        ("int<12>", FixedPoint(True, 12, 0)),
        ("ap_uint<3>", FixedPoint(False, 3, 0)),
    ],
)
def test_parse_fixed(text, wanted):
    assert parse_fixed(text) == wanted


def test_a_type_prints_as_it_parses():
    for kind in (*TARGETS, FixedPoint(False, 8, 12)):
        assert parse_fixed(str(kind)) == kind


@pytest.mark.parametrize("text", ["", "float", "fixed<16>", "fixed<0,0>", "fixed<63,1>", "fixed<8,4,AP_UP>", "int<-3>"])
def test_parse_fixed_refuses(text):
    with pytest.raises(ConfigError):
        parse_fixed(text)


def test_encode_rounds_ties_to_even_and_saturates():
    kind = FixedPoint(True, 4, 1)
    values = np.array([0.25, 0.75, -0.25, -0.75, 100.0, -100.0])
    assert encode(values, kind).tolist() == [0, 2, 0, -2, 7, -8]


@given(st.integers(-128, 127), st.integers(-3, 12))
def test_decode_inverts_encode(code, frac):
    kind = FixedPoint(True, 8, frac)
    assert encode(decode(np.array([code]), frac), kind).tolist() == [code]
