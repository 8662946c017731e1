"""Public jets in HDF5: good files give checked constituents, others one message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from bittrigger.cli import main
from bittrigger.data import load_jets150, load_jets150_features, load_top_landscape
from bittrigger.data.pythia.jets5 import FEATURES
from bittrigger.errors import ConfigError

NAMES = [b"j1_px", b"j1_py", b"j1_pz", b"j1_e", b"j1_pt"]
JETS = [b"j_pt", b"j_g", b"j_q", b"j_w", b"j_z", b"j_t", b"j_undef"]


def massless(pt: float, eta: float, phi: float) -> list[float]:
    """E, px, py, pz."""
    return [pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)]


def write_jets150(path: Path, **changes: Any) -> Path:
    table = np.zeros((5, 150, 5), np.float32)
    for jet in range(5):
        for slot, pt in enumerate((1.0, 3.0 + jet)):
            e, px, py, pz = massless(pt, 0.5, 1.0 + 0.1 * slot)
            table[jet, slot] = [px, py, pz, e, pt]
    jets = np.zeros((5, 7), np.float32)
    jets[:, 1:6] = np.eye(5)
    data = {"jetConstituentList": table, "particleFeatureNames": NAMES, "jets": jets, "jetFeatureNames": JETS} | changes
    with h5py.File(path, "w") as file:
        for name, values in data.items():
            file[name] = values
    return path


def write_top(path: Path, slots: int = 200, signal: tuple[int, ...] = (0, 1, 1)) -> Path:
    kind = [("index", "<i8"), ("values_block_0", "<f4", (4 * slots + 4,)), ("values_block_1", "<i8", (2,))]
    table = np.zeros(len(signal), kind)
    for row, label in enumerate(signal):
        table["values_block_0"][row, :8] = [*massless(400, 0.1, -3.1), *massless(100, -0.2, 3.1)]
        table["values_block_1"][row] = (2, label)
    with h5py.File(path, "w") as file:
        file["table/table"] = table
    return path


def test_jets_with_up_to_150_particles(tmp_path: Path) -> None:
    sample = load_jets150(write_jets150(tmp_path / "a.h5"), write_jets150(tmp_path / "b.h5"))
    assert sample.classes == ("g", "q", "w", "z", "t")
    assert sample.y.tolist() == [0, 1, 2, 3, 4] * 2
    assert sample.counts.tolist() == [2] * 10
    assert sample.momenta[:2] == pytest.approx(np.array([[3, 0.5, 1.1], [1, 0.5, 1.0]]), rel=1e-5)
    assert sample.jet[0, :3] == pytest.approx([4, 0.5, 1.075], abs=0.01)


def test_the_top_tagging_reference(tmp_path: Path) -> None:
    sample = load_top_landscape(write_top(tmp_path / "test.h5"))
    assert (sample.classes, sample.y.tolist()) == (("qcd", "top"), [0, 1, 1])
    assert sample.momenta[:2, 0] == pytest.approx([400, 100])
    assert sample.jet[0] == pytest.approx([499.7, 0.04, -3.1 - 0.0167, 0], abs=80)
    assert abs(sample.jet[0, 2] - -3.1) < 0.05  # not half-way round


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jetFeatureNames": [*JETS[:-2], b"x", b"y"]}, "no column 'j_t' in it; it has j_pt, j_g"),
        ({"jets": np.zeros((5, 7))}, "jet 0 is of no class or of several; expected one of g, q, w, z, t"),
        ({"jets": np.zeros((4, 7))}, r"constituents of shape \(5, 150, 5\), jets of shape \(4, 7\)"),
        ({"jetConstituentList": np.zeros((5, 150, 5))}, "jet 0 has no constituent"),
        ({"jetConstituentList": np.full((5, 150, 5), np.nan)}, "array 'constituents' holds nan at row 0"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_jets150(write_jets150(tmp_path / "a.h5", **changes))


def test_no_file_no_hdf5_and_another_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(b"no")
    for load in (load_jets150, load_top_landscape):
        with pytest.raises(ConfigError, match="no file is given; expected at least one as"):
            load()
        with pytest.raises(ConfigError, match=r"x\.h5: not a readable HDF5 file"):
            load(tmp_path / "x.h5")
    with pytest.raises(ConfigError, match="no data set 'table/table' in it; it holds jetConstituentList"):
        load_top_landscape(write_jets150(tmp_path / "a.h5"))
    with pytest.raises(ConfigError, match="expected values_block_0 of 804 numbers and values_block_1 of 2"):
        load_top_landscape(write_top(tmp_path / "t.h5", slots=100))
    with pytest.raises(ConfigError, match="class 'qcd' has no row"):
        load_top_landscape(write_top(tmp_path / "s.h5", signal=(1, 1)))


def write_features(path: Path, **changes: Any) -> Path:
    """A file of the 150-particle set with the high-level features, in another order than theirs."""
    names = [b"j_pt", *(f"j_{name}".encode() for name in reversed(FEATURES)), *JETS[1:]]
    jets = np.zeros((10, len(names)), np.float32)
    jets[:, 1:17] = np.arange(10)[:, None] + np.arange(16)[::-1] / 16
    jets[:, 17:22] = np.tile(np.eye(5), (2, 1))
    return write_jets150(path, **({"jets": jets, "jetFeatureNames": names} | changes))


def test_the_features_of_the_150_particle_set_are_found_by_name(tmp_path: Path) -> None:
    table = load_jets150_features(write_features(tmp_path / "a.h5"), write_features(tmp_path / "b.h5"))
    assert table.features == FEATURES
    assert table.y.tolist() == [0, 1, 2, 3, 4] * 4
    assert np.array_equal(table.x[:10], (np.arange(10)[:, None] + np.arange(16) / 16).astype(np.float32))
    with pytest.raises(ConfigError, match="no column 'j_zlogz' in it"):
        load_jets150_features(write_jets150(tmp_path / "c.h5"))


def test_recipes_and_info_take_the_public_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from bittrigger.train.recipes import load_arrays

    arrays = load_arrays(write_features(tmp_path / "a.h5"), ("X", "y", "features", "classes"))
    assert arrays["X"].shape == (10, 16)
    assert arrays["classes"].tolist() == ["g", "q", "w", "z", "t"]
    with pytest.raises(ConfigError, match="no array kin; it holds X, y, features, classes"):
        load_arrays(tmp_path / "a.h5", ("kin",))
    main(["data", "info", str(tmp_path / "a.h5")])
    main(["data", "info", str(write_top(tmp_path / "test.h5"))])
    said = " ".join(capsys.readouterr().out.split())
    assert "doi:10.5281/zenodo.3602260: 10 jets (g 2, q 2, w 2, z 2, t 2)" in said
    assert "doi:10.5281/zenodo.2603256: 3 jets (qcd 1, top 2)" in said
    assert "2.0 constituents a jet, at most 2" in said


def test_data_info_tells_what_other_public_files_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.zeros((3, 2, 4))
    x[:, 0] = [[5, 0.1, 1, 22], [9, 0.2, 2, 211], [7, 0.3, 3, -211]]
    np.savez(tmp_path / "QG_jets.npz", X=x, y=np.array([1.0, 0.0, 1.0]))
    with h5py.File(tmp_path / "dataset_1_photons_1.hdf5", "w") as file:
        file["incident_energies"], file["showers"] = np.array([[256.0], [512.0]]), np.ones((2, 368))
    for name in ("QG_jets.npz", "dataset_1_photons_1.hdf5"):
        main(["data", "info", str(tmp_path / name)])
    said = " ".join(capsys.readouterr().out.split())
    assert "doi:10.5281/zenodo.3164691: 3 jets (gluon 1, quark 2)" in said
    assert "arXiv:2410.21611: 2 showers 256 to 512 MeV, 368 voxels" in said


def test_the_quark_gluon_recipes_take_the_top_tagging_reference(tmp_path: Path) -> None:
    from model_recipes import load_recipe

    jets = load_recipe("quark_gluon", "qg_jets")
    known = write_top(tmp_path / "train.h5", signal=(0, 1) * 100)
    fresh = write_top(tmp_path / "test.h5", signal=(1, 0) * 100)
    with pytest.raises(ConfigError, match="both hold the same jets"):
        jets.load(known, fresh)
    assert len(jets._read(fresh).y) == 200
