"""Functions of each value, and softmax."""

from __future__ import annotations

from bittrigger.frontend.pytorch.values import Call, Handler, Known, Value


def function(kind: str, *names: str, **fixed: float) -> Handler:
    """A function of each value, whose arguments have ``names`` in ONNX."""

    def made(call: Call) -> Value:
        options = dict(fixed)
        for place, name in enumerate(names, start=1):
            if place < len(call.args):
                options[name] = float(call.args[place])
        return call.made(kind, call.args[0], **options)

    return made


def gelu(call: Call) -> Value:
    """With the error function, or by a tanh."""
    return call.made("Gelu", call.args[0], approximate=str(call.named.get("approximate", "none")))


def softplus(call: Call) -> Value:
    """``log(1 + exp(x))``, and the identity above a threshold."""
    if call.argument(1, "beta", 1) != 1:
        raise call.refused("its beta is not 1", "allowed is 1")
    return call.made("Softplus", call.args[0], threshold=float(call.argument(2, "threshold", 20)))


def hard_sigmoid(call: Call) -> Value:
    """As it is written, since the sixth of ONNX' own is a float32."""
    moved = call.step("Add", call.shape, call.args[0], 3.0)
    limited = call.step("Clip", call.shape, moved, min=0.0, max=6.0)
    return call.made("Div", limited, 6.0)


def elu(call: Call) -> Value:
    """``alpha * (exp(x) - 1)`` below zero."""
    if call.argument(2, "scale", 1) != 1:
        raise call.refused("its scale is not 1", "allowed is 1")
    return call.made("Elu", call.args[0], alpha=float(call.argument(1, "alpha", 1.0)))


def powered(call: Call) -> Value:
    """To a fixed power."""
    return call.made("Pow", call.args[0], float(call.args[1]))


def squared(call: Call) -> Value:
    """Times itself."""
    return call.made("Mul", call.args[0], call.args[0])


def prelu(call: Call) -> Value:
    """A slope below zero, of all values or of each channel, which stands behind the batch."""
    source, slope = call.wire(call.args[0]), call.known(call.args[1], "its slope")
    if slope.array.size > 1:
        slope = Known(slope.tensor.reshape(-1, *(1,) * (len(source.shape) - 2)))
    return call.made("PRelu", source, slope)


def softmax(kind: str) -> Handler:
    """A softmax over one axis, or its logarithm."""

    def made(call: Call) -> Value:
        return call.made(kind, call.args[0], axis=int(call.args[1]))

    return made
