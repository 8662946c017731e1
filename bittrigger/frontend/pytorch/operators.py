"""The operators of PyTorch that are read, each as nodes of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bittrigger.frontend.pytorch.quantising import (
    chosen,
    clamp,
    compared,
    fake_quantised,
    note_scaled,
    rounding,
    scaled,
)
from bittrigger.frontend.pytorch.values import Call, Known, Value, Wire

Made = Value | list[Value | None]
Handler = Callable[[Call], Made]


def _same(call: Call) -> Value:
    found: Value = call.args[0]
    return found


def _dropped(call: Call) -> Value:
    if call.argument(2, "train", default=False):
        raise call.refused("it draws at random, as in training", "allowed is a model in model.eval()")
    return call.wire(call.args[0])


def _binary(kind: str) -> Handler:
    def made(call: Call) -> Value:
        left, right = call.args[:2]
        _check_plain(call)
        if kind == "Add":
            for one, other in ((left, right), (right, left)):
                if _is_zero(one) and isinstance(other, Wire) and other.shape == call.shape:
                    return other
        if kind == "Sub" and _is_zero(right) and isinstance(left, Wire) and left.shape == call.shape:
            return left
        found = scaled(call) if kind in ("Mul", "Div") else None
        if found is not None:
            return found
        result = call.made(kind, *_met(call, left, right))
        if kind in ("Mul", "Div"):
            note_scaled(call, result)
        return result

    return made


def _check_plain(call: Call) -> None:
    """Refuse factors of an operand, and quotients that are rounded."""
    factors = {name: call.named.get(name, 1) for name in ("alpha", "beta")}
    factors |= {"alpha": call.argument(2, "alpha", 1)} if call.kind in ("add", "sub", "rsub") else {}
    odd = [name for name, factor in factors.items() if factor != 1]
    odd += ["rounding_mode"] if call.named.get("rounding_mode") is not None else []
    if odd:
        raise call.refused(f"it has {', '.join(odd)}", "allowed is none of these; multiply before it")


def _is_zero(value: Any) -> bool:
    return not value.tensor.any() if isinstance(value, Known) else isinstance(value, int | float) and value == 0


def _met(call: Call, *values: Any) -> list[Any]:
    """Operands with as many axes as the result has; new ones stand behind the batch."""
    rank = len(call.shape)
    found = []
    for value in values:
        if isinstance(value, Wire) and len(value.shape) < rank:
            raise call.refused(
                f"it meets values of shape {value.shape[1:]} with those of {call.shape[1:]}",
                "allowed are tensors of as many axes; use unsqueeze where one is missing",
            )
        found.append(value)
    return found


def _reversed(call: Call) -> Value:
    _check_plain(call)
    return call.made("Sub", call.args[1], call.args[0])


def _negated(call: Call) -> Value:
    return call.made("Neg", call.args[0])


def _linear(call: Call) -> Value:
    source, weight = call.wire(call.args[0]), call.known(call.args[1], "its matrix")
    turned = Known(weight.tensor.t(), None if weight.scale is None else _whole(weight).t())
    return _product(call, source, turned, call.argument(2, "bias"))


def _whole(known: Known) -> Any:
    """The scale of each number."""
    return known.scale.expand(known.tensor.shape) if known.scale is not None else None


def _product(call: Call, source: Wire, matrix: Known, bias: Any) -> Value:
    if bias is None:
        return call.made("MatMul", source, matrix)
    if len(source.shape) == 2:
        return call.made("Gemm", source, matrix, bias)
    product = Wire(call.writer.one(call.owner, "MatMul", source.name, call.constant(matrix)), call.shape)
    return Wire(call.writer.one(f"{call.owner}.bias", "Add", product.name, call.read(bias)), call.shape)


def _addmm(call: Call) -> Value:
    _check_plain(call)
    bias, source, matrix = call.args[:3]
    return _product(call, call.wire(source), call.known(matrix, "its matrix"), bias)


def _matmul(call: Call) -> Value:
    return call.made("MatMul", *call.args[:2])


def _numbers(value: Any, count: int) -> list[int]:
    listed = list(value) if isinstance(value, list | tuple) else [value]
    return [int(n) for n in listed] * (count if len(listed) == 1 else 1)


def _convolution(rank: int, *, turned: bool = False) -> Handler:
    def made(call: Call) -> Value:
        source, kernel = call.wire(call.args[0]), call.known(call.args[1], "its kernel")
        bias = call.argument(2, "bias")
        strides = _numbers(call.argument(3, "stride", 1), rank)
        padding = call.argument(4, "padding", 0)
        extra: dict[str, Any] = {}
        if turned:
            extra["output_padding"] = _numbers(call.argument(5, "output_padding", 0), rank)
            groups, dilations = call.argument(6, "groups", 1), _numbers(call.argument(7, "dilation", 1), rank)
        else:
            dilations, groups = _numbers(call.argument(5, "dilation", 1), rank), call.argument(6, "groups", 1)
        size = [int(n) for n in kernel.tensor.shape[2:]]
        if isinstance(padding, str):  # "same" has the larger side behind
            total = [d * (n - 1) if padding == "same" else 0 for d, n in zip(dilations, size, strict=True)]
            pads = [n // 2 for n in total] + [n - n // 2 for n in total]
        else:
            pads = _numbers(padding, rank) * 2
        reads = [source, kernel] + ([] if bias is None else [bias])
        options = {"kernel_shape": size, "strides": strides, "pads": pads, "dilations": dilations, "group": int(groups)}
        return call.made("ConvTranspose" if turned else "Conv", *reads, **options, **extra)

    return made


def _batch_norm(call: Call) -> Value:
    source, *numbers = call.args[:5]
    if call.argument(5, "training", default=False) or any(number is None for number in numbers[2:]):
        raise call.refused("it normalises with what the events give", "allowed is a model in model.eval()")
    parts = [
        number
        if number is not None
        else Known((numbers[3] if fill else numbers[2]).tensor.new_full(numbers[2].tensor.shape, fill))
        for number, fill in zip(numbers, (1.0, 0.0, 0.0, 1.0), strict=True)
    ]
    return call.made("BatchNormalization", source, *parts, epsilon=float(call.argument(7, "eps", 1e-5)))


def _normalised(kind: str) -> Handler:
    def made(call: Call) -> Value:
        source, shape, weight = call.wire(call.args[0]), list(call.args[1]), call.argument(2, "weight")
        if len(shape) != 1:
            raise call.refused(f"it normalises {len(shape)} axes", "allowed is the last one; use flatten before it")
        epsilon = call.argument(4 if kind == "LayerNormalization" else 3, "eps")
        numbers = [np.ones(shape, np.float32) if weight is None else weight.array]
        bias = call.argument(3, "bias") if kind == "LayerNormalization" else None
        numbers += [] if bias is None else [bias.array]
        names = [call.writer.constant(array) for array in numbers]
        least = float(np.finfo(np.float32).eps) if epsilon is None else float(epsilon)
        return Wire(call.writer.one(call.owner, kind, source.name, *names, axis=-1, epsilon=least), call.shape)

    return made


def _function(kind: str, *names: str, **fixed: float) -> Handler:
    """A function of each value, whose arguments have ``names`` in ONNX."""

    def made(call: Call) -> Value:
        options = dict(fixed)
        for place, name in enumerate(names, start=1):
            if place < len(call.args):
                options[name] = float(call.args[place])
        return call.made(kind, call.args[0], **options)

    return made


def _gelu(call: Call) -> Value:
    return call.made("Gelu", call.args[0], approximate=str(call.named.get("approximate", "none")))


def _softplus(call: Call) -> Value:
    if call.argument(1, "beta", 1) != 1:
        raise call.refused("its beta is not 1", "allowed is 1")
    return call.made("Softplus", call.args[0], threshold=float(call.argument(2, "threshold", 20)))


def _hard_sigmoid(call: Call) -> Value:
    """As it is written, since the sixth of ONNX' own is a float32."""
    moved = call.step("Add", call.shape, call.args[0], 3.0)
    limited = call.step("Clip", call.shape, moved, min=0.0, max=6.0)
    return call.made("Div", limited, 6.0)


def _elu(call: Call) -> Value:
    if call.argument(2, "scale", 1) != 1:
        raise call.refused("its scale is not 1", "allowed is 1")
    return call.made("Elu", call.args[0], alpha=float(call.argument(1, "alpha", 1.0)))


def _powered(call: Call) -> Value:
    return call.made("Pow", call.args[0], float(call.args[1]))


def _squared(call: Call) -> Value:
    return call.made("Mul", call.args[0], call.args[0])


def _prelu(call: Call) -> Value:
    source, slope = call.wire(call.args[0]), call.known(call.args[1], "its slope").array
    return call.made(
        "PRelu",
        source,
        Known(call.args[1].tensor.reshape(-1, *(1,) * (len(source.shape) - 2))) if slope.size > 1 else call.args[1],
    )


def _softmax(call: Call) -> Value:
    return call.made("LogSoftmax" if "log" in call.kind else "Softmax", call.args[0], axis=int(call.args[1]))


def _axes(call: Call, source: Wire, given: Any) -> list[int]:
    listed = (
        list(given) if isinstance(given, list | tuple) else list(range(len(source.shape))) if given is None else [given]
    )
    axes = sorted({int(axis) % len(source.shape) for axis in listed or range(len(source.shape))})
    if axes[0] == 0:
        raise call.refused(
            "it goes over the events of a batch", "allowed are axes behind that of the batch; name them in dim"
        )
    return axes


def _reduced(kind: str) -> Handler:
    def made(call: Call) -> Made:
        source = call.wire(call.args[0])
        keeps = int(bool(call.argument(2, "keepdim", default=False)))
        wire = call.made(kind, source, axes=_axes(call, source, call.argument(1, "dim")), keepdims=keeps)
        return [wire, None] if call.kind in ("max", "min") else wire

    return made


def _extreme(kind: str, merged: str) -> Handler:
    """``max(dim)``, which has places too, or the larger of two."""

    def made(call: Call) -> Made:
        second = call.argument(1, "other")
        return call.made(merged, call.args[0], second) if isinstance(second, Wire | Known) else _reduced(kind)(call)

    return made


def _reshaped(call: Call) -> Value:
    source = call.wire(call.args[0])
    if source.shape[0] != call.shape[0]:
        raise call.refused(
            f"it makes {call.shape} of {source.shape}, so that the events of a batch come under other values",
            "allowed are shapes that leave the batch in front; Linear and Conv1d of width 1 take several positions at once",
        )
    return call.made("Reshape", source, _places([0, *(call.shape[1:] or (1,))]))


def _places(values: int | list[int]) -> Known:
    """Whole numbers of a node: axes, sizes or places."""
    import torch

    return Known(torch.tensor(values, dtype=torch.int64))


def _permuted(call: Call) -> Value:
    source = call.wire(call.args[0])
    rank = len(source.shape)
    order = list(range(rank))
    if call.kind == "permute":
        order = [int(axis) % rank for axis in call.args[1]]
    else:
        one, other = (int(axis) % rank for axis in (call.args[1:3] if call.kind == "transpose" else (0, 1)))
        order[one], order[other] = other, one
    if order[0]:
        raise call.refused("it moves the axis of the batch", "allowed are orders that leave the batch in front")
    return call.made("Transpose", source, perm=order)


def _sliced(call: Call) -> Value:
    source = call.wire(call.args[0])
    axis = int(call.argument(1, "dim", 0)) % len(source.shape)
    start, end, step = call.argument(2, "start"), call.argument(3, "end"), call.argument(4, "step", 1)
    last = 1 << 40
    if axis == 0 and (call.shape != source.shape or start):
        raise call.refused("it takes some of the events of a batch", "allowed are axes behind that of the batch")
    if axis == 0:
        return source
    bounds = [0 if start is None else int(start), last if end is None else int(end)]
    reads = [_places([value]) for value in (*bounds, axis, int(step))]
    return call.made("Slice", source, *reads)


def _selected(call: Call) -> Value:
    source = call.wire(call.args[0])
    index = call.args[2]
    alone = len(call.shape) == 1  # one value of each event keeps an axis in the graph
    places = index if isinstance(index, Known) else _places([int(index)] if alone else int(index))
    return call.made("Gather", source, places, axis=int(call.args[1]) % len(source.shape))


def _indexed(call: Call) -> Value:
    source, given = call.wire(call.args[0]), list(call.args[1])
    named = [axis for axis, index in enumerate(given) if index is not None]
    if len(named) != 1 or not isinstance(given[named[0]], Known):
        raise call.refused("it takes values by several lists, or by values of the event", "allowed is one fixed list")
    return call.made("Gather", source, given[named[0]], axis=named[0])


def _repeated(call: Call) -> Value:
    """Axes of one element as often as they are wanted."""
    made = call.wire(call.args[0])
    if len(made.shape) != len(call.shape):
        raise call.refused(
            f"it makes {call.shape} of {made.shape}", "allowed are as many axes; use unsqueeze before it"
        )
    for axis, (size, wanted) in enumerate(zip(made.shape, call.shape, strict=True)):
        if size != wanted:
            places = list(range(size)) * (wanted // size)
            shape = (*made.shape[:axis], wanted, *made.shape[axis + 1 :])
            made = call.step("Gather", shape, made, _places(places), axis=axis)
    return made


def _joined(call: Call) -> Value:
    tensors, axis = list(call.args[0]), int(call.argument(1, "dim", 0)) % len(call.shape)
    if call.kind == "stack":
        shape = tuple(1 if k == axis else n for k, n in enumerate(call.shape))
        if len(call.shape) > 2:  # one value of each event has its axis already
            tensors = [call.step("Unsqueeze", shape, tensor, _places([axis])) for tensor in tensors]
    return call.made("Concat", *tensors, axis=axis)


def _parted(call: Call) -> Made:
    source = call.wire(call.args[0])
    axis = int(call.argument(1 if call.kind == "unbind" else 2, "dim", 0)) % len(source.shape)
    size = source.shape[axis]
    if call.kind == "unbind":
        sizes = [1] * size
    elif call.kind == "chunk":
        each = -(-size // int(call.args[1]))
        sizes = [min(each, size - start) for start in range(0, size, each)]
    elif isinstance(call.args[1], list | tuple):
        sizes = [int(n) for n in call.args[1]]
    else:
        each = int(call.args[1])
        sizes = [min(each, size - start) for start in range(0, size, each)]
    if axis == 0:
        raise call.refused("it parts the batch", "allowed are axes behind that of the batch")
    split = call.read(_places(sizes))
    names = call.writer.add(call.owner, "Split", source.name, split, outputs=len(sizes), axis=axis)
    wires = [
        Wire(name, (*source.shape[:axis], n, *source.shape[axis + 1 :])) for name, n in zip(names, sizes, strict=True)
    ]
    if call.kind != "unbind" or len(source.shape) == 2:
        return [Wire(wire.name, wire.shape[:-1]) for wire in wires] if call.kind == "unbind" else list(wires)
    axes = _places([axis])
    shape = (*source.shape[:axis], *source.shape[axis + 1 :])
    return [call.step("Squeeze", shape, wire, axes) for wire in wires]


def _pooling(kind: str, rank: int) -> Handler:
    def made(call: Call) -> Value:
        size = _numbers(call.args[1], rank)
        strides = _numbers(call.argument(2, "stride") or size, rank)
        options: dict[str, Any] = {
            "kernel_shape": size,
            "strides": strides,
            "pads": _numbers(call.argument(3, "padding", 0), rank) * 2,
        }
        if kind == "MaxPool":
            options["dilations"] = _numbers(call.argument(4, "dilation", 1), rank)
            options["ceil_mode"] = int(bool(call.argument(5, "ceil_mode", default=False)))
        else:
            options["ceil_mode"] = int(bool(call.argument(4, "ceil_mode", default=False)))
            options["count_include_pad"] = int(bool(call.argument(5, "count_include_pad", default=True)))
            if call.argument(6, "divisor_override") is not None:
                raise call.refused("it has a divisor_override", "allowed is none")
        return call.made(kind, call.args[0], **options)

    return made


def _adaptive(kind: str, rank: int) -> Handler:
    def made(call: Call) -> Made:
        source = call.wire(call.args[0])
        sizes = _numbers(call.args[1], rank)
        if any(n != 1 for n in sizes):
            raise call.refused(f"it pools to {sizes}", "allowed is 1; use a pooling with a kernel_size")
        axes = list(range(len(source.shape) - rank, len(source.shape)))
        wire = call.made(kind, source, axes=axes, keepdims=1)
        return [wire, None] if kind == "ReduceMax" else wire

    return made


def _padded(call: Call) -> Value:
    source, given = call.wire(call.args[0]), [int(n) for n in call.args[1]]
    mode = call.argument(2, "mode", "constant") if call.kind == "pad" else "constant"
    value = call.argument(3 if call.kind == "pad" else 2, "value", 0) or 0
    modes = {"constant": "constant", "replicate": "edge", "reflect": "reflect"}
    if value or mode not in modes or min(given) < 0:
        raise call.refused(f"it pads with {value or mode}", f"allowed are zeros, {', '.join(modes)}")
    rank, count = len(source.shape), len(given) // 2
    before = [0] * (rank - count) + given[::2][::-1]
    behind = [0] * (rank - count) + given[1::2][::-1]
    return call.made("Pad", source, _places(before + behind), mode=modes[mode])


def _einsum(call: Call) -> Value:
    return call.made("Einsum", *call.args[1], equation=str(call.args[0]).replace(" ", ""))


_NOTHING = (
    "detach",
    "alias",
    "clone",
    "contiguous",
    "to",
    "_to_copy",
    "lift_fresh_copy",
    "identity",
    "type_as",
    "detach_",
)

OPERATORS: Mapping[str, Handler] = {
    **dict.fromkeys(_NOTHING, _same),
    **dict.fromkeys(("dropout", "alpha_dropout", "feature_dropout", "dropout_"), _dropped),
    **{name: _binary(kind) for name, kind in {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div"}.items()},
    "rsub": _reversed,
    "neg": _negated,
    "linear": _linear,
    "addmm": _addmm,
    **dict.fromkeys(("matmul", "mm", "bmm"), _matmul),
    **{f"conv{rank}d": _convolution(rank) for rank in (1, 2, 3)},
    **{f"conv_transpose{rank}d": _convolution(rank, turned=True) for rank in (1, 2, 3)},
    "batch_norm": _batch_norm,
    "layer_norm": _normalised("LayerNormalization"),
    "rms_norm": _normalised("RMSNormalization"),
    "relu": _function("Relu"),
    "leaky_relu": _function("LeakyRelu", "alpha", alpha=0.01),
    **dict.fromkeys(("clamp", "clip", "clamp_min", "hardtanh", "relu6"), clamp),
    **dict.fromkeys(("gt", "ge", "lt", "le"), compared),
    "where": chosen,
    "round": rounding,
    "fake_quantize_per_tensor_affine": fake_quantised,
    "gelu": _gelu,
    "silu": _function("Swish", alpha=1.0),
    "softplus": _softplus,
    "elu": _elu,
    "celu": _function("Celu", "alpha", alpha=1.0),
    "selu": _function("Selu"),
    "hardsigmoid": _hard_sigmoid,
    "hardswish": _function("HardSwish"),
    "prelu": _prelu,
    **{
        name: _function(kind)
        for name, kind in {
            **{
                word.lower(): word
                for word in ("Sigmoid", "Tanh", "Mish", "Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Sin")
            },
            **{word.lower(): word for word in ("Cos", "Atan", "Sinh", "Cosh", "Asinh", "Abs", "Sign", "Floor", "Ceil")},
        }.items()
    },
    "pow": _powered,
    "square": _squared,
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), _softmax),
    "mean": _reduced("ReduceMean"),
    "sum": _reduced("ReduceSum"),
    "amax": _reduced("ReduceMax"),
    "amin": _reduced("ReduceMin"),
    "max": _extreme("ReduceMax", "Max"),
    "min": _extreme("ReduceMin", "Min"),
    "maximum": _extreme("ReduceMax", "Max"),
    "minimum": _extreme("ReduceMin", "Min"),
    **dict.fromkeys(
        ("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as"),
        _reshaped,
    ),
    **dict.fromkeys(("permute", "transpose", "t"), _permuted),
    "slice": _sliced,
    "select": _selected,
    "index_select": _selected,
    "index": _indexed,
    **dict.fromkeys(("expand", "repeat", "expand_as"), _repeated),
    **dict.fromkeys(("cat", "stack", "concat"), _joined),
    **dict.fromkeys(("split", "split_with_sizes", "chunk", "unbind"), _parted),
    **{f"max_pool{rank}d": _pooling("MaxPool", rank) for rank in (1, 2, 3)},
    **{f"avg_pool{rank}d": _pooling("AveragePool", rank) for rank in (1, 2, 3)},
    **{f"adaptive_avg_pool{rank}d": _adaptive("ReduceMean", rank) for rank in (1, 2, 3)},
    **{f"adaptive_max_pool{rank}d": _adaptive("ReduceMax", rank) for rank in (1, 2, 3)},
    **dict.fromkeys(("pad", "constant_pad_nd"), _padded),
    "einsum": _einsum,
}
"""By the name of the operator."""
