"""The same values in another shape, in another order of axes, several times, or with zeros around."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bittrigger.frontend.pytorch.operators.arguments import places
from bittrigger.frontend.pytorch.values import Call, Value

_PADDED = {"constant": "constant", "replicate": "edge", "reflect": "reflect"}
"""What ONNX calls the ways in which PyTorch pads."""


def same(call: Call) -> Value:
    """What changes nothing at inference."""
    found: Value = call.args[0]
    return found


def reshaped(call: Call) -> Value:
    """Another shape for each event; one value of each event keeps an axis in the graph."""
    source = call.wire(call.args[0])
    if source.shape[0] != call.shape[0]:
        raise call.refused(
            f"it makes {call.shape} of {source.shape}, so that the events of a batch come under other values",
            "allowed are shapes that leave the batch in front; Linear and Conv1d of width 1 take several positions at once",
        )
    return call.made("Reshape", source, places([0, *(call.shape[1:] or (1,))]))


def permuted(call: Call) -> Value:
    """The axes in the order that is given."""
    rank = len(call.wire(call.args[0]).shape)
    return _in_order(call, [int(axis) % rank for axis in call.args[1]])


def transposed(call: Call) -> Value:
    """Two axes exchanged."""
    return _exchanged(call, call.args[1:3])


def turned(call: Call) -> Value:
    """The only two axes exchanged."""
    return _exchanged(call, (0, 1))


def _exchanged(call: Call, axes: Sequence[int]) -> Value:
    rank = len(call.wire(call.args[0]).shape)
    order = list(range(rank))
    one, other = (int(axis) % rank for axis in axes)
    order[one], order[other] = other, one
    return _in_order(call, order)


def _in_order(call: Call, order: list[int]) -> Value:
    if order[0]:
        raise call.refused("it moves the axis of the batch", "allowed are orders that leave the batch in front")
    return call.made("Transpose", call.args[0], perm=order)


def repeated(call: Call) -> Value:
    """Axes of one element as often as they are wanted."""
    made = call.wire(call.args[0])
    if len(made.shape) != len(call.shape):
        raise call.refused(
            f"it makes {call.shape} of {made.shape}", "allowed are as many axes; use unsqueeze before it"
        )
    for axis, (size, wanted) in enumerate(zip(made.shape, call.shape, strict=True)):
        if size != wanted:
            found = list(range(size)) * (wanted // size)
            shape = (*made.shape[:axis], wanted, *made.shape[axis + 1 :])
            made = call.step("Gather", shape, made, places(found), axis=axis)
    return made


def padded(call: Call) -> Value:
    """``pad(x, sizes, mode, value)``."""
    return _padded(call, call.argument(2, "mode", "constant"), call.argument(3, "value", 0))


def padded_with(call: Call) -> Value:
    """``constant_pad_nd(x, sizes, value)``."""
    return _padded(call, "constant", call.argument(2, "value", 0))


def _padded(call: Call, mode: str, value: Any) -> Value:
    source, given = call.wire(call.args[0]), [int(n) for n in call.args[1]]
    if value or mode not in _PADDED or min(given) < 0:
        raise call.refused(f"it pads with {value or mode}", f"allowed are zeros, {', '.join(_PADDED)}")
    missing = [0] * (len(source.shape) - len(given) // 2)  # the last axis is named first
    before, behind = given[::2][::-1], given[1::2][::-1]
    return call.made("Pad", source, places([*missing, *before, *missing, *behind]), mode=_PADDED[mode])
