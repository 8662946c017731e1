"""The events that the project's test bench runs: corners of the input ranges, one-hot events and random ones."""

from __future__ import annotations

import numpy as np

from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Graph, input_intervals

SEED = 20240601
"""Seed of the random events, so that emission is reproducible."""


MAX_ALONE = 256
"""Inputs that come alone, at most; of more, as many at equal distances."""


def reference_codes(graph: Graph, random_events: int = 100) -> IntArray:
    """Input codes `(events, n_inputs)`: corners of the input ranges, then ``random_events`` uniform events.

    The corners are all lowest, all highest, all nearest to zero, and each input (of many: some) alone at either end.
    """
    ranges = input_intervals(graph)
    lows = np.array([r.lo for r in ranges], dtype=np.int64)
    highs = np.array([r.hi for r in ranges], dtype=np.int64)
    rest = np.clip(0, lows, highs)
    each = np.unique(np.linspace(0, len(ranges) - 1, min(len(ranges), MAX_ALONE)).astype(np.int64))
    alone = np.repeat(rest[None, :], 2 * len(each), axis=0)
    rows = 2 * np.arange(len(each))
    alone[rows, each], alone[rows + 1, each] = lows[each], highs[each]
    random = np.random.default_rng(SEED).integers(lows, highs, size=(random_events, len(ranges)), endpoint=True)
    return np.vstack([lows, highs, rest, alone, random])


def dat_text(codes: IntArray) -> str:
    """``codes`` as text, one event a line."""
    return "\n".join(" ".join(map(str, event)) for event in codes.tolist()) + "\n"
