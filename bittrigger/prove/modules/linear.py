"""Proof that the Verilog of a ``Linear`` node computes its matrix, and each of its wires its adder."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from bittrigger.ir.adders import AdderGraph, fold_constants, live_values, value_intervals
from bittrigger.ir.fixed import FixedPoint, IntArray, Interval
from bittrigger.ir.graph import Linear
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.forms import UNIT, Form, Symbols, Value, combine
from bittrigger.prove.circuits.order import cone, flat
from bittrigger.prove.circuits.words import Words, define_cell
from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import Netlist

MAX_COMBINATIONS = 1 << 21
"""Combinations of codes that are tried one by one where two forms differ by floors."""

EXAMPLES = 1000
"""Random events that are searched for a counterexample where there are more."""


def _adder_forms(graph: AdderGraph) -> list[dict[int, int]]:
    """The linear form of every value over the operand codes, which are symbols 0 and up."""
    forms: list[dict[int, int]] = [{k: 1} for k in range(graph.n_inputs)]
    for adder in graph.adders:
        terms = [(forms[term.value], (-1 if term.negative else 1) << term.shift) for term in adder.terms]
        forms.append(combine(*terms, ({UNIT: 1}, adder.constant)))
    return forms


def prove_matrix(node: Linear, graph: AdderGraph) -> str:
    """Prove that ``graph`` computes ``codes @ weights + bias``.

    Raises:
        Unproven: naming the first column that differs.
    """
    forms = _adder_forms(graph)
    for column, out in enumerate(graph.outputs):
        found = combine(({} if out.value is None else forms[out.value], 1 << out.shift), ({UNIT: 1}, out.constant))
        if found != _wanted(node, column):
            raise Unproven(f"output {column} of the adder graph is not its column of the matrix")
    return f"{len(graph.adders)} adders, {len(graph.outputs)} outputs"


def prove_widths(graph: AdderGraph) -> str:
    """Prove that every value of ``graph`` stays in the range that its wire is declared for.

    Ranges come from linear forms worked out here; those of the wires from ``value_intervals``, as the emitters have them.

    Raises:
        Unproven: naming the first value that can leave its range.
    """
    symbols = Symbols(list(graph.inputs))
    declared = value_intervals(graph)
    for value, form in enumerate(_adder_forms(graph)):
        hull, span = symbols.hull(form), declared[value]
        if hull.lo < span.lo or hull.hi > span.hi:
            raise Unproven(f"value {value} reaches [{hull.lo}, {hull.hi}], its wire is made for [{span.lo}, {span.hi}]")
    widest = max(span.width for span in declared)
    return f"{len(declared)} values of at most {widest} bits"


def _wanted(node: Linear, column: int) -> dict[int, int]:
    weights = {row: int(weight) for row, weight in enumerate(node.weights[:, column]) if weight}
    return combine((weights, 1), ({UNIT: 1}, int(node.bias[column])))


def prove_verilog(module: Module, vectors: BusLayout, netlist: Netlist) -> str:
    """Prove that each wire ``s<k>`` is adder ``k`` of the graph, and that each result is its column of the matrix.

    Args:
        netlist: the module as Yosys reads it, three-input adders included.

    Raises:
        Unproven: naming the first wire or result that differs.
    """
    node, graph = module.node, module.adders
    if not isinstance(node, Linear) or graph is None:
        raise Unproven("not a constant matrix")
    words = Words(Symbols(list(module.source)))
    place_to_symbol = _define_operands(words, module, vectors, netlist)
    built = fold_constants(graph, module.result)
    named = [bits for value in live_values(built) if (bits := netlist.wires.get(f"s{value - graph.n_inputs}"))]
    order = cone(netlist, flat([*netlist.outputs.values(), *named]))
    for cell in order:
        define_cell(words, cell)
    wires = _check_wires(words, built, _adder_forms(graph), place_to_symbol, netlist)
    element = vectors.result(module).element
    bits = netlist.outputs["y"]
    for column, span in enumerate(module.result):
        if span.lo not in element.interval or span.hi not in element.interval:
            raise Unproven(f"result {column} reaches [{span.lo}, {span.hi}], which {element} does not hold")
        part = bits[element.width * column : element.width * (column + 1)]
        found = words.read(part, element.width, signed=element.signed)
        wanted = _renamed(_wanted(node, column), place_to_symbol)
        hull = words.symbols.hull(wanted)
        if hull.lo < span.lo or hull.hi > span.hi:
            raise Unproven(f"result {column} reaches [{hull.lo}, {hull.hi}], stated is [{span.lo}, {span.hi}]")
        if span.lo == span.hi:  # proven by the hull; the Verilog has a constant
            wanted = {UNIT: span.lo}
        _check_equal(f"result {column}", found, wanted, words.symbols)
    return f"{wires} wires and {len(module.result)} results, {len(order)} cells"


def _symbol(code: int, span: Interval) -> dict[int, int]:
    """The form of an operand code: a symbol, or what it is if it cannot vary."""
    return combine(({UNIT: span.lo}, 1)) if span.lo == span.hi else {code: 1}


def _define_operands(words: Words, module: Module, vectors: BusLayout, netlist: Netlist) -> list[Form]:
    """Define the elements of the operand buses, and return the form of each operand code.

    A node that is read twice has one bus; its codes then share their symbols.
    """
    symbols: list[Form] = []
    first: dict[tuple[str, int], int] = {}
    for code, ((bus, index), span) in enumerate(zip(vectors.places(module), module.source, strict=True)):
        symbol = first.setdefault((bus.name, index), code)
        symbols.append(_symbol(symbol, span))
        if symbol != code:
            continue
        if span.lo not in bus.element.interval or span.hi not in bus.element.interval:
            raise Unproven(f"operand {code} reaches [{span.lo}, {span.hi}], which {bus.element} does not hold")
        width = bus.element.width
        bits = netlist.inputs[bus.name][width * index : width * (index + 1)]
        words.define(bits, words.symbols.value(_symbol(code, span), span, width))
    return symbols


def _renamed(form: Form, symbols: list[Form]) -> dict[int, int]:
    """``form`` over the codes of the operand, in the forms of these."""
    return combine(*(({UNIT: 1} if symbol == UNIT else symbols[symbol], c) for symbol, c in form.items()))


def _check_wires(
    words: Words, graph: AdderGraph, forms: list[dict[int, int]], symbols: list[Form], netlist: Netlist
) -> int:
    """Check each adder that an output needs; the number of wires."""
    declared = value_intervals(graph)
    live = sorted(value for value in live_values(graph) if value >= graph.n_inputs)
    for value in live:
        name, span = f"s{value - graph.n_inputs}", declared[value]
        bits = netlist.wires.get(name)
        if bits is None:
            raise Unproven(f"there is no wire {name}")
        if FixedPoint(span.signed, len(bits), 0).interval.union(span) != FixedPoint(span.signed, len(bits), 0).interval:
            raise Unproven(f"wire {name} of {len(bits)} bits is too narrow for [{span.lo}, {span.hi}]")
        found = words.read(bits, len(bits), signed=span.signed)
        wanted = _renamed(forms[value], symbols)
        _check_equal(f"wire {name}", found, wanted, words.symbols)
    return len(live)


def _check_equal(what: str, found: Value, wanted: Form, symbols: Symbols) -> None:
    """Check that the two are equal modulo ``2**width``; since ``wanted`` fits that width, they are then equal."""
    size = 1 << found.width
    difference = {s: c for s, c in combine((found.form, 1), (wanted, -1)).items() if c % size}
    if not difference:
        return
    # floors may yet cancel in a way that no rule sees: few codes are tried exhaustively, many at random
    spans = {symbol: symbols.spans[symbol] for symbol in sorted(symbols.codes_in(difference))}
    combinations = math.prod(span.hi - span.lo + 1 for span in spans.values())
    codes = _all_codes(spans) if combinations <= MAX_COMBINATIONS else _some_codes(spans)
    wrong = np.flatnonzero(symbols.evaluate(difference, codes) % size) if codes else np.zeros(1, dtype=np.int64)
    if wrong.size:
        example = ", ".join(f"x{symbol} = {values[wrong[0]]}" for symbol, values in codes.items()) or "all codes"
        raise Unproven(f"{what} is {_text(found.form)}; due is {_text(wanted)}; they differ for {example}")
    if combinations > MAX_COMBINATIONS:
        raise Unproven(
            f"{what} is {_text(found.form)}; due is {_text(wanted)}; no example tells them apart", refuted=False
        )


def _all_codes(spans: Mapping[int, Interval]) -> dict[int, IntArray]:
    """Every combination of codes."""
    if not spans:
        return {}
    grid = np.meshgrid(*(np.arange(span.lo, span.hi + 1, dtype=np.int64) for span in spans.values()), indexing="ij")
    return {symbol: values.ravel() for symbol, values in zip(spans, grid, strict=True)}


def _some_codes(spans: Mapping[int, Interval]) -> dict[int, IntArray]:
    """Random codes, and the ends of the ranges."""
    rng = np.random.default_rng(0)
    return {
        symbol: np.concatenate([[span.lo, span.hi], rng.integers(span.lo, span.hi + 1, EXAMPLES)])
        for symbol, span in spans.items()
    }


def _text(form: Form) -> str:
    parts = [f"{c:+d}" if symbol == UNIT else f"{c:+d}*x{symbol}" for symbol, c in sorted(form.items())]
    text = " ".join(parts[:8]) or "0"
    return f"{text} ... ({len(parts)} terms)" if len(parts) > 8 else text
