"""The jets that the studies of this folder share, and the figures of merit of a score for quarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from bittrigger.data import Constituents, load_quark_gluon
from bittrigger.errors import ConfigError
from bittrigger.train import Split, accuracy, roc_auc, split_by_seed

VALIDATION_FRACTION = 0.08
TEST_FRACTION = 0.25
SPLIT_SEED = 1
FEWEST_JETS = 200
SIGNAL_EFFICIENCY = 0.5

Scores = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int8]

COLUMNS = {"accuracy": (2, 100.0), "AUC": (4, 1.0), "1 / background at 50 %": (1, 1.0)}
"""Of the tables: digits and factor of each figure."""


def load(data: Path) -> tuple[Constituents, Split]:
    """Return the jets, and which of them serve for what; the split is the same for each seed of a training.

    Raises:
        ConfigError: there is no such file, it is not of quark and gluon jets, or holds too few.
    """
    sample = load_quark_gluon(data)
    if len(sample.y) < FEWEST_JETS:
        raise ConfigError(
            f"data file {data}: {len(sample.y)} jets; expected at least {FEWEST_JETS}; make more with `bittrigger data make`"
        )
    split = split_by_seed(sample.y, validation=VALIDATION_FRACTION, test=TEST_FRACTION, seed=SPLIT_SEED)
    return sample, split


def figures_of(scores: Scores, labels: Labels) -> dict[str, float]:
    """Return accuracy at a score of 0, AUC, and the rejection of gluons where half of the quarks are kept.

    Args:
        scores: `(n,)`, higher is more likely a quark.
        labels: `(n,)`, 1 for a quark.
    """
    quarks = labels == 1
    threshold = np.quantile(scores[quarks], 1 - SIGNAL_EFFICIENCY)
    background = float(np.mean(scores[~quarks] >= threshold))
    return {
        "accuracy": accuracy(np.stack([np.zeros_like(scores), scores], axis=1), labels),
        "AUC": roc_auc(scores, quarks),
        "1 / background at 50 %": 1 / max(background, 1 / len(labels)),
    }
