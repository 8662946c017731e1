"""Linear forms of the wires of a module, taken from its Verilog as Yosys reads it: the meaning of each word-level cell.

Cells: additions, subtractions, negations, shifts by constants, registers. Any other cell on the way to a result
is not linear, and the proof says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bittrigger.ir.fixed import Interval
from bittrigger.prove.circuits.forms import UNIT, Symbols, Value, combine
from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import HIGH, Bits, Cell


def number(cell: Cell, parameter: str) -> int:
    """A numeric parameter of a word-level cell."""
    return int(cell.parameters[parameter], 2)


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive bits of one word; ``word`` is None for a constant, whose bits are then those of ``low``."""

    word: int | None
    low: int
    size: int


@dataclass
class Words:
    """The words of a module: nets and what they are worth."""

    symbols: Symbols
    _values: list[Value] = field(default_factory=list)
    _places: dict[int, tuple[int, int]] = field(default_factory=dict)

    def define(self, bits: Bits, value: Value) -> None:
        """State that ``bits`` hold ``value``."""
        self._places.update((net, (len(self._values), position)) for position, net in enumerate(bits))
        self._values.append(value)

    def alias(self, bits: Bits, source: Bits) -> None:
        """State that ``bits`` hold what ``source`` holds: a register, in time with all others."""
        self._places.update((net, self._places[old]) for net, old in zip(bits, source, strict=True) if old > HIGH)
        for net, old in zip(bits, source, strict=True):
            if old <= HIGH:
                self.define((net,), Value({UNIT: old} if old else {}, Interval(old, old), 1))

    def read(self, bits: Bits, width: int, *, signed: bool) -> Value:
        """What ``bits``, cut or extended to ``width``, are worth modulo ``2**width``."""
        bits = bits[:width]
        own = len(bits)
        core = _without_copies(bits)
        if own < width:
            whole = self.symbols.integer(self.read(bits, own, signed=signed), signed=signed)
            return Value(whole.form, whole.span, width)
        total: dict[int, int] = {}
        span = Interval(0, 0)
        offset = 0
        runs = self._runs(core)
        for run in runs:
            part = self._slice(run)
            if run is not runs[-1]:
                part = self.symbols.integer(part, signed=False)
            elif len(core) < own:
                part = self.symbols.integer(part, signed=True)
            total = combine((total, 1), (part.form, 1 << offset))
            span += part.span << offset
            offset += run.size
        return self.symbols.value(total, span, width)

    def _runs(self, bits: Bits) -> list[_Run]:
        runs: list[_Run] = []
        for net in bits:
            word, position = (None, 0) if net <= HIGH else self._places[net]
            last = runs[-1] if runs else None
            if last and word is None and last.word is None:
                runs[-1] = _Run(None, last.low | net << last.size, last.size + 1)
            elif last and word is not None and last.word == word and last.low + last.size == position:
                runs[-1] = _Run(word, last.low, last.size + 1)
            else:
                runs.append(_Run(word, net if word is None else position, 1))
        return runs

    def _slice(self, run: _Run) -> Value:
        """The bits of ``run``, and whatever integer they are the lowest bits of."""
        if run.word is None:
            return Value({UNIT: run.low} if run.low else {}, Interval(run.low, run.low), run.size)
        above = self.symbols.floor(self._values[run.word], run.low)
        return Value(above.form, above.span, run.size)


def _without_copies(bits: Bits) -> Bits:
    """``bits`` less the copies of their sign at the top."""
    while len(bits) > 1 and bits[-1] == bits[-2] and bits[-1] > HIGH:
        bits = bits[:-1]
    return bits


def _shift(cell: Cell) -> int:
    amount = cell.inputs["B"]
    if any(net > HIGH for net in amount):
        raise Unproven(f"cell {cell.name} shifts by a variable")
    return sum(bit << k for k, bit in enumerate(amount))


def _sum(words: Words, cell: Cell, width: int, second: int) -> Value:
    a = words.read(cell.inputs["A"], width, signed=number(cell, "A_SIGNED") == 1)
    b = words.read(cell.inputs["B"], width, signed=number(cell, "B_SIGNED") == 1)
    return words.symbols.value(combine((a.form, 1), (b.form, second)), a.span + b.span.scaled(second), width)


def _shifted_right(words: Words, cell: Cell, width: int) -> Value:
    shift, signed, own = _shift(cell), number(cell, "A_SIGNED") == 1, len(cell.inputs["A"])
    if cell.type == "$shr" and signed and width > own:
        raise Unproven(f"cell {cell.name} shifts a sign as if it were a bit")
    a = words.read(cell.inputs["A"], max(width + shift, own), signed=signed)
    if width + shift > own:  # the bits above come from the extension
        a = Value(a.form, a.span, width + shift)
    above = words.symbols.floor(a, shift)
    return Value(above.form, above.span, width)


def define_cell(words: Words, cell: Cell) -> None:
    """Define the output of ``cell``, whose inputs are defined.

    Raises:
        Unproven: if the cell is not linear, or an operand may not hold what it is taken for.
    """
    if cell.type == "$dff":
        words.alias(cell.outputs["Q"], cell.inputs["D"])
        return
    width = len(cell.outputs.get("Y", ()))
    match cell.type:
        case "$add":
            value = _sum(words, cell, width, 1)
        case "$sub":
            value = _sum(words, cell, width, -1)
        case "$pos" | "$neg" | "$shl" | "$sshl":
            a = words.read(cell.inputs["A"], width, signed=number(cell, "A_SIGNED") == 1)
            factor = {"$pos": 1, "$neg": -1}.get(cell.type) or 1 << _shift(cell)
            value = words.symbols.value(combine((a.form, factor)), a.span.scaled(factor), width)
        case "$shr" | "$sshr":
            value = _shifted_right(words, cell, width)
        case kind:
            raise Unproven(f"cell {cell.name} ({kind}) is not linear", refuted=False)
    words.define(cell.outputs["Y"], value)
