"""Proof that the nodes of block floating point are what they define: SAT against circuits written from the definition.

A ``ShiftDown`` is proven for each code with every exponent that comes with it: one by which the code fits, or the highest.
That no other comes is how the graph is built, which ``graph.verify`` checks whenever one is made or read.
"""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Requantize
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, Scaling, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.aig import FALSE, TRUE, Aig, Vector, constant, extended
from bittrigger.prove.circuits.bits import input_nets, literals
from bittrigger.prove.circuits.equivalence import BEFORE, decide
from bittrigger.prove.claims import Unproven
from bittrigger.prove.modules.definition import define, within
from bittrigger.synth.netlist import Netlist

Code = tuple[Vector, bool]
"""The literals of an operand code, and whether it is signed."""


def prove_scaling(module: Module, node: Scaling | Extremum, vectors: BusLayout, netlist: Netlist, work: Path) -> str:
    """Prove every result of ``node`` equal to its definition, for all codes that come.

    Args:
        work: folder for ABC's files.

    Raises:
        Unproven: if codes exist that give another result, or ABC cannot tell.
    """
    nets = input_nets(netlist)
    driven = netlist.outputs["y"]
    element = result_element(module, vectors)
    for name in ("gold", "gate"):
        aig = Aig(len(nets))
        codes = operand_codes(aig, module, vectors, netlist, nets)
        good = [within_span(aig, code, span) for code, span in zip(codes, module.source, strict=True)]
        found = _definition(aig, node, codes, module.source[-1], element.width)
        if name == "gate":
            found = _chunks(literals(aig, netlist, driven), element.width)
        valid = _valid(aig, node, codes, good, module.source[-1])
        outputs = [aig.choose(v, bit, FALSE) for v, bits in zip(valid, found, strict=True) for bit in bits]
        aig.write(work / f"{name}.aig", outputs)
    before = BEFORE if decide(work) else ""
    return f"{len(module.result)} results of {len(module.source)} codes{before}"


def result_element(module: Module, vectors: BusLayout) -> FixedPoint:
    """The type of the results of ``module`` on their bus.

    Raises:
        Unproven: if it does not hold the range of each of them.
    """
    element = vectors.result(module).element
    if any(out.lo not in element.interval or out.hi not in element.interval for out in module.result):
        raise Unproven("a result leaves the range of its bus")
    return element


def operand_codes(aig: Aig, module: Module, vectors: BusLayout, netlist: Netlist, nets: list[int]) -> list[Code]:
    """The operand codes of one copy of ``module``, as inputs of ``aig``."""
    inputs = {net: aig.input(k) for k, net in enumerate(nets)}
    codes = []
    for bus, index in vectors.places(module):
        low, width = index * bus.element.width, bus.element.width
        codes.append(([inputs[net] for net in netlist.inputs[bus.name][low : low + width]], bus.element.signed))
    return codes


def _chunks(bits: list[int], width: int) -> list[Vector]:
    return [bits[k : k + width] for k in range(0, len(bits), width)]


def within_span(aig: Aig, code: Code, span: Interval) -> int:
    """Whether ``code`` lies in ``span``."""
    bits, signed = code
    return within(aig, bits, span, signed=signed)


def _exponents(aig: Aig, exponent: Code, span: Interval) -> list[tuple[int, int]]:
    """Each exponent, and whether it is the one."""
    bits, _ = exponent
    return [(value, aig.equal(bits, constant(value, len(bits)))) for value in range(span.lo, span.hi + 1)]


def _valid(aig: Aig, node: Scaling | Extremum, codes: list[Code], good: list[int], last: Interval) -> list[int]:
    """For each result whether its operands are codes that come."""
    match node:
        case Extremum() | MagnitudeOr():
            return [aig.all(good)]
        case ShiftUp():
            return [aig.both(one, good[-1]) for one in good[:-1]]
        case ShiftDown():
            chosen = _exponents(aig, codes[-1], last)
            return [
                aig.all([one, good[-1], _fits(aig, node, code, chosen)])
                for code, one in zip(codes[:-1], good[:-1], strict=True)
            ]
        case _:
            assert_never(node)


def _fits(aig: Aig, node: ShiftDown, code: Code, chosen: list[tuple[int, int]]) -> int:
    """Whether the code fits as it is shifted, or the exponent is the highest."""
    bits, signed = code
    negative = bits[-1] if signed and not node.signed else FALSE
    cases = []
    for exponent, is_it in chosen[:-1]:
        places = node.base + exponent
        span = Interval(node.lo << places, (node.hi + 1 << places) - 1)
        cases.append(aig.both(is_it, aig.either(negative, within(aig, bits, span, signed=signed))))
    return aig.any([*cases, chosen[-1][1]])


def _definition(aig: Aig, node: Scaling | Extremum, codes: list[Code], last: Interval, width: int) -> list[Vector]:
    """The results as the node defines them, ``width`` bits each."""
    match node:
        case Extremum():
            size = max(width, *(len(bits) for bits, _ in codes)) + 1
            best, *others = [extended(bits, size, signed=signed) for bits, signed in codes]
            for code in others:
                pair = (code, best) if node.least else (best, code)
                best = aig.mux(aig.less(*pair, signed=True), code, best)
            return [best[:width]]
        case MagnitudeOr():
            size = max(len(bits) for bits, _ in codes) + node.drop + width
            total = [FALSE] * size
            for bits, signed in codes:
                sign = bits[-1] if signed else FALSE
                same = [aig.odd(bit, sign) if node.signed else aig.both(bit, sign ^ TRUE) for bit in bits]
                total = [aig.either(a, b) for a, b in zip(total, extended(same, size, signed=False), strict=True)]
            return [total[node.drop : node.drop + width]]
        case ShiftUp():
            return [_shifted_up(aig, code, _exponents(aig, codes[-1], last), width) for code in codes[:-1]]
        case ShiftDown():
            return [_shifted_down(aig, node, code, _exponents(aig, codes[-1], last), width) for code in codes[:-1]]
        case _:
            assert_never(node)


def _shifted_up(aig: Aig, code: Code, chosen: list[tuple[int, int]], width: int) -> Vector:
    bits, signed = code
    result = [FALSE] * width
    for exponent, is_it in chosen:
        result = aig.mux(is_it, extended([FALSE] * exponent + bits, width, signed=signed), result)
    return result


def _shifted_down(aig: Aig, node: ShiftDown, code: Code, chosen: list[tuple[int, int]], width: int) -> Vector:
    bits, signed = code
    result = [FALSE] * width
    for exponent, is_it in chosen:
        fixed = Requantize(node.name, (), 1, node.base + exponent, Rounding.RND_CONV, node.lo, node.hi, node.frac)
        result = aig.mux(is_it, define(aig, fixed, bits, width, signed=signed), result)
    return result
