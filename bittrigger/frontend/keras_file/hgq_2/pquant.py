"""Layers of PQuant in a Keras 3 file, once their weights are final: layers of Keras between quantisers of HGQ2 or of one type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bittrigger.frontend.keras_file.hgq_2.layers import check_sizes
from bittrigger.frontend.keras_file.hgq_2.net import Net, Tensor
from bittrigger.frontend.keras_file.hgq_2.parts import Array, Part
from bittrigger.frontend.keras_file.hgq_2.types import MAX_BITS, OVERFLOWS, ROUNDINGS, Types

Json = Any

_KERNELS = {"PQDense": "Dense", "PQConv1d": "Conv1D", "PQConv2d": "Conv2D"}
_POOLINGS = {"PQAvgPool1d": "AveragePooling1D", "PQAvgPool2d": "AveragePooling2D"}
_ACTIVATION = "PQActivation"
PQUANT = (*_KERNELS, *_POOLINGS, _ACTIVATION)
"""The layers of PQuant that are read."""

_PACKAGES = ("PQuantML", "PQuant")
_FUNCTIONS = ("relu", "tanh", "linear")
_KEPT = (
    *("units", "use_bias", "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups"),
    *("pool_size", "dtype"),
)


def is_pquant(layer: Mapping[str, Json]) -> bool:
    """Whether a layer is one of PQuant."""
    names = [f"{package}>{layer.get('class_name')}" for package in _PACKAGES]
    return str(layer.get("module")).partition(".")[0] == "pquant" and layer.get("registered_name") in names


def pquant(part: Part) -> list[Json]:
    """Layers of Keras in the place of a layer, one after the other."""
    net, conf = Net(part), part.config
    (given,) = net.given()
    settings = conf.get("config")
    quantisation = settings.get("quantization_parameters") if isinstance(settings, dict) else None
    if not isinstance(quantisation, dict) or quantisation.get("enable_quantization") is not True:
        raise part.refused(f"{part.kind} without quantisation", "allowed is enable_quantization: true; train it so")
    made = _quantised(net, part, given, "input", quantisation)
    kept = {key: conf[key] for key in _KEPT if key in conf}
    if part.kind in _KERNELS:
        made = net.add((_KERNELS[part.kind], kept, _weights(part)), made)
    elif part.kind in _POOLINGS:
        made = net.add((_POOLINGS[part.kind], kept, []), made)
        part.own(0)
    else:
        made = _activation(net, part, made, quantisation)
    _quantised(net, part, made, "output", quantisation)
    _leave(part)
    return net.finished()


def _weights(part: Part) -> list[Array]:
    """Kernel and bias as they are stored, which are the final ones."""
    if part.config.get("final_compression_done") is not True:
        raise part.refused(
            f"{part.kind} whose weights are those of training", "allowed are final ones; call "
            "pquant.apply_final_compression(model) before model.save",
        )  # fmt: skip
    found = part.own(1 + bool(part.config.get("use_bias")))
    check_sizes(part, found[0].shape)
    return found


def _activation(net: Net, part: Part, given: Tensor, quantisation: Mapping[str, Json]) -> Tensor:
    name = part.config.get("activation")
    if name not in _FUNCTIONS or (name == "tanh" and quantisation.get("use_real_tanh") is not True):
        raise part.refused(
            f"{part.kind} of {str(name)[:40]}",
            f"allowed are {', '.join(_FUNCTIONS)}, tanh with use_real_tanh; use relu",
        )
    if quantisation.get("use_relu_multiplier"):
        raise part.refused("a ReLU with a multiplier", "allowed is use_relu_multiplier: false; train it so")
    part.own(0)
    return net.add(("Activation", {"activation": name}, []), given)


def _quantised(net: Net, part: Part, given: Tensor, side: str, quantisation: Mapping[str, Json]) -> Tensor:
    """A tensor behind the quantiser of its side, where the layer has one."""
    place = f"{side}_quantizer/"
    if not part.config.get(f"quantize_{side}"):
        return given
    modes = {"round_mode": quantisation.get("round_mode"), "overflow_mode": quantisation.get("overflow_mode_data")}
    if quantisation.get("use_high_granularity_quantization"):
        conf = {"config": {"q_type": "kif", "trainable": True, "is_weight": False, **modes}}
        return net.add(part.quantiser(conf, f"{place}quantizer/"), given)
    return net.add(part.as_stage(_one_type(part, place, modes)), given)


def _one_type(part: Part, place: str, modes: Mapping[str, Json]) -> Types:
    """The type of all codes of a tensor, whose sign and bits lie in the file as numbers."""
    arrays = part.weights.pop(f"{part.place}{place}vars", {})
    found = [np.asarray(arrays.get(name), dtype=np.float64) for name in ("0", "1", "2")]
    rounding, overflow = (str(modes[mode]).upper() for mode in ("round_mode", "overflow_mode"))
    if rounding not in ROUNDINGS or overflow not in OVERFLOWS:
        raise ValueError(f"a quantiser has {rounding[:20]} and {overflow[:20]}")
    numbers = [float(array) for array in found]
    if not all(abs(number) <= MAX_BITS and number == round(number) for number in numbers) or numbers[0] not in (0, 1):
        raise ValueError(f"a quantiser has the bits {numbers}")
    if sum(numbers) < 1:
        raise ValueError(f"a quantiser has {sum(numbers)} bits")
    sign, whole, places = (np.full((1,), int(number), dtype=np.int64) for number in numbers)
    return Types(sign, whole, places, rounding, overflow, free=False)


def _leave(part: Part) -> None:
    """Leave out what counts in training alone: masks, and quantisers of weights that are final."""
    training = ("pruning_layer/", "weight_quantizer/", "bias_quantizer/", "input_quantizer/", "output_quantizer/")
    for place in [place for place in part.weights if place.startswith(tuple(part.place + own for own in training))]:
        del part.weights[place]
