"""Placements of registers that are kept: the very same problem is found, and nothing that was damaged."""

import numpy as np
import pytest

from bittrigger.schedule import retime
from bittrigger.schedule.difference import Constraints, minimise

SIZE = 150


@pytest.fixture
def solved(monkeypatch, tmp_path):
    """How often a problem was solved."""
    monkeypatch.setenv("BITTRIGGER_CACHE", str(tmp_path))
    times = []
    monkeypatch.setattr(retime, "minimise", lambda *problem: (times.append(1), minimise(*problem))[1])
    return times


def problem(seed=0):
    rng = np.random.default_rng(seed)
    later = np.arange(1, SIZE)
    earlier = rng.integers(0, later)
    constraints = Constraints(later, earlier, rng.integers(0, 2, SIZE - 1), np.full(SIZE, 40))
    return rng.integers(-9, 10, SIZE), constraints


def test_the_same_problem_is_solved_once(solved):
    for seed in (0, 1, 0, 1):
        np.testing.assert_array_equal(retime._minimum(*problem(seed)), minimise(*problem(seed)))
    assert len(solved) == 2


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:60] + b"?" + data[61:], lambda _: b""])
def test_a_poisoned_placement_is_found_again(solved, tmp_path, damage):
    wanted = retime._minimum(*problem())
    (entry,) = (tmp_path / "placements").iterdir()
    entry.write_bytes(damage(entry.read_bytes()))
    np.testing.assert_array_equal(retime._minimum(*problem()), wanted)
    assert len(solved) == 2
