"""The table of layers and options in the documentation is that of the battery, and what it says is so."""

from __future__ import annotations

import pytest
from battery.run import GROUPS, names, outcome, written
from keras_models import tf

pytestmark = pytest.mark.filterwarnings("ignore")

CASES = list(names())
EVERY = 9
"""One case of so many is run with all tests; ``make battery`` runs them all."""


def test_every_case_has_its_row():
    assert list(written()) == [(group, name) for group, name, _ in CASES]
    assert len(CASES) == sum(map(len, GROUPS.values())) >= 319


@pytest.mark.parametrize("number", range(0, len(CASES), EVERY))
def test_what_the_table_says_is_so(number):
    group, name, case = CASES[number]
    assert outcome(number, case) == written()[group, name]
    assert tf is not None
