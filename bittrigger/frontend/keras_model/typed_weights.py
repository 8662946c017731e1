"""Weights that no quantiser types, rounded to declared types in a copy of the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.frontend.attributes import (
    BIDIRECTIONAL,
    CONVOLUTIONS,
    MODELS,
    RECURRENT,
    SEPARABLE,
    TRANSPOSED,
    WRAPPERS,
)
from bittrigger.frontend.keras_layers.weights import factor_and_offset
from bittrigger.frontend.keras_model.copies import copy_of
from bittrigger.frontend.kernels import check_finite
from bittrigger.ir.casts import Cast, cast_codes
from bittrigger.ir.fixed import decode
from bittrigger.settings.declared import EVERY

_KERNELS = {
    "kernel": "kernel",
    "depthwise_kernel": "depthwise",
    "pointwise_kernel": "pointwise",
    "recurrent_kernel": "recurrent",
    "embeddings": "embeddings",
}
"""The arrays that a layer multiplies with, or looks up, and whose their quantiser is."""

_ARRAYS = {**_KERNELS, "bias": "bias"}
_TYPED = (
    *("Dense", "QDense", "EinsumDense", "Embedding"),
    *(kind for kind in (*CONVOLUTIONS, *SEPARABLE, *TRANSPOSED) if "Batchnorm" not in kind),
    *RECURRENT,
)
"""Layers whose arrays are rounded; of a folded normalisation no array is what Keras computes with."""

NORMALISATION = "BatchNormalization"
_PARTS = ("scale", "bias")
"""What a normalisation multiplies with and adds; hls4ml's names."""

_EPSILON = 2.0**-10
"""With a variance of one less than it, a normalisation divides by 1."""


@dataclass(frozen=True, eq=False)
class _Holder:
    """A layer that holds arrays, with the names under which it is known: its own, and those of wrappers around it."""

    names: tuple[str, ...]
    layer: Any

    @property
    def arrays(self) -> dict[str, Any]:
        """The variables that no quantiser types."""
        owner = getattr(self.layer, "cell", self.layer)
        return {
            name: variable
            for name, quantizer in _ARRAYS.items()
            if (variable := getattr(owner, name, None)) is not None
            and getattr(owner, f"{quantizer}_quantizer_internal", None) is None
        }

    @property
    def is_float(self) -> bool:
        """Whether a kernel of it has no quantiser."""
        return any(name in _KERNELS for name in self.arrays)


def float_layers(model: Any) -> list[str]:
    """The names of the layers of ``model`` itself with a kernel that no quantiser types."""
    layers = [layer for layer in model.layers if type(layer).__name__ not in MODELS]
    return [layer.name for layer in layers if any(holder.is_float for holder in _within(layer, ()))]


def typed_arrays(model: Any) -> Iterator[tuple[str, str, str, bool]]:
    """Each array that can be rounded: its layer, of what class that is, its name, and whether a kernel there has no quantiser."""
    for holder in _holders(model, ()):
        for array in holder.arrays:
            yield holder.names[-1], type(holder.layer).__name__, array, holder.is_float
    for layer in filter(_is_normalisation, model.layers):
        for part in _PARTS:
            yield layer.name, NORMALISATION, part, False


def with_weights(model: Any, types: Mapping[str, Cast]) -> tuple[Any, dict[str, Cast]]:
    """A copy of ``model`` with rounded weights, and the types of those that were named.

    Args:
        types: by layer, by layer and array (``dense.bias``), and ``*`` for all layers with a kernel that no quantiser types.

    Raises:
        ConfigError: if a name is none of the model, or of an array that has a quantiser.
        UnsupportedModelError: if there is nothing to round, or float32 does not hold what it is rounded to.
    """
    named = {name: kind for name, kind in types.items() if name != EVERY}
    known = _known(model)
    for name in named:
        if name not in known:
            raise ConfigError(
                f"setting 'weight_precision' names {name!r}; allowed are arrays of model {model.name!r} that no quantiser types: "
                f"{', '.join(known) or 'none'}; name one of these"
            )
    normalised = {layer.name for layer in model.layers if _is_normalisation(layer) and _any_of(layer.name, named)}
    made = copy_of(model, lambda config: _open(config, normalised), weights=False)
    for layer in model.layers:
        twin = made.get_layer(layer.name)
        if layer.name in normalised:
            _set_normalisation(layer, twin, named)
        else:
            twin.set_weights(layer.get_weights())
    count = sum(_round(holder, named, types.get(EVERY)) for holder in _holders(made, ()))
    if not count and not normalised:
        raise UnsupportedModelError(
            f"model {model.name!r}: --weight-precision, and every kernel has a quantiser; allowed are kernels without one; leave "
            "it out"
        )
    return made, named


def _known(model: Any) -> list[str]:
    """What ``weight_precision`` may name."""
    found: dict[str, None] = {}
    for holder in _holders(model, ()):
        for name in holder.names if holder.arrays else ():
            found[name] = None
            found |= dict.fromkeys(f"{name}.{array}" for array in holder.arrays)
    for layer in filter(_is_normalisation, model.layers):
        found |= dict.fromkeys((layer.name, *(f"{layer.name}.{part}" for part in _PARTS)))
    return list(found)


def _holders(model: Any, names: tuple[str, ...]) -> Iterator[_Holder]:
    """The layers that hold arrays, those within models and wrappers included."""
    for layer in model.layers:
        yield from _within(layer, names)


def _within(layer: Any, names: tuple[str, ...]) -> Iterator[_Holder]:
    kind, known = type(layer).__name__, (*names, layer.name)
    if kind in BIDIRECTIONAL:
        for inner in (layer.forward_layer, layer.backward_layer):
            yield from _within(inner, known)
    elif kind in WRAPPERS:
        yield from _within(layer.layer, known)
    elif kind in MODELS:
        yield from _holders(layer, known)
    elif kind in _TYPED:
        yield _Holder(known, layer)


def _round(holder: _Holder, named: Mapping[str, Cast], every: Cast | None) -> int:
    """Round the arrays of a layer; how many were."""
    count = 0
    for array, variable in holder.arrays.items():
        own = _type_of([f"{name}.{array}" for name in holder.names], named) or _type_of(holder.names, named)
        kind = own or (every if holder.is_float else None)
        if kind is None:
            continue
        variable.assign(rounded(f"{holder.layer.name}.{array}", np.asarray(variable, dtype=np.float32), kind))
        count += 1
    return count


def _type_of(names: Sequence[str], types: Mapping[str, Cast]) -> Cast | None:
    return next((types[name] for name in reversed(names) if name in types), None)


def rounded(name: str, values: Any, kind: Cast) -> Any:
    """``values``, float32, in the type ``kind``.

    Raises:
        UnsupportedModelError: if one is not finite, or is none of float32 in that type.
    """
    check_finite(name, "weight", values)
    exact = decode(cast_codes(values, kind), kind.frac)
    single = exact.astype(np.float32)
    if (single != exact).any():
        raise UnsupportedModelError(
            f"weights {name!r} in {kind}: {float(exact[single != exact].flat[0])!r} takes more bits than the 24 of a float32, "
            "with which Keras computes; allowed are types of up to 24 bits; take one of these"
        )
    return single


def _is_normalisation(layer: Any) -> bool:
    return type(layer).__name__ == NORMALISATION


def _any_of(layer: str, types: Mapping[str, Cast]) -> bool:
    return any(name in types for name in (layer, *(f"{layer}.{part}" for part in _PARTS)))


def _open(config: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """The configuration with a factor and an offset in each normalisation of ``names``, which divides by 1."""
    opened = {"scale": True, "center": True, "epsilon": _EPSILON}
    layers = [
        {**layer, "config": {**layer["config"], **opened}} if layer["config"].get("name") in names else layer
        for layer in config["layers"]
    ]
    return {**config, "layers": layers}


def _set_normalisation(layer: Any, twin: Any, types: Mapping[str, Cast]) -> None:
    """Give ``twin`` the factor and the offset of ``layer``, rounded."""
    made = []
    for part, values in zip(_PARTS, factor_and_offset(layer.name, layer), strict=True):
        kind = _type_of((layer.name, f"{layer.name}.{part}"), types)
        made.append(values if kind is None else rounded(f"{layer.name}.{part}", values, kind))
    twin.set_weights([*made, np.zeros_like(made[0]), np.full_like(made[0], 1 - _EPSILON)])
