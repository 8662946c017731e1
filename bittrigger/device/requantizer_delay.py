"""The delay of a requantiser, cell by cell: LUTs and carry chains that lie one behind the other in what the emitter writes.

Rounding adds a bit to the floor in a carry chain, or decides the last bit alone. A limiter has two decisions side by side, and
one LUT a bit behind them. A decision at a power of two is a function of the upper bits: LUTs, and no carry chain.
"""

from __future__ import annotations

from bittrigger.device.delay_model import DelayModel
from bittrigger.ir.fixed import Interval, Rounding
from bittrigger.ir.forms.limiter import DIRECT, INPUTS, Limiter, groups, is_power, last_bit_apart, limiter_of
from bittrigger.ir.graph import Requantize, before_clip, requantized, wraps


def gates_ns(signals: int, model: DelayModel) -> float:
    """Delay of a bit that so many signals decide, in a tree of LUTs; one signal is a wire."""
    levels, reached = 0, 1
    while reached < signals:
        levels, reached = levels + 1, reached * INPUTS
    return model.logic_ns * levels


def _decided_ns(bits: int, model: DelayModel) -> float:
    """Delay of a decision over the upper bits, which every LUT of the limiter reads: its wires are as long as a comparison's.

    Where a LUT does not take the bits there is a level more. Source: netlists of Yosys 0.70 and their static timing.
    """
    return 0.0 if bits <= 1 else model.compare_ns + (model.logic_ns if bits > INPUTS else 0.0)


def requantizer_delay_ns(node: Requantize, source: tuple[Interval, ...], model: DelayModel) -> float:
    """Delay through the slowest channel of a requantiser, given the ranges of its operand."""
    return max((_channel_ns(node, span, model) for span in source), default=0.0)


def _channel_ns(node: Requantize, span: Interval, model: DelayModel) -> float:
    reached, start = before_clip(node, span), 0.0
    result, around = requantized(node, span), wraps(node, span)
    if result.lo == result.hi:
        return 0.0
    if node.offset and not node.clears_ties:
        span, start = span + Interval(node.offset, node.offset), model.adder_ns
    relu = node.lo == 0 and span.signed and (node.rectified or not around)
    low = result if around else Interval(0, reached.hi) if relu else reached
    last, others = _rounding_ns(node, span, model, signs=span.signed and not relu)
    form = limiter_of(low, node, result.width, by_sign=relu)
    if form is Limiter.NONE:
        return start + last
    if form is Limiter.CHOSEN and span.width <= INPUTS and not others:
        return start + model.logic_ns
    decided = others + _decision_ns(form, node, low, result.width, model, by_sign=relu)
    dropped = min(node.shift, span.width)
    if last_bit_apart(node, form, low, result.width, dropped, by_sign=relu):
        last = 0.0 if dropped < INPUTS else model.logic_ns
    return start + max(last, decided) + model.logic_ns


def _rounding_ns(node: Requantize, span: Interval, model: DelayModel, *, signs: bool) -> tuple[float, float]:
    """When the last bit of the rounded code is there, and when all of the others are.

    Args:
        signs: whether what negative codes become is of any interest.
    """
    dropped = min(node.shift, span.width)
    if node.shift <= 0:
        return 0.0, 0.0
    if node.clears_ties:
        return gates_ns(1 + dropped, model), 0.0
    match node.rounding:
        case Rounding.TRN:
            return 0.0, 0.0
        case Rounding.TRN_ZERO if not signs:
            return 0.0, 0.0
        case Rounding.RND:
            signals = 1
        case Rounding.RND_INF if not signs:
            signals = 1
        case Rounding.RND_MIN_INF:
            signals = dropped
        case Rounding.RND_ZERO:
            signals = dropped + signs
        case Rounding.TRN_ZERO | Rounding.RND_INF | Rounding.RND_CONV:
            signals = dropped + 1
    added = model.adder_ns + (
        gates_ns(signals, model) if signals > INPUTS else 0.0
    )  # one LUT lies beside the carry chain's
    return added, added


def _decision_ns(
    form: Limiter, node: Requantize, low: Interval, width: int, model: DelayModel, *, by_sign: bool
) -> float:
    """From the rounded code to what the last LUT is told."""
    match form:
        case Limiter.NONE | Limiter.SIGN:
            return 0.0
        case Limiter.UPPER:
            upper = low.width - width
            return 0.0 if upper <= DIRECT else _decided_ns(upper if groups(upper) > DIRECT else INPUTS, model)
        case Limiter.BOTH:
            return _decided_ns(low.width - width + 1, model)
        case Limiter.CHOSEN:
            above = _compared_ns(node.hi + 1, low, model) if low.hi > node.hi else 0.0
            below = _compared_ns(-node.lo, low, model) if low.lo < node.lo and not by_sign else 0.0
            return max(above, below)


def _compared_ns(limit: int, low: Interval, model: DelayModel) -> float:
    """Whether a code reaches a limit: by the bits from there on, and where that is no power of two by the others too."""
    return _decided_ns(low.width - limit.bit_length() + 1, model) if is_power(limit) else model.compare_ns
