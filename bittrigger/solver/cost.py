"""What an adder costs in LUTs: the one cost model, the same for our graphs and for those that we are compared with.

One LUT a result bit, for two operands and for three, on FPGAs with six-input LUTs and carry chains (AMD 7 series and
later): bit `i` of a three-input adder is one dual-output LUT, whose outputs are the propagate signal of ``a + b + c`` and
the majority of its three bits, which the LUT of bit `i + 1` reads; the carry chain does the rest, and nothing beyond the
top result bit is needed. A constant is folded into the LUTs, so it counts as an operand but not as bits.

Not paid for are result bits below the second-lowest operand: there at most one operand is not zero, so they are wires,
unless that operand is negated, which needs its carries.

Source: J. M. Simkins and B. D. Philofsky, "Structures and methods for implementing ternary adders/subtractors in
programmable logic devices", US patent 7,274,211 (2007); AMD UG574, "UltraScale Architecture CLB", LUT6_2 and CARRY8.
"""

from __future__ import annotations

from bittrigger.adders import Adder, AdderGraph, value_intervals
from bittrigger.fixed import Interval


def adder_luts(adder: Adder, result: Interval) -> int:
    """LUTs of one adder whose result has the range ``result``: an estimate, at least 0."""
    operands = sorted([(term.shift, term.negative) for term in adder.terms])
    if adder.constant:
        zeros = (adder.constant & -adder.constant).bit_length() - 1
        operands = sorted([*operands, (zeros, False)])
    if len(operands) == 1:
        shift, negative = operands[0]
        return result.width - shift if negative else 0
    lowest, negative = operands[0]
    wires = lowest if negative else operands[1][0]
    return max(result.width - wires, 0)


def graph_luts(graph: AdderGraph) -> int:
    """LUTs of all adders of ``graph``: an estimate, without registers and without routing effects."""
    ranges = value_intervals(graph)
    return sum(adder_luts(adder, ranges[graph.n_inputs + k]) for k, adder in enumerate(graph.adders))
