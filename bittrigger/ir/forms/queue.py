"""When a queue chooses what the copies that take turns read: as they read it, or a cycle before, into registers."""

from __future__ import annotations

from enum import Enum


class Choosing(Enum):
    """When the bits of a turn are chosen from the event that waits.

    Attributes:
        READING: in the cycle in which they are read, so that the multiplexers lie in front of the logic of the copies.
        TAKING: a cycle before, those of the first turn while the event is taken, so that they need not wait. No register and no
            cycle more, but the logic that gives the operands is in front of the multiplexers, and the queue is told of an event
            a cycle before it is there.
        WAITING: a cycle before, the first ones in the cycle after the event was taken: a register for each chosen bit and a
            cycle more.
    """

    READING = "reading"
    TAKING = "taking"
    WAITING = "waiting"


def keeps_all(choosing: Choosing, turns: int, ii: int) -> bool:
    """Whether bits that are the same in all turns are taken into registers with those that are chosen.

    Where events may come as soon as the turns are over, the next one is taken while the last turn is read a cycle late.
    """
    return choosing is Choosing.WAITING and turns == ii


def least_distance(choosing: Choosing, turns: int, ii: int) -> int:
    """Cycles from an event to the next one that a queue of so many turns has to stand, where they come every ``ii`` at least."""
    return min(turns + (choosing is Choosing.WAITING), ii)
