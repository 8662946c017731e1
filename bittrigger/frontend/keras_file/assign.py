"""The arrays of a file, given to the layers of a model, wherever the version of Keras that wrote the file puts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from bittrigger.frontend.keras_file import keras_3_weights
from bittrigger.frontend.keras_file.content import Array, Content, Format
from bittrigger.system.legacy_keras import keras_2_module

_BY_CLASS = "layers/"
"""Where the arrays of archives of Keras 2.15 and later lie: by the classes of the layers, as those of Keras 3."""
_BEFORE_2_15 = "_layer_checkpoint_dependencies/"


def assign(model: Any, given: Mapping[str, Any], built: Mapping[str, Any], content: Content) -> None:
    """Give each layer of ``model`` its arrays.

    Args:
        given: the configuration as the file has it.
        built: the one of which the model was built.

    Raises:
        ValueError: if arrays are missing, left over or of another shape; other errors of Keras.
    """
    match content.format:
        case Format.HDF5 | Format.HDF5_3 | Format.APART:
            _assign_by_name(model, content.weights)
        case Format.ARCHIVE_3:
            keras_3_weights.assign(model, given, built, content.weights)
        case Format.ARCHIVE:
            _assign_archive(model, built, content.weights)
        case _:
            assert_never(content.format)


def _assign_by_name(model: Any, weights: Mapping[str, Mapping[str, Array]]) -> None:
    """Give each layer its arrays, those that are trained first, as Keras writes them."""
    pairs: list[tuple[Any, Array]] = []
    waiting = dict(weights)
    for layer in model.layers:
        variables = layer.trainable_weights + layer.non_trainable_weights
        arrays = waiting.pop(layer.name, {})
        wanted = [(_leaf(variable.name), tuple(variable.shape)) for variable in variables]
        found = [(_leaf(name), values.shape) for name, values in arrays.items()]
        if wanted != found:
            raise ValueError(f"layer {layer.name!r} has the weights {found}; expected {wanted}")
        pairs += zip(variables, arrays.values(), strict=True)
    if waiting:
        raise ValueError(f"it holds weights of {next(iter(waiting))[:80]!r}, which is no layer of the model")
    for variable, values in pairs:
        variable.assign(values.astype(variable.dtype.as_numpy_dtype))


def _leaf(name: str) -> str:
    return name.rsplit("/", 1)[-1].removesuffix(":0")


def _assign_archive(model: Any, built: Mapping[str, Any], weights: Mapping[str, Mapping[str, Array]]) -> None:
    """Give each object of the model the arrays at its path; those of 2.14 Keras finds by walking through the model."""
    import tensorflow as tf

    by_class = _below(_BY_CLASS, weights)
    if not by_class and not tf.__version__.startswith("2.14"):  # which finds the place of its own archives
        moved = {place.replace(_BEFORE_2_15, _BY_CLASS): arrays for place, arrays in weights.items()}
        by_class = _below(_BY_CLASS, moved)
    if by_class:
        keras_3_weights.assign(model, built, built, by_class)
        return
    saving_lib = keras_2_module("src.saving.saving_lib")  # the walk has no public name
    saving_lib._load_state(model, _Store(weights), assets_store=None, inner_path="", visited_trackables=set())


def _below(start: str, weights: Mapping[str, Mapping[str, Array]]) -> dict[str, Mapping[str, Array]]:
    return {place: arrays for place, arrays in weights.items() if place.startswith(start)}


@dataclass(frozen=True)
class _Store:
    """Arrays by path, as Keras asks for them."""

    weights: Mapping[str, Mapping[str, Array]]

    def get(self, path: str) -> Mapping[str, Array]:
        """The arrays of the object at ``path``."""
        return self.weights.get(f"{path}/vars", {})
