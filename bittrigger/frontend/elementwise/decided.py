"""Codes of functions that doubles do not decide: evaluated between bounds, as closely as it takes.

A type that cuts off (``TRN``) has a step at every code, and that is where functions like to end: a sigmoid comes as near to 1 as
one likes and never reaches it. A value is exact, or lies strictly between two fractions; these are drawn together until every
number between them has the same code. By the theorem of Lindemann and Weierstrass what is computed of an exponential here is
rational only where it is given as exact, so that this comes to an end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import assert_never

from bittrigger.frontend.elementwise import gaussian
from bittrigger.frontend.elementwise.grids import Spec
from bittrigger.frontend.elementwise.own_functions import LEFT_OPEN
from bittrigger.ir.fixed import Rounding

DIGITS = (40, 160, 640)
"""Decimal digits, one after the other; bounds are as wide as the last ones leave them."""

_FAR = 1400
"""Beyond which an exponential is smaller than any of these digits tells."""

_HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number that lies strictly between ``lo`` and ``hi``, or is both."""

    lo: Fraction
    hi: Fraction

    def scaled(self, factor: Fraction) -> Bounds:
        """The number times ``factor``, which is positive."""
        return Bounds(self.lo * factor, self.hi * factor)


@dataclass(frozen=True, slots=True)
class Exact:
    """A function whose values can be bounded.

    Attributes:
        bounds: its value at a fraction, by decimal digits.
        rises: whether it never falls.
    """

    bounds: Callable[[Fraction, int], Bounds]
    rises: bool = True


def _exactly(value: Fraction) -> Bounds:
    return Bounds(value, value)


@lru_cache(maxsize=1 << 17)
def _falling(depth: Fraction, digits: int) -> Bounds:
    """``exp(-depth)`` of a positive ``depth``."""
    if depth > _FAR:
        return Bounds(Fraction(0), Fraction(1, 10 ** (_FAR * 43 // 100)))
    context = Context(prec=digits)
    nearest = Fraction(context.exp(context.divide(Decimal(-depth.numerator), Decimal(depth.denominator))))
    # The quotient is off by half a unit of its last digit, of which it has at most four before the point.
    wide = nearest / 10 ** (digits - 6)
    return Bounds(nearest - wide, nearest + wide)


def _falls_with(value: Callable[[Fraction], Fraction], depth: Fraction, digits: int) -> Bounds:
    """``value(exp(-depth))`` of a ``value`` that falls from 0 to 1."""
    power = _falling(depth, digits)
    return Bounds(value(power.hi), value(power.lo))


def _odd(bounds: Callable[[Fraction, int], Bounds], point: Fraction, digits: int) -> Bounds:
    """A function of which ``bounds`` knows the part above 0, and which is 0 there."""
    if point == 0:
        return _exactly(Fraction(0))
    found = bounds(abs(point), digits)
    return found if point > 0 else Bounds(-found.hi, -found.lo)


def _exponential(point: Fraction, digits: int) -> Bounds:
    if point == 0:
        return _exactly(Fraction(1))
    power = _falling(abs(point), digits)
    if point < 0:
        return power
    return Bounds(1 / power.hi, 1 / (power.lo or power.hi**2))


def _sigmoid(point: Fraction, digits: int) -> Bounds:
    if point == 0:
        return _exactly(_HALF)
    if point > 0:
        return _falls_with(lambda power: 1 / (1 + power), point, digits)
    power = _falling(-point, digits)
    return Bounds(power.lo / (1 + power.lo), power.hi / (1 + power.hi))


def _tanh(point: Fraction, digits: int) -> Bounds:
    return _odd(
        lambda far, places: _falls_with(lambda power: (1 - power) / (1 + power), 2 * far, places), point, digits
    )


def _softplus(point: Fraction, digits: int) -> Bounds:
    """``max(x, 0) + log(1 + exp(-|x|))``; the logarithm lies between its first terms where the power is small."""
    above = max(point, Fraction(0))
    power = _falling(abs(point), digits) if point else _exactly(Fraction(1))
    if power.hi < Fraction(1, 10 ** (digits // 4)):
        return Bounds(above + power.lo - power.lo**2 / 2, above + power.hi)
    context = Context(prec=digits)

    def logarithm(value: Fraction) -> Fraction:
        one = context.divide(Decimal(value.numerator + value.denominator), Decimal(value.denominator))
        return Fraction(context.ln(one))

    wide = Fraction(1, 10 ** (digits - 6))
    return Bounds(above + logarithm(power.lo) - wide, above + logarithm(power.hi) + wide)


def _softsign(point: Fraction, _digits: int) -> Bounds:
    return _exactly(point / (1 + abs(point)))


def _swish(point: Fraction, digits: int) -> Bounds:
    if point == 0:
        return _exactly(Fraction(0))
    found = _sigmoid(point, digits).scaled(abs(point))
    return found if point > 0 else Bounds(-found.hi, -found.lo)


def _elu(alpha: Fraction, point: Fraction, digits: int) -> Bounds:
    if point >= 0 or alpha == 0:
        return _exactly(max(point, Fraction(0)))
    power = _falling(-point, digits)
    return Bounds(alpha * (power.lo - 1), alpha * (power.hi - 1))


_SELU = Fraction(1.0507009873554804934193349852946), Fraction(1.7580993408473768599402175208123)
"""The factors above and below 0, in double precision."""


def _softplus_to(threshold: Fraction) -> Exact:
    """What is the identity above ``threshold``, as in PyTorch."""
    rises = threshold > _FAR
    return Exact(lambda point, digits: _exactly(point) if point > threshold else _softplus(point, digits), rises=rises)


def _hard_swish(point: Fraction, _digits: int) -> Bounds:
    return _exactly(point * min(max(point / 6 + _HALF, Fraction(0)), Fraction(1)))


def _selu(above: Fraction, below: Fraction, point: Fraction, digits: int) -> Bounds:
    return _exactly(above * point) if point >= 0 else _elu(below, point, digits)


def _gelu(point: Fraction, digits: int) -> Bounds:
    """``x`` less its part in the tail above 0, and that part below."""
    if point == 0:
        return _exactly(Fraction(0))
    far = abs(point)
    power = _falling(far**2 / 2, digits)
    least, most = gaussian.tail(far, (power.lo, power.hi), digits)
    return Bounds(far - far * most, far - far * least) if point > 0 else Bounds(-far * most, -far * least)


_ROOT, _CUBE = Fraction(math.sqrt(2 / math.pi)), Fraction(0.044715)
"""The factors of a GELU that takes a tanh for the error function, in double precision."""


def _gelu_tanh(point: Fraction, digits: int) -> Bounds:
    """``x sigmoid(2 u)``, where ``u`` has the sign of ``x``."""
    if point == 0:
        return _exactly(Fraction(0))
    found = _sigmoid(2 * _ROOT * (point + _CUBE * point**3), digits).scaled(abs(point))
    return found if point > 0 else Bounds(-found.hi, -found.lo)


_GELU, _GELU_TANH = Exact(_gelu, rises=False), Exact(_gelu_tanh, rises=False)

_OF_KERAS: dict[str, Exact] = {
    "gelu": _GELU,
    "sigmoid": Exact(_sigmoid),
    "tanh": Exact(_tanh),
    "exponential": Exact(_exponential),
    "softplus": Exact(_softplus),
    "softsign": Exact(_softsign),
    "swish": Exact(_swish, rises=False),
    "silu": Exact(_swish, rises=False),
    "elu": Exact(lambda point, digits: _elu(Fraction(1), point, digits)),
    "selu": Exact(lambda point, digits: _selu(*_SELU, point, digits)),
}

_OF_ONNX = {"Sigmoid": "sigmoid", "Tanh": "tanh", "Exp": "exponential", "Softsign": "softsign"}

_OF_TENSORFLOW = {
    "math.sigmoid": "sigmoid",
    "math.tanh": "tanh",
    "math.exp": "exponential",
    "math.softplus": "softplus",
    "nn.softplus": "softplus",
    "nn.softsign": "softsign",
    "nn.elu": "elu",
    "nn.selu": "selu",
}


def exact_of(module: str, name: str, config: Spec) -> Exact | None:
    """The function of that name between bounds; None where it is not known."""
    if module == "onnx":
        return _of_onnx(name, config)
    if module == "keras" and name == "ELU":
        return _elu_of(config)
    if module == "bittrigger":
        own = _GELU if name == "keras_3_gelu" else None
        return _OF_KERAS.get(name.removeprefix(LEFT_OPEN)) if name.startswith(LEFT_OPEN) else own
    if module == "keras":
        return _OF_KERAS.get(name)
    if module == "tensorflow" and config["arguments"] == [[0, None]] and not config["named"]:
        return _OF_KERAS.get(_OF_TENSORFLOW.get(name, ""))
    return None


def _of_onnx(name: str, config: Spec) -> Exact | None:
    match name:
        case "Elu":
            return _elu_of(config)
        case "Gelu":
            return _GELU_TANH if config["approximate"] else _GELU
        case "Softplus":
            return _softplus_to(Fraction(float(config["threshold"])))
        case "HardSwish":
            return Exact(_hard_swish, rises=False)
        case _:
            return _OF_KERAS.get(_OF_ONNX.get(name, ""))


def _elu_of(config: Spec) -> Exact | None:
    alpha = Fraction(float(config["alpha"]))
    return Exact(lambda point, digits: _elu(alpha, point, digits)) if alpha >= 0 else None


@dataclass(frozen=True, slots=True)
class Rounded:
    """How values become whole numbers: ``frac`` bits behind the point are kept, the others go as ``mode`` says."""

    frac: int
    mode: Rounding

    def code(self, function: Exact, point: Fraction) -> int | None:
        """The function's value at ``point``, rounded; None where the last digits do not decide it."""
        unit = Fraction(2) ** self.frac
        for digits in DIGITS:
            found = function.bounds(point, digits).scaled(unit)
            if found.lo == found.hi:
                return _whole(found.lo, self.mode)
            least, most = _just_above(found.lo, self.mode), _just_below(found.hi, self.mode)
            if least == most:
                return least
        return None


def _just_above(value: Fraction, mode: Rounding) -> int:
    """What numbers above ``value`` are rounded to, however near they are."""
    match mode:
        case Rounding.TRN:
            return math.floor(value)
        case Rounding.TRN_ZERO:
            return math.floor(value) + (value < 0)
        case _:
            return math.floor(value + _HALF)


def _just_below(value: Fraction, mode: Rounding) -> int:
    """What numbers below ``value`` are rounded to, however near they are."""
    match mode:
        case Rounding.TRN:
            return math.ceil(value) - 1
        case Rounding.TRN_ZERO:
            return math.ceil(value) - (value > 0)
        case _:
            return math.ceil(value - _HALF)


def _whole(value: Fraction, mode: Rounding) -> int:  # noqa: PLR0911 - one return a mode
    """``value`` as a whole number, as ``ap_fixed`` rounds it."""
    sign = -1 if value < 0 else 1
    match mode:
        case Rounding.TRN:
            return math.floor(value)
        case Rounding.TRN_ZERO:
            return math.trunc(value)
        case Rounding.RND:
            return math.floor(value + _HALF)
        case Rounding.RND_ZERO:
            return sign * math.ceil(abs(value) - _HALF)
        case Rounding.RND_MIN_INF:
            return math.ceil(value - _HALF)
        case Rounding.RND_INF:
            return sign * math.floor(abs(value) + _HALF)
        case Rounding.RND_CONV:
            return round(value)
        case _:
            assert_never(mode)


def decided(function: Exact, rounded: Rounded, points: Sequence[Fraction]) -> list[int] | None:
    """The codes at ascending ``points``, before they are limited; None where one is not decided.

    Between two points with one code a function that rises has this code too.
    """
    codes: dict[int, int | None] = {}

    def at(number: int) -> int | None:
        if number not in codes:
            codes[number] = rounded.code(function, points[number])
        return codes[number]

    open_spans = [(0, len(points) - 1)]
    while open_spans:
        first, last = open_spans.pop()
        if at(first) is None or at(last) is None:
            return None
        if last - first < 2:
            continue
        if function.rises and at(first) == at(last):
            codes |= dict.fromkeys(range(first, last), at(first))
            continue
        middle = (first + last) // 2
        open_spans += [(first, middle), (middle, last)]
    return [code for _, code in sorted(codes.items()) if code is not None]
