"""Convolutions, and those that are turned round."""

from __future__ import annotations

from typing import Any

from bittrigger.frontend.pytorch.operators.arguments import of_each_axis
from bittrigger.frontend.pytorch.values import Call, Handler, Value


def convolution(rank: int, *, turned: bool = False) -> Handler:
    """A convolution over ``rank`` axes.

    Args:
        turned: whether it is the transposed one.
    """

    def made(call: Call) -> Value:
        source, kernel = call.wire(call.args[0]), call.known(call.args[1], "its kernel")
        bias = call.argument(2, "bias")
        size = [int(n) for n in kernel.tensor.shape[2:]]
        dilations = of_each_axis(call.argument(7 if turned else 5, "dilation", 1), rank)
        options: dict[str, Any] = {
            "kernel_shape": size,
            "strides": of_each_axis(call.argument(3, "stride", 1), rank),
            "pads": _pads(call.argument(4, "padding", 0), size, dilations),
            "dilations": dilations,
            "group": int(call.argument(6, "groups", 1)),
        }
        if turned:
            options["output_padding"] = of_each_axis(call.argument(5, "output_padding", 0), rank)
        reads = [source, kernel] + ([] if bias is None else [bias])
        return call.made("ConvTranspose" if turned else "Conv", *reads, **options)

    return made


def _pads(padding: Any, size: list[int], dilations: list[int]) -> list[int]:
    """The zeros before each axis, then those behind each; "same" has the larger side behind."""
    if not isinstance(padding, str):
        return of_each_axis(padding, len(dilations)) * 2
    total = [d * (n - 1) if padding == "same" else 0 for d, n in zip(dilations, size, strict=True)]
    return [n // 2 for n in total] + [n - n // 2 for n in total]
