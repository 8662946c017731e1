"""What the tensors of a checkpoint mean: a small YAML file beside it, since a ``.pt`` holds numbers and no network; here chains.

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
from bittrigger.frontend.pytorch.lines import INERT, Network, is_network, network_of, refuse_by_name, yes_or_no
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


def read_description(path: Path) -> Description | Network:
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
        return network_of(values) if is_network(values) else _description(values)
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
    refuse_by_name(item)
    if "linear" in item:
        unknown = sorted(set(item) - {"linear", "weights", "bits"})
        form = item.get("weights", "float")
        if unknown or form not in FORMS:
            raise ValueError(
                f"{unknown[0] if unknown else form!r} of layer {item['linear']!r}; allowed weights are {', '.join(FORMS)}"
            )
        return LinearLayer(str(item["linear"]), form, bits_of(item.get("bits", 8)))
    if set(item) != {"quantize"}:
        raise ValueError(f"layer {str(item)[:80]!r}; allowed are linear, relu, dropout and quantize")
    return quantize_of(item["quantize"])


def quantize_of(value: Any) -> Quantize:
    """The quantiser that a line says."""
    if value == "absmax":
        raise ValueError(
            "quantize: absmax takes its step from the largest value of each event, which needs a divider; declare the static "
            "type that the trigger has, and train or calibrate with it"
        )
    if isinstance(value, dict):
        unknown = sorted(set(value) - {"bits", "signed", "threshold"})
        if unknown:
            raise ValueError(f"{unknown[0]!r} of quantize is unknown")
        return Quantize(yes_or_no(value["signed"], "signed"), bits_of(value["bits"]), None, str(value["threshold"]))
    fixed = parse_fixed(str(value))
    return Quantize(fixed.signed, fixed.width, fixed, None)


def bits_of(value: Any) -> int:
    """The bits of a quantiser."""
    if type(value) is not int or not 1 <= value <= 24:
        raise ValueError(f"bits: {value!r}; allowed are 1 to 24")
    return value
