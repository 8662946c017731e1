"""`--emulator-weights`: firmware of constants, and an emulator that takes the weight file of any network of the same shape."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from commands import refuses, said
from test_weights import written

from bittrigger.build.folder import load_build, save_stored, write_firmware
from bittrigger.build.manifest import seal
from bittrigger.build.weights import read_weights
from bittrigger.errors import ConfigError
from bittrigger.ir.graph import evaluate
from bittrigger.ir.held.weight_file import with_numbers
from bittrigger.prove import Verdict
from bittrigger.prove.sources.files import copy_build, file_claims
from bittrigger.settings import Settings
from bittrigger.simulate.executors.emulator import Emulator
from bittrigger.simulate.vectors import corner_codes, random_codes

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A build with the option, one without, and one of a network that was trained again."""
    folder = tmp_path_factory.mktemp("desk")
    first, other = written(folder, "tagger"), written(folder, "other", seed=4)
    said("convert", first, "-o", folder / "build", "--emulator-weights", "--no-synth")
    said("convert", first, "-o", folder / "plain", "--no-synth")
    said("convert", other, "-o", folder / "retrained", "--name", "tagger", "--no-synth")
    return folder


def test_the_firmware_is_that_without_the_option(desk):
    for part in ("rtl", "hls"):
        for path in sorted((desk / "plain" / part).rglob("*.sv")):
            assert path.read_bytes() == (desk / "build" / path.relative_to(desk / "plain")).read_bytes()
    assert (desk / "build" / "design.json").read_bytes() == (desk / "plain" / "design.json").read_bytes()
    said("simulate", desk / "build", "-x", "emulator", "-x", "rtl-fast", "-n", 100)


def test_a_retrained_network_needs_a_file_alone(desk, tmp_path):
    path = tmp_path / "other.txt"
    said("weights", desk / "other.h5", desk / "build", "-o", path)
    build, retrained = load_build(desk / "build"), load_build(desk / "retrained")
    graph = read_weights(path, build.pipeline.emulation.graph)
    codes = np.concatenate([corner_codes(graph), random_codes(graph, 500, 1)])
    found = Emulator(graph, build.folder / "emulator", tmp_path / "cache").run(codes)
    assert np.array_equal(found, evaluate(retrained.graph, codes))
    assert not np.array_equal(found, evaluate(build.graph, codes))
    said("simulate", desk / "build", "--weights", path, "-n", 100)
    said("weights", path, desk / "build", "-o", tmp_path / "again.txt")
    assert (tmp_path / "again.txt").read_bytes() == path.read_bytes()
    refuses(
        ConfigError,
        "has constants, which no bus writes",
        "weights",
        path,
        desk / "build",
        "--writes",
        tmp_path / "bus.txt",
    )
    refuses(ConfigError, "only the emulator of", "simulate", desk / "build", "--weights", path, "-x", "rtl-fast")


def test_the_files_are_made_again_and_compared(desk, tmp_path):
    claims = [claim for claim in file_claims(copy_build(desk / "build", tmp_path)) if claim.kind == "files"]
    assert [claim.detail for claim in claims if claim.verdict is not Verdict.PROVEN] == []
    said("package", desk / "build", "-o", tmp_path / "release", "--version", 3)
    assert "ok:" in said("verify", tmp_path / "release")


def test_an_emulator_of_another_network_is_refuted(desk, tmp_path):
    """Its files are those of ``emulated.json``, and everything is sealed: only the numbers are those of the retrained network."""
    said("weights", desk / "other.h5", desk / "build", "-o", tmp_path / "other.txt")
    folder = tmp_path / "build"
    shutil.copytree(desk / "build", folder)
    build = load_build(folder)
    emulated = build.pipeline.emulation
    emulated = with_numbers(emulated, read_weights(tmp_path / "other.txt", emulated.graph))
    pipeline = replace(build.pipeline, emulated=emulated)
    write_firmware(pipeline, folder, build.settings)
    save_stored(folder, pipeline)
    seal(folder)
    claims = [claim for claim in file_claims(copy_build(folder, tmp_path / "work")) if claim.kind == "files"]
    wrong = [claim for claim in claims if claim.verdict is not Verdict.PROVEN]
    assert [(claim.subject, claim.verdict) for claim in wrong] == [("emulator/", Verdict.REFUTED)]
    assert "emulated.json computes something else than design.json" in wrong[0].detail


def test_the_option_is_for_constants():
    with pytest.raises(ConfigError, match="exclude each other"):
        Settings(emulator_weights=True, tunable="bias")
