"""The space of designs of one model: every point is what convert makes, resumed, and refused with a reason."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from designs import graph

from bittrigger.cli.explore import plot, row
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.errors import ConfigError
from bittrigger.explore import space
from bittrigger.explore.space import choices, explore, front_of
from bittrigger.report import make_report
from bittrigger.settings import Settings

NETWORK = graph((6, 8, 3), name="tiny")


def wanted(**changes):
    values = {
        "parts": ("xcvu13p-flga2577-2-e",),
        "clocks_mhz": (200.0, 360.0),
        "latencies": (None, 3, 12),
        "efforts": ("fast",),
        "precisions": (None,),
    }
    return choices(Settings(), **(values | changes))


def run(folder, points, **options):
    with ThreadPoolExecutor(2) as workers:
        return explore({None: NETWORK}, points, folder, workers, **options)


def test_every_point_is_what_convert_would_make(tmp_path):
    points = wanted()
    assert len(points) == 6
    for choice, trial in zip(points, run(tmp_path, points), strict=True):
        assert (trial.clock_mhz, trial.latency_bound) == (choice.clock_mhz, choice.latency_cycles)
        if trial.refusal is not None:
            with pytest.raises(ConfigError) as refused:
                create_pipeline(NETWORK, choice)
            assert trial.refusal == str(refused.value)
            continue
        pipeline = create_pipeline(NETWORK, choice)
        report = make_report(pipeline, choice, None)
        assert (trial.lut, trial.ff) == (report.totals.estimate.lut.value, report.totals.estimate.ff.value)
        assert trial.latency_cycles == pipeline.latency_cycles
        assert trial.origin == "estimate"


def test_adders_are_solved_once_for_all_clocks_and_points_are_not_tried_again(tmp_path, monkeypatch):
    solved = []
    real = space.solve_layers
    monkeypatch.setattr(space, "solve_layers", lambda *words: solved.append(1) or real(*words))
    points = wanted(latencies=(None,), clocks_mhz=(150.0, 200.0, 360.0))
    first = run(tmp_path, points)
    assert len(solved) == 1
    seen = []
    again = run(tmp_path, points, on_trial=lambda done, total, _: seen.append((done, total)))
    assert again == first
    assert len(solved) == 1
    assert seen == [(1, 3), (2, 3), (3, 3)]
    damaged = next((tmp_path / "points").iterdir())
    damaged.write_text("{")
    assert run(tmp_path, points)[0].lut == first[0].lut
    assert len(solved) == 2


def test_a_precision_that_does_not_lower_is_a_refusal(tmp_path):
    points = wanted(latencies=(None,), clocks_mhz=(200.0,), precisions=(None, "fixed<4,2>"))
    with ThreadPoolExecutor(1) as workers:
        good, bad = explore({None: NETWORK, "fixed<4,2>": "no such type here"}, points, tmp_path, workers)
    assert good.refusal is None
    assert bad.refusal == "no such type here"


def test_wrong_choices_are_refused_at_once():
    with pytest.raises(ConfigError, match="clock"):
        wanted(clocks_mhz=(5000.0,))
    with pytest.raises(ConfigError, match="heroic"):
        wanted(efforts=("heroic",))


def test_the_front_has_no_point_that_another_one_beats(tmp_path):
    trials = run(tmp_path, wanted(latencies=(None, 5, 8, 12), clocks_mhz=(150.0, 250.0, 360.0)))
    front = front_of(trials)
    assert front
    done = [(trial.latency_ns, trial.lut, k) for k, trial in enumerate(trials) if trial.lut is not None]
    for ns, lut, k in done:
        beaten = any(n <= ns and u <= lut and (n, u) != (ns, lut) for n, u, _ in done)
        if k in front:
            assert not beaten


def test_a_point_says_the_command_that_makes_it(tmp_path):
    trials = run(tmp_path, wanted(latencies=(None, 12), clocks_mhz=(200.0,)))
    rows = [row(tmp_path / "m.h5", tmp_path, trial, k, trials) for k, trial in enumerate(trials)]
    assert "--clock-mhz 200 --effort fast --latency-cycles 12" in rows[1]["command"]
    page = plot(tmp_path / "m.h5", rows)
    assert page.count("<circle") == len(rows)
    assert "bittrigger convert" in page
    json.dumps(rows)


def test_the_interval_between_events_is_an_axis(tmp_path):
    points = wanted(latencies=(None,), clocks_mhz=(200.0,), intervals=(1, 4))
    first, second = run(tmp_path, points)
    assert (first.ii, second.ii) == (1, 4)
    assert "--ii" not in first.words
    assert " ".join(second.words).endswith("--ii 4")
    assert "an event every 4" in second.label
    (both,) = run(tmp_path, wanted(latencies=(9,), clocks_mhz=(200.0,), intervals=(4,)))
    assert both.latency_cycles <= 9
    assert " ".join(both.words).endswith("--ii 4 --latency-cycles 9")


def test_a_dask_cluster_finds_the_same_points(tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs `pip install 'bittrigger[dask]'`")
    from bittrigger.data.production.workers import dask_cluster

    points = wanted(latencies=(None, 3))
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, dask_cluster(cluster.scheduler_address) as pool:
        found = explore({None: NETWORK}, points, tmp_path / "cluster", pool.executor)
    here = run(tmp_path / "here", points)
    assert [replace(trial, seconds=0.0) for trial in found] == [replace(trial, seconds=0.0) for trial in here]
