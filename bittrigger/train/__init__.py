"""Training of networks with the layers of ``bittrigger.layers``: fitting, calibration, metrics, plots and recipes.

Importing this package needs NumPy only. What works on models imports TensorFlow the first time it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bittrigger.system.lazily import attributes
from bittrigger.train.costs import LayerCost, ModelCost, model_costs
from bittrigger.train.fitting import FitResult, FitSettings, fit
from bittrigger.train.metrics import accuracy, log_odds, one_vs_rest_auc, roc_auc
from bittrigger.train.splits import Split, split_by_seed

if TYPE_CHECKING:
    from bittrigger.train.calibration import Calibration, calibrate

__all__ = [
    "Calibration",
    "FitResult",
    "FitSettings",
    "LayerCost",
    "ModelCost",
    "Split",
    "accuracy",
    "calibrate",
    "fit",
    "log_odds",
    "model_costs",
    "one_vs_rest_auc",
    "roc_auc",
    "split_by_seed",
]

__getattr__ = attributes(__name__, {"calibration": ("Calibration", "calibrate")})
