"""Descriptions of networks that are no chain: lines that read the line before or one by its name, and what each may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bittrigger.ir.fixed import FixedPoint, parse_fixed

FUNCTIONS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "relu": ("Relu", {}),
    "relu6": ("Clip", {"min": 0.0, "max": 6.0}),
    "leaky_relu": ("LeakyRelu", {}),
    "hardtanh": ("Clip", {"min": -1.0, "max": 1.0}),
    "gelu": ("Gelu", {}),
    "silu": ("Swish", {}),
    "swish": ("Swish", {}),
    "mish": ("Mish", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "elu": ("Elu", {}),
    "selu": ("Selu", {}),
    "celu": ("Celu", {}),
    "softplus": ("Softplus", {"threshold": 20.0}),
    "softsign": ("Softsign", {}),
    "hardswish": ("HardSwish", {}),
    "hardsigmoid": ("Div", {}),
}
"""Functions of each value, by what ONNX calls them."""

REDUCTIONS = {"mean": "ReduceMean", "sum": "ReduceSum", "max": "ReduceMax", "min": "ReduceMin"}
MERGES = {"add": "Add", "sub": "Sub", "mul": "Mul", "maximum": "Max", "minimum": "Min", "concat": "Concat"}
POOLINGS = {"maxpool1d": "MaxPool", "maxpool2d": "MaxPool", "avgpool1d": "AveragePool", "avgpool2d": "AveragePool"}
KERNELS = ("linear", "conv1d", "conv2d")
NORMALISATIONS = ("batchnorm", "layernorm", "rmsnorm")

_CONVOLUTION = "weights bits stride padding dilation groups"
OPTIONS: Mapping[str, str] = {
    "linear": "weights bits",
    **dict.fromkeys(("conv1d", "conv2d"), _CONVOLUTION),
    **dict.fromkeys(NORMALISATIONS, "eps"),
    **dict.fromkeys(FUNCTIONS, ""),
    **dict.fromkeys(REDUCTIONS, "keepdim"),
    **dict.fromkeys(MERGES, ""),
    "concat": "axis",
    **dict.fromkeys(POOLINGS, "stride padding"),
    **dict.fromkeys(("quantize", "flatten", "transpose", "reshape"), ""),
}
"""What a line of each kind may say besides its value, ``as`` and ``of``."""

INERT = ("dropout", "identity")
"""What does nothing at inference."""

_EXPORT = "convert the module itself in Python, or torch.onnx.export(model, ...), and convert model.onnx"
_OTHER = f"no line of a description; {_EXPORT}"
REFUSED = {
    **dict.fromkeys(("attention", "embedding", "lstm", "gru", "rnn", "conv", "conv3d", "prelu"), _OTHER),
    **dict.fromkeys(
        ("softmax", "log_softmax"), "leave it out: the design delivers the logits, whose order is the same"
    ),
    "sequential": "list its layers; their names are those in the file, such as model.0",
}
"""Layers of PyTorch that are no line of a description, and what to do instead."""

MAX_LINES = 400


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        value: what stands behind its kind: the name of a layer in the file, an axis, names of other lines.
        of: the line that it reads; None for the one before.
        label: the name that later lines read it by.
    """

    kind: str
    value: Any
    options: Mapping[str, Any]
    of: str | None
    label: str | None

    @property
    def owner(self) -> str:
        """What users call it."""
        named = self.kind in (*KERNELS, *NORMALISATIONS)
        return str(self.value) if named else self.label or self.kind


@dataclass(frozen=True)
class Network:
    """A network of lines.

    Attributes:
        shape: of an event; None where the first layer says how many values it has.
    """

    input: FixedPoint
    shape: tuple[int, ...] | None
    lines: tuple[Line, ...]
    output: FixedPoint | None


def is_network(values: Mapping[str, Any]) -> bool:
    """Whether a description is more than a chain of linear layers, ReLUs and quantisers."""
    lines = values.get("network")
    chain = {"linear", "weights", "bits", "relu", "quantize", *INERT}
    return isinstance(values.get("input"), dict) or (
        isinstance(lines, list) and any(_kind(line) and not _keys(line) <= chain for line in lines)
    )


def _keys(line: Any) -> set[str]:
    return {line} if isinstance(line, str) else set(line)


def _kind(line: Any) -> str:
    if isinstance(line, str):
        return line if line in OPTIONS else ""
    found = [key for key in line if key in OPTIONS] if isinstance(line, dict) else []
    return str(found[0]) if found else ""


def network_of(values: Mapping[str, Any]) -> Network:
    """The network that a description says.

    Raises:
        ValueError: if something in it is not known.
    """
    lines = tuple(_line(line) for line in values["network"] if line not in INERT)
    if not 0 < len(lines) <= MAX_LINES:
        raise ValueError(f"{len(lines)} lines; allowed are 1 to {MAX_LINES}")
    given = values["input"]
    kind, shape = (given, None) if not isinstance(given, dict) else (given["type"], given.get("shape"))
    if isinstance(given, dict) and set(given) - {"type", "shape"}:
        raise ValueError(f"input {str(given)[:60]}; allowed are type and shape")
    output = values.get("output")
    return Network(
        parse_fixed(str(kind)),
        None if shape is None else tuple(whole(n, "shape", least=1) for n in shape),
        lines,
        None if output is None else parse_fixed(str(output)),
    )


def _line(item: Any) -> Line:
    given = {item: None} if isinstance(item, str) else item
    kind = _kind(item)
    if kind not in OPTIONS:
        refuse_by_name(item)
        raise ValueError(f"layer {str(item)[:80]!r}; allowed are {', '.join(OPTIONS)}, {', '.join(INERT)}")
    allowed = OPTIONS[kind].split()
    strange = sorted(set(given) - {kind, "as", "of", *allowed})
    if strange:
        raise ValueError(f"{strange[0]!r} of {kind} is unknown; allowed are {', '.join(('as', 'of', *allowed))}")
    options = {key: given[key] for key in allowed if key in given}
    of, label = (None if given.get(key) is None else str(given[key]) for key in ("of", "as"))
    return Line(kind, given[kind], options, of, label)


def whole(value: Any, what: str, *, least: int = 0) -> int:
    """A whole number of a description.

    Raises:
        ValueError: if it is none, or smaller than ``least``.
    """
    if type(value) is not int or not least <= value <= 1 << 20:
        raise ValueError(f"{what} {str(value)[:40]!r}; allowed are whole numbers from {least}")
    return value


def yes_or_no(value: Any, what: str) -> bool:
    """A choice of a description, which a text such as 'false' does not make.

    Raises:
        ValueError: if it is neither true nor false.
    """
    if type(value) is not bool:
        raise ValueError(f"{what} {str(value)[:40]!r}; allowed are true and false")
    return value


def refuse_by_name(item: Any) -> None:
    """Say what to do about a layer that no description has.

    Raises:
        ValueError: if ``item`` is one.
    """
    name = str(item if isinstance(item, str) else next(iter(item), "")).lower()
    if name in REFUSED:
        raise ValueError(f"layer {name!r} is not read: {REFUSED[name]}")
