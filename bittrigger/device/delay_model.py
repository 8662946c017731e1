"""Delays for pipelining UltraScale+ logic before any tool has seen it.

The constants are read off public *routed* Vivado 2021.2 timing reports of an xczu3eg-1 (LUT 0.04-0.20 ns, CARRY8
S->CO 0.20-0.24 ns, nets of fan-out 1 0.16-0.35 ns, FF clock-to-Q 0.10 ns, set-up 0.03 ns, clock uncertainty 0.035 ns),
summed along one adder level. They place registers; they are no sign-off, and no report shows them as a clock frequency.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DelayModel:
    """Nanoseconds of each kind of operation, the net before it included."""

    register_ns: float = 0.35
    adder_ns: float = 0.80
    three_input_ns: float = 1.00
    logic_ns: float = 0.40
    compare_ns: float = 0.50


DEFAULT_DELAYS = DelayModel()
