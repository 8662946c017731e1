"""Plots of cards, studies over seeds, and the command line of recipes."""

from __future__ import annotations

import builtins
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bittrigger.errors import ConfigError, ToolNotFoundError
from bittrigger.train import roc_auc
from bittrigger.train.metrics import efficiency_at_rate, roc_curve
from bittrigger.train.plots import (
    RocCurve,
    ScoredDesign,
    confusion_shares,
    plot_accuracy_against_luts,
    plot_confusion,
    plot_efficiencies,
    plot_roc,
)
from bittrigger.train.recipes import RecipeOptions, run_recipe
from bittrigger.train.study import Spread, run_study, spread_of, summary_rows

GENERATOR = np.random.default_rng(0)
LABELS = np.arange(300) % 3
SCORES = np.round(GENERATOR.normal(0, 1, (300, 3)) + 2 * np.eye(3)[LABELS], 1)

# --- plots ----------------------------------------------------------------------------------------


def test_the_area_below_the_roc_curve_is_the_auc() -> None:
    background, signal = roc_curve(SCORES[:, 0], LABELS == 0)
    assert (background[0], signal[0], background[-1], signal[-1]) == (0, 0, 1, 1)
    assert len(signal) == len(np.unique(SCORES[:, 0])) + 1
    area = np.diff(background) @ (signal[1:] + signal[:-1]) / 2
    assert area == pytest.approx(roc_auc(SCORES[:, 0], LABELS == 0), abs=1e-12)


def test_confusion_shares_by_hand() -> None:
    found = confusion_shares(np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1]), 2)
    assert found.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert confusion_shares(np.array([1, 0]), np.array([0, 1]), 2).tolist() == [[0, 1], [1, 0]]


def draw(kind: str, path: Path) -> None:
    match kind:
        case "roc":
            plot_roc([RocCurve(name, SCORES[:, i], i == LABELS) for i, name in enumerate("gqw")], path)
        case "confusion":
            plot_confusion(SCORES.argmax(axis=1), LABELS, "gqw", path, title="Confusion")
        case "efficiencies":
            values = [efficiency_at_rate(SCORES[:, i], SCORES[:, i] + 1, 0.1) for i in range(3)]
            plot_efficiencies({"net": values, "sum": values[::-1]}, "gqw", path, title="10 % of the background passes")
        case _:
            points = [
                ScoredDesign(2000, 70.1, 0.2, label="a"),
                ScoredDesign(5000, 72.0),
                ScoredDesign(8, 1, 1, "float"),
            ]
            plot_accuracy_against_luts(points, path, origin="synth, Yosys 0.70", references={"twin": 72.9})


@pytest.mark.parametrize("kind", ["roc", "confusion", "luts", "efficiencies"])
def test_plots_are_small_and_the_same_each_time(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(kind, tmp_path / "a.png")
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nfont.size: 30\n")
    monkeypatch.chdir(tmp_path)
    draw(kind, tmp_path / "b.png")
    first, second = (tmp_path / "a.png").read_bytes(), (tmp_path / "b.png").read_bytes()
    assert first == second
    assert first.startswith(b"\x89PNG")
    assert 5_000 < len(first) < 60_000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png", "matplotlibrc"]


def test_plots_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def missing(name: str, *args: Any) -> Any:
        if name == "matplotlib" or name.startswith("matplotlib."):
            raise ModuleNotFoundError(name)
        return plain(name, *args)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ToolNotFoundError, match=r"'matplotlib' not found; .* `pip install matplotlib`"):
        draw("roc", tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_plots_refuse(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(ConfigError, match="0 ROC curves to plot; expected at least one ROC curve"):
        plot_roc([], path)
    with pytest.raises(ConfigError, match="0 designs to plot"):
        plot_accuracy_against_luts([], path, origin="synth")
    with pytest.raises(ConfigError, match="0 positive and 300 negative samples"):
        plot_roc([RocCurve("g", SCORES[:, 0], LABELS > 3)], path)
    with pytest.raises(ConfigError, match="labels: class 0 to 2; allowed are 0 to 1"):
        plot_confusion(LABELS % 2, LABELS, "gq", path)
    with pytest.raises(ConfigError, match="labels: class 3 has no event"):
        plot_confusion(LABELS, LABELS, "gqwz", path)
    with pytest.raises(ConfigError, match="0 scores to plot"):
        plot_efficiencies({}, "gqw", path)
    with pytest.raises(ConfigError, match="score 'net': 1 efficiencies for 3 signals"):
        plot_efficiencies({"net": [efficiency_at_rate(SCORES[:, 0], SCORES[:, 0], 0.1)]}, "gqw", path)
    with pytest.raises(ConfigError, match=r"predicted of shape \(300, 3\), labels of shape \(300,\)"):
        plot_confusion(SCORES, LABELS, "gqw", path)
    assert not list(tmp_path.iterdir())


# --- studies --------------------------------------------------------------------------------------

VARIANTS: dict[str, dict[str, Any]] = {"narrow": {"hidden": (4, 2)}, "wide": {"hidden": (8, 4)}}


class Worker:
    """Notes what it was called with; stops at a given call."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.calls: list[tuple[str, int]] = []
        self.stop_at = stop_at

    def __call__(self, variant: str, settings: Any, seed: int, folder: Path) -> dict[str, float | None]:
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        self.calls.append((variant, seed))
        (folder / "model.txt").write_text(f"{settings}")
        return {"score": settings["hidden"][0] + seed / 10, "luts": None if variant == "wide" and seed == 2 else 10.0}


def test_a_study_goes_on_where_it_stopped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = run_study(VARIANTS, (1, 2), tmp_path / "whole", Worker())
    first, second = Worker(stop_at=3), Worker()
    with pytest.raises(KeyboardInterrupt):
        run_study(VARIANTS, (1, 2), tmp_path / "parts", first)
    caplog.set_level(logging.INFO)
    runs = run_study(VARIANTS, (1, 2), tmp_path / "parts", second)
    assert (first.calls, second.calls) == ([("narrow", 1), ("narrow", 2), ("wide", 1)], [("wide", 2)])
    assert [(r.variant, r.seed, r.figures) for r in runs] == [(r.variant, r.seed, r.figures) for r in whole]
    assert all((run.folder / "model.txt").is_file() for run in runs)
    assert "3 of 4 runs are done" in caplog.text
    assert "wide, seed 2: score 8.2, luts -; 0 s left" in caplog.text


def test_rows_have_mean_and_spread(tmp_path: Path) -> None:
    runs = run_study(VARIANTS, (1, 2), tmp_path, Worker())
    rows = summary_rows(runs, {"score": (2, 100), "luts": (0, 1), "unknown": (1, 1)})
    assert rows == [["narrow", "415.00 ± 7.07", "10 ± 0", "-"], ["wide", "815.00 ± 7.07", "-", "-"]]
    assert spread_of([1, 2, 6]) == Spread(3, pytest.approx(7**0.5), 3)
    assert spread_of([4]) == Spread(4, None, 1)
    assert Spread(12345.678, None, 1).text(1) == "12,345.7"
    assert spread_of([]) is None


def test_a_study_refuses(tmp_path: Path) -> None:
    run_study(VARIANTS, (1,), tmp_path, Worker(), identity={"data": "abc"})
    with pytest.raises(ConfigError, match=r"result .*narrow/seed-1/result.json: its identity are .*'abc'.*'xyz'"):
        run_study(VARIANTS, (1,), tmp_path, Worker(), identity={"data": "xyz"})
    with pytest.raises(ConfigError, match="its settings are .*use another folder"):
        run_study({"wide": {"hidden": (9, 4)}}, (1,), tmp_path, Worker(), identity={"data": "abc"})
    with pytest.raises(ConfigError, match=r"study of 2 variants, seeds \[1, 1\]"):
        run_study(VARIANTS, (1, 1), tmp_path, Worker())
    with pytest.raises(ConfigError, match="variant '../x': its name is that of a folder"):
        run_study({"../x": {}}, (1,), tmp_path, Worker())
    path = tmp_path / "wide" / "seed-1" / "result.json"
    path.write_text(path.read_text()[:40])
    with pytest.raises(ConfigError, match="it is damaged .*remove it to do the run again"):
        run_study(VARIANTS, (1,), tmp_path, Worker(), identity={"data": "abc"})


def test_a_figure_of_a_result_is_a_number(tmp_path: Path) -> None:
    run_study(VARIANTS, (1,), tmp_path, Worker())
    path = tmp_path / "wide" / "seed-1" / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "figures": {"score": "high"}}))
    with pytest.raises(ConfigError, match="it is damaged"):
        run_study(VARIANTS, (1,), tmp_path, Worker())


# --- the command line of recipes ------------------------------------------------------------------


def test_recipe_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[RecipeOptions] = []
    words = ["--data", "some/x.npz", "--seed", "4", "5", "--epochs", "7"]
    assert run_recipe(seen.append, "d", tmp_path, data="x.npz", epochs=3, seeds=(1, 2), arguments=words) == 0
    assert run_recipe(seen.append, "d", tmp_path, data="x.npz", epochs=3, arguments=words[:2]) == 0
    assert seen[0] == RecipeOptions(Path("some/x.npz"), (4, 5), 7, tmp_path, Path("build") / tmp_path.name)
    assert seen[0].command("models/x/recipe.py") == "python models/x/recipe.py --data x.npz --seed 4 5 --epochs 7"
    assert (seen[1].seeds, seen[1].epochs, seen[1].test) == ((1,), 3, None)
    words = [*words[:2], "--test", "some/t.npz"]
    assert run_recipe(seen.append, "d", tmp_path, data="x.npz", test="t.npz", epochs=3, arguments=words) == 0
    assert seen[2].test == Path("some/t.npz")
    assert seen[2].command("r.py") == "python r.py --data x.npz --test t.npz --seed 1 --epochs 3"
    with pytest.raises(SystemExit):
        run_recipe(seen.append, "d", tmp_path, data="x.npz", test="t.npz", epochs=3, arguments=words[:2])
    assert "required: --test" in capsys.readouterr().err
    words = [*words[:2], "--seed", "4", "5"]
    with pytest.raises(SystemExit):
        run_recipe(seen.append, "d", tmp_path, data="x.npz", epochs=3, arguments=words)
    assert "unrecognized arguments: 5" in capsys.readouterr().err


def test_a_recipe_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(options: RecipeOptions) -> None:
        raise ConfigError(f"--data {options.data}: no such file")

    assert run_recipe(run, "d", tmp_path, data="x.npz", epochs=3, arguments=["--data", "no.npz"]) == 1
    assert capsys.readouterr().err == "error: --data no.npz: no such file\n"
