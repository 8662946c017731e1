"""Loaders: good files give checked arrays, all others one message with what, where, what is allowed and what to do."""

from __future__ import annotations

import numpy as np
import pytest

from bittrigger.data import (
    load_jets5,
    load_l1_jets,
    load_l1_objects,
    load_l1_rates,
    load_quark_gluon,
    load_wz_decay_plane,
    pad,
)
from bittrigger.data.level1.jets import _integers
from bittrigger.data.level1.objects import KINDS
from bittrigger.data.pythia.jets5 import CLASSES, FEATURES
from bittrigger.errors import ConfigError

JETS = np.arange(7 * 16, dtype=np.float32).reshape(7, 16) / 4
LABELS = ("g", "q", "w", "z", "t", "g", "t")
CODES = np.array([CLASSES.index(label) for label in LABELS], np.int8)


def changed(arrays, name, index, value):
    arrays = {key: array.copy() for key, array in arrays.items()}
    arrays[name][index] = value
    return arrays


def jets5():
    return {"X": JETS, "y": CODES, "features": np.array(FEATURES), "classes": np.array(CLASSES)}


def quark_gluon():
    n = np.array([3, 1, 2], np.int16)
    particles = np.arange(18, dtype=np.float32).reshape(6, 3)
    pid = np.array([22, 211, -211, 2112, 11, 130], np.int32)
    return {
        "particles": particles,
        "pid": pid,
        "n": n,
        "jet": np.ones((3, 4), np.float32),
        "y": np.array([0, 1, 1], np.int8),
    }


def l1_jets():
    particles = np.zeros((5, 16, 5), np.int16)
    particles[:, 0] = [200, 1, -1, 5, 0]
    jet, n, y = np.full((5, 3), 200, np.int16), np.ones(5, np.int16), np.arange(5).astype(np.int8)
    return {"particles": particles, "jet": jet, "n": n, "y": y}


def test_l1_jets(tmp_path):
    sample = load_l1_jets(saved(tmp_path, l1_jets()))
    assert sample.classes == ("gluon", "light", "charm", "bottom", "tau")
    assert (sample.particles.shape, sample.counts.tolist(), sample.y.tolist()) == ((5, 16, 5), [1] * 5, [0, 1, 2, 3, 4])


def test_candidates_of_the_trigger_are_whole_numbers_from_the_axis():
    candidates = np.array([[3.3, 0.52, 3.1, 2, 0], [10.24, 0.5, -3.1, 5, 9.0]])
    rows, jet, count = _integers(candidates, (13.4, 0.5, 3.14))
    assert jet.tolist() == [54, 115, 720]
    assert rows[:2].tolist() == [[40, 0, 10, 5, 127], [13, 4, -9, 2, 0]]
    assert not rows[2:].any()
    assert count == 2


def wz():
    phi = np.array([0.5, -3.1], np.float32)
    return {"x": np.ones((2, 40, 3), np.float32), "scalars": np.ones((2, 5), np.float32), "phi": phi}


def l1():
    return {kind: np.full((2, 57), i, np.int16) for i, kind in enumerate(KINDS)}


def l1_rates():
    arrays = {}
    for i, kind in enumerate(("qcd", "weak")):
        arrays |= {
            kind: np.full((2, 57), i, np.int16),
            f"{kind}_khz": np.array([4.0, 6.0]),
            f"{kind}_pt_hat": np.zeros(2),
        }
    return arrays


def saved(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    return tmp_path / "a.npz"


def test_jets5(tmp_path):
    table = load_jets5(saved(tmp_path, jets5()))
    assert np.array_equal(table.x, JETS)
    assert np.array_equal(table.y, CODES)
    assert (table.features, table.classes) == (FEATURES, CLASSES)
    assert table.provenance.record is None


def test_l1_objects(tmp_path):
    table = load_l1_objects(saved(tmp_path, l1()))
    assert table.x.shape == (10, 57)
    assert table.x.dtype == np.int16
    assert np.array_equal(table.x[:, 5], table.y)
    assert table.features[:6] == ("met_pt", "met_eta", "met_phi", "egamma_1_pt", "egamma_1_eta", "egamma_1_phi")
    assert table.features[-1] == "jet_10_phi"
    assert len(set(table.features)) == 57


def test_rates_of_crossings_add_up_to_those_of_their_kinds(tmp_path):
    crossings = load_l1_rates(saved(tmp_path, l1_rates()))
    assert (crossings.x[:, 0].tolist(), crossings.kind.tolist()) == ([0, 0, 1, 1], [0, 0, 1, 1])
    assert crossings.khz.tolist() == [2, 3, 2, 3]
    assert (crossings.kinds, crossings.pt_hat_gev.dtype) == (("qcd", "weak"), np.float32)


def test_quark_gluon_and_padding(tmp_path):
    sample = load_quark_gluon(saved(tmp_path, quark_gluon()))
    momenta, pid = pad(sample, 2)
    assert pid.tolist() == [[22, 211], [2112, 0], [11, 130]]
    assert momenta[:, :, 0].tolist() == [[0, 3], [9, 0], [12, 15]]
    assert pad(sample, 5)[0].shape == (3, 5, 3)
    with pytest.raises(ConfigError, match="pad to 0 constituents: expected at least 1"):
        pad(sample, 0)


def test_wz_decay_plane(tmp_path):
    sample = load_wz_decay_plane(saved(tmp_path, wz()))
    assert sample.x.shape == (2, 40, 3)
    assert sample.scalar_names[0] == "jet_pt_gev"


def without(arrays, name):
    return {key: array for key, array in arrays.items() if key != name}


BAD = [
    (load_jets5, without(jets5(), "X"), "no array 'X' in it"),
    (
        load_jets5,
        {**jets5(), "X": JETS[:, :15]},
        r"array 'X' is float32 of shape \(7, 15\); expected real of shape any x 16",
    ),
    (load_jets5, {**jets5(), "X": JETS.astype(int)}, "array 'X' is int64 of shape"),
    (load_jets5, {**jets5(), "X": JETS.astype(object)}, "data file .*a.npz: not a readable .npy or .npz file"),
    (load_jets5, {**jets5(), "y": CODES[:6]}, "rows of 'X' 7, 'y' 6; expected the same number, at least 1"),
    (load_jets5, {**jets5(), "X": JETS[:0], "y": CODES[:0]}, "rows of 'X' 0, 'y' 0"),
    (
        load_jets5,
        changed(jets5(), "X", (3, 14), np.nan),
        "array 'X' holds nan at row 3, column 'mass_mmdt'; expected finite",
    ),
    (load_jets5, changed(jets5(), "X", (0, 0), np.inf), "holds inf at row 0, column 'zlogz'"),
    (
        load_jets5,
        changed(jets5(), "y", 2, 5),
        "label 5 at row 2 is unknown; allowed are 0 g, 1 q, 2 w, 3 z, 4 t; remove",
    ),
    (load_jets5, changed(jets5(), "y", 2, -1), "label -1 at row 2 is unknown"),
    (load_jets5, changed(jets5(), "y", 2, 0), "class 'w' has no row; expected rows of 0 g, .*; take a larger file"),
    (load_jets5, changed(jets5(), "features", 3, "mass"), "array 'features' is .*; expected "),
    (
        load_jets5,
        {**jets5(), "provenance": np.array('{"set": "l1-objects"}')},
        "is of set 'l1-objects'; expected 'jets5'",
    ),
    (load_l1_jets, without(l1_jets(), "n"), "no array 'n' in it"),
    (load_l1_jets, {**l1_jets(), "n": np.ones(4, np.int16)}, "rows of 'particles' 5, 'jet' 5, 'n' 4"),
    (load_l1_rates, without(l1_rates(), "weak"), "no array 'weak' in it"),
    (load_l1_rates, {**l1_rates(), "qcd_khz": np.ones(3)}, "rows of 'qcd' 2, 'qcd_khz' 3, 'qcd_pt_hat' 2"),
    (
        load_l1_rates,
        {**l1_rates(), "weak_khz": np.array([1.0, 0.0])},
        "'weak_khz' is 0.0 at row 1; expected rates above 0",
    ),
    (load_l1_rates, {**l1_rates(), "weak_pt_hat": np.array([np.nan, 0.0])}, "array 'weak_pt_hat' holds nan at row 0"),
    (load_l1_objects, without(l1(), "hinv"), "no array 'hinv' in it"),
    (load_l1_objects, {**l1(), "qcd": np.zeros((0, 57), np.int16)}, "class 'qcd' has no row"),
    (
        load_l1_objects,
        {**l1(), "qcd": np.zeros((3, 57))},
        "array 'qcd' is float64 of shape .*; expected integer of shape any",
    ),
    (
        load_quark_gluon,
        changed(quark_gluon(), "n", 0, 4),
        "'n' counts 7 constituents, at least 1 a jet; 'particles' has 6",
    ),
    (load_quark_gluon, {**quark_gluon(), "n": np.array([6, 0, 0])}, "'n' counts 6 constituents, at least 0 a jet"),
    (load_quark_gluon, changed(quark_gluon(), "particles", (5, 2), np.nan), "holds nan at row 5, column 'phi'"),
    (load_quark_gluon, changed(quark_gluon(), "y", slice(None), 1), "class 'gluon' has no row"),
    (load_wz_decay_plane, changed(wz(), "x", (1, 7, 2), np.nan), r"array 'x' holds nan at row 1, index \(7, 2\)"),
    (load_wz_decay_plane, changed(wz(), "phi", 1, 4), "array 'phi' is 4.0 at row 1; expected -pi to pi"),
    (load_wz_decay_plane, changed(wz(), "scalars", (0, 1), -np.inf), "column 'soft_drop_mass_gev'"),
]


@pytest.mark.parametrize(("load", "arrays", "text"), BAD)
def test_bad_files(tmp_path, load, arrays, text):
    with pytest.raises(ConfigError, match=text):
        load(saved(tmp_path, arrays))
