"""The forms that a layer could take where events come less often than every clock: which one it took, and why not another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a layer that was considered.

    Attributes:
        name: ``unrolled``, ``folded, 2 copies at a time``, ``digits of 1 bit, 22 lanes``, ``steps of 4 codes, 16 lanes``.
        lut_estimate: LUTs of the layer, with what feeds it and what follows it column by column or copy by copy; None where
            nothing was made.
        ff_estimate: flip-flops of the layer and of what feeds it.
        cycles_estimate: from its operands to all of its results.
        chosen: whether the layer took it.
        reason: why, or why not, in a few words.
    """

    name: str
    lut_estimate: int | None
    ff_estimate: int | None
    cycles_estimate: int | None
    chosen: bool
    reason: str
