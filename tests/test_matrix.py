"""The solver on its own: `bittrigger solve`."""

import json
import subprocess
import sys

import numpy as np
import pytest

from bittrigger import adders
from bittrigger.build import load_build
from bittrigger.draw import draw_svg
from bittrigger.errors import ConfigError
from bittrigger.matrix import MatrixOptions, read_problem, solve_matrix
from bittrigger.simulate.compare import run_executors
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
    assert [outcome.error for outcome in outcomes] == [None, None]


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    path = save(tmp_path, WEIGHTS)
    options = MatrixOptions(PART, 360.0, seed=5)
    texts = {
        adders.text(solve_matrix(read_problem(path, bits=8, signed=True, ranges=None), options).adders) for _ in "ab"
    }
    assert len(texts) == 1


def test_ranges_make_narrower_adders(tmp_path):
    path = save(tmp_path, WEIGHTS)
    ranges = save(tmp_path, np.array([[0, 1]] * 12), "r.npy")
    options = MatrixOptions(PART, 360.0)
    wide = solve_matrix(read_problem(path, bits=8, signed=True, ranges=None), options)
    narrow = solve_matrix(read_problem(path, bits=8, signed=True, ranges=ranges), options)
    assert narrow.facts["lut_estimate"] < wide.facts["lut_estimate"] / 2


def test_multi_bit_matrices_are_solved_too(tmp_path):
    weights = np.random.default_rng(1).integers(-31, 32, size=(6, 5))
    solution = solve_matrix(
        read_problem(save(tmp_path, weights), bits=4, signed=False, ranges=None), MatrixOptions(PART, 200.0)
    )
    adders.verify(solution.adders, weights, np.zeros(5, dtype=np.int64))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 3)), r"shape \(0, 3\); expected \(inputs, outputs\)"),
        (np.zeros(4), r"shape \(4,\)"),
        (np.array([[0.5]]), "every entry must be an integer"),
        (np.array([[np.nan]]), "every entry must be an integer"),
        (np.array([["x"]]), "expected an .npy array of integers"),
        (np.full((1, 1), 2**40), "allowed are"),
    ],
)
def test_what_is_no_matrix_is_refused(tmp_path, array, message):
    with pytest.raises(ConfigError, match=message):
        read_problem(save(tmp_path, array), bits=8, signed=True, ranges=None)


def test_wrong_settings_are_refused(tmp_path):
    path = save(tmp_path, WEIGHTS)
    ranges = save(tmp_path, np.array([[3, 1]] * 12), "r.npy")
    for options, word in (
        (["--bits", "0"], "--bits 0"),
        (["--ranges", ranges], "lo <= hi"),
        (["--depth", "0"], "depth"),
        (["--effort", "heroic"], "heroic"),
        (["--part", "xc1"], "xc1"),
        (["--seed", "-1"], "seed"),
    ):
        done = run(path, *options, folder=tmp_path)
        assert done.returncode == 1, options
        assert word in done.stderr
        assert "Traceback" not in done.stderr


def test_a_picture_shows_every_value(tmp_path):
    solution = solve_matrix(
        read_problem(save(tmp_path, WEIGHTS), bits=8, signed=True, ranges=None), MatrixOptions(PART, 360.0)
    )
    picture = draw_svg(solution.adders)
    count = solution.adders.n_inputs + len(solution.adders.adders) + len(solution.adders.outputs)
    assert picture.count("<rect") == count
    assert picture == draw_svg(solution.adders)
