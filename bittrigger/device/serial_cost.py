"""LUTs and flip-flops of a matrix that is multiplied digit by digit, estimated from its plan.

Source: an adder takes one LUT for each bit of a digit (``bittrigger_digit``); the rest was counted in what Yosys 0.70 makes of
models/jet_tagger, at 9 and at 54 clocks between events.
"""

from __future__ import annotations

from bittrigger.ir.fixed import FixedPoint
from bittrigger.ir.forms.serial import Serial, crossings, inputs_read, shifts_in, slots_of, waiting_in

CHOICES = 4
"""Signals that a LUT chooses from."""

CONTROL_LUTS = 2
"""LUTs that count cycles and passes, and say where words begin."""

TABLE_ROWS = 64
"""Rows of a LUT."""


def serial_cost(plan: Serial, own: FixedPoint) -> tuple[int, int]:
    """The LUTs and flip-flops of the whole plan.

    Args:
        own: type of an operand code.
    """
    read, adders, cycles = len(inputs_read(plan.adders)), len(plan.built), plan.period
    first, end = plan.filled(own.width)
    digits = end - first
    picks = read * plan.digit * (-(-digits // CHOICES) if digits > 1 else 0)
    count = (cycles - 1).bit_length() + (plan.groups - 1).bit_length()
    slots = [len(slots_of(plan, lane)) for lane in range(plan.lanes)]
    chosen = -(-plan.groups // CHOICES) if plan.groups > 1 else 0
    summed = sum(slots) - plan.lanes
    lut = plan.digit * (adders + summed + chosen * sum(slots)) + plan.lanes * _bias_luts(plan, count)
    lut += picks + count + CONTROL_LUTS
    passing = sum(cycles_later for _, cycles_later in crossings(plan))
    held = (
        plan.n_in * own.width
        + plan.digit * (read + passing + waiting_in(plan))
        + sum(stream.shift for _, stream in shifts_in(plan))
    )
    return lut, held + adders + summed + plan.lanes * (1 + plan.digit * cycles) + (plan.delay + 2) * (count + 1)


def _bias_luts(plan: Serial, count: int) -> int:
    """LUTs of the bias of a lane, a constant by pass and cycle, and of its adder."""
    if plan.groups == 1:
        return plan.digit + 1 if count < CHOICES else 2 * plan.digit
    return plan.digit * (-(-(1 << count) // TABLE_ROWS) + 1)
