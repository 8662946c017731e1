"""Codes that doubles do not decide: compared with 120 digits, and where a function comes near to a step and never reaches it."""

from decimal import Context, Decimal
from fractions import Fraction
from math import ceil, erfc, floor, sqrt

import numpy as np
import pytest
from keras_models import tf  # noqa: F401 - functions are those of Keras

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.elementwise.chains import AddBias, Apply, Scale, StridedInterval
from bittrigger.frontend.elementwise.double import double_runs
from bittrigger.frontend.elementwise.functions import function_from_spec
from bittrigger.frontend.elementwise.functions.rounding import assigning_to, rounding_to
from bittrigger.frontend.elementwise.gaussian import tail
from bittrigger.ir.casts import parse_cast
from bittrigger.ir.fixed import parse_fixed

_C = Context(prec=120)
_E = [_C.exp(Decimal(k)) for k in (0, 1)]


def power(x):
    return _C.exp(_C.divide(Decimal(x.numerator), Decimal(x.denominator)))


def log1p(value):
    return _C.ln(_C.add(1, value))


TRUE = {
    "sigmoid": lambda x: _C.divide(1, _C.add(1, power(-x))),
    "tanh": lambda x: _C.divide(_C.subtract(1, power(-2 * x)), _C.add(1, power(-2 * x))),
    "softplus": lambda x: log1p(power(x)),
    "swish": lambda x: _C.divide(_C.divide(Decimal(x.numerator), Decimal(x.denominator)), _C.add(1, power(-x))),
    "elu": lambda x: Decimal(x.numerator) / Decimal(x.denominator) if x > 0 else _C.subtract(power(x), 1),
    "exponential": power,
    "softsign": lambda x: Fraction(x, 1 + abs(x)),
}  # fmt: skip


def function(name, module="keras", config=None):
    return function_from_spec("f", {"module": module, "class_name": name, "config": config or {}})


def codes_of(steps, span, frac):
    grid, (run,) = double_runs(steps, [span], frac)
    starts = np.searchsorted(run.first, span.codes(0, span.points), side="right") - 1
    return grid, run.value[starts]


@pytest.mark.parametrize("mode", ["TRN", "TRN_ZERO", "RND", "RND_CONV"])
@pytest.mark.parametrize("name", TRUE)
def test_every_code_is_that_of_120_digits(name, mode):
    """Of codes of 10 bits with 4 behind the point: up to 32, where a double of a sigmoid or a tanh is 1 or next to it."""
    span, kind = StridedInterval(-512, 511, 1), parse_cast(f"fixed<20,10,{mode},SAT>")
    _, found = codes_of([Apply("f", function(name)), Apply("t", assigning_to(kind))], span, 4)
    wanted = []
    for code in range(-512, 512):
        value = Fraction(TRUE[name](Fraction(code, 16))) * 1024
        away = floor(abs(value)) * (1 if value >= 0 else -1)
        nearest = {"RND": floor(value + Fraction(1, 2)), "RND_CONV": round(value)}
        whole = {"TRN": floor(value), "TRN_ZERO": away, **nearest}[mode]
        wanted.append(min(max(whole, -(1 << 19)), (1 << 19) - 1))
    if name == "softplus" and mode == "TRN":
        assert wanted[0] == 0  # its true value is above 0
    assert found.tolist() == wanted


@pytest.mark.parametrize(
    ("name", "kind", "lowest", "highest"),
    [
        ("sigmoid", "fixed<16,6,TRN,WRAP>", 0, 1023),
        ("tanh", "fixed<16,6,TRN,WRAP>", -1024, 1023),
        ("tanh", "fixed<16,6,TRN_ZERO,WRAP>", -1023, 1023),
        ("tanh", "fixed<11,1,TRN,WRAP>", -1024, 1023),
        ("elu", "fixed<16,6,TRN,SAT>", -1024, 32767),
        ("softsign", "fixed<16,6,TRN,WRAP>", -1024, 1023),
        ("swish", "fixed<16,6,TRN,SAT>", -1, 32767),
    ],
)
def test_what_comes_near_to_a_step_does_not_reach_it(name, kind, lowest, highest):
    """A double of a sigmoid of 40 is 1, and a type that cuts off makes 1 of that; the sigmoid is less."""
    steps = [Apply("f", function(name)), Apply("t", assigning_to(parse_cast(kind)))]
    _, found = codes_of(steps, StridedInterval(-(1 << 15), (1 << 15) - 1, 1), 4)
    assert (found[0], found[-1]) == (lowest, highest)
    assert found[1 << 15] == (512 if name == "sigmoid" else 0)


def test_falling_scales_and_offsets_before_the_function():
    steps = [
        Scale("n", np.array([-0.75], np.float32), np.array([0.25], np.float32)),
        AddBias("b", np.array([-0.25], np.float32)),
        Apply("f", function("sigmoid")),
        Apply("t", assigning_to(parse_cast("ufixed<8,0,TRN,SAT>"))),
    ]
    _, found = codes_of(steps, StridedInterval(-900, 900, 1), 3)
    wanted = [floor(256 * Fraction(TRUE["sigmoid"](Fraction(-3 * code, 32)))) for code in range(-900, 901)]
    assert found.tolist() == wanted


def test_functions_of_other_frameworks_and_a_declared_type():
    span = StridedInterval(-4096, 4095, 1)
    plain = Apply("t", rounding_to(parse_fixed("fixed<12,4>")))
    cut = Apply("t", assigning_to(parse_cast("fixed<12,4,TRN,SAT>")))
    for behind in (plain, cut):
        of_keras = codes_of([Apply("f", function("ELU", config={"alpha": 1.25})), behind], span, 6)[1]
        of_onnx = codes_of([Apply("f", function("Elu", "onnx", {"alpha": 1.25})), behind], span, 6)[1]
        assert (of_keras == of_onnx).all()
    assert of_keras[0] == -ceil(1.25 * 256)
    named = function("math.tanh", "tensorflow", {"arguments": [[0, None]], "options": {}, "named": []})
    assert (
        codes_of([Apply("f", named), cut], span, 6)[1] == codes_of([Apply("f", function("tanh")), cut], span, 6)[1]
    ).all()


def test_channels_of_different_ranges_are_parts_of_one_table():
    """A layer of many units, each with sums of a range of its own, has no more codes than the widest of them."""
    steps = [Apply("f", function("sigmoid")), Apply("t", assigning_to(parse_cast("fixed<16,6,TRN,WRAP>")))]
    spans = [StridedInterval(-(1 << 15) + k, (1 << 15) - 1 - 3 * k, 1) for k in range(100)]
    spans += [StridedInterval(-30000, 30000, 8), StridedInterval(7, 7, 0)]
    _, runs = double_runs(steps, spans, 10)
    for k in (0, 99, 100, 101):
        _, (alone,) = double_runs(steps, spans[k : k + 1], 10)
        assert all((getattr(runs[k], part) == getattr(alone, part)).all() for part in ("first", "last", "value"))


def test_what_nobody_knows_so_well_is_refused():
    steps = [Apply("f", function("mish")), Apply("t", assigning_to(parse_cast("fixed<12,4,TRN,SAT>")))]
    with pytest.raises(
        UnsupportedModelError, match="for .* of 2048 codes its result lies so near to a tie that double"
    ):
        double_runs(steps, [StridedInterval(-1024, 1023, 1)], 4)


def test_a_gelu_is_below_its_argument_however_near_it_comes():
    """Where doubles have reached ``x``, codes of half a step and types that cut off are decided by the tail."""
    span = StridedInterval(-512, 511, 1)
    for spec in (("gelu", "keras", {}), ("Gelu", "onnx", {"approximate": 1.0})):
        plain = codes_of([Apply("f", function(*spec)), Apply("t", rounding_to(parse_fixed("fixed<12,8>")))], span, 5)[1]
        cut = codes_of(
            [Apply("f", function(*spec)), Apply("t", assigning_to(parse_cast("fixed<12,8,TRN,SAT>")))], span, 5
        )[1]
        assert plain[512 + 32 * 12 + 1] == 192  # 12 + 1/32 in steps of 1/16: half a step, and a little less
        assert cut[512 + 32 * 12] == 191
        assert cut[512 - 32 * 12] == -1
        assert cut[512] == 0


@pytest.mark.parametrize("digits", [40, 160])
@pytest.mark.parametrize(
    "point", [Fraction(1, 64), Fraction(1), Fraction(5, 2), Fraction(7, 2), Fraction(12), Fraction(30)]
)
def test_the_tail_of_the_normal_distribution_lies_between_its_bounds(point, digits):
    power = Context(prec=digits).exp(Decimal(-(point**2).numerator) / Decimal(2 * (point**2).denominator))
    around = [Fraction(power) * (1 + Fraction(side, 10 ** (digits - 6))) for side in (-1, 1)]
    lo, hi = tail(point, tuple(around), digits)
    assert 0 < lo < hi
    assert float(lo) == pytest.approx(erfc(float(point) / sqrt(2)) / 2, rel=1e-12)
    assert hi - lo < Fraction(1, 10 ** (digits - 8))
