"""The model of a configuration and arrays that have been checked, built by Keras."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_never

from bittrigger.errors import BittriggerError, UnsupportedModelError
from bittrigger.frontend.attributes import BIDIRECTIONAL, RECURRENT
from bittrigger.frontend.keras_file.assign import assign
from bittrigger.frontend.keras_file.content import Content, Format
from bittrigger.frontend.keras_model.copies import known_classes
from bittrigger.system.legacy_keras import keras_2_module

KerasModel = Any
"""A model of a library without types."""


def build_model(path: Path, given: Mapping[str, Any], config: Mapping[str, Any], content: Content) -> KerasModel:
    """Let Keras build the model from a configuration and arrays that have been checked.

    Args:
        path: the file, for messages.
        given: the configuration as the file has it.
        config: the same in the words of Keras 2.

    Raises:
        UnsupportedModelError: if Keras cannot build it, or the arrays do not fit.
    """
    from bittrigger.frontend.keras_model.quiet import (
        as_written,
        mend_qkeras,
        quiet_tensorflow,
        without_autograph,
        without_collection,
    )

    with quiet_tensorflow():
        with without_collection():
            import qkeras  # noqa: F401 - with TensorFlow the largest part of what _build needs
            import tensorflow as tf

        as_written()
        mend_qkeras()
        archive = content.format is Format.ARCHIVE
        filtered = tf.debugging.is_traceback_filtering_enabled()
        tf.debugging.disable_traceback_filtering()  # which would hide the layer that an error is of
        try:
            try:
                with without_autograph():
                    model = _build(config, archive=archive)
            except tf.errors.OperatorNotAllowedInGraphError:  # a layer that cannot do without
                model = _build(config, archive=archive)
            assign(model, given, config, content)
        except (
            *(ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OSError, ArithmeticError),
            *(RecursionError, MemoryError, NotImplementedError, tf.errors.OpError),
        ) as error:
            reason = " ".join(str(_cause(error)).split())[:400]
            raise UnsupportedModelError(
                f"model file {path}: Keras cannot build it: {_layer_of(error)}{reason}; allowed are models whose weights and "
                f"shapes fit their layers; save it again{_again(content.format)}"
            ) from error
        finally:
            if filtered:
                tf.debugging.enable_traceback_filtering()
        return model


def _again(written: Format) -> str:
    match written:
        case Format.HDF5 | Format.ARCHIVE | Format.APART:
            return " as .h5 with Keras 2 and QKeras 0.9"
        case Format.HDF5_3:
            return " with model.save('name.keras')"
        case Format.ARCHIVE_3:
            return ""
        case _:
            assert_never(written)


def _layer_of(error: BaseException) -> str:
    """The layer that Keras was at when it raised ``error``, with a colon; nothing if it was at none."""
    from tensorflow.keras.layers import Layer

    layer, trace = None, error.__traceback__
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        layer = owner if isinstance(owner, Layer) else layer
        trace = trace.tb_next
    return "" if layer is None else f"layer {layer.name!r} ({type(layer).__name__}): "


def _cause(error: BaseException) -> BaseException:
    """The error of ours behind one of Keras, else the latter."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, BittriggerError):
        found = found.__context__
    return found or error


def _build(config: Mapping[str, Any], *, archive: bool) -> KerasModel:
    """The model of a configuration, with the weights that its initialisers give."""
    import tensorflow as tf

    legacy = keras_2_module("src.saving.legacy.saved_model.utils")  # how Keras reads HDF5 files has no public name
    known = known_classes()
    if _holds(config, "PruneLowMagnitude"):
        known["PruneLowMagnitude"] = _pruning_wrapper()
    if archive:
        return tf.keras.models.model_from_config(_built_by_calls(dict(config)), custom_objects=known)
    with (
        tf.keras.utils.custom_object_scope(known),
        legacy.keras_option_scope(save_traces=False, in_tf_saved_model_scope=True),
    ):
        return tf.keras.models.model_from_config(dict(config))


def _built_by_calls(value: Any) -> Any:
    """A configuration without the shapes of recurrent layers, which Keras takes for nests; their calls have them too."""
    if isinstance(value, list):
        return [_built_by_calls(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _built_by_calls(item) for key, item in value.items()}
    if kept.get("class_name") in (*RECURRENT, *BIDIRECTIONAL):
        kept.pop("build_config", None)
    return kept


def _holds(value: Any, class_name: str) -> bool:
    """Whether an object of a class stands anywhere in a configuration."""
    if isinstance(value, dict):
        return value.get("class_name") == class_name or any(_holds(item, class_name) for item in value.values())
    return isinstance(value, list) and any(_holds(item, class_name) for item in value)


def _pruning_wrapper() -> Any:
    """The wrapper of a layer that is pruned in training; QKeras brings the package."""
    from importlib import import_module

    home = "tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper"
    return import_module(home).PruneLowMagnitude
