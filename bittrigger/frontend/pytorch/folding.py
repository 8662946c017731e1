"""What depends on weights alone, computed by PyTorch itself; of integers times a scale it is kept that they are."""

from __future__ import annotations

from typing import Any

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.pytorch.values import Known, Value

Node = Any

MOVING = (
    *("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t"),
    *("detach", "alias", "clone", "contiguous", "lift_fresh_copy", "expand", "slice", "select"),
)
"""Operators that move numbers."""

MOST = 1 << 24
"""Largest integers that float32 tells apart."""


def folded(torch: Any, node: Node, kind: str, args: Any, named: Any) -> Value | list[Value | None]:
    """What an operator makes of numbers.

    Raises:
        UnsupportedModelError: if PyTorch cannot compute it.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, Known):
            return value.tensor
        if isinstance(value, tuple | list):
            return type(value)(plain(part) for part in value)
        return value

    try:
        with torch.no_grad():
            made = node.target(*plain(tuple(args)), **{key: plain(value) for key, value in named.items()})
            if isinstance(made, torch.Tensor):
                return Known(made, None if named else _scale(torch, node, kind, args, made))
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise UnsupportedModelError(
            f"PyTorch operator {kind!r}: it cannot be computed of constants ({str(error)[:120]}); allowed are modules that run"
        ) from error
    if isinstance(made, tuple | list):
        return [Known(part) for part in made]
    return Known(torch.as_tensor(made))


def _scale(torch: Any, node: Node, kind: str, args: Any, made: Any) -> Any:
    """What integers were multiplied with in the last step, or in one before it that only moved numbers."""
    first = args[0] if args and isinstance(args[0], Known) else None
    second = args[1] if len(args) > 1 else None
    if kind in MOVING and first is not None and first.scale is not None:
        whole = first.scale.expand(first.tensor.shape).contiguous()
        return node.target(whole, *args[1:]) if not any(isinstance(arg, Known) for arg in args[1:]) else None
    if kind == "neg" and first is not None:
        return first.scale
    if kind not in ("mul", "div") or first is None or second is None:
        return None
    other = second.tensor if isinstance(second, Known) else torch.as_tensor(float(second), dtype=torch.float32)
    pairs = [(first.tensor, other)] + ([(other, first.tensor)] if kind == "mul" else [])
    for codes, scale in pairs:
        if codes.numel() > 1 and scale.numel() < codes.numel() and _is_whole(codes) and bool((scale > 0).all()):
            found = scale if kind == "mul" else 1 / scale
            return found.to(torch.float32).expand(made.shape)
    return None


def _is_whole(values: Any) -> bool:
    return bool((values == values.round()).all()) and bool((values.abs() < MOST).all())


def is_straight(node: Node) -> Node | None:
    """The quantised value ``q`` of ``x + (q - x)``, as networks are written through which a gradient passes straight."""
    if _name(node) != "add" or len(node.args) != 2 or node.kwargs:
        return None
    for value, change in (node.args, node.args[::-1]):
        inner = _undetached(change)
        if hasattr(inner, "op") and inner.op == "call_function" and _name(inner) == "sub" and not inner.kwargs:
            minuend, subtrahend = inner.args[:2]
            if hasattr(minuend, "op") and _undetached(subtrahend) is _undetached(value):
                return minuend
    return None


def _undetached(node: Any) -> Any:
    while hasattr(node, "op") and node.op == "call_function" and _name(node) in ("detach", "alias", "clone"):
        node = node.args[0]
    return node


def _name(node: Node) -> str:
    parts = str(node.target).split(".")
    return parts[1] if len(parts) > 2 and parts[0] == "aten" else ""
