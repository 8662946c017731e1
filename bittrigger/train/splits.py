"""A reproducible split of a sample into training, validation and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError

__all__ = ["Split", "split_by_seed"]


@dataclass(frozen=True)
class Split:
    """Row indices of the three parts; together they name each row once."""

    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]

    def __str__(self) -> str:
        """Return the sizes in words."""
        return f"{len(self.train)} train, {len(self.validation)} validation, {len(self.test)} test"


def split_by_seed(labels: npt.NDArray[Any], *, validation: float, test: float, seed: int) -> Split:
    """Split rows at random, with the same share of each label in each part.

    The split depends on `labels`, the two fractions and `seed` only.

    Args:
        labels: shape `(n,)`; rows of one label are shuffled and cut on their own.
        validation: fraction of the rows for choosing epochs, in (0, 1).
        test: fraction of the rows held out until the end, in (0, 1).
        seed: seed of `numpy.random.default_rng`.

    Raises:
        ConfigError: a fraction is out of range, or some label would leave a part empty.
    """
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise ConfigError(f"validation {validation}, test {test}: expected positive fractions with a sum below 1")
    generator = np.random.default_rng(seed)
    parts: tuple[list[npt.NDArray[np.int64]], ...] = ([], [], [])
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        n_test, n_validation = round(test * len(rows)), round(validation * len(rows))
        cuts = np.split(rows, [n_test, n_test + n_validation])
        if any(len(cut) == 0 for cut in cuts):
            raise ConfigError(
                f"label {label}: {len(rows)} rows are too few for validation {validation} "
                f"and test {test}; expected at least one row in each part"
            )
        for part, cut in zip(parts, cuts, strict=True):
            part.append(cut)
    test_rows, validation_rows, train_rows = (generator.permutation(np.concatenate(part)) for part in parts)
    return Split(train=train_rows, validation=validation_rows, test=test_rows)
