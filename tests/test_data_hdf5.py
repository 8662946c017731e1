"""Public jets in HDF5: good files give checked constituents, others one message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from bittrigger.data import load_jets150, load_top_landscape
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
