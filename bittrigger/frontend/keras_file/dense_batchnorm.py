"""QDenseBatchnorm, which forks of QKeras have, as the QDense that it is at inference.

Its kernel and bias are scaled by the normalisation first and quantised then, as those of QConv2DBatchnorm. Source:
github.com/google/qkeras, ``qdense_batchnorm.py`` in its branches, at 838f83c (April 2021) and b601b54 (January 2022). For
two weeks between them, at 995dbc3, it quantised first; no file says which of the two wrote it. Data in, data out: no class
is looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import UnsupportedModelError

Json = Any
Arrays = Mapping[str, npt.NDArray[Any]]

KIND = "QDenseBatchnorm"

_KEPT = ("name", "trainable", "dtype", "units", "activation", "kernel_quantizer", "bias_quantizer", "batch_input_shape")
_DEPTH = 8
"""Most models within models in which such layers are looked for; deeper ones are refused as every unknown class."""


def as_dense(where: str, config: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, float]]:
    """The configuration of an HDF5 file with a QDense in the place of each, and their epsilons by name.

    Args:
        where: the file, for messages.
        config: JSON of Keras 2, which may be hostile.

    Raises:
        UnsupportedModelError: if an epsilon is no number.
    """
    found: dict[str, float] = {}
    return _replaced(where, config, found, 0), found


def _replaced(where: str, layer: Mapping[str, Json], found: dict[str, float], depth: int) -> dict[str, Json]:
    """A layer or model; what is no QDenseBatchnorm is as it was."""
    made, config = dict(layer), layer.get("config")
    if not isinstance(config, dict) or depth > _DEPTH:
        return made
    if layer.get("class_name") == KIND:
        epsilon = config.get("epsilon")
        if not isinstance(epsilon, float):
            raise UnsupportedModelError(
                f"model file {where}: layer {str(config.get('name'))[:80]!r}: {KIND} has the epsilon {str(epsilon)[:80]}; "
                "allowed are real numbers; save it again"
            )
        name = str(config.get("name"))
        if found.setdefault(name, epsilon) != epsilon:
            raise UnsupportedModelError(
                f"model file {where}: layer {name[:80]!r}: two {KIND} have it, with the epsilons {found[name]} and {epsilon}; "
                "allowed is one; give them names of their own"
            )
        kept = {key: config[key] for key in _KEPT if key in config}
        return made | {"class_name": "QDense", "config": kept | {"use_bias": True}}
    layers = config.get("layers")
    if isinstance(layers, list):
        inner = [_replaced(where, one, found, depth + 1) if isinstance(one, dict) else one for one in layers]
        made["config"] = {**config, "layers": inner}
    return made


def told(names: Mapping[str, float]) -> list[str]:
    """What the report tells of them."""
    return [
        f"layer {name!r}: {KIND} is read as QDense whose kernel and bias are folded with the normalisation, and quantised then, "
        "as its last version does it; one version quantised them first"
        for name in names
    ]


def folded(weights: Mapping[str, Arrays], epsilons: Mapping[str, float]) -> dict[str, dict[str, npt.NDArray[Any]]]:
    """The arrays of each owner, a layer or a model within, where each such layer has a kernel and a bias and nothing else."""
    return {owner: _of_owner(owner, dict(arrays), epsilons) for owner, arrays in weights.items()}


def _of_owner(owner: str, arrays: dict[str, npt.NDArray[Any]], epsilons: Mapping[str, float]) -> Any:
    for layer, epsilon in epsilons.items():
        own = {
            name.rsplit("/", 1)[-1].removesuffix(":0"): name
            for name in arrays
            if owner == layer or layer in name.split("/")[:-1]
        }
        values = {leaf: arrays[name] for leaf, name in own.items() if leaf != "iteration"}
        if _fits(values):
            made = _folded(values, epsilon)
            arrays = dict(_in_place(arrays, own, dict(zip(("kernel", "bias"), made, strict=True))))
    return arrays


def _fits(values: Arrays) -> bool:
    """Whether these are the arrays of such a layer; others are refused where a QDense gets them."""
    if not {"kernel", "moving_mean", "moving_variance"} <= values.keys() or values["kernel"].ndim != 2:
        return False
    outputs = values["kernel"].shape[1:]
    return all(array.shape == outputs for leaf, array in values.items() if leaf != "kernel")


def _folded(values: Arrays, epsilon: float) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Kernel and bias as float32 folds them, with the very reciprocal root that Keras takes."""
    from bittrigger.frontend.keras_model.quiet import quiet_tensorflow

    with quiet_tensorflow():
        import tensorflow as tf

    single = {leaf: array.astype(np.float32) for leaf, array in values.items()}
    with np.errstate(all="ignore"):  # what is not finite is refused with its name
        factor = tf.math.rsqrt(tf.constant(single["moving_variance"]) + np.float32(epsilon)).numpy()
        factor = factor * single.get("gamma", np.float32(1))
        bias = factor * (single.get("bias", np.float32(0)) - single["moving_mean"]) + single.get("beta", np.float32(0))
        return factor * single["kernel"], bias


def _in_place(arrays: Arrays, own: Mapping[str, str], made: Arrays) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """``arrays`` with those of a layer replaced, in the order of Keras: its bias follows its kernel."""
    for name, array in arrays.items():
        if name == own["kernel"]:
            yield name, made["kernel"]
            yield own.get("bias", name.removesuffix("kernel:0") + "bias:0"), made["bias"]
        elif name not in own.values():
            yield name, array
