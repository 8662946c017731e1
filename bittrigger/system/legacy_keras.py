"""Keras 2 under the name that it has here: ``keras`` up to TensorFlow 2.15, ``tf_keras`` beside a ``keras`` that is Keras 3.

QKeras 0.9 is written for Keras 2. TensorFlow gives it as ``tf.keras`` where ``TF_USE_LEGACY_KERAS`` says so, which has to be
said before anybody first touches ``tf.keras``: ``import bittrigger`` says it on Python 3.12 and later, for which there is no
older TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from bittrigger.errors import ConfigError

VARIABLE = "TF_USE_LEGACY_KERAS"
"""What TensorFlow reads."""

PACKAGES = ("keras", "tf_keras")
"""Names under which Keras 2 is found."""


def keras_2_package() -> str:
    """``keras`` or ``tf_keras``: the package that ``tf.keras`` is.

    Raises:
        ConfigError: if ``tf.keras`` is Keras 3 in this process.
    """
    import tensorflow as tf

    home = str(tf.keras.layers.Layer.__module__).split(".", maxsplit=1)[0]
    keras = import_module(home)
    if _is_later(keras):
        raise ConfigError(
            f"tf.keras is Keras {keras.__version__} in this process; bittrigger reads and trains models of Keras 2; set "
            f"{VARIABLE}=1 before Python starts, or import bittrigger before TensorFlow, with the package tf_keras installed"
        )
    return home


def keras_2_module(path: str) -> ModuleType:
    """The module ``path`` of Keras 2, for example ``src.saving``."""
    return import_module(f"{keras_2_package()}.{path}")


def is_model_of_keras_2(model: object) -> bool:
    """Whether a model object is one of Keras 2, whatever the package is called."""
    for kind in type(model).__mro__:
        home = kind.__module__.split(".", maxsplit=1)[0]
        if home in PACKAGES:
            return not _is_later(import_module(home))
    return False


def _is_later(keras: ModuleType) -> bool:
    return int(str(keras.__version__).split(".", maxsplit=1)[0]) > 2


def is_of_keras_2(kind: type[Any]) -> bool:
    """Whether a class is one of Keras 2 itself."""
    return kind.__module__.split(".", maxsplit=1)[0] in PACKAGES
