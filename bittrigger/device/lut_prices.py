"""What an adder costs in LUTs: the one cost model, the same for our graphs and for those that we are compared with.

==========================  ======================================================================================
constant                    why, and where from
==========================  ======================================================================================
1 LUT a result bit,         bit ``i`` of a carry chain takes its S input from output O6 of the LUT beside it, and from
two operands                nowhere else (UG574, CARRY8): two operand bits meet there, or one passes through
1 LUT a result bit,         the LUT's two outputs are the propagate signal of ``a + b + c`` and of the carry saved below,
three operands              and the majority of its three bits, which the LUT above reads (US patent 7,274,211; UG574,
                            LUT6_2). Nothing beyond the top result bit is needed
0 LUTs for a top bit that   where a step of the chain can add all that the operands bring to the two top bits
is a carry                  (``bittrigger/device/carry.py``), the top bit is its carry out. The chain brings it out in its next
                            step, whose S is constant: no function of any signal. Tools find it of two unsigned operands;
                            the firmware library has the others, for operands that are no constants
0 bits for a constant       it is folded into the LUTs, so it counts as an operand but not as bits
0 LUTs below the second     at most one operand is not zero there, so these bits are wires, unless that operand is
lowest operand              negated, which needs its carries
==========================  ======================================================================================

Yosys counts a three-input adder the same. Of a two-input adder it counts less: it names no LUT that one signal merely passes
through, and one LUT where two bits of the chain have the same function, as the copies of both signs have; in the slice
each of these S inputs still takes its own LUT. ``benchmarks/adders/cost_model.py`` measures the difference.

Sources: J. M. Simkins and B. D. Philofsky, "Structures and methods for implementing ternary adders/subtractors in
programmable logic devices", US patent 7,274,211 (2007); AMD UG574, "UltraScale Architecture Configurable Logic Block",
LUT6_2 and CARRY8.
"""

from __future__ import annotations

from collections.abc import Sequence

from bittrigger.device.carry import fields_of, has_carry_out, plain_carry
from bittrigger.ir.adders import Adder, AdderGraph, value_intervals
from bittrigger.ir.fixed import Interval


def adder_luts(adder: Adder, ranges: Sequence[Interval], result: Interval, *, carry_out: bool = True) -> int:
    """LUTs of one adder: an estimate, at least 0.

    Args:
        ranges: those of the values that it reads, by number.
        result: range of the sum.
        carry_out: whether every top bit that can be a carry is one, as the firmware library builds it, or only those that
            tools infer.
    """
    operands = sorted([(term.shift, term.negative) for term in adder.terms])
    if adder.constant:
        zeros = (adder.constant & -adder.constant).bit_length() - 1
        operands = sorted([*operands, (zeros, False)])
    if len(operands) == 1:
        shift, negative = operands[0]
        return max(result.width - shift, 0) if negative else 0
    lowest, negative = operands[0]
    wires = lowest if negative else operands[1][0]
    fields = fields_of(adder, ranges, wires)
    width = max(result.width - wires, 0)
    chained = carry_out and has_carry_out(adder, fields, width, signed=result.signed)
    return width - (chained or plain_carry(fields, width))


def graph_luts(graph: AdderGraph, *, carry_out: bool = True) -> int:
    """LUTs of all adders of ``graph``: an estimate, without registers and without routing effects.

    Args:
        carry_out: as of ``adder_luts``.
    """
    ranges = value_intervals(graph)
    return sum(
        adder_luts(adder, ranges, ranges[graph.n_inputs + k], carry_out=carry_out)
        for k, adder in enumerate(graph.adders)
    )
