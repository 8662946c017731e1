"""Delays of adders and nodes by the delay model, for pipelining before any tool has seen the logic."""

from __future__ import annotations

import math

from bittrigger.device.delay_model import DEFAULT_DELAYS, DelayModel
from bittrigger.device.requantizer_delay import requantizer_delay_ns
from bittrigger.errors import ConfigError
from bittrigger.ir.fixed import Interval
from bittrigger.ir.forms.table import Form, form_of, searches
from bittrigger.ir.graph import Lookup, Requantize, floor_of
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum, tournament
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product, booth


def adder_delay_ns(operands: int, model: DelayModel = DEFAULT_DELAYS) -> float:
    """Delay of one adder level with that many operands."""
    return model.three_input_ns if operands > 2 else model.adder_ns


def node_delay_ns(node: Requantize | Lookup, source: tuple[Interval, ...], model: DelayModel = DEFAULT_DELAYS) -> float:
    """Delay of a requantiser or a look-up through its slowest channel, given the ranges of its operand."""
    if isinstance(node, Lookup):
        if form_of(node, source) is Form.TABLE:
            return model.logic_ns * table_levels(max(span.width for span in source))
        steps = max(len(starts) for starts in node.starts)
        return model.compare_ns + model.logic_ns * max(1, (steps - 1).bit_length())
    return requantizer_delay_ns(node, source, model)


def held_delay_ns(node: Weigh | Hold, model: DelayModel = DEFAULT_DELAYS) -> float:
    """Delay from operand codes to what they give with held numbers: a sum of two, or nothing."""
    return model.adder_ns if isinstance(node, Weigh) else 0.0


def spread_delay_ns(doublings: float, budget_ns: float, model: DelayModel = DEFAULT_DELAYS) -> float:
    """What nets that many cells read take beyond short ones, if that is more than the delays of logic make up for.

    Args:
        doublings: of the cells that read them, all nets of a path together.
    """
    found = model.spread_ns * doublings
    return found if found > model.spread_share * budget_ns else 0.0


def scaling_delays_ns(
    node: MagnitudeOr | ShiftDown | ShiftUp, source: tuple[Interval, ...], model: DelayModel = DEFAULT_DELAYS
) -> tuple[float, ...]:
    """Delays of the parts of a node of ``bittrigger.ir.nodes.block_floating_point``, between which registers may stand.

    A LUT of six inputs ORs a bit of three signed codes with their signs, or six signals, or chooses one of four.
    """
    choices = max(1, math.ceil(math.log(max(source[-1].hi, 1) + 1, 4)))
    match node:
        case MagnitudeOr():
            words = len(source) / (3 if any(interval.signed for interval in source) else 6)
            return (model.logic_ns * (1 + max(0, math.ceil(math.log(max(words, 1), 6)))),)
        case ShiftDown():
            return model.logic_ns * (choices + 1), model.adder_ns + model.logic_ns
        case ShiftUp():
            return (model.logic_ns * choices,)


def table_levels(bits: int) -> int:
    """LUTs one behind the other of a table over so many bits: a slice multiplexes four of six inputs."""
    return 1 + max(0, -(-(bits - 6) // 2))


def _search_delays_ns(node: Lookup, source: tuple[Interval, ...], model: DelayModel) -> tuple[float, ...]:
    """Of each level: the thresholds by the bits that are known, and a comparison; then of the table of values."""
    found = [search for search in searches(node, source) if search]
    count = max(len(search.levels) for search in found)
    known = [
        max(search.levels[level - count][0] for search in found if len(search.levels) >= count - level)
        for level in range(count)
    ]
    levels = [model.logic_ns * table_levels(bits) + model.adder_ns if bits else model.adder_ns for bits in known]
    return (*levels, model.logic_ns * table_levels(max(search.bits for search in found)))


def _sum_delays_ns(node: Lookup, model: DelayModel) -> tuple[float, ...]:
    """Of the first table and the bit of a tail, of each addition of a further one, and of the limits."""
    sums = [digits for digits in node.sums if digits]
    floors = (
        node_delay_ns(floor_of(node, digits, k), digits.ranges[-1:], model)
        for k, digits in enumerate(node.sums)
        if digits
    )
    additions = max(len(digits.tables) for digits in sums) - 1
    before = max(table_levels(digits.tail) if digits.tail else 0 for digits in sums)
    return (model.logic_ns * (1 + before), *(model.adder_ns,) * additions, max(floors))


def part_delays_ns(
    node: Lookup | Extremum | Product | MagnitudeOr | ShiftDown | ShiftUp,
    source: tuple[Interval, ...],
    model: DelayModel = DEFAULT_DELAYS,
) -> tuple[float, ...]:
    """Delays of the parts of a node, one behind the other, between which registers may stand."""
    if isinstance(node, Lookup):
        sums = form_of(node, source) is Form.SUMS
        return _sum_delays_ns(node, model) if sums else _search_delays_ns(node, source, model)
    if isinstance(node, Extremum):
        return (model.compare_ns + model.logic_ns,) * (len(tournament(node, source)) - 1)
    if isinstance(node, Product):
        return (model.adder_ns,) * len(booth(source).rows)
    return scaling_delays_ns(node, source, model)


def usable_ns(clock_mhz: float, model: DelayModel = DEFAULT_DELAYS, margin_ns: float = 0.0) -> float:
    """Time for logic between two registers at ``clock_mhz``.

    Args:
        margin_ns: what of each period is kept free.

    Raises:
        ConfigError: if the clock is not positive, the margin is negative, or a requantiser does not fit what is left of a period.
    """
    if not 0 < clock_mhz < math.inf:
        raise ConfigError(f"clock {clock_mhz:g} MHz; must be positive")
    budget = 1000.0 / clock_mhz - model.register_ns
    slowest = model.adder_ns + model.compare_ns + model.logic_ns
    if budget < slowest:
        fastest = 1000.0 / (slowest + model.register_ns)
        raise ConfigError(
            f"clock {clock_mhz:g} MHz: a requantiser takes about {slowest:.2f} ns and does not fit the period; "
            f"allowed are clocks up to {fastest:.0f} MHz"
        )
    if not 0 <= margin_ns <= budget - slowest:
        raise ConfigError(
            f"period margin of {margin_ns:g} ns at {clock_mhz:g} MHz: a requantiser takes about {slowest:.2f} ns of the rest; "
            f"allowed are 0 to {math.floor(100 * (budget - slowest)) / 100:g} ns; keep less free, or take a slower clock"
        )
    return budget - margin_ns
