"""Fixtures shared by several test files."""

from __future__ import annotations

import gc
import importlib.util
import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings

from bittrigger.errors import ToolNotFoundError

pytest_plugins = ["pace"]

# Derandomised, so that a red run is red again; `--hypothesis-profile nightly`, or a seed, searches elsewhere each time.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("nightly", deadline=None, print_blob=True)
settings.load_profile("ci")

# The tests themselves run side by side; threads within them wait for each other in loops, which takes the CPU from the others.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(variable, "1")

# Whoever starts the tests may ignore Ctrl-C, as a shell does in the background, and the programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


# The core runs without the extra `keras`, and on Pythons for which there is none: what imports it is left out there.
HAS_KERAS = importlib.util.find_spec("tensorflow") is not None
_NEEDS_KERAS = re.compile(
    r"^(from|import) (tensorflow|qkeras|h5py|hls4ml|keras_models|model_recipes|bit_layers|fuzz|sklearn|"
    r"bittrigger\.(layers|train|explore|frontend|hls4ml))",
    re.MULTILINE,
)
collect_ignore = [
    path.name
    for path in Path(__file__).parent.glob("test_*.py")
    if not HAS_KERAS and _NEEDS_KERAS.search(path.read_text())
]


_SAYS_SO = ("bittrigger[keras]", "'hls4ml==", "No module named 'tensorflow'")


def _skipping_what_needs_keras():
    """A test that asks for the extra `keras` where it is not installed is skipped."""
    try:
        return (yield)
    except (ToolNotFoundError, AssertionError, subprocess.CalledProcessError) as error:
        said = f"{error} {getattr(error, 'stderr', '')}"
        if HAS_KERAS or not any(word in said for word in _SAYS_SO):
            raise
        pytest.skip("it needs the extra `keras`")


pytest_runtest_setup = pytest.hookimpl(wrapper=True)(lambda: (yield from _skipping_what_needs_keras()))
pytest_runtest_call = pytest.hookimpl(wrapper=True)(lambda: (yield from _skipping_what_needs_keras()))


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite firmware/<model>/ instead of comparing")


def pytest_collection_finish():
    """Collect garbage as the command line does: TensorFlow and the tests are many objects, which stay."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_configure(config):
    if config.getoption("--hypothesis-seed") is not None and config.getoption("--hypothesis-profile") is None:
        settings.load_profile("nightly")  # a derandomised run takes no seed


@pytest.fixture(scope="session")
def root():
    """The checkout."""
    return ROOT


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    """The cache folder, which is not there yet and of this test alone."""
    monkeypatch.setenv("BITTRIGGER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def jet_tagger():
    """The folder of the five-class jet tagger."""
    return ROOT / "models" / "jet_tagger"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """The SystemVerilog of the design in ``wrapped_designs``, and a place for the models of its wrappers."""
    from wrapped_designs import PIPELINE

    from bittrigger.emit.verilog import emit_verilog

    folder = tmp_path_factory.mktemp("wrappers")
    return folder, emit_verilog(PIPELINE, folder / "rtl")


@pytest.fixture(scope="module")
def workers():
    """One worker that makes data, a thread of this process."""
    from bittrigger.data.production.workers import Workers

    with ThreadPoolExecutor(1) as executor:
        yield Workers(executor, 1)


@pytest.fixture(scope="session")
def hls4ml():
    """The package, which knows the backend; to register it twice does no harm."""
    import hls4ml

    from bittrigger.hls4ml import register

    register()
    register()
    return hls4ml


@pytest.fixture
def call_by_call():
    """TensorFlow runs operations as they come: to trace functions takes most of the time of a training of a few steps."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def fake(monkeypatch):
    """The fake data set, known to the command line."""
    import data_sets

    from bittrigger.data.sets import SETS

    dataset = data_sets.fake()
    monkeypatch.setitem(SETS, "fake", dataset)
    return dataset


@pytest.fixture
def request_(fake):
    """A request for 22 events of the fake data set."""
    from bittrigger.data.model import Request

    return Request(fake, 22, 7)
