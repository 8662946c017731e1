"""Training of ternary networks with QKeras and their export to stock QKeras layers.

Importing this package needs NumPy only. Layers, quantizers and what works on models import TensorFlow and QKeras the
first time they are asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from bittrigger.train.costs import LayerCost, ModelCost, model_costs
from bittrigger.train.fitting import FitResult, FitSettings, fit
from bittrigger.train.metrics import accuracy, log_odds, one_vs_rest_auc, roc_auc
from bittrigger.train.splits import Split, split_by_seed

if TYPE_CHECKING:
    from bittrigger.layers.activations import BitActivation, StaticQuantizer
    from bittrigger.layers.adder_cost import AdderCostReport, adder_bits, model_adder_bits
    from bittrigger.layers.bit_linear import BitConv1D, BitConv2D, BitLinear
    from bittrigger.layers.bithep import BitHepLinear
    from bittrigger.layers.dynamic import DynamicQuantizer
    from bittrigger.layers.export import export_stock
    from bittrigger.layers.input_scale import InputScale
    from bittrigger.layers.quantizers import KeepMagnitude, absmean_binary, absmean_ternary
    from bittrigger.layers.stock import stock_layers
    from bittrigger.layers.widths import model_widths
    from bittrigger.train.calibration import Calibration, calibrate

__all__ = [
    "AdderCostReport",
    "BitActivation",
    "BitConv1D",
    "BitConv2D",
    "BitHepLinear",
    "BitLinear",
    "Calibration",
    "DynamicQuantizer",
    "FitResult",
    "FitSettings",
    "InputScale",
    "KeepMagnitude",
    "LayerCost",
    "ModelCost",
    "Split",
    "StaticQuantizer",
    "absmean_binary",
    "absmean_ternary",
    "accuracy",
    "adder_bits",
    "calibrate",
    "export_stock",
    "fit",
    "log_odds",
    "model_adder_bits",
    "model_costs",
    "model_widths",
    "one_vs_rest_auc",
    "roc_auc",
    "split_by_seed",
    "stock_layers",
]

_LAZY = {
    "AdderCostReport": "bittrigger.layers.adder_cost",
    "BitActivation": "bittrigger.layers.activations",
    "BitConv1D": "bittrigger.layers.bit_linear",
    "BitConv2D": "bittrigger.layers.bit_linear",
    "BitHepLinear": "bittrigger.layers.bithep",
    "BitLinear": "bittrigger.layers.bit_linear",
    "InputScale": "bittrigger.layers.input_scale",
    "KeepMagnitude": "bittrigger.layers.quantizers",
    "DynamicQuantizer": "bittrigger.layers.dynamic",
    "StaticQuantizer": "bittrigger.layers.activations",
    "Calibration": "bittrigger.train.calibration",
    "absmean_binary": "bittrigger.layers.quantizers",
    "absmean_ternary": "bittrigger.layers.quantizers",
    "adder_bits": "bittrigger.layers.adder_cost",
    "calibrate": "bittrigger.train.calibration",
    "export_stock": "bittrigger.layers.export",
    "model_adder_bits": "bittrigger.layers.adder_cost",
    "model_widths": "bittrigger.layers.widths",
    "stock_layers": "bittrigger.layers.stock",
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
