"""Sums, means and extremes over axes."""

from __future__ import annotations

from typing import Any

from bittrigger.frontend.pytorch.values import Call, Handler, Known, Made, Value, Wire


def reduced(kind: str) -> Handler:
    """One value of all along some axes."""

    def made(call: Call) -> Value:
        return _over_axes(call, kind)

    return made


def extreme(kind: str) -> Handler:
    """``max(dim)``, which has places too, or the larger of two; ``kind`` is ``Max`` or ``Min``."""

    def made(call: Call) -> Made:
        second = call.argument(1, "other")
        if isinstance(second, Wire | Known):
            return call.made(kind, call.args[0], second)
        return [_over_axes(call, f"Reduce{kind}"), None]

    return made


def _over_axes(call: Call, kind: str) -> Wire:
    source = call.wire(call.args[0])
    keeps = int(bool(call.argument(2, "keepdim", default=False)))
    return call.made(kind, source, axes=_axes(call, source, call.argument(1, "dim")), keepdims=keeps)


def _axes(call: Call, source: Wire, given: Any) -> list[int]:
    """The axes that are named, or all."""
    rank = len(source.shape)
    listed = list(given) if isinstance(given, list | tuple) else [] if given is None else [given]
    axes = sorted({int(axis) % rank for axis in listed or range(rank)})
    if axes[0] == 0:
        raise call.refused(
            "it goes over the events of a batch", "allowed are axes behind that of the batch; name them in dim"
        )
    return axes
