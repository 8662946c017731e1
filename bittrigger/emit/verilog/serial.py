"""A layer that is multiplied digit by digit: one module with the adders, what feeds them digits, and the lanes behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bittrigger.emit.render import render
from bittrigger.emit.verilog.views import bits_for, joined
from bittrigger.errors import InternalError
from bittrigger.ir.forms.serial import (
    Serial,
    Stream,
    adders_in,
    biases,
    crossings,
    inputs_read,
    shifts_in,
    slots_of,
)
from bittrigger.ir.graph import Linear
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module

PICK_CHOICES = 8
"""Bits of which ``bittrigger_pick`` of the firmware library picks one."""


@dataclass(frozen=True)
class _Pick:
    """Signals, the first one first, from which a number picks one."""

    name: str
    sources: list[str]

    @property
    def plain(self) -> list[str]:
        """The signals, none inverted."""
        return [source.removeprefix("~") for source in self.sources]

    @property
    def inverted(self) -> str:
        """Which of them are inverted, the last one first."""
        return "".join(str(int(source.startswith("~"))) for source in reversed(self.sources))


@dataclass(frozen=True)
class _Code:
    """An operand code, or an operand of a lane: its digit, and what the bits of it are picked from."""

    name: str
    picks: list[_Pick]
    bits: str


@dataclass(frozen=True)
class _Sum:
    """An adder: its digit, its operands, and which of them are inverted, the second one first."""

    name: str
    a: str
    b: str
    invert: str


@dataclass(frozen=True)
class _Shift:
    """Digits that are read with ``places`` zeros below them."""

    name: str
    source: str
    places: int


@dataclass(frozen=True)
class _Stage:
    """The adders of a stage, the registers in front of it, and what says where words begin and which digit it is."""

    number: int
    registers: list[tuple[str, str]]
    shifts: list[_Shift]
    slots: list[_Code]
    sums: list[_Sum]
    first: str
    place: str


@dataclass(frozen=True)
class _Table:
    """The bits of a constant by pass and cycle, the last one first."""

    name: str
    bits: str


@dataclass(frozen=True)
class _Lane:
    """A lane: the sum of its column, the bits of its bias, the sum with it and its carries, and its result."""

    column: str
    tables: list[_Table]
    bias: str
    carries: list[tuple[str, str]]
    sum: str
    result: str


def _filled(sources: list[str]) -> list[str]:
    """``sources`` up to a power of two: beyond them anything may be picked, which is what it was long before."""
    room = 1 << (len(sources) - 1).bit_length()
    return [sources[k if k < len(sources) else k - room // 2] for k in range(room)]


def serial_text(vectors: BusLayout, module: Module, mark: str) -> str:
    """The Verilog of the whole layer."""
    node, plan = module.node, module.serial
    if not isinstance(node, Linear) or plan is None:
        raise InternalError(f"module {module.name!r} is not multiplied digit by digit")
    (bus,), width = vectors.operands(module), vectors.result(module).width
    own, phase_bits, group_bits = bus.element.width, bits_for(plan.period), (plan.groups - 1).bit_length()
    first, end = plan.filled(own)
    read = inputs_read(plan.adders)
    unread = ["held"] if len(read) < plan.n_in else []
    if plan.digit * plan.period > plan.width:
        unread += [f"r{lane}" for lane in range(plan.lanes)]
    inside = _Inside.of(plan)
    lanes = list(_lanes(plan, inside.ends, biases(node, plan, bus.element), node, phase_bits))
    if not any(lane.tables for lane in lanes):
        unread.append(f"place_{plan.delay}")
    return render(
        "serial.sv.j2",
        mark=mark,
        name=module.name,
        layer=node.name,
        adders=adders_in(plan),
        digit=plan.digit,
        lanes=plan.lanes,
        groups=plan.groups,
        period=plan.period,
        cycles=plan.cycles,
        delay=plan.delay,
        n_in=plan.n_in,
        x_width=own,
        width=width,
        format=bus.format,
        digits=len(str(max(plan.n_in * own, plan.lanes * width) - 1)),
        phase_bits=phase_bits,
        group_bits=group_bits,
        count_bits=phase_bits + group_bits,
        pick_bits=(end - first - 1).bit_length(),
        fills=_fills(first, end, plan.period, phase_bits),
        codes=[_code(plan, code, own, signed=bus.element.signed) for code in read],
        stages=list(_stages(plan, inside, group_bits)),
        lane_first=_first(plan.delay),
        lane_list=lanes,
        library=plan.groups > 1,
        unread=unread,
    )


def _first(stage: int) -> str:
    """What is high in the cycle before a word begins in ``stage``."""
    return f"first_{stage - 1}" if stage else "begins"


def _fills(first: int, end: int, period: int, phase_bits: int) -> str:
    """The condition of the cycles from 0 to ``period - 1`` in which only zeros pass, or nothing."""
    below = [f"phase < {phase_bits}'d{first}"] if first else []
    above = [f"phase >= {phase_bits}'d{end}"] if end < period else []
    return " | ".join(f"({part})" for part in (*below, *above))


def _code(plan: Serial, code: int, own: int, *, signed: bool) -> _Code:
    """The digits of an operand code, each at the lowest bits of the number of its cycle."""
    first, end = plan.filled(own)

    def bit(place: int) -> str:
        if not 0 <= place < own:
            return "1'b0"
        return f"{'~' if signed and place == own - 1 else ''}held[{own * code + place}]"

    room = 1 << (end - first - 1).bit_length()
    cycles = [min(first + (k - first) % room, end - 1) for k in range(room)]
    places = [[plan.digit * cycle + k - plan.shift for cycle in cycles] for k in range(plan.digit)]
    if room == 1:
        return _Code(f"x{code}", [], joined([bit(place) for (place,) in places]))
    picks = [_Pick(f"p{code}_{k}", [bit(place) for place in row]) for k, row in enumerate(places)]
    picked = "" if room == PICK_CHOICES else "[pick]"
    return _Code(f"x{code}", picks, joined([f"{pick.name}{picked}" for pick in picks]))


def _name(plan: Serial, value: int) -> str:
    return f"x{value}" if value < plan.n_in else f"s{value - plan.n_in}"


def _born(plan: Serial, value: int) -> int:
    return 0 if value < plan.n_in else plan.stages[value - plan.n_in]


def _at(plan: Serial, value: int, stage: int) -> str:
    """The digits of a value as they are read in ``stage``."""
    late = stage - _born(plan, value)
    return _name(plan, value) + (f"_d{late}" if late else "")


def _read(plan: Serial, stream: Stream, stage: int) -> str:
    """The digits of a stream as they are read in ``stage``, but for the complement."""
    return _at(plan, stream.value, stage) + (f"_l{stream.shift}" if stream.shift else "")


def _stages(plan: Serial, inside: _Inside, group_bits: int) -> Iterator[_Stage]:
    """The stages in order, up to that of the biases."""
    built, passing = plan.built, list(crossings(plan))
    for stage in range(plan.delay + 1):
        registers = [
            (_at(plan, value, stage), _at(plan, value, stage - 1))
            for value, count in passing
            if _born(plan, value) < stage <= _born(plan, value) + count
        ]
        sums = [
            _Sum(
                _name(plan, value),
                _read(plan, a, stage),
                _read(plan, b, stage),
                f"{int(b.inverted)}{int(a.inverted)}",
            )
            for value, (a, b) in built.items()
            if plan.stages[value - plan.n_in] == stage
        ]
        shifts = [
            _Shift(_read(plan, stream, stage), _at(plan, stream.value, stage), stream.shift)
            for number, stream in shifts_in(plan)
            if number == stage
        ]
        now = "{group, phase}" if group_bits else "phase"
        yield _Stage(
            stage,
            registers + inside.registers.get(stage, []),
            shifts,
            _slots(plan) if stage == plan.levels[0] else [],
            sums + inside.sums.get(stage, []),
            _first(stage),
            f"place_{stage - 1}" if stage else now,
        )


def _slots(plan: Serial) -> list[_Code]:
    """The operands of all lanes, each picked from those of its columns."""
    return [
        _slot(plan, f"c{lane}_{i}", slot) for lane in range(plan.lanes) for i, slot in enumerate(slots_of(plan, lane))
    ]


def _slot(plan: Serial, name: str, slot: tuple[Stream | None, ...]) -> _Code:
    picks, bits = [], []
    for k in range(plan.digit):
        sources = [_column(plan, stream, k) for stream in slot]
        if plan.groups > 1:
            sources += [sources[-1]] * (plan.groups - len(slot))
            picks.append(_Pick(f"{name}_p{k}", _filled(sources)))
        bits.append(f"{name}_p{k}[turn]" if plan.groups > 1 else sources[0])
    return _Code(name, picks, joined(bits))


def _column(plan: Serial, stream: Stream | None, k: int) -> str:
    """A bit of the digit of an operand, as the lanes read it."""
    if stream is None:
        return "1'b0"
    return f"{'~' if stream.inverted else ''}{_read(plan, stream, plan.levels[0])}[{k}]"


@dataclass(frozen=True)
class _Inside:
    """The adders in the lanes and the registers between them, by stage, and what the bias is added to, for each lane."""

    sums: dict[int, list[_Sum]]
    registers: dict[int, list[tuple[str, str]]]
    ends: list[str]

    @classmethod
    def of(cls, plan: Serial) -> _Inside:
        """Those of ``plan``: operands are added up in pairs, level by level."""
        found = cls({}, {}, [])
        for lane in range(plan.lanes):
            names, stage = [f"c{lane}_{i}" for i in range(len(slots_of(plan, lane)))], plan.levels[0]
            for level, number in enumerate(plan.levels[1:], 1):
                if len(names) > 1:
                    names, stage = [found.late(name, stage, number) for name in names], number
                    sums = [f"t{lane}_{level}_{i}" for i in range(len(names) // 2)]
                    pairs = zip(names[::2], names[1::2], strict=False)
                    found.sums.setdefault(number, []).extend(
                        _Sum(name, a, b, "00") for name, (a, b) in zip(sums, pairs, strict=True)
                    )
                    names = sums + names[2 * len(sums) :]
            found.ends.append(found.late(names[0], stage, plan.delay))
        return found

    def late(self, name: str, born: int, stage: int) -> str:
        """``name``, which is there in stage ``born``, as it is read in ``stage``."""
        for number in range(born + 1, stage + 1):
            self.registers.setdefault(number, []).append((f"{name}_r{number}", name))
            name = f"{name}_r{number}"
        return name


def _lanes(plan: Serial, ends: list[str], bias: list[int], node: Linear, phase_bits: int) -> Iterator[_Lane]:
    for lane in range(plan.lanes):
        own = list(range(lane, plan.n_out, plan.lanes))
        tables, bits = [], []
        for k in range(plan.digit):
            rows = [bias[j] >> plan.digit * phase + k & 1 for j in own for phase in range(1 << phase_bits)]
            if len(set(rows)) == 1:
                bits.append(f"1'b{rows[0]}")
                continue
            text = "".join(map(str, rows)).ljust(1 << phase_bits + (plan.groups - 1).bit_length(), "0")[::-1]
            tables.append(_Table(f"b{lane}_{k}", text))
            bits.append(f"b{lane}_{k}[place_{plan.delay}]")
        carries, sums, before = [], [], f"carry[{lane}]"
        for k in range(plan.digit):
            a, b = f"c{lane}[{k}]", f"b{lane}[{k}]"
            sums.append(f"{a} ^ {b} ^ {before}")
            carries.append((f"h{lane}_{k}", f"({a} & {b}) | (({a} ^ {b}) & {before})"))
            before = carries[-1][0]
        low = int(node.bias[lane]) % (1 << plan.low) if plan.groups == 1 else 0
        result = [f"r{lane}[{plan.width - 1}:0]"]
        result = ([f"{plan.low}'d{low}"] if plan.low else []) + result
        yield _Lane(ends[lane], tables, joined(bits), carries, joined(sums), joined(result))
