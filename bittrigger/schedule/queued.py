"""When a queue chooses what the copies that take turns read, so that the wires behind its multiplexers do not miss the clock.

Which turn it is goes to every multiplexer of a queue, and what one of them chooses to every instance that reads it. Where these
wires would move an operation of the layers that follow into the next cycle, the queue chooses a cycle before, into registers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bittrigger.device.timing import spread_delay_ns
from bittrigger.errors import ConfigError
from bittrigger.ir.forms.queue import Choosing
from bittrigger.ir.forms.window import chosen_codes, used_codes
from bittrigger.ir.graph import Input, Operation
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.ir.ports import common_type
from bittrigger.schedule.fold import Fold
from bittrigger.schedule.forms import Asked
from bittrigger.schedule.moments import Moment
from bittrigger.schedule.placing import before, follows, placing, start_of_follower

LUTS_A_CHOICE = 4
"""Turns from which a LUT chooses."""

TURNS_A_SLICE = 8
"""Turns from which a multiplexer behind two LUTs of a slice chooses (``bittrigger_pick``): no wire lies between."""


def queued(asked: Asked, node: Operation, there: Moment, known: Choosing | None) -> tuple[Choosing, Moment]:
    """When the queue in front of ``node`` chooses, and when the first copies read what was ``there``.

    Args:
        known: when it chooses, where that was decided before.

    Raises:
        ConfigError: if it cannot choose when it is said to.
    """
    fold, spare = asked.folded[node.name], asked.spare
    levels = 0 if fold.window else math.ceil(math.log(fold.turns(node.copies), LUTS_A_CHOICE))
    at_once = Moment(there.stage + 1, spare.model.logic_ns * levels)
    choices = None if fold.window else _choices(asked, node, fold)
    choosing = _choosing(asked, node, there, choices) if known is None else known
    match choosing:
        case Choosing.READING:
            return choosing, at_once
        case Choosing.TAKING if choices and there.stage:
            return choosing, Moment(there.stage + 1, 0.0)
        case Choosing.WAITING if choices:
            return choosing, Moment(there.stage + 2, 0.0)
    raise ConfigError(f"the queue of layer {node.name!r} cannot choose while {choosing.value}; convert the model again")


def _choosing(asked: Asked, node: Operation, there: Moment, choices: _Choices | None) -> Choosing:
    """While the event is taken where that takes no LUT more and is in time, if the wires behind the multiplexers are too long."""
    model, budget_ns = asked.spare.model, asked.spare.budget_ns
    if choices is None:
        return Choosing.READING
    choosing_ns = model.logic_ns * math.ceil(math.log(choices.turns, LUTS_A_CHOICE))
    spread_ns = spread_delay_ns(choices.doublings, budget_ns, model)
    near, far = (Moment(there.stage + 1, choosing_ns + wires_ns) for wires_ns in (0.0, spread_ns))
    if _chain(asked, node, near) == _chain(asked, node, far):
        return Choosing.READING
    through_ns = model.logic_ns if choices.turns <= TURNS_A_SLICE else choosing_ns
    in_time = there.stage > 0 and there.spent_ns + through_ns <= budget_ns
    return Choosing.TAKING if in_time and not choices.again else Choosing.WAITING


@dataclass(frozen=True)
class _Choices:
    """What a queue has to choose.

    Attributes:
        doublings: of the LUTs that read the number of the turn, and of the instances that read a chosen bit.
        again: whether a code of the first turn comes again in a later one, so that it would be one choice more where it is
            chosen while it is taken, and lies elsewhere afterwards.
    """

    turns: int
    doublings: float
    again: bool


def _choices(asked: Asked, node: Operation, fold: Fold) -> _Choices | None:
    """What the queue of ``node`` has to choose; None where nothing is, or nothing waits for a later turn."""
    _, numbers = used_codes(asked.graph, node.inputs, node.copies)
    columns, readers = np.unique(chosen_codes(numbers, fold.lanes), axis=1, return_counts=True)
    turned = (columns != columns[:1]).any(axis=0)
    if not turned.any() or (columns[1:] == ZERO).all():
        return None
    width = common_type(tuple(span for name in node.inputs for span in asked.ranges[name]), 0).width
    luts = width * int(turned.sum()) * -(-len(columns) // LUTS_A_CHOICE)
    again = bool((columns[1:, turned] == columns[0, turned]).any())
    return _Choices(len(columns), math.log2(luts) + math.log2(int(readers[turned].max())), again)


def _chain(asked: Asked, head: Operation, start: Moment) -> list[tuple[int, tuple[int, ...], int]]:
    """Where ``head`` and what follows it copy by copy are placed: stages of operands, of parts and of results."""
    found: list[tuple[int, tuple[int, ...], int]] = []
    first: dict[str, Moment] = {}
    for node in asked.graph.nodes:
        if isinstance(node, Input | Wire):
            continue
        if node is not head:
            own = follows(node, asked.folded.get(node.name))
            if not own or not first.keys() >= set(before(asked, node)):
                continue
            start = start_of_follower(asked, node, first)
        begun, stages, first[node.name] = placing(asked, node, start)
        found.append((begun.stage, stages, first[node.name].stage))
    return found
