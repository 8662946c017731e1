"""Layers of HGQ2 in a Keras 3 file as what they are at inference: quantisers with a type for each code around layers of Keras.

Kernels and biases are quantised here, each number with a type of its own, as HGQ2 does it in float32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.attributes import AVERAGES, MAXIMA, MODELS
from bittrigger.frontend.keras_file.hgq_2_types import MAX_BITS, Types, quantised, read_types
from bittrigger.frontend.keras_file.keras_3 import Held, is_operator, layers_of, numbered, place_of, refused

Array = npt.NDArray[Any]
Arrays = dict[str, dict[str, Array]]
Json = Any

_KERNELS = {
    "QDense": "Dense",
    "QEinsumDense": "EinsumDense",
    "QEinsumDenseBatchnorm": "EinsumDense",
    "QConv1D": "Conv1D",
    "QConv2D": "Conv2D",
}
_MERGES = {
    **{f"Q{kind}": kind for kind in ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Dot")},
    "QAveragePow2": "Add",
}
_POOLINGS = {f"Q{kind}": kind for kind in (*AVERAGES, *MAXIMA)}
_SUMS = ("QSum", "QMeanPow2")
_TABLES = ("QUnaryFunctionLUT",)
_NORMALISED = "QBatchNormalization"
_OTHERS = (*_SUMS, *_TABLES, _NORMALISED, "Quantizer")
KINDS = (*_KERNELS, *_MERGES, *_POOLINGS, *_OTHERS)
"""The layers of HGQ2 that are read."""

_KEPT = (
    *("units", "activation", "use_bias", "equation", "output_shape", "bias_axes", "filters", "kernel_size", "strides"),
    *("padding", "data_format", "dilation_rate", "groups", "pool_size", "keepdims", "axes", "dtype"),
)
"""Settings that count at inference."""

_OWN = {**dict.fromkeys(_SUMS, ("dtype",)), _NORMALISED: ("axis", "dtype")}

_WAY_OUT = (
    "hls4ml.converters.convert_from_keras_model(model, backend='Vitis', output_dir='hls', bit_exact=True, "
    "hls_config={'Model': {'Precision': 'fixed<16,6>', 'ReuseFactor': 1, 'Strategy': 'latency'}}).write() in Python, then "
    "`bittrigger import-hls4ml hls`"
)


def is_hgq(layer: Mapping[str, Json]) -> bool:
    """Whether a layer is one of HGQ2."""
    home = str(layer.get("module")).partition(".")[0]
    return home == "hgq" and layer.get("registered_name") == f"hgq>{layer.get('class_name')}"


def expanded(where: str, config: Mapping[str, Json], weights: Arrays) -> dict[str, Json]:
    """The configuration of a model with layers of Keras, which hold their arrays, in the place of those of HGQ2.

    Args:
        where: the file, for messages.
        config: as Keras 3 wrote it.
        weights: the arrays of each place in the file; what is taken is left out of it.

    Raises:
        UnsupportedModelError: if a layer or a quantiser of HGQ2 is not one that is read.
    """
    return _model(where, config, "", weights)


def _model(where: str, config: Mapping[str, Json], place: str, weights: Arrays) -> dict[str, Json]:
    made: list[Json] = []
    counts: dict[str, int] = {}
    layers = layers_of(config)
    if any(isinstance(layer, dict) and str(layer.get("registered_name")).startswith("qkeras>") for layer in layers):
        return dict(config)  # their places are counted together, so that a layer of HGQ2 among them is refused later
    for layer in layers:
        if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict) or is_operator(layer):
            made.append(layer)
            continue
        own = place_of(place, layer, counts)
        if layer.get("class_name") in MODELS and place.count("/") < 2 * MAX_BITS:
            made.append(_model(where, layer, own, weights))
        elif is_hgq(layer):
            made += _Layer(where, layer, own, weights).stages()
        else:
            made.append(layer)
    body = config.get("config")
    return {**config, "config": {**body, "layers": made}} if isinstance(body, dict) else dict(config)


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer of HGQ2, and where its arrays lie."""

    where: str
    entry: Mapping[str, Json]
    place: str
    weights: Arrays

    @property
    def kind(self) -> str:
        return str(self.entry["class_name"])

    @property
    def config(self) -> Mapping[str, Json]:
        found: Mapping[str, Json] = self.entry["config"]
        return found

    def refused(self, what: str, way_out: str) -> UnsupportedModelError:
        """The error about this layer."""
        return refused(self.where, self.config.get("name"), what, way_out)

    def stages(self) -> list[Json]:
        """Layers of Keras, one after the other."""
        try:
            return self._stages()
        except (ValueError, TypeError, ArithmeticError) as error:
            raise self.refused(f"its settings and arrays do not fit ({str(error)[:120]})", "save it again") from error

    def _stages(self) -> list[Json]:
        if self.kind not in KINDS:
            raise self.refused(
                f"{self.kind[:40]} of HGQ2 is not read; allowed are {', '.join(sorted(KINDS))}", _WAY_OUT
            )
        if self.kind == "Quantizer":
            return self._chain([self._quantiser(self.config.get("config"), "")], [])
        fronts = self._fronts()
        stages = self._core()
        self._own(0)
        if self.config.get("enable_oq"):
            stages.append(self._quantiser(self.config.get("oq_conf"), "oq/"))
        return self._chain(stages, fronts)

    def _fronts(self) -> list[Json]:
        """The quantisers of what the layer reads, one for each."""
        if not self.config.get("enable_iq"):
            return []
        if self.kind not in _MERGES:
            return [self._quantiser(self.config.get("iq_conf"), "iq/")]
        several = self.config.get("iq_confs")
        if not isinstance(several, list):
            raise self.refused(f"{self.kind} with iq_confs={str(several)[:40]}", _WAY_OUT)
        places = ["iq/quantizers/quantizer/", *(f"iq/quantizers/quantizer_{k}/" for k in range(1, len(several)))]
        return [self._quantiser(conf, place) for conf, place in zip(several, places, strict=True)]

    def _core(self) -> list[Json]:
        """The layer without its quantisers: kind, settings, arrays."""
        kept = {key: self.config[key] for key in _OWN.get(self.kind, _KEPT) if key in self.config}
        if self.kind in _KERNELS:
            return [(_KERNELS[self.kind], kept, self._kernel())]
        if self.kind in _SUMS:
            return self._sum(kept)
        if self.kind == _NORMALISED:
            return [("BatchNormalization", {**kept, "epsilon": 0.5}, self._factors())]
        if self.kind in _TABLES:
            return [("Activation", kept, [])]
        if self.kind == "QAveragePow2":
            return [("Add", kept, []), _scaled(2.0 ** round(math.log2(1 / max(len(self._input_shape()), 1))))]
        return [(_MERGES.get(self.kind) or _POOLINGS[self.kind], kept, [])]

    def _input_shape(self) -> list[Json]:
        """What the layer was built for."""
        built = self.entry.get("build_config")
        shape = built.get("input_shape") if isinstance(built, dict) else None
        return shape if isinstance(shape, list) else []

    def _sum(self, kept: dict[str, Json]) -> list[Json]:
        """A sum over some axes, times a power of two."""
        axes, shape = self.config.get("axes"), self._input_shape()
        axes = axes if isinstance(axes, list) else [axes]
        sound = all(type(axis) is int and 0 < axis < len(shape) and type(shape[axis]) is int for axis in axes)
        if not axes or not sound or min(shape[axis] for axis in axes) < 1:
            raise self.refused(f"{self.kind} over the axes {str(axes)[:40]} of {str(shape)[:40]}", _WAY_OUT)
        scale = self.config.get("scale", 1.0)
        if math.frexp(scale)[0] != 0.5:
            raise self.refused(f"{self.kind} with scale={scale}", "allowed are powers of two")
        if self.kind == "QMeanPow2":
            scale = 2.0 ** round(math.log2(1 / math.prod(shape[axis] for axis in axes)))
        options = {"axis": axes, "keepdims": bool(self.config.get("keepdims"))}
        stages: list[Json] = [("TFOpLambda", {**kept, "function": "math.reduce_sum", "options": options}, [])]
        return stages if scale == 1 else [*stages, _scaled(scale)]

    def _own(self, count: int) -> list[Array]:
        """The layer's own arrays, without what counts in training."""
        found = [array for array in numbered(self.weights.pop(f"{self.place}vars", {})) if array.shape]
        if len(found) != count or not all(array.dtype == np.float32 and np.isfinite(array).all() for array in found):
            raise self.refused(
                f"{self.kind} has {len(found)} arrays, expected {count} of finite float32", "save it again"
            )
        return found

    def _kernel(self) -> list[Array]:
        """Kernel and bias, quantised."""
        biased = (
            self.config.get("bias_axes") is not None if "Einsum" in self.kind else bool(self.config.get("use_bias"))
        )
        if self.kind == "QEinsumDenseBatchnorm":
            kernel, bias = self._fused()
        else:
            kernel, *rest = self._own(1 + biased)
            bias = rest[0] if rest else np.zeros(0, np.float32)
        made = [self._quantised(kernel, "kq")]
        return [*made, self._quantised(bias, "bq")] if biased else made

    def _fused(self) -> tuple[Array, Array]:
        """Kernel and bias with the normalisation in them, as HGQ2 computes them in float32."""
        kernel, bias, *scale, mean, variance = self._own(4 + bool(self.config.get("scale", True)))
        letters = str(self.config.get("equation")).replace(" ", "").partition(",")[2].partition("->")[0]
        axis = self.config.get("normalize_axes") or self.config.get("bias_axes")
        if not isinstance(axis, str) or len(axis) != 1 or axis not in letters or kernel.ndim != len(letters):
            raise self.refused(f"{self.kind} normalised along {str(axis)[:20]!r} of {letters[:40]!r}", _WAY_OUT)
        factor = (scale[0] if scale else np.float32(1)) / np.sqrt(variance + np.float32(1e-7))
        shape = [-1 if letter == axis else 1 for letter in letters]
        if factor.shape != (kernel.shape[letters.index(axis)],) or bias.size != factor.size:
            raise self.refused(f"{self.kind} has a normalisation of {factor.shape} values", "save it again")
        return kernel * factor.reshape(shape), bias + (-mean * factor).reshape(bias.shape)

    def _factors(self) -> list[Array]:
        """Factor and offset of a normalisation, over a mean of 0 and a variance with which the root is 1."""
        scaled, centred = bool(self.config.get("scale")), bool(self.config.get("center"))
        *own, mean, variance = self._own(2 + scaled + centred)
        gamma = own.pop(0) if scaled else np.float32(1)
        beta = own.pop(0) if centred else np.float32(1)  # so HGQ2 has it
        factor = gamma / np.sqrt(variance + np.float32(self.config.get("epsilon", 0.001)))
        made = self._quantised(factor, "kq"), self._quantised(beta - mean * factor, "bq")
        return [*made, np.zeros_like(mean), np.full_like(mean, 0.5)]

    def _types(self, conf: Json, place: str) -> Types:
        """The types of a quantiser, which lie in the file as arrays."""
        try:
            return read_types(conf, numbered(self.weights.pop(f"{self.place}{place}quantizer/vars", {})))
        except ValueError as error:
            raise self.refused(
                f"the quantiser of HGQ2 at {place!r}: {error}", "save the model again with these"
            ) from error

    def _quantiser(self, conf: Json, place: str) -> Json:
        """A quantiser as a layer with a type for each code."""
        types = self._types(conf, place)
        if types.bits.shape[:1] != (1,):
            raise self.refused(
                f"its quantiser has types of the shape {types.bits.shape}", "allowed is one for all events"
            )
        if types.free:
            raise self.refused(
                "a quantiser of weights, which limits nothing, stands before values of the event",
                "allowed is one with place='datalane'; train it with that",
            )
        settings = {"shape": list(types.bits.shape), "RND": types.rounding, "SAT": types.overflow}
        whole = np.where(types.bits > 0, types.signs + types.integers, 0)
        return ("FixedPointQuantizer", settings, [types.signs, types.bits, whole])

    def _quantised(self, values: Array, which: str) -> Array:
        """Weights with the numbers that HGQ2 gives them at inference."""
        types = self._types(self.config.get(f"{which}_conf"), f"{which}/")
        if types.bits.ndim != values.ndim or np.broadcast_shapes(values.shape, types.bits.shape) != values.shape:
            raise self.refused(f"{which} has types of the shape {types.bits.shape} for {values.shape}", "save it again")
        return quantised(values, types)

    def _chain(self, stages: list[Json], fronts: list[Json]) -> list[Json]:
        """The stages as entries that read each other; the last has the layer's name."""
        name, nodes = str(self.config.get("name")), self.entry.get("inbound_nodes")
        single = self.kind not in _MERGES
        stages = [*fronts, *stages] if single else stages
        made, sources = [], nodes
        if not single and isinstance(nodes, list):
            reading = [_operands(node) for node in nodes]
            if fronts and any(len(found) != len(fronts) for found in reading):
                raise self.refused(f"{self.kind} of other than {len(fronts)} tensors", "save it again")
            for k, front in enumerate(fronts):
                made.append(self._entry(f"{name}_iq{k}", front, [_node([found[k]]) for found in reading]))
            if fronts:
                sources = [
                    _node([[_tensor(f"{name}_iq{k}", call) for k in range(len(fronts))]]) for call in range(len(nodes))
                ]
        for k, stage in enumerate(stages):
            own = name if k == len(stages) - 1 else f"{name}_part{k}"
            made.append(self._entry(own, stage, sources))
            sources = [_node([_tensor(own, call)]) for call in range(len(nodes))] if isinstance(nodes, list) else nodes
        return made

    def _entry(self, name: str, stage: Json, nodes: Json) -> Json:
        kind, settings, arrays = stage
        if kind == "TFOpLambda" and not isinstance(nodes, list):
            raise self.refused(f"{self.kind} in a Sequential model", "allowed is a functional model; build it as one")
        settings = dict(settings)
        made = {"class_name": kind, "held": Held(tuple(arrays), settings.pop("options", {}))}
        made["config"] = {**settings, "name": name}
        return made if nodes is None else {**made, "name": name, "inbound_nodes": nodes}


def _scaled(scale: float) -> Json:
    return ("Rescaling", {"scale": scale, "offset": 0.0}, [])


def _node(args: list[Json]) -> Json:
    return {"args": args, "kwargs": {}}


def _tensor(name: str, call: int) -> Json:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, 0]}}


def _operands(node: Json) -> list[Json]:
    args = node.get("args") if isinstance(node, dict) else None
    return args[0] if isinstance(args, list) and len(args) == 1 and isinstance(args[0], list) else []
