"""The largest or least of several codes in C++: neighbours meet, round after round."""

from __future__ import annotations

from bittrigger.emit.hls.cpp import Operands, code_type
from bittrigger.ir.graph import Intervals
from bittrigger.ir.nodes.extremum import Extremum, tournament


def extremum_lines(node: Extremum, source: Intervals, operands: Operands, name: str) -> list[str]:
    """The statements of one copy of ``node``.

    Args:
        source: ranges of the operand codes.
        name: the module's name; its helper function bears it.
    """
    left, lines = list(operands.elements), []
    for number, ranges in enumerate(tournament(node, source)[1:], 1):
        met = []
        for k in range(0, len(left), 2):
            if k + 1 == len(left):
                met.append(left[k])
                continue
            met.append(f"m{number}_{k // 2}")
            lines.append(f"const {code_type(ranges[k // 2])} {met[-1]} = {name}_better({left[k]}, {left[k + 1]});")
        left = met
    return [*lines, f"y[0] = {left[0]};"]
