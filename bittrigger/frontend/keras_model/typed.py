"""Types that a user declares for a model: for its heads, its weights, and for what its layers deliver. Another model then.

Its distance from the model that was given is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bittrigger.frontend.distance import distance_said
from bittrigger.frontend.keras_model.copies import copy_of
from bittrigger.frontend.keras_model.heads import with_heads
from bittrigger.frontend.keras_model.quiet import mend_qkeras
from bittrigger.frontend.keras_model.reference import keras_outputs, without_endings
from bittrigger.frontend.keras_model.typed_layers import placed, result_of, retyped, set_arrays, set_types
from bittrigger.frontend.keras_model.typed_weights import float_layers, with_weights
from bittrigger.ir.casts import Cast, parse_cast
from bittrigger.ir.fixed import FloatArray
from bittrigger.settings.declared import EVERY, Declared

MOST = 6
"""Names of one type that a sentence holds."""


def as_declared(model: Any, declared: Declared) -> tuple[Any, list[str]]:
    """The model that is built, and what was declared, a sentence each; ``model`` itself where nothing was.

    Raises:
        ConfigError: if a layer is none of the model, or has a type of its own.
        UnsupportedModelError: if there is no float kernel at an output, and ``head_bits`` asks for one.
    """
    said = []
    if declared.head_bits is not None:
        model, names = with_heads(model, declared.head_bits)
        said.append(
            f"layers {', '.join(map(repr, names))}: their float kernels are rounded to {declared.head_bits} bits (--head-bits)"
        )
    if declared.weight_precision:
        types = {name: parse_cast(text) for name, text in declared.weight_precision.items()}
        model, each = with_weights(model, types)
        said.append(f"weights are rounded to {_listed(each, types.get(EVERY))} (--weight-precision)")
    if declared.layer_precision:
        named = {name: parse_cast(text) for name, text in declared.layer_precision.items()}
        every = named.pop(EVERY, None)
        everywhere = {} if every is None else {result_of(model, name): every for name in float_layers(model)}
        kinds = everywhere | named
        model = with_types(model, kinds)
        shown = {name: kind for name, kind in kinds.items() if name in named}
        said.append(f"what layers deliver is rounded to {_listed(shown, every)} (--layer-precision)")
    return model, said


def _listed(types: Mapping[str, Cast], every: Cast | None) -> str:
    """The types of layers in words, that of every other one last."""
    groups: dict[str, list[str]] = {}
    for name, kind in types.items():
        groups.setdefault(str(kind), []).append(repr(name))
    parts = [f"{kind} in {', '.join(names[:MOST])}{_more(names)}" for kind, names in groups.items()]
    if every is not None:
        parts.append(f"{every} in all {'others ' if parts else ''}without a quantiser of the kernel")
    return ", ".join(parts)


def _more(names: list[str]) -> str:
    return f" and {len(names) - MOST} more" if len(names) > MOST else ""


def with_types(model: Any, types: Mapping[str, Cast]) -> Any:
    """A copy of ``model`` with a quantiser behind each layer that ``types`` names, before its activation, or between its kernels.

    Raises:
        ConfigError: if a layer is none of the model.
    """
    places = placed(model, types)
    if any(place.cell is not None for place in places.values()):
        mend_qkeras()
    made = copy_of(model, lambda config: retyped(config, places), weights=False)
    for layer in model.layers:
        set_arrays(layer, made, places.get(layer.name))
    set_types(made, places)
    return made


def distance_text(model: Any, changed: Any, inputs: FloatArray | None, option: str = "--inputs") -> str:
    """How far the model that is built is from the one that was given, in a sentence.

    Args:
        inputs: real events `(events, n_inputs)`, or None.
        option: that gives them.
    """
    if inputs is None:
        return f"what that costs is told with {option}"
    values = inputs.astype(np.float32)
    with without_endings(model, remove=True) as first, without_endings(changed, remove=True) as second:
        before, after = keras_outputs(first, values), keras_outputs(second, values)
    return distance_said(before, after, several=len(model.outputs) > 1)
