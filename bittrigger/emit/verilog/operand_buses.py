"""Wires in the top of a design: the bus that a module reads, put together from the codes of other modules.

A module that is used many times, on codes in regular places, reads them by their place; any other list of codes is written out,
run by run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bittrigger.ir.fixed import FixedPoint
from bittrigger.ir.nodes.wire import ZERO
from bittrigger.ir.routes import Route

INSTANCE = "p"
"""The number of an instance, in a generate loop."""

ELEMENT = "k"
"""The number of an element in the operand of an instance."""


@dataclass(frozen=True)
class Places:
    """Element ``k`` of instance ``p`` is element ``first + step * p + stride * k`` of a bus."""

    first: int
    step: int
    stride: int

    def instance(self, width: int, size: int) -> str:
        """The part-select of the ``size`` elements of instance ``p``, ``width`` bits each."""
        return self._select(width, size, [(self.step, INSTANCE)])

    def element(self, width: int) -> str:
        """The part-select of element ``k`` of instance ``p``."""
        return self._select(width, 1, [(self.step, INSTANCE), (self.stride, ELEMENT)])

    def _select(self, width: int, size: int, factors: list[tuple[int, str]]) -> str:
        terms = [f"{width * factor}*{name}" for factor, name in factors if factor]
        terms += [str(width * self.first)] if self.first else []
        return f"[{' + '.join(terms) or '0'} +: {width * size}]"


def own_part(width: int, size: int = 1, *, several: bool) -> str:
    """The part-select of the ``size`` elements that are those of instance ``p``; nothing where it is not one of several."""
    return Places(0, size, 1).instance(width, size) if several else ""


@dataclass(frozen=True)
class Source:
    """A bus of the top: its name, by the time at which it is read, and its elements."""

    name: str
    element: FixedPoint


def regular(route: Route, copies: int) -> Places | None:
    """The places of the operand codes of ``copies`` instances, where these follow from their numbers."""
    if len(route.nodes) != 1 or (route.sources == ZERO).any():
        return None
    table = route.elements.reshape(copies, -1)
    first = int(table[0, 0])
    step = int(table[1, 0]) - first if copies > 1 else 0
    stride = int(table[0, 1]) - first if table.shape[1] > 1 else 1
    due = first + step * np.arange(copies)[:, None] + stride * np.arange(table.shape[1])[None, :]
    return Places(first, step, stride) if min(step, stride) >= 0 and np.array_equal(table, due) else None


def pieces(route: Route, source: Callable[[str], Source], element: FixedPoint) -> list[str]:
    """The codes of ``route`` as expressions of ``element``'s width or, for neighbours, several times that; the first lowest."""
    return [text for run in _runs(route) for text in _expressions(run, route, source, element)]


@dataclass(frozen=True)
class _Run:
    """Neighbours in one bus, or zeros."""

    number: int
    first: int
    size: int


def _runs(route: Route) -> Iterator[_Run]:
    sources, elements = route.sources, route.elements
    joined = (sources[1:] == sources[:-1]) & ((elements[1:] == elements[:-1] + 1) | (sources[1:] == ZERO))
    starts = np.flatnonzero(np.r_[True, ~joined])
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(route)], strict=True):
        yield _Run(int(sources[start]), int(elements[start]), stop - start)


def _expressions(run: _Run, route: Route, source: Callable[[str], Source], element: FixedPoint) -> list[str]:
    if run.number == ZERO:
        return [f"{run.size * element.width}'d0"]
    bus = source(route.nodes[run.number])
    own, width = bus.element.width, element.width
    if own == width:
        return [f"{bus.name}[{own * (run.first + run.size) - 1}:{own * run.first}]"]
    lows = [own * k for k in range(run.first, run.first + run.size)]
    if own > width:
        return [f"{bus.name}[{low + width - 1}:{low}]" for low in lows]
    top = [
        f"{{{width - own}{{{bus.name}[{low + own - 1}]}}}}" if bus.element.signed else f"{width - own}'d0"
        for low in lows
    ]
    return [f"{{{above}, {bus.name}[{low + own - 1}:{low}]}}" for above, low in zip(top, lows, strict=True)]
