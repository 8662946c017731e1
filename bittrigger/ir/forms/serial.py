"""How a matrix is multiplied digit by digit: one adder graph, through which the operand codes pass lowest bits first.

Every adder adds a digit of a few bits a cycle and keeps its carry for the next one; a word of ``width`` bits takes ``period``
cycles. Operand codes enter as unsigned numbers, the sign bit inverted, followed by zeros; what is subtracted enters as its
complement. Both shift each column by a constant, which is in the bias that its lane adds. There are ``lanes`` of them: each
adds the operands of one column and its bias, and collects the digits. Where there is time for more than one pass, the same codes
pass through the graph again, and each lane picks those of another column: an adder that a single column needs may then stand in
the lane, where all columns of the lane share it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

import numpy as np

from bittrigger.ir.adders import AdderGraph, Term
from bittrigger.ir.fixed import FixedPoint
from bittrigger.ir.nodes import Linear

MAX_DIGIT = 4
"""Most bits of a digit."""


@dataclass(frozen=True)
class Stream:
    """Digits that pass: those of a value of the adder graph (inputs, then adders), shifted left, or the complement of that."""

    value: int
    shift: int = 0
    inverted: bool = False

    def of(self, term: Term) -> Stream:
        """What a term is that reads this."""
        return Stream(self.value, self.shift + term.shift, self.inverted ^ term.negative)

    def within(self, term: Stream) -> Stream:
        """What a term of the sum that this reads is in this."""
        return Stream(term.value, self.shift + term.shift, self.inverted ^ term.inverted)

    def error(self, wrong: int) -> int:
        """What it is too much, where the value is ``wrong`` too much: a complement is one less than what it stands for."""
        return -(wrong << self.shift) - 1 if self.inverted else wrong << self.shift


@dataclass(frozen=True)
class Serial:
    """A plan for a layer of ``n_in`` operand codes and ``n_out`` columns.

    Attributes:
        lanes: columns that are collected at a time.
        digit: bits that pass in a cycle.
        width: bits of a sum that pass.
        shift: zeros below the operand codes in what passes.
        low: lowest bits of a result that do not pass: they are those of its bias.
        adders: of the signs of the matrix, without bias, each of two terms or one, which a negation is.
        columns: what the lane of each column adds up; one value of ``adders`` where it adds nothing but the bias.
        stages: of each adder, in cycles behind the first one's operand.
        levels: the stage in which lanes pick their operands, then that of each level of the adders that sum these up.
        delay: the stage in which the lanes add their biases.
    """

    n_in: int
    n_out: int
    lanes: int
    digit: int
    width: int
    shift: int
    low: int
    adders: AdderGraph
    columns: tuple[tuple[Stream, ...], ...]
    stages: tuple[int, ...]
    levels: tuple[int, ...]
    delay: int

    @property
    def period(self) -> int:
        """Cycles of a pass."""
        return -(-self.width // self.digit)

    def filled(self, own: int) -> tuple[int, int]:
        """The first cycle of a pass in which a digit holds bits of a code of ``own`` bits, and the first one after it."""
        first = self.shift // self.digit
        return first, min(-(-(own + self.shift) // self.digit), self.period)

    @property
    def groups(self) -> int:
        """Passes, one after the other."""
        return -(-self.n_out // self.lanes)

    @property
    def cycles(self) -> int:
        """Cycles that an event keeps the adders busy."""
        return self.groups * self.period

    @cached_property
    def built(self) -> dict[int, tuple[Stream, Stream]]:
        """The adders in front of the lanes, as ``terms_of`` gives them: those of which some column adds up the sum."""
        every = terms_of(self.adders)
        needed = {stream.value for column in self.columns for stream in column}
        for k in reversed(every):
            if k in needed:
                needed |= {term.value for term in every[k]}
        return {k: pair for k, pair in every.items() if k in needed}

    @cached_property
    def readings(self) -> list[tuple[int, Stream]]:
        """What adders and lanes read, each with the stage in which it does."""
        read = [(self.stages[k - self.n_in], term) for k, pair in self.built.items() for term in pair]
        return read + [(self.levels[0], stream) for column in self.columns for stream in column]


def fits_serial(graph: AdderGraph) -> bool:
    """Whether every adder of ``graph`` can add digits: no constant is added, and no three operands."""
    plain = all(not adder.constant and len(adder.terms) <= 2 for adder in graph.adders)
    return plain and not any(out.constant for out in graph.outputs)


def streams(graph: AdderGraph) -> list[Stream]:
    """What each value of the graph is as digits: a negation is the complement of its operand, and takes no adder."""
    found = [Stream(k) for k in range(graph.n_inputs)]
    for k, adder in enumerate(graph.adders):
        if len(adder.terms) > 1:
            found.append(Stream(graph.n_inputs + k))
        else:
            (term,) = adder.terms
            found.append(found[term.value].of(term))
    return found


def terms_of(graph: AdderGraph) -> dict[int, tuple[Stream, Stream]]:
    """The two operands of each adder that is built, by the number of its value; only of those that some column needs."""
    known = streams(graph)
    needed = {known[out.value].value for out in graph.outputs if out.value is not None}
    found: dict[int, tuple[Stream, Stream]] = {}
    for k in reversed(range(graph.n_inputs, graph.n_inputs + len(graph.adders))):
        if k in needed:
            first, second = (known[term.value].of(term) for term in graph.adders[k - graph.n_inputs].terms)
            found[k] = (first, second)
            needed |= {first.value, second.value}
    return dict(reversed(found.items()))


def inputs_read(graph: AdderGraph) -> list[int]:
    """The operand codes that some column needs."""
    built, known = terms_of(graph), streams(graph)
    read = {term.value for pair in built.values() for term in pair}
    read |= {known[out.value].value for out in graph.outputs if out.value is not None}
    return sorted(value for value in read if value < graph.n_inputs)


def columns_of(graph: AdderGraph) -> list[Stream | None]:
    """The digits of each column; None for one of zeros."""
    known = streams(graph)
    return [None if out.value is None else known[out.value].of(Term(0, out.shift)) for out in graph.outputs]


def own_adders(built: Mapping[int, tuple[Stream, Stream]], columns: Sequence[Stream | None]) -> set[int]:
    """The adders that are read once: each is of a single column, but for what it reads; arguments as of ``opened``."""
    reads = [term.value for pair in built.values() for term in pair]
    reads += [column.value for column in columns if column is not None]
    counts = Counter(reads)
    return {value for value in built if counts[value] == 1}


def opened(
    built: Mapping[int, tuple[Stream, Stream]], column: Stream | None, own: set[int], slots: int
) -> tuple[Stream, ...]:
    """What a column adds up, where as many of its own adders are taken out of the graph as leave ``slots`` operands at most.

    Args:
        built: the adders of the graph, as ``terms_of`` gives them.
    """
    found = [] if column is None else [column]
    while len(found) < slots:
        place = next((k for k, stream in enumerate(found) if stream.value in own), None)
        if place is None:
            break
        stream = found.pop(place)
        found += [stream.within(term) for term in built[stream.value]]
    return tuple(found)


def slots_of(plan: Serial, lane: int) -> list[tuple[Stream | None, ...]]:
    """What a lane picks from: for each of the operands that it adds up that of each of its columns, None where there is none."""
    own = plan.columns[lane :: plan.lanes]
    return list(zip_longest(*own)) or [(None,) * len(own)]


def adders_in(plan: Serial) -> int:
    """Adders before and in the lanes, those of the biases among them."""
    return len(plan.built) + sum(len(slots_of(plan, lane)) for lane in range(plan.lanes))


def waiting_in(plan: Serial) -> int:
    """Registers between stages in the lanes, each of a digit."""
    total = 0
    for lane in range(plan.lanes):
        count, stage = len(slots_of(plan, lane)), plan.levels[0]
        for number in plan.levels[1:]:
            if count > 1:
                total += count * (number - stage)
                count, stage = -(-count // 2), number
        total += plan.delay - stage
    return total


def errors(plan: Serial) -> list[int]:
    """What each column is more than its sum of codes: every complement that enters it is one less than what it stands for."""
    wrong = dict.fromkeys(range(plan.n_in), 0)
    for k, pair in plan.built.items():
        wrong[k] = sum(term.error(wrong[term.value]) for term in pair)
    return [sum(stream.error(wrong[stream.value]) for stream in column) for column in plan.columns]


def biases(node: Linear, plan: Serial, own: FixedPoint) -> list[int]:
    """What the lanes add to each column, from 0 to ``2**width - 1``.

    Args:
        own: type of an operand code.
    """
    offset = (1 << own.width - 1 if own.signed else 0) << plan.shift
    signs = np.sign(node.weights).sum(axis=0)
    high = node.bias >> plan.low
    wanted = [int(b) - offset * int(s) - e for b, s, e in zip(high, signs, errors(plan), strict=True)]
    return [value % (1 << plan.width) for value in wanted]


def crossings(plan: Serial) -> Iterator[tuple[int, int]]:
    """The values of the graph that pass registers between stages, and how many."""
    last: dict[int, int] = {}
    for stage, stream in plan.readings:
        last[stream.value] = max(last.get(stream.value, 0), stage)
    for value, stage in sorted(last.items()):
        born = 0 if value < plan.n_in else plan.stages[value - plan.n_in]
        if stage > born:
            yield value, stage - born


def shifts_in(plan: Serial) -> list[tuple[int, Stream]]:
    """The streams that are shifted, each with the stage in which it is read so; the complement does not matter."""
    found = {(stage, Stream(stream.value, stream.shift)) for stage, stream in plan.readings if stream.shift}
    return sorted(found, key=lambda item: (item[0], item[1].value, item[1].shift))


def passing_percent(plan: Serial, ii: int) -> float:
    """The share of ``ii`` cycles in which digits pass, in per cent."""
    return round(100 * plan.cycles / ii, 2)
