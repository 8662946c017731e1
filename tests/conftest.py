"""Fixtures shared by all tests."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

# Whoever starts the tests may ignore Ctrl-C, as a shell does in the background, and the programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite firmware/<model>/ instead of comparing")


@pytest.fixture(scope="session")
def root():
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def jet_tagger():
    """The folder of the five-class jet tagger."""
    return ROOT / "models" / "jet_tagger"
