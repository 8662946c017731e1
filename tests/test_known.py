"""Models that were converted before: found without Keras, and only if nothing at all has changed."""

import shutil

import numpy as np
import pytest
import pytorch_files
from onnx_files import network

from bittrigger.compile import convert as job
from bittrigger.compile import known
from bittrigger.compile.convert import convert
from bittrigger.errors import MismatchError, UnsupportedModelError
from bittrigger.settings import Settings
from bittrigger.system.apart import stop

FAST = Settings(effort="fast")


@pytest.fixture(autouse=True)
def cache(empty_cache):
    return empty_cache / "designs"


def placed(build):
    return [(module.name, module.start, module.stop, module.stages) for module in build.pipeline.modules]


@pytest.fixture
def anomaly(root, tmp_path):
    return shutil.copy(root / "models" / "anomaly" / "model.h5", tmp_path / "model.h5")


@pytest.fixture
def made(monkeypatch):
    """How often a model was read, solved and compared."""
    times, make = [], job._made
    monkeypatch.setattr(job, "_made", lambda *args: (times.append(1), make(*args))[1])
    return times


def test_the_same_model_is_found_and_any_change_makes_it_anew(anomaly, tmp_path, made, monkeypatch):
    first, _ = convert(anomaly, tmp_path / "a", FAST, synthesize=False)
    again, _ = convert(anomaly, tmp_path / "b", FAST, synthesize=False)
    assert len(made) == 1
    assert "check" in first.stage_seconds
    assert list(again.stage_seconds)[:1] == ["known"]
    assert placed(again) == placed(first)
    for name in ("design.json", "rtl", "hls/firmware"):
        one, two = tmp_path / "a" / name, tmp_path / "b" / name
        for path in [one] if one.is_file() else sorted(one.rglob("*.*")):
            assert path.read_bytes() == (two / path.relative_to(one) if path != one else two).read_bytes()
    known_before = len(made)
    events = np.zeros((3, first.graph.n_inputs))
    for change in (
        lambda: convert(anomaly, tmp_path / "c", Settings(effort="fast", seed=1), synthesize=False),
        lambda: convert(anomaly, tmp_path / "d", FAST, inputs=events, synthesize=False),
    ):
        change()
    assert len(made) == known_before + 2
    key = known.question(anomaly, FAST, "a", None)
    for patched, value in (("versions", dict), ("sources", lambda: ""), ("_processor", lambda: "another")):
        with monkeypatch.context() as patch:
            patch.setattr(known, patched, value)
            assert known.question(anomaly, FAST, "a", None) != key
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert known.question(anomaly, FAST, "a", None) != key


def onnx(folder):
    path = folder / "net.onnx"
    path.write_bytes(network("dense"))
    return path, path


def checkpoint(folder):
    path = pytorch_files.write(
        folder / "net.pt", *pytorch_files.checkpoint({"a.weight": np.ones((2, 3), dtype=np.float32)})
    )
    description = path.with_suffix(".yaml")
    description.write_text("input: fixed<6,3>\nnetwork:\n  - {linear: a, weights: float}\n")
    return path, description


@pytest.mark.parametrize("write", [onnx, checkpoint])
def test_files_of_onnx_and_pytorch_are_found_too(write, tmp_path, made):
    path, changed = write(tmp_path)
    first, _ = convert(path, tmp_path / "a", FAST, synthesize=False)
    again, _ = convert(path, tmp_path / "b", FAST, synthesize=False)
    assert len(made) == 1
    assert again.graph.basis == first.graph.basis
    assert (tmp_path / "a" / "design.json").read_bytes() == (tmp_path / "b" / "design.json").read_bytes()
    changed.write_bytes(network("dense", 1) if write is onnx else changed.read_bytes().replace(b"6,3", b"7,3"))
    convert(path, tmp_path / "c", FAST, synthesize=False)
    assert len(made) == 2


def test_a_file_is_read_as_what_its_name_says(tmp_path):
    """What was found for bytes of ONNX is nothing that a file of Keras may find."""
    path, other = onnx(tmp_path)[0], tmp_path / "net.h5"
    other.write_bytes(path.read_bytes())
    convert(path, tmp_path / "a", FAST, synthesize=False)
    with pytest.raises(UnsupportedModelError, match="it is neither HDF5 nor"):
        convert(other, tmp_path / "b", FAST, synthesize=False)


def test_a_poisoned_design_is_made_again(anomaly, tmp_path, made, cache):
    first, _ = convert(anomaly, tmp_path / "a", FAST, synthesize=False)
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    for number, damaged in enumerate((whole[:-1], whole[:50] + bytes([whole[50] ^ 1]) + whole[51:], b"")):
        entry.write_bytes(damaged)
        again, _ = convert(anomaly, tmp_path / f"b{number}", FAST, synthesize=False)
        assert placed(again) == placed(first)
        assert entry.read_bytes() == whole
        assert len(made) == number + 2


def test_an_adder_graph_that_is_not_its_matrix_is_not_found(anomaly, tmp_path, cache):
    """Even with a right checksum: the design is proven when it is read."""
    convert(anomaly, tmp_path / "a", FAST, synthesize=False)
    (entry,) = cache.iterdir()
    latency, _, text = known.DESIGNS.find(entry.name).decode().partition("\n")
    at = text.index('"bias":[') + len('"bias":[')
    wrong = text[:at] + "7" + text[at:]
    known.DESIGNS.keep({entry.name: f"{latency}\n{wrong}".encode()})
    assert known.find(entry.name, FAST) is None


def test_a_model_that_differs_from_keras_is_not_kept(anomaly, tmp_path, cache, monkeypatch):
    def differ(*_):
        raise MismatchError("event 0")

    monkeypatch.setattr("bittrigger.compile.apart.check_reading", differ)
    stop()  # or an earlier process would answer
    with pytest.raises(MismatchError):
        convert(anomaly, tmp_path / "a", FAST, synthesize=False)
    stop()
    assert not cache.exists()


def test_a_model_that_changes_while_it_is_read_is_not_kept(anomaly, tmp_path, cache, monkeypatch):
    keys = iter(["before", "after"])
    monkeypatch.setattr(known, "question", lambda *_: next(keys))
    convert(anomaly, tmp_path / "a", FAST, synthesize=False)
    assert not cache.exists()
