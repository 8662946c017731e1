"""The solver on its own: `bittrigger solve`."""

import json
import subprocess
import sys

import numpy as np
import pytest

from bittrigger.build.folder import load_build
from bittrigger.build.store import load_design
from bittrigger.compile.matrix import read_problem, solve_matrix, write_solution
from bittrigger.errors import ConfigError
from bittrigger.ir import adders
from bittrigger.report.draw import draw_svg
from bittrigger.settings import Settings
from bittrigger.simulate.compare import raise_first, run_executors
from bittrigger.simulate.vectors import corner_codes

WEIGHTS = np.random.default_rng(3).integers(-1, 2, size=(12, 9))
PART = "xcvu13p-flga2577-2-e"


def save(folder, array, name="W.npy"):
    np.save(folder / name, array)
    return folder / name


def run(*arguments, folder):
    command = [sys.executable, "-m", "bittrigger", "solve", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_matrix_becomes_graph_picture_and_firmware(tmp_path):
    path = save(tmp_path, np.asfortranarray(WEIGHTS.astype(np.float32)))
    done = run(path, "--json", "-o", "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["matrix"] == "12 x 9"
    assert facts["non_zeros"] == np.count_nonzero(WEIGHTS)
    assert facts["two_input_equivalents"] >= facts["adders"]
    build = load_build(tmp_path / "out")
    solved = build.pipeline.modules[0].adders
    adders.verify(solved, WEIGHTS, np.zeros(9, dtype=np.int64))
    assert (tmp_path / "out" / "adders.txt").read_text() == adders.text(solved)
    assert (tmp_path / "out" / "adders.svg").read_text() == draw_svg(solved)
    outcomes = run_executors(build, ("csim",), corner_codes(build.graph))
    raise_first(outcomes)
    assert [outcome.error for outcome in outcomes] == [None, None]


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    path = save(tmp_path, WEIGHTS)
    options = Settings(PART, 360.0, seed=5)
    texts = {
        adders.text(solve_matrix(read_problem(path, bits=8, signed=True, ranges=None), options).adders) for _ in "ab"
    }
    assert len(texts) == 1


def test_ranges_make_narrower_adders(tmp_path):
    path = save(tmp_path, WEIGHTS)
    ranges = save(tmp_path, np.array([[0, 1]] * 12), "r.npy")
    options = Settings(PART, 360.0)
    wide = solve_matrix(read_problem(path, bits=8, signed=True, ranges=None), options)
    narrow = solve_matrix(read_problem(path, bits=8, signed=True, ranges=ranges), options)
    assert narrow.facts["lut_estimate"] < wide.facts["lut_estimate"] / 2


def test_multi_bit_matrices_are_solved_too(tmp_path):
    weights = np.random.default_rng(1).integers(-31, 32, size=(6, 5))
    solution = solve_matrix(
        read_problem(save(tmp_path, weights), bits=4, signed=False, ranges=None), Settings(PART, 200.0)
    )
    adders.verify(solution.adders, weights, np.zeros(5, dtype=np.int64))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 3)), r"shape \(0, 3\); expected \(inputs, outputs\)"),
        (np.zeros(4), r"shape \(4,\)"),
        (np.array([[0.5]]), "every entry must be an integer"),
        (np.array([[np.nan]]), "every entry must be an integer"),
        (np.array([[0, 1], [0, 0.5]]), r"entry \[1, 1\] is 0.5 \(1 such in all\)"),
        (np.array([["x"]]), "entries of type <U1; expected integers"),
        (np.array([[1 + 0j]]), "entries of type complex128; expected integers"),
        (np.array([[1, None]]), "not a readable .npy file .*(Python objects|Object arrays)"),
        (np.full((1, 1), 2**40), "magnitude 1099511627776; allowed are 16777216"),
        (np.full((1, 1), 2**64 - 1, dtype=np.uint64), r"entry \[0, 0\] is 1.84467e\+19"),
    ],
)
def test_what_is_no_matrix_is_refused(tmp_path, array, message):
    with pytest.raises(ConfigError, match=message):
        read_problem(save(tmp_path, array), bits=8, signed=True, ranges=None)


def test_a_matrix_too_large_for_memory_is_refused_before_it_is_read(tmp_path):
    header = b"{'descr': '|i1', 'fortran_order': False, 'shape': (1048576, 65536), }"
    path = tmp_path / "W.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n")
    with path.open("r+b") as stream:
        stream.truncate((1 << 36) + 1000)  # a hole; no disk holds it
    with pytest.raises(ConfigError, match=r"shape \(1048576, 65536\) is too large for memory: 68719476736 entries"):
        read_problem(path, bits=8, signed=True, ranges=None)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (np.zeros((12, 3)), r"shape \(12, 3\); expected \(12, 2\)"),
        (np.array([[0, 1]] * 11 + [[3, 1]]), r"row 11 is \[3, 1\] \(1 such in all\); expected lo <= hi"),
        (np.array([[0, 1 << 40]] * 12), r"row 0 is \[0, 1099511627776\] \(12 such in all\)"),
        (np.array([[0, np.nan]] * 12), "entry .0, 1. is nan"),
    ],
)
def test_what_are_no_ranges_is_refused(tmp_path, ranges, message):
    with pytest.raises(ConfigError, match=message):
        read_problem(save(tmp_path, WEIGHTS), bits=8, signed=True, ranges=save(tmp_path, ranges, "r.npy"))


@pytest.mark.parametrize("layout", ["F", "big endian", "float16", "bool", "int8"])
def test_every_layout_of_the_same_integers_is_the_same_matrix(tmp_path, layout):
    weights = np.abs(WEIGHTS)
    kinds = {"F": np.asfortranarray, "big endian": lambda w: w.astype(">i4")}
    path = save(tmp_path, kinds.get(layout, lambda w: w.astype(layout))(weights))
    assert np.array_equal(read_problem(path, bits=8, signed=True, ranges=None)["matrix"].weights, weights)


def test_the_fallback_to_two_input_adders(tmp_path):
    problem = read_problem(save(tmp_path, WEIGHTS), bits=8, signed=True, ranges=None)
    two, three = (solve_matrix(problem, Settings(PART, 360.0, adder_inputs=inputs)) for inputs in (2, None))
    assert max(adder.operands for adder in two.adders.adders) == 2
    assert two.facts["three_input_adders"] == 0
    assert two.facts["lut_estimate"] > three.facts["lut_estimate"]
    with pytest.raises(ConfigError, match="adder_inputs 4; allowed are 2 and 3"):
        solve_matrix(problem, Settings(PART, 360.0, adder_inputs=4))


def test_a_stored_graph_is_read_back_and_proven_again(tmp_path):
    solution = solve_matrix(
        read_problem(save(tmp_path, WEIGHTS), bits=8, signed=True, ranges=None), Settings(PART, 360.0)
    )
    write_solution(solution, tmp_path / "out", synthesize=False, overwrite=False)
    path = tmp_path / "out" / "design.json"
    graph, solved, _ = load_design(path)
    assert solved == {"matrix": solution.adders}
    assert np.array_equal(graph["matrix"].weights, WEIGHTS)
    data = json.loads(path.read_text())
    data["adders"]["matrix"]["adders"][0][1][2] ^= 1
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match="adder graph differs from its matrix in column"):
        load_design(path)


def interrupted(folder, *lines):
    """What becomes of a large search that ``lines`` start, and interrupt where they say: no clock decides when."""
    save(folder, np.random.default_rng(0).integers(-1, 2, size=(256, 256)))
    code = "\n".join(
        [
            "import signal, sys, threading",
            "from bittrigger.cli import main",
            "from bittrigger.cli.shared import progress",
            *lines,
        ]
    )
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)


def test_an_interrupted_search_keeps_the_best_graph_so_far(tmp_path):
    """The interrupt comes when the first graph is told."""
    done = interrupted(
        tmp_path,
        "once = iter([signal.SIGINT])",
        "progress._Teller.__call__ = lambda *_: [signal.raise_signal(number) for number in once]",
        "main(['solve', 'W.npy', '--effort', 'max', '-o', 'out'])",
    )
    assert done.returncode == 0, done.stderr
    graph, solved, _ = load_design(tmp_path / "out" / "design.json")
    adders.verify(solved["matrix"], graph["matrix"].weights, graph["matrix"].bias)


def test_an_interrupted_solve_stops_at_once_and_leaves_nothing(tmp_path):
    """The interrupt comes from the thread of the native code, when that has begun."""
    done = interrupted(
        tmp_path,
        "import bittrigger.solver",
        "solve = sys.modules['bittrigger.solver.solve']",
        "run, main_thread = solve.run_native, threading.main_thread().ident",
        "begun = lambda call: (signal.pthread_kill(main_thread, signal.SIGINT), call())[1]",
        "solve.run_native = lambda call, *rest: run(lambda: begun(call), *rest)",
        "main(['solve', 'W.npy', '-o', 'out'])",
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (130, "interrupted")
    assert [path.name for path in tmp_path.iterdir()] == ["W.npy"]


def test_wrong_settings_are_refused(tmp_path):
    path = save(tmp_path, WEIGHTS)
    ranges = save(tmp_path, np.array([[3, 1]] * 12), "r.npy")
    (tmp_path / "in_use").mkdir()
    (tmp_path / "in_use" / "diary.txt").write_text("mine")
    for options, word in (
        (["--bits", "0"], "--bits 0"),
        (["--ranges", ranges], "lo <= hi"),
        (["--depth", "0"], "depth"),
        (["--depth", "1"], "it takes at least 3 levels"),
        (["--adder-inputs", "4"], "adder_inputs 4"),
        (["-o", path], "is a file"),
        (["-o", "in_use", "--overwrite"], "holds no bittrigger build"),
        (["--effort", "heroic"], "heroic"),
        (["--part", "xc1"], "xc1"),
        (["--seed", "-1"], "seed"),
    ):
        done = run(path, *options, folder=tmp_path)
        assert done.returncode == 2, options
        assert word in done.stderr
        assert "Traceback" not in done.stderr


def test_a_picture_shows_every_value(tmp_path):
    solution = solve_matrix(
        read_problem(save(tmp_path, WEIGHTS), bits=8, signed=True, ranges=None), Settings(PART, 360.0)
    )
    picture = draw_svg(solution.adders)
    count = solution.adders.n_inputs + len(solution.adders.adders) + len(solution.adders.outputs)
    assert picture.count("<rect") == count
    assert picture == draw_svg(solution.adders)
