"""Whether events fit the port, and whether outputs tell events apart: what equality of every bit cannot show.

Every executor gets the codes of the port, so that a port which is too narrow for the events is equal in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.ir.fixed import FixedPoint, IntArray
from bittrigger.ir.graph import Graph

MAX_ZERO = 0.95
"""Share of events with all outputs zero beyond which it is said."""


@dataclass(frozen=True)
class PortFit:
    """How real values fit a port.

    Attributes:
        own: whether the type is that of the model's own input quantiser, which does the same to them.
        values: looked at.
        off_range: of these, beyond the port's range: they saturate.
        off_grid: of these, between the port's steps: they are rounded.
        events: with a value beyond the range.
        low: least value.
        high: largest value.
    """

    port: str
    type: FixedPoint
    limits: tuple[float, float]
    own: bool
    values: int
    off_range: int
    off_grid: int
    events: int
    low: float
    high: float

    @property
    def harmful(self) -> bool:
        """Whether the firmware sees other values than the model does."""
        return not self.own and bool(self.off_range or self.off_grid)


def port_fits(graph: Graph, values: npt.NDArray[np.floating[Any]], *, own: bool) -> tuple[PortFit, ...]:
    """How the real ``values`` `(events, n_inputs)` fit each port of ``graph``.

    Args:
        own: whether the ports have the types of the model's own input quantisers.
    """
    fits, start = [], 0
    for port in graph.inputs:
        part = np.asarray(values[:, start : start + port.size], dtype=np.float64)
        start += port.size
        scaled = np.rint(np.ldexp(part, port.type.frac))
        outside = (scaled < port.interval.lo) | (scaled > port.interval.hi)
        between = np.ldexp(part, port.type.frac) != scaled
        fits.append(
            PortFit(
                port.name,
                port.type,
                (port.interval.lo * port.type.step, port.interval.hi * port.type.step),
                own,
                part.size,
                int(outside.sum()),
                int((between & ~outside).sum()),
                int(outside.any(axis=1).sum()),
                float(part.min(initial=np.inf)),
                float(part.max(initial=-np.inf)),
            )
        )
    return tuple(fits)


def fit_lines(fits: Sequence[PortFit]) -> list[str]:
    """A sentence for each port with values that do not fit it."""
    lines = []
    for fit in fits:
        as_model = ", as the model's own input quantiser makes them" if fit.own else ""
        if fit.off_range:
            remedy = "" if fit.own else "; the model sees them as they are: give --input-precision more integer bits"
            lines.append(
                f"input {fit.port!r}: {fit.off_range:,} of {fit.values:,} values ({fit.events:,} events), from {fit.low:g} to "
                f"{fit.high:g}, lie outside the port's range {fit.limits[0]:g}..{fit.limits[1]:g} ({fit.type}) and saturate"
                f"{as_model}{remedy}"
            )
        if fit.off_grid and not fit.own:
            lines.append(
                f"input {fit.port!r}: {fit.off_grid:,} of {fit.values:,} values are no multiples of the port's step "
                f"{fit.type.step:g} ({fit.type}) and are rounded; the model sees them as they are: give --input-precision more "
                "fractional bits"
            )
    return lines


def output_lines(graph: Graph, codes: IntArray) -> list[str]:
    """What is odd about outputs `(events, n_outputs)`: some that never change, or nearly all events giving zero."""
    if len(codes) < 2:
        return []
    lines = []
    names = [f"{name}[{k}]" for name in graph.outputs for k in range(graph[name].size)]
    constant = np.flatnonzero((codes == codes[0]).all(axis=0))
    if constant.size:
        some = ", ".join(names[k] for k in constant[:4]) + (" and more" if constant.size > 4 else "")
        count = f"{constant.size} of {codes.shape[1]} outputs never change"
        lines.append(f"{count} over {len(codes):,} events: {some}")
    zero = float((codes == 0).all(axis=1).mean())
    if zero >= MAX_ZERO and constant.size < codes.shape[1]:
        lines.append(f"{100 * zero:.1f} % of the events give 0 in every output; they cannot be told apart there")
    return lines
