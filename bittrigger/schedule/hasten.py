"""The forms of layers at an interval, so that the network keeps a latency too: the cheapest ones, but where these come too late.

Each layer begins with its cheapest form. The step to a faster form that costs the fewest LUTs for each cycle that it gains
comes first, whatever layer it is of; steps are taken until the latency is kept, and those that turn out to gain nothing are
taken back. A form that is faster and no dearer than the one before it needs no step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

Chosen = dict[str, str]
"""The names of the forms of layers that do not take their cheapest."""


@dataclass(frozen=True)
class Way:
    """A form of a layer: its name, its LUTs, and the cycles from its operands to all of its results."""

    name: str
    lut: int
    cycles: int


def steps(ways: Mapping[str, list[Way]]) -> list[tuple[str, str]]:
    """The steps of all layers to faster forms, each a layer and the form that it takes then; the cheapest cycle first.

    Args:
        ways: of each layer, the one that it takes without a bound first.
    """
    found = [(price, layer, way.name) for layer, own in ways.items() for price, way in _hull(own)]
    return [(layer, name) for _, layer, name in sorted(found, key=lambda step: step[0])]


def _hull(ways: list[Way]) -> Iterator[tuple[float, Way]]:
    """The ways of one layer, one faster than the other, with the LUTs of each cycle that they gain: more from step to step."""
    now = ways[0]
    while faster := [way for way in ways if way.cycles < now.cycles]:
        best = min(faster, key=lambda way: ((way.lut - now.lut) / (now.cycles - way.cycles), way.cycles))
        yield (best.lut - now.lut) / (now.cycles - best.cycles), best
        now = best


def hastened(ways: Mapping[str, list[Way]], latency_of: Callable[[Chosen], int], bound: int) -> tuple[Chosen, int]:
    """The forms with which the network keeps ``bound`` cycles, or comes as near as can be; and the cycles that it takes.

    Args:
        latency_of: the cycles of the whole network.
    """
    chosen: Chosen = {}
    taken: list[tuple[str, str | None]] = []
    latency = latency_of(chosen)
    for layer, name in steps(ways):
        if latency <= bound:
            break
        taken.append((layer, chosen.get(layer)))
        chosen = {**chosen, layer: name}
        latency = latency_of(chosen)
    for layer, before in taken[::-1]:
        less = {k: v for k, v in chosen.items() if k != layer} | ({} if before is None else {layer: before})
        if latency_of(less) <= max(bound, latency):
            chosen = less
    return chosen, latency_of(chosen)
