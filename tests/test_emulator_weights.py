"""`--emulator-weights`: firmware of constants, and an emulator that takes the weight file of any network of the same shape."""

import numpy as np
import pytest
from test_weights import refused, said, written

from bittrigger.build.folder import load_build
from bittrigger.build.weights import read_weights
from bittrigger.errors import ConfigError
from bittrigger.ir.graph import evaluate
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
    refused(ConfigError, "only the emulator of", "simulate", desk / "build", "--weights", path, "-x", "rtl-fast")


def test_the_files_are_made_again_and_compared(desk, tmp_path):
    claims = [claim for claim in file_claims(copy_build(desk / "build", tmp_path)) if claim.kind == "files"]
    assert [claim.detail for claim in claims if claim.verdict is not Verdict.PROVEN] == []
    said("package", desk / "build", "-o", tmp_path / "release", "--version", 3)
    assert "ok:" in said("verify", tmp_path / "release")


def test_the_option_is_for_constants():
    with pytest.raises(ConfigError, match="exclude each other"):
        Settings(emulator_weights=True, tunable="bias")
