"""Copies of Keras models, so that nobody's model is changed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from bittrigger.frontend.elementwise.own_functions import OWN
from bittrigger.frontend.elementwise.typed_function import TypedFunction
from bittrigger.frontend.keras_model.hgq import hgq_layers
from bittrigger.frontend.keras_model.quiet import without_autograph


class QActivationReader:
    """Makes a QActivation of its configuration; QKeras 0.9 itself fails on one with a quantiser object."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer of ``config``."""
        from qkeras import QActivation
        from qkeras.quantizers import get_quantizer

        settings = dict(config)
        if isinstance(settings["activation"], dict):
            settings["activation"] = get_quantizer(settings["activation"])
        return QActivation(**settings)


def known_classes() -> dict[str, Any]:
    """Classes beyond Keras' own that a configuration may name."""
    from qkeras import utils

    from bittrigger.layers.names import PACKAGE
    from bittrigger.layers.stock import BIT_LAYERS

    known: dict[str, Any] = {f"{PACKAGE}{kind.__name__}": kind for kind in BIT_LAYERS}
    utils._add_supported_quantized_objects(known)  # QKeras offers no public list of its classes
    return known | hgq_layers() | OWN | {"QActivation": QActivationReader, TypedFunction.__name__: TypedFunction}


def copy_of(model: Any, change: Callable[[Any], Any] = lambda config: config, *, weights: bool = True) -> Any:
    """A model of the same layers.

    Args:
        change: makes of the configuration that of the copy.
        weights: whether the copy gets the weights of the model.
    """
    import tensorflow as tf

    kind = tf.keras.Sequential if isinstance(model, tf.keras.Sequential) else tf.keras.Model
    pruned = {
        type(layer).__name__: type(layer) for layer in model.layers if type(layer).__name__ == "PruneLowMagnitude"
    }
    known = known_classes() | pruned
    # A Bidirectional makes its layers anew, and names no classes to them.
    with warnings.catch_warnings(), without_autograph(), tf.keras.utils.custom_object_scope(known):
        warnings.simplefilter("ignore")  # Keras warns of quantisers that QKeras saves in the place of constraints
        made = kind.from_config(change(model.get_config()), custom_objects=known)
    if weights:
        made.set_weights(model.get_weights())
    return made
