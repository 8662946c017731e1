"""Sums, differences, products and quotients of values, and what draws at random in training."""

from __future__ import annotations

from typing import Any, TypeGuard

from bittrigger.frontend.pytorch.operators.quantising import note_scaled, scaled
from bittrigger.frontend.pytorch.values import Call, Handler, Known, Value, Wire


def dropped(call: Call) -> Value:
    """A dropout, which does nothing at inference."""
    if call.argument(2, "train", default=False):
        raise call.refused("it draws at random, as in training", "allowed is a model in model.eval()")
    return call.wire(call.args[0])


def added(call: Call) -> Value:
    """A sum; one with zero is its other operand."""
    left, right = call.args[:2]
    check_plain(call)
    if _is_zero(left) and _is_result(right, call):
        return right
    return left if _is_zero(right) and _is_result(left, call) else _of_both(call, "Add")


def subtracted(call: Call) -> Value:
    """A difference; one with zero is its first operand."""
    left, right = call.args[:2]
    check_plain(call)
    return left if _is_zero(right) and _is_result(left, call) else _of_both(call, "Sub")


def multiplied(kind: str) -> Handler:
    """A product or a quotient, which may be one end of a quantiser."""

    def made(call: Call) -> Value:
        check_plain(call)
        found = scaled(call)
        if found is not None:
            return found
        result = _of_both(call, kind)
        note_scaled(call, result)
        return result

    return made


def reversed_(call: Call) -> Value:
    """The second operand less the first."""
    check_plain(call)
    return call.made("Sub", call.args[1], call.args[0])


def negated(call: Call) -> Value:
    """The operand with the other sign."""
    return call.made("Neg", call.args[0])


def check_plain(call: Call) -> None:
    """Refuse factors of an operand, and quotients that are rounded.

    Raises:
        UnsupportedModelError: if there is one.
    """
    factors = {name: call.named.get(name, 1) for name in ("alpha", "beta")}
    factors |= {"alpha": call.argument(2, "alpha", 1)} if call.kind in ("add", "sub", "rsub") else {}
    odd = [name for name, factor in factors.items() if factor != 1]
    odd += ["rounding_mode"] if call.named.get("rounding_mode") is not None else []
    if odd:
        raise call.refused(f"it has {', '.join(odd)}", "allowed is none of these; multiply before it")


def _is_zero(value: Any) -> bool:
    return not value.tensor.any() if isinstance(value, Known) else isinstance(value, int | float) and value == 0


def _is_result(value: Any, call: Call) -> TypeGuard[Wire]:
    """Whether values of the event have the shape of the result."""
    return isinstance(value, Wire) and value.shape == call.shape


def _of_both(call: Call, kind: str) -> Wire:
    """The node of both operands, which have as many axes as the result; new ones would stand before the batch."""
    for value in call.args[:2]:
        if isinstance(value, Wire) and len(value.shape) < len(call.shape):
            raise call.refused(
                f"it meets values of shape {value.shape[1:]} with those of {call.shape[1:]}",
                "allowed are tensors of as many axes; use unsqueeze where one is missing",
            )
    return call.made(kind, *call.args[:2])
