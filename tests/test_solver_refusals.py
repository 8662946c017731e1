"""What the solver refuses, how its library comes to be, and what stops it."""

import os
import signal
import threading

import numpy as np
import pytest
from test_solver import EIGHT_BIT, random_ternary, solve_plain

from bittrigger.errors import ConfigError, InternalError
from bittrigger.ir import adders
from bittrigger.ir.adders import AdderGraph
from bittrigger.solver import SolverOptions, graph_luts, solve, watching
from bittrigger.solver import native as solver_native
from bittrigger.solver.watch import run_native


def test_an_interrupt_is_obeyed_while_native_code_runs():
    """It comes from the code itself, once that runs: a clock could send it before or after."""
    discarded, finish, gone = [], threading.Event(), threading.Event()
    main = threading.main_thread().ident

    def code():
        signal.pthread_kill(main, signal.SIGINT)
        return 5 * finish.wait()

    with pytest.raises(KeyboardInterrupt):
        run_native(code, lambda result: (discarded.append(result), gone.set()), np.zeros(2, dtype=np.int64))
    assert discarded == []
    finish.set()
    assert gone.wait(600)
    assert discarded == [5]


def test_a_search_that_is_watched_ends_with_its_best_at_an_interrupt():
    weights = random_ternary(24, 40)
    default = graph_luts(solve_plain(weights))
    told, interrupts = [], iter([True])

    def show(luts):
        told.append(luts)
        if luts <= default and next(interrupts, False):
            signal.raise_signal(signal.SIGINT)  # as Ctrl-C, once the search beyond the default one has begun

    with watching(show):
        graph = solve_plain(weights, effort="max")
    adders.verify(graph, weights, np.zeros(40, dtype=np.int64))
    assert graph_luts(graph) <= default
    assert told == sorted(told, reverse=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.zeros((0, 3), dtype=np.int64)}, r"shape \(0, 3\)"),
        ({"weights": np.zeros(3, dtype=np.int64)}, r"shape \(3,\)"),
        ({"bias": np.zeros(2, dtype=np.int64)}, r"bias of shape \(2,\); expected \(3,\)"),
        ({"source": (EIGHT_BIT,)}, "1 input ranges; expected 2"),
        ({"weights": np.full((2, 3), 1 << 55)}, "column 0 reaches"),
        ({"weights": np.zeros((1 << 13, 1 << 12), dtype=np.int8)}, "33554432 weights; allowed are"),
    ],
)
def test_bad_problems_are_refused(change, message):
    problem = {
        "weights": np.ones((2, 3), dtype=np.int64),
        "bias": np.zeros(3, dtype=np.int64),
        "source": (EIGHT_BIT,) * 2,
    }
    if change.get("weights", np.zeros(0)).size > 100:
        change = change | {"bias": np.zeros(1 << 12, dtype=np.int64), "source": (EIGHT_BIT,) * (1 << 13)}
    with pytest.raises(ConfigError, match=message):
        solve(**(problem | change))


@pytest.mark.parametrize("change", [{"adder_inputs": 4}, {"depth": 0}, {"effort": "slow"}, {"seed": -1}])
def test_bad_options_are_refused(change):
    with pytest.raises(ConfigError, match=f"{next(iter(change))} .*; allowed are"):
        SolverOptions(**change)


def test_a_wrong_solution_is_an_internal_error(monkeypatch):
    good = solve_plain(random_ternary(4, 4))
    broken = AdderGraph(good.inputs, good.adders, good.outputs[::-1])
    module = __import__("sys").modules["bittrigger.solver.solve"]
    monkeypatch.setattr(module, "_call", lambda *_: broken)
    with pytest.raises(InternalError, match="differs from its matrix in column"):
        solve_plain(random_ternary(4, 4))


def test_sources_alone_compile_into_the_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("BITTRIGGER_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("BITTRIGGER_CACHE", raising=False)
    monkeypatch.setattr(solver_native, "FLAGS", ("-std=c++17", "-O0", "-fPIC", "-shared"))
    first = solver_native._compiled()
    assert first.parent == tmp_path / "bittrigger"
    assert solver_native._compiled() == first
    assert [path.suffix for path in first.parent.iterdir()] == [".so"]


def test_an_installed_library_is_left_where_sources_are_newer(tmp_path, monkeypatch):
    """A checkout that moved on, and was not installed again, would solve otherwise than its sources say."""
    sources = tmp_path / "native"
    sources.mkdir()
    monkeypatch.setattr(solver_native, "SOURCES", sources)
    assert solver_native._installed() is None
    older, newer = tmp_path / "_native.a.so", tmp_path / "_native.b.so"
    for time_s, path in ((2, older), (3, newer), (1, sources / "api.cpp")):
        path.touch()
        os.utime(path, (time_s, time_s))
    assert solver_native._installed() == newer
    os.utime(sources / "api.cpp", (4, 4))
    assert solver_native._installed() is None
