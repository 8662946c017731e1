"""The size study: its errors are those of paired jets and of seeds, and its table and plot are written from runs."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path

import pytest

from bittrigger.errors import InternalError
from bittrigger.train.study import Run


@pytest.fixture(scope="module")
def study(root):
    spec = importlib.util.spec_from_file_location("size_study", root / "benchmarks" / "size_study.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["size_study"] = module
    spec.loader.exec_module(module)
    return module


def runs(losses):
    return [
        Run(
            "4-2",
            seed,
            Path(),
            {
                "weights": 40.0,
                "float accuracy": 0.7,
                "ternary accuracy": 0.7 - lost,
                "float AUC": 0.9,
                "ternary AUC": 0.9 - lost / 2,
                "accuracy lost": lost,
                "error of paired jets": 0.003,
                "AUC lost": lost / 2,
            },
        )
        for seed, lost in enumerate(losses, start=1)
    ]


def test_the_error_is_that_of_the_jets_and_of_the_seeds(study):
    found = study.paired_error(runs([0.01, 0.02, 0.03]), "4-2")
    assert found == pytest.approx(math.hypot(0.003, 0.01 / math.sqrt(3)))


def test_table_and_plot(study, tmp_path):
    some = runs([0.01, 0.02, 0.03])
    row = study.table(some, {"4-2": 1234.0}).splitlines()[-1]
    assert row.startswith("| 4-2 | 40 | 70.00 ± 0.00 | 68.00 ± 1.00 | 2.00 ± 1.00 | 0.65 | 0.9000 ± 0.0000 |")
    assert row.endswith("| 1,234 |")
    study.plot(some, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_that_is_missing_is_no_zero(study):
    with pytest.raises(InternalError, match="'AUC' of '4-2' is not known"):
        study.figure(runs([0.01]), "4-2", "AUC")
