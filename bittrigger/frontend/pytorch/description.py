"""What the tensors of a checkpoint mean: a small YAML file beside it, since a ``.pt`` holds numbers and no network.

input: fixed<8,4>              # codes of the port
network:
  - linear: fc1                # reads fc1.weight, and fc1.bias if it is there
    weights: bithep            # float, bithep, bithep-binary, bitnet, or brevitas
  - relu
  - dropout                    # nothing, at inference
  - quantize: ufixed<8,2>      # half to even, saturating
  - linear: fc2
    weights: brevitas
    bits: 4
  - quantize: {bits: 4, signed: false, threshold: act.scaling_impl.value}
output: fixed<16,6>            # only where no quantize is last
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.ir.fixed import FixedPoint, parse_fixed
from bittrigger.system.files import read_regular
from bittrigger.system.yaml_file import MAX_BYTES, plain_yaml

FORMS = ("float", "bithep", "bithep-binary", "bitnet", "brevitas")
"""How kernels are quantised."""

MAX_LAYERS = 400


@dataclass(frozen=True)
class LinearLayer:
    """``torch.nn.functional.linear`` with a kernel quantised in one of ``FORMS``; ``bits`` is for Brevitas."""

    name: str
    form: str
    bits: int


@dataclass(frozen=True)
class Relu:
    """``torch.relu``."""


@dataclass(frozen=True)
class Quantize:
    """Rounded half to even to ``bits``, limited; the step is that of ``fixed``, or a threshold over the highest code."""

    signed: bool
    bits: int
    fixed: FixedPoint | None
    threshold: str | None


INERT = ("dropout", "identity")
"""What does nothing at inference."""

_EXPORT = "torch.onnx.export(model, ...), and convert model.onnx with --weight-precision and --layer-precision"
_CHAIN = f"a description is a chain, in which each layer reads the one before; export the network instead: {_EXPORT}"
_TABLE = f"a function of values, which a description has no table for; export the network instead: {_EXPORT}"
_LENGTH = f"it divides by what the values of each event give; export the network instead: {_EXPORT}"
REFUSED = {
    **dict.fromkeys(("gelu", "silu", "swish", "mish", "elu", "selu", "celu", "softplus", "softsign", "tanh"), _TABLE),
    **dict.fromkeys(("sigmoid", "hardswish", "hardsigmoid", "hardtanh", "relu6", "leaky_relu", "prelu"), _TABLE),
    **dict.fromkeys(("layernorm", "layer_norm", "rmsnorm", "rms_norm"), _LENGTH),
    **dict.fromkeys(("add", "residual", "skip", "mul", "concat", "cat", "mean", "sum", "flatten", "attention"), _CHAIN),
    **dict.fromkeys(("conv", "conv1d", "conv2d", "maxpool", "avgpool", "embedding", "lstm", "gru"), _CHAIN),
    **dict.fromkeys(
        ("batchnorm", "batch_norm", "batchnorm1d"),
        "fold it into the linear layer before it (torch.nn.utils.fusion.fuse_linear_bn_eval), and save that",
    ),
    **dict.fromkeys(
        ("softmax", "log_softmax"), "leave it out: the design delivers the logits, whose order is the same"
    ),
    "sequential": "list its layers; their names are those in the file, such as model.0",
}
"""Layers of PyTorch that are no line of a description, and what to do instead."""

Layer = LinearLayer | Relu | Quantize


@dataclass(frozen=True)
class Description:
    """A network of layers, one after the other."""

    input: FixedPoint
    layers: tuple[Layer, ...]
    output: FixedPoint | None


def description_of(path: Path) -> Path:
    """Where the description of a checkpoint lies."""
    return path.with_suffix(".yaml")


def read_description(path: Path) -> Description:
    """The description in ``path``.

    Raises:
        UnsupportedModelError: if there is none, or something in it is not known.
    """
    try:
        values = plain_yaml(read_regular(path, MAX_BYTES))
    except OSError as error:
        raise UnsupportedModelError(
            f"PyTorch description {path}: it cannot be read: {error.strerror}; a .pt holds tensors of PyTorch and no network; "
            "write one beside it, see docs/front-ends.md"
        ) from error
    except ValueError as error:
        raise UnsupportedModelError(f"PyTorch description {path}: {str(error)[:200]}") from error
    try:
        return _description(values)
    except (ConfigError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnsupportedModelError(
            f"PyTorch description {path}: {str(error)[:300]}; allowed are input, network and output as in docs/front-ends.md"
        ) from error


def _description(values: Any) -> Description:
    unknown = sorted(set(values) - {"input", "network", "output"})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is unknown")
    layers = tuple(_layer(item) for item in values["network"] if item not in INERT)
    if not 0 < len(layers) <= MAX_LAYERS:
        raise ValueError(f"{len(layers)} layers; allowed are 1 to {MAX_LAYERS}")
    output = values.get("output")
    return Description(parse_fixed(str(values["input"])), layers, None if output is None else parse_fixed(str(output)))


def _layer(item: Any) -> Layer:
    if item == "relu":
        return Relu()
    name = str(item if isinstance(item, str) else next(iter(item), "")).lower()
    if name in REFUSED:
        raise ValueError(f"layer {name!r} is not read: {REFUSED[name]}")
    if "linear" in item:
        unknown = sorted(set(item) - {"linear", "weights", "bits"})
        form = item.get("weights", "float")
        if unknown or form not in FORMS:
            raise ValueError(
                f"{unknown[0] if unknown else form!r} of layer {item['linear']!r}; allowed weights are {', '.join(FORMS)}"
            )
        return LinearLayer(str(item["linear"]), form, _bits(item.get("bits", 8)))
    if set(item) != {"quantize"}:
        raise ValueError(f"layer {str(item)[:80]!r}; allowed are linear, relu, dropout and quantize")
    return _quantize(item["quantize"])


def _quantize(value: Any) -> Quantize:
    if value == "absmax":
        raise ValueError(
            "quantize: absmax takes its step from the largest value of each event, which needs a divider; declare the static "
            "type that the trigger has, and train or calibrate with it"
        )
    if isinstance(value, dict):
        unknown = sorted(set(value) - {"bits", "signed", "threshold"})
        if unknown:
            raise ValueError(f"{unknown[0]!r} of quantize is unknown")
        return Quantize(bool(value["signed"]), _bits(value["bits"]), None, str(value["threshold"]))
    fixed = parse_fixed(str(value))
    return Quantize(fixed.signed, fixed.width, fixed, None)


def _bits(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= 24:
        raise ValueError(f"bits: {value!r}; allowed are 1 to 24")
    return value
