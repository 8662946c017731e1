"""Layers of HGQ2 that are one layer of Keras between quantisers, at inference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bittrigger.frontend.attributes import AVERAGES, MAXIMA
from bittrigger.frontend.keras_file.hgq_2.net import Net, operator, scaled
from bittrigger.frontend.keras_file.hgq_2.open_tables import by_definition
from bittrigger.frontend.keras_file.hgq_2.parts import WAY_OUT, Array, Part, Stage
from bittrigger.frontend.keras_file.hgq_2.types import quantised

Json = Any

_KERNELS = {
    "QDense": "Dense",
    "QBatchNormDense": "Dense",
    "QEinsumDense": "EinsumDense",
    "QEinsumDenseBatchnorm": "EinsumDense",
    "QConv1D": "Conv1D",
    "QConv2D": "Conv2D",
    "QConv3D": "Conv3D",
}
_MERGES = {
    **{f"Q{kind}": kind for kind in ("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Dot")},
    "QAveragePow2": "Add",
}
_POOLINGS = {f"Q{kind}": kind for kind in (*AVERAGES, *MAXIMA)}
_SUMS = ("QSum", "QMeanPow2")
_AFFINE = "QAffinedUnaryFunctionLUT"
_TABLES = ("QUnaryFunctionLUT", _AFFINE)
_NORMALISED = "QBatchNormalization"
SIMPLE = (*_KERNELS, *_MERGES, *_POOLINGS, *_SUMS, *_TABLES, _NORMALISED, "Quantizer")
"""The layers that are read here."""

_KEPT = (
    *("units", "activation", "use_bias", "equation", "output_shape", "bias_axes", "filters", "kernel_size", "strides"),
    *("padding", "data_format", "dilation_rate", "groups", "pool_size", "keepdims", "axes", "dtype"),
)
"""Settings that count at inference."""

_OWN = {**dict.fromkeys(_SUMS, ("dtype",)), _NORMALISED: ("axis", "dtype")}

_EPSILON = 1e-7
"""What Keras 3 adds to a variance."""


def simple(part: Part) -> list[Json]:
    """Layers of Keras in the place of a layer, one after the other."""
    net = Net(part)
    given = net.given()
    if part.kind == "Quantizer":
        net.add(part.quantiser(part.config.get("config"), ""), *given)
        return net.finished()
    fronts = _fronts(part)
    if len(given) != max(len(fronts), 1) and (fronts or part.kind not in _MERGES):
        raise part.refused(f"{part.kind} of other than {max(len(fronts), 1)} tensors", "save it again")
    read = [net.add(front, tensor) for front, tensor in zip(fronts, given, strict=True)] if fronts else given
    stages = core(part)
    part.own(0)
    last = [part.quantiser(part.config.get("oq_conf"), "oq/")] if part.config.get("enable_oq") else []
    if part.kind in _TABLES and fronts and last:
        stages = by_definition(part, stages, fronts[0], last[0])
    net.chain(net.add(stages[0], *read), *stages[1:], *last)
    return net.finished()


def _fronts(part: Part) -> list[Stage]:
    """The quantisers of what the layer reads, one for each."""
    if not part.config.get("enable_iq"):
        return []
    if part.kind not in _MERGES:
        return [part.quantiser(part.config.get("iq_conf"), "iq/")]
    return several(part)


def several(part: Part) -> list[Stage]:
    """The quantisers of several tensors."""
    found = part.config.get("iq_confs")
    if not isinstance(found, list):
        raise part.refused(f"{part.kind} with iq_confs={str(found)[:40]}", WAY_OUT)
    places = ["iq/quantizers/quantizer/", *(f"iq/quantizers/quantizer_{k}/" for k in range(1, len(found)))]
    return [part.quantiser(conf, place) for conf, place in zip(found, places, strict=True)]


def core(part: Part) -> list[Stage]:
    """The layer without its quantisers."""
    kind = part.kind
    kept = {key: part.config[key] for key in _OWN.get(kind, _KEPT) if key in part.config}
    if kind in _KERNELS:
        return [(_KERNELS[kind], kept, _kernel(part))]
    if kind in _SUMS:
        return _sum(part)
    if kind == _NORMALISED:
        return [("BatchNormalization", {**kept, "epsilon": 0.5}, _factors(part))]
    if kind in _TABLES:
        return [*_affine(part), ("Activation", {key: kept[key] for key in ("activation", "dtype") if key in kept}, [])]
    if kind == "QAveragePow2":
        return [("Add", kept, []), scaled(2.0 ** round(math.log2(1 / max(len(part.input_shape), 1))))]
    return [(_MERGES.get(kind) or _POOLINGS[kind], kept, [])]


def _sum(part: Part) -> list[Stage]:
    """A sum over some axes, times a power of two."""
    axes, shape = part.config.get("axes"), part.input_shape
    axes = axes if isinstance(axes, list) else [axes]
    sound = all(type(axis) is int and 0 < axis < len(shape) and type(shape[axis]) is int for axis in axes)
    if not axes or not sound or min(shape[axis] for axis in axes) < 1:
        raise part.refused(f"{part.kind} over the axes {str(axes)[:40]} of {str(shape)[:40]}", WAY_OUT)
    scale = part.config.get("scale", 1.0)
    if math.frexp(scale)[0] != 0.5:
        raise part.refused(f"{part.kind} with scale={scale}", "allowed are powers of two")
    if part.kind == "QMeanPow2":
        scale = 2.0 ** round(math.log2(1 / math.prod(shape[axis] for axis in axes)))
    total = operator("math.reduce_sum", axis=axes, keepdims=bool(part.config.get("keepdims")))
    return [total] if scale == 1 else [total, scaled(scale)]


def _affine(part: Part) -> list[Stage]:
    """What a table's operand is multiplied with, and what is added to it."""
    if part.kind != _AFFINE:
        return []
    scale, offset = (float(array.reshape(())) for array in part.own(2))
    return [("Rescaling", {"scale": scale, "offset": offset}, [])]


def _kernel(part: Part) -> list[Array]:
    """Kernel and bias, quantised."""
    biased = part.config.get("bias_axes") is not None if "Einsum" in part.kind else bool(part.config.get("use_bias"))
    if part.kind == "QBatchNormDense":
        made = _fused_before(part)
        check_sizes(part, made[0].shape)
        return made
    if part.kind == "QEinsumDenseBatchnorm":
        kernel, bias = _fused(part)
        part.said.append(
            f"layer {part.name!r}: {part.kind} adds keras.config.epsilon() to its variances, which no file keeps; 1e-07 is "
            "taken, which it is where nobody has set it"
        )
    else:
        kernel, *rest = part.own(1 + biased)
        bias = rest[0] if rest else np.zeros(0, np.float32)
    check_sizes(part, kernel.shape)
    made = [part.quantised(kernel, "kq")]
    return [*made, part.quantised(bias, "bq")] if biased else made


def check_sizes(part: Part, shape: tuple[int, ...]) -> None:
    """Refuse settings that ask for another kernel than the file holds, before anything of that size is made.

    Raises:
        ValueError: if they do.
    """
    sizes: set[Any] = {shape[-1]}
    if "Einsum" not in part.kind:
        wanted = {part.config.get("units", part.config.get("filters"))}
    else:
        given, _, result = str(part.config.get("equation")).replace(" ", "").partition("->")
        letters, found = given.partition(",")[2], part.config.get("output_shape")
        listed = found if isinstance(found, list) else [found]
        pairs = list(zip(result[::-1], listed[::-1], strict=False))
        sizes = {(letter, shape[letters.index(letter)]) for letter, _ in pairs if letter in letters}
        wanted = {(letter, size) for letter, size in pairs if letter in letters}
    if wanted != sizes:
        raise ValueError(f"its kernel has the shape {shape}, and its settings ask for {sorted(map(str, wanted))}")


def _factor(gamma: list[Array], variance: Array, epsilon: float) -> Array:
    """What a normalisation multiplies with, in float32; without a ``gamma`` that is 1."""
    return np.asarray((gamma[0] if gamma else np.float32(1)) / np.sqrt(variance + np.float32(epsilon)))


def _fused(part: Part) -> tuple[Array, Array]:
    """Kernel and bias with the normalisation in them, as HGQ2 computes them in float32."""
    kernel, bias, *scale, mean, variance = part.own(4 + bool(part.config.get("scale", True)))
    letters = str(part.config.get("equation")).replace(" ", "").partition(",")[2].partition("->")[0]
    axis = part.config.get("normalize_axes") or part.config.get("bias_axes")
    if not isinstance(axis, str) or len(axis) != 1 or axis not in letters or kernel.ndim != len(letters):
        raise part.refused(f"{part.kind} normalised along {str(axis)[:20]!r} of {letters[:40]!r}", WAY_OUT)
    factor = _factor(scale, variance, _EPSILON)
    shape = [-1 if letter == axis else 1 for letter in letters]
    if factor.shape != (kernel.shape[letters.index(axis)],) or bias.size != factor.size:
        raise part.refused(f"{part.kind} has a normalisation of {factor.shape} values", "save it again")
    return kernel * factor.reshape(shape), bias + (-mean * factor).reshape(bias.shape)


def _fused_before(part: Part) -> list[Array]:
    """Kernel and bias of a dense layer with the normalisation of its inputs in the kernel, as HGQ2 has it.

    The products of means and weights are summed in an order that depends on the program: where that could change a bias after its
    quantiser, the layer is refused.
    """
    kernel, bias, *scale, mean, variance = part.own(4 + bool(part.config.get("scale", True)))
    factor = _factor(scale, variance, part.config.get("epsilon", 0.001))
    terms = mean.astype(np.float64)[:, None] * kernel.astype(np.float64)
    total = bias.astype(np.float64) - terms.sum(0)
    types = part.types(part.config.get("bq_conf"), "bq/")
    error = (np.abs(terms).sum(0) + np.abs(total)) * (len(mean) + 2) * 2.0**-24
    sides = [quantised((total + side).astype(np.float32), types) for side in (-error, error)]
    if (sides[0] != sides[1]).any():
        raise part.refused(
            f"float32 leaves open to which step {int((sides[0] != sides[1]).sum())} of its biases round",
            "allowed are biases that do not lie between two steps; use QDense behind a QBatchNormalization",
        )
    return [part.quantised(factor[:, None] * kernel, "kq"), sides[0]]


def _factors(part: Part) -> list[Array]:
    """Factor and offset of a normalisation, over a mean of 0 and a variance with which the root is 1."""
    scale, centred = bool(part.config.get("scale")), bool(part.config.get("center"))
    *own, mean, variance = part.own(2 + scale + centred)
    gamma = [own.pop(0)] if scale else []
    beta = own.pop(0) if centred else np.float32(1)  # so HGQ2 has it
    factor = _factor(gamma, variance, part.config.get("epsilon", 0.001))
    made = part.quantised(factor, "kq"), part.quantised(beta - mean * factor, "bq")
    return [*made, np.zeros_like(mean), np.full_like(mean, 0.5)]
