"""How far what a model gives is from what it gives once types are declared, in a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def distance_said(before: npt.NDArray[np.floating[Any]], after: npt.NDArray[np.floating[Any]], *, several: bool) -> str:
    """On how many events what is decided differs, and by how much an output does.

    Args:
        before: outputs `(events, n_outputs)` of the model that was given.
        after: those of the one that is built.
        several: whether they are those of several layers, of which no one is the largest.
    """
    largest = float(np.abs(before - after).max(initial=0.0))
    if several or before.shape[1] == 1:
        other = int((before != after).any(axis=1).sum())
        return f"the outputs change on {other:,} of {len(before):,} events, by at most {largest:.4g}"
    other = int((before.argmax(axis=1) != after.argmax(axis=1)).sum())
    return f"the argmax changes on {other:,} of {len(before):,} events, an output by at most {largest:.4g}"
