"""The largest value or the mean of each window, or of all positions."""

from __future__ import annotations

from typing import Any

from bittrigger.frontend.pytorch.operators.arguments import of_each_axis
from bittrigger.frontend.pytorch.values import Call, Handler, Made, Value, Wire


def max_pool(rank: int) -> Handler:
    """The largest of each window over ``rank`` axes."""

    def made(call: Call) -> Value:
        options = _windows(call, rank)
        options["dilations"] = of_each_axis(call.argument(4, "dilation", 1), rank)
        options["ceil_mode"] = _flag(call.argument(5, "ceil_mode", default=False))
        return call.made("MaxPool", call.args[0], **options)

    return made


def average_pool(rank: int) -> Handler:
    """The mean of each window over ``rank`` axes."""

    def made(call: Call) -> Value:
        options = _windows(call, rank)
        options["ceil_mode"] = _flag(call.argument(4, "ceil_mode", default=False))
        options["count_include_pad"] = _flag(call.argument(5, "count_include_pad", default=True))
        if call.argument(6, "divisor_override") is not None:
            raise call.refused("it has a divisor_override", "allowed is none")
        return call.made("AveragePool", call.args[0], **options)

    return made


def _windows(call: Call, rank: int) -> dict[str, Any]:
    """What both kinds say of their windows."""
    size = of_each_axis(call.args[1], rank)
    return {
        "kernel_shape": size,
        "strides": of_each_axis(call.argument(2, "stride") or size, rank),
        "pads": of_each_axis(call.argument(3, "padding", 0), rank) * 2,
    }


def _flag(value: Any) -> int:
    return int(bool(value))


def adaptive_average(rank: int) -> Handler:
    """The mean of all positions."""

    def made(call: Call) -> Value:
        return _over_all(call, "ReduceMean", rank)

    return made


def adaptive_max(rank: int) -> Handler:
    """The largest of all positions, and where it is, which nothing may read."""

    def made(call: Call) -> Made:
        return [_over_all(call, "ReduceMax", rank), None]

    return made


def _over_all(call: Call, kind: str, rank: int) -> Wire:
    source = call.wire(call.args[0])
    sizes = of_each_axis(call.args[1], rank)
    if any(n != 1 for n in sizes):
        raise call.refused(f"it pools to {sizes}", "allowed is 1; use a pooling with a kernel_size")
    axes = list(range(len(source.shape) - rank, len(source.shape)))
    return call.made(kind, source, axes=axes, keepdims=1)
