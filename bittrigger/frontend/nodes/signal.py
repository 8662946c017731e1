"""What flows between the layers while a network is lowered."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.frontend.elementwise.chains import Step
from bittrigger.ir.graph import Linear


@dataclass(frozen=True, eq=False)
class Signal:
    """A tensor of a network that is being lowered.

    Attributes:
        parts: nodes that deliver its codes, in order; what ``linear`` reads if there is one.
        shape: its shape in Keras, without the batch.
        linear: an accumulator that is no node yet, so that scales and offsets can be folded into it.
        steps: operations on top.
        exponent: the node whose codes are log2 of scales, or None: one for all codes of an event, or one for each of as many
            equal parts of them, such as tokens.
        copies: into how many equal parts the codes fall that ``linear`` and ``steps`` treat alike.
        ideal: whether float32 cannot hold what stands there, so that the steps are taken in exact arithmetic.
    """

    parts: tuple[str, ...]
    shape: tuple[int, ...]
    linear: Linear | None = None
    steps: tuple[Step, ...] = ()
    exponent: str | None = None
    copies: int = 1
    ideal: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether the signal is codes of nodes, perhaps with an exponent, and nothing else."""
        return self.linear is None and not self.steps
