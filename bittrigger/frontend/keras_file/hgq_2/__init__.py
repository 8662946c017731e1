"""Layers of HGQ2 in a Keras 3 file as what they are at inference: quantisers with a type for each code around layers of Keras.

Kernels and biases are quantised here, each number with a type of its own, as HGQ2 does it in float32; functions behind a
quantiser become tables. Attention is the projections, products and tables that it consists of, a recurrent layer its steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bittrigger.frontend.attributes import MODELS
from bittrigger.frontend.keras_file.hgq_2.attention import ATTENTION, attention, softmax
from bittrigger.frontend.keras_file.hgq_2.einsum import einsum
from bittrigger.frontend.keras_file.hgq_2.layers import SIMPLE, simple
from bittrigger.frontend.keras_file.hgq_2.net import call_of, tensor_of
from bittrigger.frontend.keras_file.hgq_2.networks import NETWORKS, network
from bittrigger.frontend.keras_file.hgq_2.parts import WAY_OUT, Arrays, Part
from bittrigger.frontend.keras_file.hgq_2.pquant import PQUANT, is_pquant, pquant
from bittrigger.frontend.keras_file.hgq_2.recurrent import RECURRENT, recurrent
from bittrigger.frontend.keras_file.hgq_2.types import MAX_BITS
from bittrigger.frontend.keras_file.keras_3 import is_operator, layers_of, place_of

Json = Any

KINDS = (*SIMPLE, *ATTENTION, *RECURRENT, *NETWORKS, "QSoftmax", "QEinsum")
"""The layers of HGQ2 that are read."""


def is_hgq(layer: Mapping[str, Json]) -> bool:
    """Whether a layer is one of HGQ2."""
    home = str(layer.get("module")).partition(".")[0]
    names = [
        f"{package}>{layer.get('class_name')}" for package in ("hgq", "hgq2")
    ]  # table convolutions have the second
    return home == "hgq" and layer.get("registered_name") in names


def expanded(where: str, config: Mapping[str, Json], weights: Arrays, said: list[str]) -> dict[str, Json]:
    """The configuration of a model with layers of Keras, which hold their arrays, in the place of those of HGQ2.

    Args:
        where: the file, for messages.
        config: as Keras 3 wrote it.
        weights: the arrays of each place in the file; what is taken is left out of it.
        said: gets what the report tells of the file, a sentence each.

    Raises:
        UnsupportedModelError: if a layer or a quantiser of HGQ2 is not one that is read.
    """
    masked = _masks(config, 0)
    return _model(Part(where, config, "", weights, said), masked=masked)


def _masks(config: Json, depth: int) -> bool:
    """Whether a layer that marks steps stands anywhere in a model."""
    if not isinstance(config, dict) or depth > MAX_BITS:
        return False
    body = config.get("config")
    marks = config.get("class_name") == "Masking" or (isinstance(body, dict) and bool(body.get("mask_zero")))
    return marks or any(_masks(layer, depth + 1) for layer in layers_of(config))


def _functional(config: Mapping[str, Json]) -> Mapping[str, Json]:
    """A Sequential model with layers of HGQ2 as a functional one, since these become several that read each other."""
    layers = layers_of(config)
    sound = all(isinstance(layer, dict) and isinstance(layer.get("config"), dict) for layer in layers)
    if (
        config.get("class_name") != "Sequential"
        or not sound
        or not any(is_hgq(layer) or is_pquant(layer) for layer in layers)
    ):
        return config
    if layers[0].get("class_name") != "InputLayer":
        return config
    names = [layer["config"].get("name") for layer in layers]
    made = []
    for layer, name, before in zip(layers, names, [None, *names], strict=False):
        made.append(
            {**layer, "name": name, "inbound_nodes": [] if before is None else [call_of([tensor_of(before, 0)])]}
        )
    body = {
        **config["config"],
        "layers": made,
        "input_layers": [[names[0], 0, 0]],
        "output_layers": [[names[-1], 0, 0]],
    }
    return {**config, "class_name": "Functional", "config": body}


def _model(whole: Part, *, masked: bool) -> dict[str, Json]:
    config = _functional(whole.entry)
    made: list[Json] = []
    counts: dict[str, int] = {}
    layers = layers_of(config)
    if any(isinstance(layer, dict) and str(layer.get("registered_name")).startswith("qkeras>") for layer in layers):
        return dict(config)  # their places are counted together, so that a layer of HGQ2 among them is refused later
    for layer in layers:
        if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict) or is_operator(layer):
            made.append(layer)
            continue
        part = replace(whole, entry=layer, place=place_of(whole.place, layer, counts))
        if layer.get("class_name") in MODELS and whole.place.count("/") < 2 * MAX_BITS:
            made.append(_model(part, masked=masked))
        elif is_hgq(layer) or is_pquant(layer):
            made += _stages(part, masked=masked)
        else:
            made.append(layer)
    body = config.get("config")
    return {**config, "config": {**body, "layers": made}} if isinstance(body, dict) else dict(config)


_READERS: dict[str, Callable[[Part], list[Json]]] = {
    **dict.fromkeys(SIMPLE, simple),
    **dict.fromkeys(ATTENTION, attention),
    **dict.fromkeys(RECURRENT, recurrent),
    **dict.fromkeys(NETWORKS, network),
    **dict.fromkeys(PQUANT, pquant),
    "QSoftmax": softmax,
    "QEinsum": einsum,
}
"""What reads a layer, by its class."""


def _stages(part: Part, *, masked: bool) -> list[Json]:
    """Layers of Keras, one after the other."""
    if masked and part.kind in (*ATTENTION, *RECURRENT, "QSoftmax"):
        raise part.refused(
            f"{part.kind} leaves out the steps that a mask marks, which differ from event to event",
            "allowed are models without Masking and mask_zero; remove it, and fill up with zeros",
        )
    try:
        if (reader := _READERS.get(part.kind)) is not None:
            return reader(part)
    except (ValueError, TypeError, ArithmeticError, AttributeError, KeyError, IndexError) as error:
        raise part.refused(f"its settings and arrays do not fit ({str(error)[:120]})", "save it again") from error
    if is_pquant(part.entry):
        raise part.refused(
            f"{part.kind[:40]} of PQuant is not read", f"allowed are {', '.join(PQUANT)}; use one of these"
        )
    raise part.refused(f"{part.kind[:40]} of HGQ2 is not read; allowed are {', '.join(sorted(KINDS))}", WAY_OUT)
