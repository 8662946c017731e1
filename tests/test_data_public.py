"""Jets of the public files of OpenML and EnergyFlow: what is read of them, and what is wrong with some."""

from __future__ import annotations

import gzip
import sys
import types

import numpy as np
import pytest
from click.testing import CliRunner
from test_data_loaders import CODES, JETS, LABELS, changed, saved

from bittrigger.cli import cli
from bittrigger.data import fetch_openml_jets, load_energyflow, load_openml_jets
from bittrigger.data.loaders.samples import jets_of
from bittrigger.data.pythia.jets5 import CLASSES, FEATURES
from bittrigger.errors import ConfigError, ToolError, ToolNotFoundError
from bittrigger.train.recipes import load_arrays


def rows(quote="", separator=","):
    return [separator.join([*map(str, row), quote + label + quote]) for row, label in zip(JETS, LABELS, strict=True)]


def arff(lines, names=FEATURES, label="class"):
    header = ["% a comment", "@RELATION 'jets'", "", *(f"@ATTRIBUTE {name} REAL" for name in names)]
    return "\n".join([*header, "@attribute '" + label + "' {g,q,w,z,t}", "@DATA", "% another", *lines, ""])


def csv(lines, names=FEATURES, label="class"):
    return "\n".join([",".join([*names, label]), *lines, ""])


@pytest.mark.parametrize(
    "text",
    [
        arff(rows()),
        arff(rows("'")),
        arff(rows(), label="target"),
        csv(rows()),
        csv(rows('"')),
        csv(rows(separator=", ")),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_openml_files(tmp_path, text, packed):
    path = tmp_path / "jets"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    table = load_openml_jets(path)
    assert np.array_equal(table.x, JETS)
    assert np.array_equal(table.y, CODES)
    assert table.provenance.source == "OpenML 42468, hls4ml_lhc_jets_hlf"


def test_openml_columns_are_found_by_name(tmp_path):
    order = [5, *range(5), *range(6, 16)]
    lines = [",".join([label, *map(str, row[order]), "7"]) for row, label in zip(JETS, LABELS, strict=True)]
    names = ["class", *(FEATURES[i] for i in order), "event"]
    (tmp_path / "jets.csv").write_text("\n".join([",".join(names), *lines]))
    assert np.array_equal(load_openml_jets(tmp_path / "jets.csv").x, JETS)


@pytest.mark.parametrize(("name", "text"), [("hls4ml_HLF.arff", arff(rows())), ("jets.csv", csv(rows()))])
def test_recipes_and_data_info_take_the_public_file(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    arrays = load_arrays(path, ("X", "y", "features", "classes"))
    assert np.array_equal(arrays["X"], JETS)
    assert np.array_equal(arrays["y"], CODES)
    assert (tuple(arrays["features"]), tuple(arrays["classes"])) == (FEATURES, CLASSES)
    with pytest.raises(ConfigError, match="no array kin; it holds X, y, features, classes"):
        load_arrays(path, ("X", "kin"))
    printed = CliRunner().invoke(cli, ["data", "info", str(path)]).output
    assert "OpenML 42468, hls4ml_lhc_jets_hlf: 7 jets (g 2, q 1, w 1, z 1, t 2)" in printed


def replaced(lines, row, old, new):
    return [line.replace(old, new, 1) if i == row else line for i, line in enumerate(lines)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'zlogz'; its columns are none; give the file of OpenML 42468"),
        ("\x00\x01", "no column 'zlogz'"),
        (csv(rows(), names=("mass", *FEATURES[1:])), "no column 'zlogz'; its columns are 'mass', 'c1_b0_mmdt'"),
        (csv(rows(), label="kind"), "no label column, class or target or label or jet_label"),
        (csv([]), "no jets in it; expected a line for each"),
        (arff([]), "no jets in it"),
        (arff(rows()).replace("@DATA", "@DATE"), "no @DATA in the first 1000 lines"),
        (
            csv(replaced(rows(), 2, "g", "g") + replaced(rows(), 1, ",q", ",b")),
            "could not convert string 'b' to float32 at row 8, column 17.; expected 16 numbers and one of g, q, w, z, t in each",
        ),
        (
            csv(replaced(rows(), 1, "4.25", "?")),
            r"could not convert string '\?' .*; expected 16 numbers and one of",
        ),
        (csv(replaced(rows(), 1, "4.25", "nan")), "array 'data' holds nan at row 1, column 'c1_b0_mmdt'"),
        (csv(replaced(rows(), 1, "4.25,", "")), "expected 16 numbers and one of"),
        (csv(rows()[:4]), "class 't' has no row"),
        (csv(["1" * 70_000]), "a line has 65536 characters or more"),
    ],
)
def test_bad_openml_files(tmp_path, text, message):
    (tmp_path / "jets.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_openml_jets(tmp_path / "jets.csv")


@pytest.mark.parametrize("content", [b"\x1f\x8b", gzip.compress(csv(rows()).encode())[:-20], b"\xff\xfe\xfa\n1,2\n"])
def test_damaged_openml_files(tmp_path, content):
    (tmp_path / "jets.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=r"data file .*jets.csv: .*fetch it again"):
        load_openml_jets(tmp_path / "jets.csv")


def test_a_missing_openml_file(tmp_path):
    with pytest.raises(ConfigError, match=r"not a readable ARFF or CSV file \(.*No such file"):
        load_openml_jets(tmp_path / "no.arff")


def test_sklearn_is_not_needed_to_read_files(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    (tmp_path / "jets.csv").write_text(csv(rows()))
    assert len(load_openml_jets(tmp_path / "jets.csv").y) == 7
    with pytest.raises(ToolNotFoundError, match=r"'scikit-learn' not found; .*pip install 'bittrigger\[train\]'"):
        fetch_openml_jets()


def test_fetched_jets(monkeypatch):
    asked = []

    def fetch_openml(**options):
        asked.append(options)
        return types.SimpleNamespace(data=JETS.astype(float), target=np.array(LABELS), feature_names=list(FEATURES))

    monkeypatch.setitem(sys.modules, "sklearn", types.ModuleType("sklearn"))
    datasets = types.ModuleType("sklearn.datasets")
    monkeypatch.setitem(sys.modules, "sklearn.datasets", datasets)
    datasets.fetch_openml = fetch_openml
    table = fetch_openml_jets()
    assert np.array_equal(table.x, JETS)
    assert np.array_equal(table.y, CODES)
    assert asked[0]["data_id"] == 42468

    def fail(**_):
        raise OSError("no route to host")

    datasets.fetch_openml = fail
    with pytest.raises(
        ToolError, match="OpenML 42468 cannot be fetched: no route to host; check the network, or load a file"
    ):
        fetch_openml_jets()


def energyflow():
    x = np.zeros((3, 4, 4))
    x[0, :3] = [[5, 0.1, 1, 22], [9, 0.2, 2, 211], [7, 0.3, 3, -211]]
    x[1, :1] = [[4, 0.4, 4, 2112]]
    x[2, :2] = [[3, 0.5, 5, 11], [2, 0.6, 6, 1_000_010_020]]
    return {"X": x, "y": np.array([1.0, 0.0, 1.0])}


def test_energyflow(tmp_path):
    first, second = energyflow(), energyflow()
    np.savez(tmp_path / "QG_jets.npz", **first)
    np.savez(tmp_path / "QG_jets_1.npz", X=second["X"][:, :3], y=second["y"])
    one = load_energyflow(tmp_path / "QG_jets.npz")
    assert one.counts.tolist() == [3, 1, 2]
    assert one.momenta[:, 0].tolist() == [9, 7, 5, 4, 3, 2]
    assert one.pid.tolist() == [211, -211, 22, 2112, 11, 1_000_010_020]
    assert one.y.tolist() == [1, 0, 1]
    assert one.jet[1] == pytest.approx([4, 0.4, 4, 0], abs=1e-3)
    assert one.jet[0, 1] == pytest.approx((9 * 0.2 + 7 * 0.3 + 5 * 0.1) / 21)
    both = load_energyflow(tmp_path / "QG_jets.npz", tmp_path / "QG_jets_1.npz")
    assert both.counts.tolist() == [3, 1, 2] * 2
    assert len(both.provenance.files) == 2


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        (
            {**energyflow(), "X": np.zeros((3, 4, 3))},
            r"array 'X' is float64 of shape .*; expected real of shape any x any x 4",
        ),
        (changed(energyflow(), "X", (2, 1, 1), np.nan), "array 'X' holds nan at row 2, column 'y'"),
        (changed(energyflow(), "X", (1, 0, 0), -4), "jet 1 has a transverse momentum below 0"),
        (changed(energyflow(), "X", (0, 0, 3), 0.5), "jet 0 has a particle number that is no 32-bit integer"),
        (changed(energyflow(), "X", (0, 0, 3), 1e12), "jet 0 has a particle number that is no 32-bit integer"),
        (changed(energyflow(), "X", (1, 2, 1), 0.5), "jet 1 has numbers in a constituent without transverse momentum"),
        (changed(energyflow(), "X", 1, 0), "jet 1 has no constituent"),
        (changed(energyflow(), "y", 0, 2), "label 2.0 at row 0 is unknown; allowed are 0 gluon, 1 quark"),
        (changed(energyflow(), "y", 0, 0.5), "label 0.5 at row 0 is unknown"),
        (changed(energyflow(), "y", 1, 1), "class 'gluon' has no row"),
        ({**energyflow(), "y": np.ones(2)}, "rows of 'X' 3, 'y' 2"),
    ],
)
def test_bad_energyflow_files(tmp_path, arrays, text):
    with pytest.raises(ConfigError, match=text):
        load_energyflow(saved(tmp_path, arrays))


def test_a_jet_of_two_constituents_back_to_back_across_the_end_of_the_azimuths():
    jet = jets_of(np.array([[2, 1, 3.1], [2, -1, 3.1 - 2 * np.pi + 0.2]], np.float32), np.array([2], np.int32))
    pt = 2 * np.hypot(1 + np.cos(0.2), np.sin(0.2))
    mass = np.sqrt(2 * 2 * 2 * (np.cosh(2) - np.cos(0.2)))
    assert jet[0] == pytest.approx([pt, 0, 3.2, mass], rel=1e-5, abs=1e-6)


def test_no_energyflow_file():
    with pytest.raises(ConfigError, match="no file of EnergyFlow is given"):
        load_energyflow()
