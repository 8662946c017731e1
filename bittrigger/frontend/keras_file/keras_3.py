"""The configuration of a Keras 3 file in the words of Keras 2 and QKeras 0.9, where both mean the same numbers.

Compared function by function: the quantisers of QKeras v3 compute what those of 0.9 do, but for what is refused here by name.
What belongs to training alone is left out, so that nothing is made of it. Data in, data out: no class is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.attributes import BIDIRECTIONAL, MASKED, MODELS, RECURRENT, WRAPPERS
from bittrigger.frontend.elementwise.own_functions import OWN
from bittrigger.frontend.refusals import MASK_WAY_OUT, NEGATIVE_WAY_OUT, is_below_zero

Json = Any

FOLDED = {"QConv2DBatchnorm": "QConv2D", "QDepthwiseConv2DBatchnorm": "QDepthwiseConv2D"}
"""Layers that fold a normalisation into their kernel, and what they are once it is folded."""

NORMALISED = "QBatchNormalization"
QUANTIZERS = "quantizers"
"""Beside the settings of such a layer, the quantisers of its parameters."""

INNER = ("layer", "backward_layer")

_DEPTH = 40
_ENDINGS = ("_initializer", "_regularizer", "_constraint", "_range")
_TRAINING = ("trainable", "seed", "momentum", "build_config", "shared_object_id", "renorm_clipping", "renorm_momentum")
_FOLDING = ("axis", "epsilon", "center", "scale", "ema_freeze_delay", "folding_mode")
_DEFAULTS = {
    **dict.fromkeys(("quantization_config", "mask", "lora_rank"), None),
    **dict.fromkeys(("optional", "synchronized", "renorm", "rms_scaling"), False),
}
"""Settings that Keras 2 does not know, each with the value that changes nothing."""

_OF_QKERAS = ("hard_sigmoid", "hard_tanh")
"""Functions of QKeras whose names Keras 3 has for others: a QActivation that is loaded gets those of Keras."""

_IN_LAYERS = ("Activation", "QActivation")
"""Layers that are such a function alone, and may bear that of Keras 3 in Keras 2."""

_RENAMED = {"silu": "swish", "gelu": "keras_3_gelu"}

_OPERATORS = ("Add", "Subtract", "Multiply", "Maximum", "Minimum")
"""Operators on two tensors that are layers too."""

_MASKS = ("NotEqual", "Any")
"""What Keras 3 writes beside a Masking; a mask finds its own way in Keras 2."""


@dataclass(frozen=True, eq=False)
class Held:
    """The arrays of a layer that stands in the place of one of HGQ2, which no file can hold, and the options of an operator."""

    arrays: tuple[npt.NDArray[Any], ...]
    options: Mapping[str, Json]
    second: str = ""
    """The argument of an operator that its second tensor is."""


def held(layer: Mapping[str, Json]) -> Held | None:
    """What such a layer holds, or nothing."""
    found = layer.get("held")
    return found if isinstance(found, Held) else None


def snake_case(name: str) -> str:
    """The word by which Keras 3 calls layers of a class in a file."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def place_of(within: str, layer: Mapping[str, Json], counts: dict[str, int]) -> str:
    """Where the arrays of a layer lie in a file.

    Args:
        within: the place of its model.
        counts: the layers of each word before it, which are counted on.
    """
    word = snake_case(str(layer.get("class_name")))
    number = counts[word] = counts.get(word, -1) + 1
    return f"{within}layers/{word}_{number}/" if number else f"{within}layers/{word}/"


def numbered(arrays: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """Arrays by the numbers that are their names; the count of steps in training is left out.

    Raises:
        UnsupportedModelError: if they have other names.
    """
    named = {name: array for name, array in arrays.items() if name != "iteration"}
    if set(named) != {str(number) for number in range(len(named))}:
        raise UnsupportedModelError(
            f"weights called {', '.join(sorted(named))[:80]!r}; allowed are 0, 1, 2 and so on; save the model again"
        )
    return [named[str(number)] for number in range(len(named))]


def as_keras_2(where: str, config: Mapping[str, Json]) -> dict[str, Json]:
    """The configuration of a model, as Keras 2 writes it.

    Args:
        where: the file, for messages.
        config: the JSON of Keras 3, which may be hostile.

    Raises:
        UnsupportedModelError: if something in it has another meaning there, or none.
    """
    return _model(where, config, 0)


def layers_of(config: Mapping[str, Json]) -> list[Json]:
    """The layers in a model's configuration, but for what Keras 3 writes beside a Masking."""
    body = config.get("config")
    found = body.get("layers") if isinstance(body, dict) else None
    return [layer for layer in found if not _is_mask(layer)] if isinstance(found, list) else []


def _model(where: str, config: Mapping[str, Json], depth: int) -> dict[str, Json]:
    if depth > _DEPTH:
        raise UnsupportedModelError(f"model file {where}: models within models deeper than {_DEPTH}; save it again")
    kind, body = config.get("class_name"), config.get("config")
    if not isinstance(kind, str) or kind not in MODELS or not isinstance(body, dict):
        raise UnsupportedModelError(
            f"model file {where}: it holds a {str(kind)[:80]!r}; allowed are Sequential and Functional models; rebuild it as one"
        )
    layers = layers_of(config)
    within = {_name(layer) for layer in layers if isinstance(layer, dict) and layer.get("class_name") in MODELS}
    made = {"name": body.get("name"), "layers": [_layer(where, layer, within, depth) for layer in layers]}
    for key in ("input_layers", "output_layers"):
        if key in body:
            made[key] = [_reference(where, kind, end, within) for end in _ends(body[key])]
    return {"class_name": kind, "config": made}


def _ends(value: Json) -> list[Json]:
    """References to inputs or outputs; of one alone Keras 3 writes no list."""
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        return [value]
    return value if isinstance(value, list) else [value]


def _name(layer: Mapping[str, Json]) -> Json:
    config = layer.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return name if isinstance(name, str) else None


def _is_mask(layer: Json) -> bool:
    return isinstance(layer, dict) and layer.get("class_name") in _MASKS and is_operator(layer)


def is_operator(layer: Mapping[str, Json]) -> bool:
    """Whether an entry stands for a function of ``keras.ops``, which is no layer."""
    return str(layer.get("module")).startswith("keras.src.ops")


def _reference(where: str, owner: Json, history: Json, within: set[Json]) -> list[Json]:
    """``[layer, call, tensor]``; Keras 2 counts the call with which a model within was built as its first."""
    if not isinstance(history, list) or len(history) != 3 or not isinstance(history[0], str):
        raise refused(where, owner, f"it reads {str(history)[:80]}", "allowed is a tensor of a layer; save it again")
    name, call, tensor = history
    if type(call) is int and name in within:
        call += 1
    return [name, call, tensor]


def _layer(where: str, layer: Json, within: set[Json], depth: int) -> Json:
    """A layer with its calls."""
    if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict):
        return layer  # refused by the check that follows
    owner = _name(layer)
    made = _model(where, layer, depth + 1) if layer.get("class_name") in MODELS else _single(where, layer, depth)
    if "name" in layer:
        made["name"] = owner
    if "inbound_nodes" in layer:
        nodes = layer["inbound_nodes"]
        made["inbound_nodes"] = (
            [_call(where, layer, node, within) for node in nodes] if isinstance(nodes, list) else nodes
        )
        own = held(layer)
        if own is not None and (own.options or own.second):
            made["inbound_nodes"] = [_with_options(own, call) for call in made["inbound_nodes"]]
    return made


def _with_options(own: Held, call: list[Json]) -> list[Json]:
    """A call of an operator with its options, and its second tensor among them."""
    rest = {own.second: call[1][:3]} if own.second else {}
    return [*call[0][:3], {**own.options, **rest}]


def _looks_at_mask(layer: Json) -> bool:
    """Whether a layer, or one within it, looks at a mask."""
    config = layer.get("config") if isinstance(layer, dict) else None
    if not isinstance(config, dict):
        return False
    within = [*layers_of(layer), config.get("layer")] if layer.get("class_name") in (*MODELS, *WRAPPERS) else []
    return layer.get("class_name") in MASKED or any(map(_looks_at_mask, within))


def _call(where: str, layer: Mapping[str, Json], node: Json, within: set[Json]) -> list[Json]:
    """One call of a layer: what it reads, in order."""
    owner = _name(layer)
    args, kwargs = (node.get(key) for key in ("args", "kwargs")) if isinstance(node, dict) else (None, None)
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise refused(
            where, owner, f"a call of it is {str(node)[:80]}", "allowed are arguments of layers; save it again"
        )
    for key, value in kwargs.items():
        if value not in (None, False) and key != "mask":
            raise refused(
                where, owner, f"it is called with {key[:40]}", "allowed are plain calls; call it without arguments"
            )
        if value is not None and key == "mask" and _looks_at_mask(layer):
            raise refused(
                where, owner, f"{layer['class_name']} leaves out the steps that a mask marks, which differ from event to event",
                MASK_WAY_OUT,
            )  # fmt: skip
    found = []
    for item in args[0] if len(args) == 1 and isinstance(args[0], list) else args:
        inside = item.get("config") if isinstance(item, dict) and item.get("class_name") == "__keras_tensor__" else None
        if not isinstance(inside, dict):
            raise refused(
                where, owner, f"it is called with {str(item)[:40]}", "allowed are tensors of layers; use a Rescaling"
            )
        found.append([*_reference(where, owner, inside.get("keras_history"), within), {}])
    return found


def _single(where: str, layer: Mapping[str, Json], depth: int) -> dict[str, Json]:
    """A layer that is no model, without its calls."""
    owner, kind, config = _name(layer), layer.get("class_name"), layer["config"]
    if not isinstance(kind, str):
        return {"class_name": kind, "config": dict(config)}
    if is_operator(layer):
        if kind not in _OPERATORS:
            raise refused(
                where,
                owner,
                f"operator {kind[:40]} of keras.ops",
                f"allowed are {', '.join(_OPERATORS)}; use a layer for it",
            )
        return {"class_name": kind, "config": {"name": owner}}
    if held(layer) is None:
        _check_home(where, layer, kind)
    made = dict(_settings(where, owner, kind, config))
    if kind in _IN_LAYERS and isinstance(made.get("activation"), str) and made["activation"] in OWN:
        kind, made = "Activation", {key: made[key] for key in ("name", "activation", "dtype") if key in made}
    if kind in (*WRAPPERS, *BIDIRECTIONAL):
        if depth > _DEPTH:
            raise UnsupportedModelError(f"model file {where}: layers within layers deeper than {_DEPTH}; save it again")
        for key in INNER:
            if isinstance(made.get(key), dict):
                made[key] = _layer(where, made[key], set(), depth + 1)
    return _folded(where, owner, kind, made)


def _folded(where: str, owner: Json, kind: str, made: dict[str, Json]) -> dict[str, Json]:
    """A layer; one with a quantised normalisation as what it is at inference, for the weights that go with it."""
    if kind == NORMALISED:
        kept: dict[str, Json] = {key: made[key] for key in ("name", "axis") if key in made}
        quantizers: dict[str, Json] = {key: value for key, value in made.items() if key.endswith("quantizer")}
        return {"class_name": "BatchNormalization", "config": {**kept, "epsilon": 0.5}, QUANTIZERS: quantizers}
    if kind not in FOLDED:
        return {"class_name": kind, "config": made}
    if made.get("axis") not in (-1, 3, [-1], [3]) or made.get("center") is not True or made.get("scale") is not True:
        raise refused(
            where, owner, f"{kind} with axis, center and scale {[made.get(key) for key in _FOLDING[:4:2]]}",
            "allowed are the last axis, center=True and scale=True; build it with these",
        )  # fmt: skip
    kept = {key: value for key, value in made.items() if key not in _FOLDING}
    return {"class_name": FOLDED[kind], "config": {**kept, "use_bias": True}}


def _check_home(where: str, layer: Mapping[str, Json], kind: str) -> None:
    """Refuse a layer of another package, or one that only bears a name of Keras or QKeras."""
    owner, module, registered = _name(layer), str(layer.get("module")), layer.get("registered_name")
    own = kind.startswith("Q") and module.split(".", maxsplit=1)[0] == "qkeras" and registered == f"qkeras>{kind}"
    if not own and (kind.startswith("Q") or module != "keras.layers" or registered not in (None, kind)):
        raise refused(
            where, owner, f"class {kind[:40]!r} of module {module[:60]!r}, registered as {str(registered)[:60]!r}",
            "allowed are layers of Keras 3 and of either QKeras v3 or HGQ2, those of HGQ2 in no wrapper; write it with these",
        )  # fmt: skip


def _settings(where: str, owner: Json, kind: str, config: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    """The settings of a layer that count at inference, under the names of Keras 2."""
    for key, value in config.items():
        if key in _TRAINING or key.endswith(_ENDINGS):
            continue
        if key in _DEFAULTS:
            if value != _DEFAULTS[key]:
                raise refused(
                    where, owner, f"{kind[:40]} with {key}={str(value)[:40]}",
                    f"allowed is {_DEFAULTS[key]}, as nothing else is followed; build it with that",
                )  # fmt: skip
            continue
        if key == "dtype":
            yield key, _policy(where, owner, value)
        elif key.endswith("quantizer"):
            yield key, _quantizer(where, owner, value)
        elif key.endswith("activation"):
            yield key, _function(where, owner, kind, value)
        elif (kind, key) == ("InputLayer", "batch_shape"):
            yield "batch_input_shape", value
        elif (kind, key) == ("LeakyReLU", "negative_slope"):
            yield "alpha", value
        else:
            yield key, value


def _policy(where: str, owner: Json, value: Json) -> str:
    """What a layer computes in."""
    if isinstance(value, dict) and value.get("class_name") == "DTypePolicy" and isinstance(value.get("config"), dict):
        value = value["config"].get("name")
    if not isinstance(value, str):
        raise refused(where, owner, f"its dtype is {str(value)[:60]}", "allowed is float32; build it with that")
    return value


def _function(where: str, owner: Json, kind: str, value: Json) -> Json:
    """An activation: a quantiser, or the name of a function that means the same in both."""
    if isinstance(value, dict) and value.get("class_name") != "function":
        return _quantizer(where, owner, value)
    name = value.get("config") if isinstance(value, dict) else value
    if name in _OF_QKERAS and (isinstance(value, dict) or not kind.startswith("Q")):
        if kind in _IN_LAYERS:
            return f"keras_3_{name}"
        raise refused(
            where, owner, f"function {name!r} of Keras 3, which is another one than that of QKeras",
            f"allowed is it in an Activation, or a quantiser; put it into a layer behind this one, or use quantized_{name[5:]}",
        )  # fmt: skip
    return _RENAMED.get(name, name) if isinstance(name, str) else name


def _quantizer(where: str, owner: Json, value: Json) -> Json:
    """A quantiser of v3 as that of 0.9 with the same numbers."""
    if not isinstance(value, dict) or not isinstance(value.get("config"), dict):
        return value
    kind, config = value.get("class_name"), dict(value["config"])
    if value.get("registered_name") != f"qkeras>{kind}" or str(value.get("module")).split(".")[0] != "qkeras":
        raise refused(
            where, owner, f"quantiser {str(kind)[:40]!r} of module {str(value.get('module'))[:60]!r}",
            "allowed are those of QKeras v3; use one of these",
        )  # fmt: skip
    if is_below_zero(config.get("integer")):
        raise refused(where, owner, f"{kind} with integer={str(config['integer'])[:20]}", NEGATIVE_WAY_OUT)
    if config.pop("post_training_scale", None) is not None:
        raise refused(where, owner, f"{kind} with post_training_scale", "allowed is None; give alpha instead")
    if kind == "quantized_linear":
        return _linear(where, owner, config)
    return {"class_name": kind, "config": config}


def _linear(where: str, owner: Json, config: dict[str, Json]) -> Json:
    """A quantized_linear, which is a quantized_bits where its scale is that of its bits."""
    bits, negative, alpha = config.get("bits"), config.get("keep_negative"), config.get("alpha")
    if alpha not in (None, 1) or (bits == 1 and negative):
        raise refused(
            where, owner, f"quantized_linear with bits={str(bits)[:10]} and alpha={str(alpha)[:20]}",
            "allowed are alpha=None and 1, and two bits or more; use quantized_bits, whose scale is found otherwise, and train "
            "again",
        )  # fmt: skip
    return {"class_name": "quantized_bits", "config": {**config, "alpha": 1.0}}


def refused(where: str, owner: Json, what: str, way_out: str) -> UnsupportedModelError:
    """The error about layer ``owner`` of a file."""
    return UnsupportedModelError(f"model file {where}: layer {str(owner)[:80]!r}: {what}; {way_out}")


def cells(kind: str) -> tuple[str, ...]:
    """Where the arrays of a layer lie below its place in a file, in the order of its variables."""
    if kind in BIDIRECTIONAL:
        return ("forward_layer/cell/", "backward_layer/cell/")
    return ("cell/",) if kind in RECURRENT else ("",)
