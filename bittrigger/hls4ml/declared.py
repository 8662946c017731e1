"""The types in a configuration of hls4ml: which are taken for the model, and which mean nothing here.

A weight that no quantiser of the model types is rounded as the configuration says, as hls4ml rounds it: to the type of its
layer, else to that of the model. What a layer delivers is rounded where the configuration gives that layer a type of its own; in
a model without any quantiser the type of the model is taken too. Everything else keeps its bits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.frontend.attributes import AVERAGES, HGQ, INERT, MAXIMA, PROBABILITIES, RECURRENT, WIRES
from bittrigger.frontend.keras_model.typed_cells import is_recurrent
from bittrigger.frontend.keras_model.typed_layers import function_of, has_own_activation, is_separable
from bittrigger.frontend.keras_model.typed_weights import typed_arrays
from bittrigger.ir.casts import cast_codes, parse_cast
from bittrigger.ir.fixed import MAX_WIDTH, Overflow, Rounding
from bittrigger.settings import AUTO, DEFAULT_INPUT, Declared
from bittrigger.settings.declared import CELL, DEPTHWISE, SUMS

NAMES = {
    "kernel": ("weight",),
    "depthwise_kernel": ("depthwise", "weight"),
    "pointwise_kernel": ("pointwise", "weight"),
    "recurrent_kernel": ("recurrent_weight",),
    "embeddings": ("embeddings",),
    "bias": ("bias",),
    "scale": ("scale",),
}
"""What hls4ml calls an array."""

_KEEPS = ("InputLayer", "Flatten", "Reshape", "Concatenate", "ReLU", "Masking", *INERT, *WIRES, *MAXIMA)
"""Layers whose results are on the grid of their operands."""

_AC_TYPE = re.compile(r"ac_(fixed|int)<\s*(\d+)\s*,(?:\s*(-?\d+)\s*,)?\s*(true|false)((?:\s*,\s*A[CP]_\w+){0,2})\s*>")

RESULT = ("pointwise_result", "result")
"""What hls4ml calls the type of what a layer delivers, of a separable one the former."""

DEFAULT = "default"
"""Of a layer's or of the model's types, that of whatever has none of its own."""


@dataclass(frozen=True)
class Precisions:
    """The types of a configuration, each by layer and variable.

    Attributes:
        names: ``LayerName``, keys in lower case.
        kinds: ``LayerType``, the same.
        model: ``Model.Precision``.
    """

    names: Mapping[str, Mapping[str, str]]
    kinds: Mapping[str, Mapping[str, str]]
    model: Mapping[str, str]

    @classmethod
    def of(cls, hls_config: Mapping[str, Any]) -> Precisions:
        """Those of ``hls_config``.

        Raises:
            ConfigError: if two entries are of the same layer.
        """
        names, kinds = (
            {key: _types(layer) for key, layer in in_lower_case(part, hls_config.get(part) or {}).items()}
            for part in ("LayerName", "LayerType")
        )
        return cls(names, kinds, _types(hls_config.get("Model") or {}))

    def own(self, name: str, kind: str, variables: tuple[str, ...], *, named: bool = False) -> str | None:
        """The type of a variable of one layer in the configuration; ``auto`` where it is left open, None where there is none.

        Args:
            name: of the layer.
            kind: its class, with or without the Q of QKeras.
            variables: what hls4ml may call the variable.
            named: whether only what is said of this very layer counts.
        """
        sources = [self.names.get(name.lower(), {})]
        if not named:
            sources += [self.kinds.get(key.lower(), {}) for key in (kind, kind.removeprefix("Q"))]
        wanted = (*variables, DEFAULT)
        return next((source[key] for source in sources for key in wanted if key in source), None)

    def of_model(self, variables: tuple[str, ...]) -> str:
        """The type of the model for a variable."""
        return next((self.model[key] for key in (*variables, DEFAULT) if key in self.model), DEFAULT_INPUT)


def in_lower_case(part: str, entries: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a part of a configuration by their keys in lower case, as hls4ml looks them up.

    Raises:
        ConfigError: if two keys differ in nothing but case.
    """
    found: dict[str, tuple[str, Any]] = {}
    for key, entry in entries.items():
        name = str(key).lower()
        if name in found:
            raise ConfigError(
                f"configuration: {part} has entries {found[name][0]!r} and {str(key)!r}, which are one layer's to hls4ml; "
                "allowed is one entry for a name, whatever its case; leave one out, or rename a layer"
            )
        found[name] = str(key), entry
    return {name: entry for name, (_, entry) in found.items()}


def declared_of(hls_config: Mapping[str, Any], model: Any) -> Declared:
    """What ``hls_config`` declares for a Keras model.

    Raises:
        ConfigError: if a type is none.
    """
    types = Precisions.of(hls_config)
    weights, results = dict(_weights(types, model)), dict(_results(types, model))
    return Declared(None, *({name: as_hls4ml(text) for name, text in found.items()} for found in (weights, results)))


def as_hls4ml(text: str) -> str:
    """A type with the modes that hls4ml gives it where it names none.

    Raises:
        ConfigError: if it is no type.
    """
    return str(parse_cast(in_ap_fixed(text), Rounding.TRN, Overflow.WRAP))


def in_ap_fixed(text: str) -> str:
    """A type of Algorithmic C, which hls4ml reads too, as the ``ap_fixed`` that it stands for; any other text as it is."""
    match = _AC_TYPE.fullmatch(text.strip())
    if match is None:
        return text
    kind, width, whole, signed, modes = match.groups()
    size = width if kind == "int" else f"{width},{whole}"
    return f"{'' if signed == 'true' else 'u'}{kind}<{size}{modes.replace('AC_', '')}>"


def _types(layer: Any) -> dict[str, str]:
    precision = layer.get("Precision") if isinstance(layer, Mapping) else layer
    if isinstance(precision, Mapping):
        return {str(key): str(kind) for key, kind in precision.items() if kind is not None}
    return {} if precision is None else {DEFAULT: str(precision)}


def _weights(types: Precisions, model: Any) -> Iterator[tuple[str, str]]:
    plain = has_no_quantiser(model)
    for name, kind, array, is_float in typed_arrays(model):
        normalises = kind == "BatchNormalization"
        given = types.own(name, kind, NAMES[array], named=not is_float)
        if given in (None, AUTO):
            given = types.of_model(NAMES[array]) if is_float or (normalises and plain) else None
        if given is not None:
            yield f"{name}.{array}", given


def _results(types: Precisions, model: Any) -> Iterator[tuple[str, str]]:
    plain = has_no_quantiser(model)
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "InputLayer":
            continue
        name, behind = layer.name, layer.name
        if is_recurrent(layer):
            yield from _within(types, layer, plain=plain)
        if is_separable(layer) and (deep := _between_kernels(types, layer, plain=plain)) is not None:
            yield f"{name}{DEPTHWISE}", deep
        if has_own_activation(layer):  # hls4ml makes a layer of its own of it
            given = types.own(name, kind, RESULT) or (types.of_model(("result",)) if plain else None)
            if given not in (None, AUTO):
                yield f"{name}{SUMS}", given
            behind = split_name(types.names, name) or ""
        if is_quantised(layer) or _ends_in_probabilities(layer):
            continue
        given = types.own(behind, kind, RESULT, named=behind != name) if behind else None
        if plain and ((given is None and not _keeps_its_grid(layer)) or (given == AUTO and _divides(layer))):
            given = types.of_model(("result",))
        if given not in (None, AUTO):
            yield name, str(given)


def _within(types: Precisions, layer: Any, *, plain: bool) -> Iterator[tuple[str, str]]:
    """The types within a recurrent layer: of its gates and states that of what it delivers, of their sums that of ``accum``.

    What is left open is that of the model, in one without any quantiser, as it is with hls4ml.
    """
    found = {}
    for part, variables in ((CELL, RESULT), (SUMS, ("accum",))):
        given = types.own(layer.name, type(layer).__name__, variables)
        if given in (None, AUTO) and plain:
            given = types.of_model(variables)
        if given not in (None, AUTO):
            found[f"{layer.name}{part}"] = str(given)
    if f"{layer.name}{CELL}" in found:
        yield from found.items()


def _divides(layer: Any) -> bool:
    """Whether a layer takes means over a number that is no power of two, whose values lie on no grid of their own."""
    if type(layer).__name__ not in AVERAGES:
        return False
    count = math.prod(getattr(layer, "pool_size", None) or layer.input_shape[1:-1])
    return bool(count & (count - 1))


def _between_kernels(types: Precisions, layer: Any, *, plain: bool) -> str | None:
    """The type of what the depthwise kernel of a separable layer gives; None where every bit is kept.

    Left open it keeps them, as with hls4ml. Where that makes sums of more bits than there are here, it takes that of the model.
    """
    kind = type(layer).__name__
    given = types.own(layer.name, kind, ("depthwise_result", "result"))
    if given == AUTO and plain and _sum_bits(types, layer) > MAX_WIDTH:
        given = None
    if given is None and plain:
        given = types.of_model(("result",))
    return None if given in (None, AUTO) else given


def _sum_bits(types: Precisions, layer: Any) -> int:
    """Bits that sums behind both kernels of a separable layer take, of an operand of the model's type for results."""
    kind = type(layer).__name__
    most = 1 << parse_cast(as_hls4ml(types.of_model(("result",)))).fixed.width
    for array in ("depthwise_kernel", "pointwise_kernel"):
        given = types.own(layer.name, kind, NAMES[array])
        cast = parse_cast(as_hls4ml(types.of_model(NAMES[array]) if given in (None, AUTO) else given))
        codes = np.abs(cast_codes(np.asarray(getattr(layer, array), dtype=np.float32), cast)).astype(object)
        deep = array == "depthwise_kernel"
        most *= int(codes.sum(axis=tuple(range(codes.ndim - 2)) if deep else tuple(range(codes.ndim - 1))).max())
    return most.bit_length()


def split_name(names: Iterable[str], layer: str) -> str | None:
    """The one of ``names``, in lower case, that hls4ml gives the activation of a layer."""
    return next((name for name in names if name.startswith(f"{layer.lower()}_")), None)


def _ends_in_probabilities(layer: Any) -> bool:
    return type(layer).__name__ == "Softmax" or function_of(layer) in PROBABILITIES


def _keeps_its_grid(layer: Any) -> bool:
    kind, function = type(layer).__name__, function_of(layer)
    return (
        kind in _KEEPS
        or (kind == "Activation" and function == "linear")
        or (function == "relu" and kind not in RECURRENT)
    )


def is_quantised(layer: Any) -> bool:
    """Whether a quantiser of the model types what the layer delivers."""
    quantiser = hasattr(getattr(layer, "activation", None), "get_config")
    return quantiser or type(layer).__name__ in (
        "QActivation",
        "QAdaptiveActivation",
        "BitActivation",
        "BitTable",
        *HGQ,
    )


def has_no_quantiser(model: Any) -> bool:
    """Whether no layer of a model is one of QKeras, HGQ or bittrigger, so that all types are left to the configuration."""
    layers = [layer for layer in model.submodules if hasattr(layer, "get_config")]
    return not any(type(layer).__module__.startswith(("qkeras", "bittrigger", "HGQ")) for layer in layers)
