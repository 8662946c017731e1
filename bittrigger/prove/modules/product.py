"""Proof that a ``Product`` is the product: every pair of codes, or Booth's rows where there are too many of them.

Up to ``MAX_BITS`` bits of both factors together the circuit is evaluated for all of them. Beyond, ABC compares it with rows
written from Booth's definition, and that the digits of every factor make that factor is checked for all of its values.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bittrigger.ir.fixed import IntArray
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.nodes.product import booth, digits
from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.aig import FALSE, TRUE, Aig, BoolArray, Vector, extended
from bittrigger.prove.circuits.bits import input_nets, literals
from bittrigger.prove.circuits.equivalence import BEFORE, decide
from bittrigger.prove.claims import Unproven
from bittrigger.prove.modules.scaling import Code, operand_codes, result_element, within_span
from bittrigger.synth.netlist import Netlist

MAX_BITS = 24
"""Most bits of both factors for which all pairs are tried: a second of work."""

_BLOCK = 16


def prove_product(module: Module, vectors: BusLayout, netlist: Netlist, work: Path) -> str:
    """Prove that the result of ``netlist`` is the product of its operand codes, or the square of the only one.

    Args:
        work: folder for ABC's files.

    Raises:
        Unproven: if codes exist that give another result, or ABC cannot tell.
    """
    nets = input_nets(netlist)
    element = result_element(module, vectors)
    aig = Aig(len(nets))
    codes = operand_codes(aig, module, vectors, netlist, nets)
    found = literals(aig, netlist, netlist.outputs["y"])
    bits = [literal for code, _ in codes for literal in code]
    if len(bits) <= MAX_BITS:
        return _prove_all(module, aig, codes, found, signed=element.signed)
    factors, result = [code for code, _ in codes], found
    gold = Aig(len(nets))
    aig_pairs = ((gold, "gold"), (aig, "gate"))
    _prove_digits(module)
    for graph, name in aig_pairs:
        own = operand_codes(graph, module, vectors, netlist, nets)
        good = graph.all([within_span(graph, code, span) for code, span in zip(own, module.source, strict=True)])
        value = _rows(graph, module, own, element.width) if name == "gold" else result
        graph.write(work / f"{name}.aig", [graph.choose(good, bit, FALSE) for bit in value])
    before = BEFORE if decide(work) else ""
    return f"{len(factors)} factors of {len(bits)} bits, by rows{before}"


def _prove_all(module: Module, aig: Aig, codes: list[Code], found: Vector, *, signed: bool) -> str:
    """Compare the result with the product for every pair of codes."""
    inputs = [literal for code, _ in codes for literal in code]
    free, tried = min(len(inputs), _BLOCK), 0
    lane = np.arange(1 << free, dtype=np.int64)
    for block in range(1 << (len(inputs) - free)):
        pattern = lane | block << free
        values, low = [], 0
        for code, is_signed in codes:
            part = pattern >> low & ((1 << len(code)) - 1)
            values.append(part - (part >> (len(code) - 1) << len(code)) if is_signed else part)
            low += len(code)
        good = np.ones(len(lane), dtype=bool)
        for value, span in zip(values, module.source, strict=True):
            good &= (value >= span.lo) & (value <= span.hi)
        given = {literal: (pattern >> place & 1).astype(bool) for place, literal in enumerate(inputs)}
        result = _number(aig.evaluate(given, found), signed=signed)
        if (result != values[0] * values[-1])[good].any():
            at = int(np.flatnonzero(good & (result != values[0] * values[-1]))[0])
            raise Unproven(f"codes {[int(value[at]) for value in values]} give {int(result[at])}")
        tried += int(good.sum())
    return f"{tried} pairs of codes" if len(codes) > 1 else f"{tried} codes"


def _number(bits: list[BoolArray], *, signed: bool) -> IntArray:
    total = sum(bit.astype(np.int64) << place for place, bit in enumerate(bits))
    top = bits[-1].astype(np.int64) << len(bits)
    return np.asarray(total - top if signed else total, dtype=np.int64)


def _prove_digits(module: Module) -> None:
    """Check that the digits of every value of the recoded factor make it."""
    plan = booth(module.source)
    span = module.source[plan.narrow]
    values = np.arange(span.lo, span.hi + 1, dtype=np.int64)
    made = digits(values, len(plan.rows)) @ (4 ** np.arange(len(plan.rows), dtype=np.int64))
    if (made != values).any():
        raise Unproven("Booth's digits do not make the factor")


def _rows(aig: Aig, module: Module, codes: list[Code], width: int) -> Vector:
    """The product modulo ``2**width`` as the sum of a factor times the digits of the other."""
    plan = booth(module.source)
    (wide, wide_signed), (narrow, narrow_signed) = codes[plan.wide], codes[plan.narrow]
    count = 2 * len(plan.rows)
    bits = [FALSE, *extended(narrow, count, signed=narrow_signed)]
    total = [FALSE] * width
    for row in range(len(plan.rows)):
        below, middle, above = bits[2 * row : 2 * row + 3]
        once = aig.odd(middle, below)
        twice = aig.both(aig.odd(above, middle), once ^ TRUE)
        factor = extended(wide, width, signed=wide_signed)
        taken = [
            aig.odd(aig.either(aig.both(once, bit), aig.both(twice, lower)), above)
            for bit, lower in zip(factor, [FALSE, *factor], strict=False)
        ]
        shifted = ([FALSE] * (2 * row) + taken)[:width]
        carry = ([FALSE] * (2 * row) + [above] + [FALSE] * width)[:width]
        total = aig.add(aig.add(total, shifted), carry)
    return total
