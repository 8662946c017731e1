"""bittrigger: ternary neural networks to Level-1 trigger firmware, proven right and known to fit.

``convert``, ``solve`` and ``load`` give a ``Design``; what they need is imported when they are first asked for.
"""

import os
import sys
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bittrigger.design import Design, convert, load, solve
    from bittrigger.settings import Settings

__all__ = ["Design", "Settings", "__version__", "convert", "load", "solve"]

_FRONT_DOOR = {"Design": "design", "convert": "design", "load": "design", "solve": "design", "Settings": "settings"}


if sys.version_info >= (3, 12):  # QKeras needs Keras 2, which is tf_keras there: see bittrigger.system.legacy_keras
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")


def __getattr__(name: str) -> object:
    """Return a name of the front door, importing its module now.

    Raises:
        AttributeError: the package has no such name.
    """
    if name not in _FRONT_DOOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    attribute: object = getattr(import_module(f"bittrigger.{_FRONT_DOOR[name]}"), name)
    return attribute
