"""A layer that is multiplied step by step: the lanes, and what feeds them with operand codes, weights and biases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bittrigger.emit.render import render
from bittrigger.emit.verilog.views import bits_for, vector
from bittrigger.errors import InternalError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.forms.engine import CLEARING, Engine, bias_table, common_shift, weight_table
from bittrigger.ir.graph import Linear
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module


@dataclass(frozen=True)
class _Table:
    """A constant of ``size`` bits, the last one first, from which a number picks one."""

    name: str
    size: int
    bits: str


@dataclass(frozen=True)
class _Pick:
    """Signals, the last one first, from which a number picks one."""

    name: str
    size: int
    sources: list[str]


def _table(name: str, values: Iterable[int], size: int) -> _Table:
    digits = "".join(map(str, values))
    return _Table(name, size, digits.ljust(size, "0")[::-1])


def _plan(module: Module) -> tuple[Linear, Engine]:
    if not isinstance(module.node, Linear) or module.engine is None:
        raise InternalError(f"module {module.name!r} is not multiplied step by step")
    return module.node, module.engine


def lane_text(vectors: BusLayout, module: Module, mark: str) -> str:
    """The Verilog of a lane."""
    node, engine = _plan(module)
    (bus,), width, shift = vectors.operands(module), vectors.result(module).width, common_shift(node) or 0
    own, signed = bus.element.width, bus.element.signed
    sizes = engine.term_bits(own, signed=signed, shift=shift, width=width) if engine.delay else [width] * engine.terms
    kept = min(own, width - shift)

    def grown(name: str, bits: int, to: int) -> str:
        return f"{to}'({name})" if bits < to else name

    def term(k: int) -> dict[str, object]:
        value = grown(f"x{k}" if kept == own else f"x{k}[{kept - 1}:0]", kept, sizes[k])
        value = f"({value} << {shift})" if shift else value
        before = grown(f"{'s' if k % engine.chain else 'p'}{k - 1}", sizes[k - 1], sizes[k]) if k else ""
        place = {"k": k, "type": vector(own, signed=signed), "high": own * (k + 1) - 1, "low": own * k}
        cut = k == engine.terms - 1 or not (k + 1) % engine.chain
        return {**place, "value": value, "bits": sizes[k], "before": before, "cut": cut}

    return render(
        "engine_lane.sv.j2",
        mark=mark,
        name=module.name,
        layer=node.name,
        lanes=engine.lanes,
        terms=engine.terms,
        term_list=[term(k) for k in range(engine.terms)],
        delay=engine.delay,
        chain=engine.chain,
        last=grown(f"p{engine.terms - 1}", sizes[-1], width),
        x_width=own,
        width=width,
        format=f"{engine.terms} x {bus.element}",
        digits=len(str(max(engine.terms * own, 2 * engine.terms, width) - 1)),
        unread=kept < own,
    )


def feed_text(vectors: BusLayout, module: Module, mark: str) -> str:
    """The Verilog of what feeds the lanes."""
    node, engine = _plan(module)
    (bus,), width = vectors.operands(module), vectors.result(module).width
    own, size = bus.element.width, 1 << bits_for(engine.cycles)
    cycles = np.arange(engine.cycles)
    group, cycle = np.divmod(cycles, engine.period)
    place = cycle - CLEARING
    stepping = (place >= 0) & (place < engine.steps)
    tables = [
        _table("t_clear", (cycle == 0).astype(int).tolist(), size),
        _table("t_settle", (place == engine.steps).astype(int).tolist(), size),
    ]
    weights = weight_table(node, engine)
    weight_bits = []
    for k in range(engine.terms):
        for lane in range(engine.lanes):
            taken = np.where(stepping, weights[group, np.clip(place, 0, engine.steps - 1), lane, k], 0)
            for letter, bit in (("n", taken != 0), ("m", taken < 0)):
                tables.append(_table(f"{letter}{lane}_{k}", bit.astype(int).tolist(), size))
                weight_bits.append(f"{tables[-1].name}[count]")
    index_tables, index, picks, code_bits = _operand(engine, own, place, size)
    group_bits = (engine.groups - 1).bit_length()
    group_tables = [_table(f"g{k}", (group >> k & 1).tolist(), size) for k in range(group_bits)]
    biases = bias_table(node, engine) % (1 << width)
    end = f"_d{engine.delay}" if engine.delay else ""
    bias_tables, bias_terms = [], []
    for lane in range(engine.lanes):
        for k in range(width):
            bit = (biases[:, lane] >> k & 1).tolist()
            if len(set(bit)) == 1:
                bias_terms.append(f"1'b{bit[0]}")
            else:
                bias_tables.append(_table(f"b{lane}_{k}", bit, 1 << group_bits))
                bias_terms.append(f"{bias_tables[-1].name}[group{end}]")
    return render(
        "engine_feed.sv.j2",
        mark=mark,
        name=module.feed_name,
        layer=node.name,
        lanes=engine.lanes,
        terms=engine.terms,
        groups=engine.groups,
        cycles=engine.cycles,
        period=engine.period,
        steps=engine.steps,
        n_in=engine.n_in,
        x_width=own,
        width=width,
        format=bus.format,
        digits=len(str(max(engine.n_in * own, 2 * engine.terms * engine.lanes, width * engine.lanes) - 1)),
        count_bits=bits_for(engine.cycles),
        tables=[*tables, *index_tables, *group_tables],
        index_bits=len(index_tables),
        index=index[::-1],
        picks=picks,
        code_bits=code_bits[::-1],
        weight_bits=weight_bits[::-1],
        group_bits=group_bits,
        group_terms=[f"{table.name}[count]" for table in reversed(group_tables)],
        stages=list(_stages(engine, own, group_bits)),
        end=end,
        step_terms=[_late("codes", engine, k, own, range(own)) for k in range(engine.terms)][::-1],
        handed=[
            _late("taken", engine, k, 2 * engine.lanes, range(2 * lane, 2 * lane + 2))
            for lane in range(engine.lanes)
            for k in range(engine.terms)
        ][::-1],
        bias_tables=bias_tables,
        bias_terms=bias_terms[::-1],
    )


def _late(name: str, engine: Engine, term: int, field: int, bits: range) -> str:
    """``bits`` of the field of ``term`` in the registers called ``name``, as late as it is handed out."""
    lag = engine.lag(term)
    low = field * (term - lag * engine.chain)
    return f"{name}{f'_d{lag}' if lag else ''}[{low + bits[-1]}:{low + bits[0]}]"


def _stages(engine: Engine, own: int, group_bits: int) -> Iterator[list[tuple[str, int, str]]]:
    """Registers that hand out later terms later, and the end of a step after them: their names, widths and what they take."""
    for d in range(1, engine.delay + 1):
        before = f"_d{d - 1}" if d > 1 else ""
        found = [(f"{name}_d{d}", width, f"{name}{before}") for name, width in (("clears", 1), ("settles", 1))]
        if group_bits:
            found.append((f"group_d{d}", group_bits, f"group{before}"))
        left = engine.terms - d * engine.chain
        for name, field in (("codes", own), ("taken", 2 * engine.lanes)):
            if left > 0:
                low = field * engine.chain
                found.append((f"{name}_d{d}", field * left, f"{name}{before}[{low + field * left - 1}:{low}]"))
        yield found


def _operand(
    engine: Engine, own: int, place: IntArray, size: int
) -> tuple[list[_Table], list[str], list[_Pick], list[str]]:
    """How the codes of each step are picked: by the cycle, or by a number that is looked up a cycle before where steps repeat.

    Between the steps anything may be picked: what makes the multiplexers small.
    """
    room = 1 << bits_for(engine.steps)
    half = room >> 1

    def code(position: int, k: int) -> int:
        position = position if position < engine.steps else position - half
        return min(engine.terms * position + k, engine.n_in - 1)

    if engine.groups > 1:
        tables = [
            _table(f"i{k}", (np.clip(np.roll(place, -1), 0, engine.steps - 1) >> k & 1).tolist(), size)
            for k in range(bits_for(engine.steps))
        ]
        positions, number = list(range(room)), "index"
    else:
        tables, number = [], "count"
        positions = [(cycle - CLEARING) % room for cycle in range(size)]
    picks, code_bits = [], []
    for k in range(engine.terms):
        for bit in range(own):
            sources = [f"held[{own * code(position, k) + bit}]" for position in positions]
            picks.append(_Pick(f"p{k}_{bit}", len(sources), sources[::-1]))
            code_bits.append(f"p{k}_{bit}[{number}]")
    return tables, [f"{table.name}[count]" for table in tables], picks, code_bits
