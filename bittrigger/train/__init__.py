"""Training of ternary networks with QKeras and their export to stock QKeras layers.

Importing this package needs NumPy only. `absmean_ternary` and `export_stock` import TensorFlow
and QKeras the first time they are asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from bittrigger.train.metrics import accuracy, one_vs_rest_auc, roc_auc
from bittrigger.train.splits import Split, split_by_seed

if TYPE_CHECKING:
    from bittrigger.train.export import export_stock
    from bittrigger.train.quantizers import absmean_ternary

__all__ = [
    "Split",
    "absmean_ternary",
    "accuracy",
    "export_stock",
    "one_vs_rest_auc",
    "roc_auc",
    "split_by_seed",
]

_LAZY = {
    "absmean_ternary": "bittrigger.train.quantizers",
    "export_stock": "bittrigger.train.export",
}
"""Names that need TensorFlow, and the modules that define them."""


def __getattr__(name: str) -> object:
    """Return a name of this package that needs TensorFlow, importing its module now.

    Raises:
        AttributeError: the package has no such name.
    """
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    attribute: object = getattr(importlib.import_module(module), name)
    return attribute
