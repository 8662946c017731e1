"""Keras 2 is found under the name that it has on this Python, and Keras 3 in its place is named."""

import importlib
import os
import subprocess
import sys

import pytest
from keras_models import tf

from bittrigger.errors import ConfigError
from bittrigger.system.legacy_keras import is_of_keras_2, keras_2_module, keras_2_package


def test_keras_2_is_found():
    package = keras_2_package()
    assert importlib.import_module(package).__version__.startswith("2.")
    assert keras_2_module("src").__name__ == f"{package}.src"
    assert is_of_keras_2(tf.keras.layers.Dense)
    assert not is_of_keras_2(dict)


def test_keras_3_in_its_place_is_named_with_the_way_out(monkeypatch):
    monkeypatch.setattr(importlib.import_module(keras_2_package()), "__version__", "3.12.0")
    with pytest.raises(
        ConfigError, match=r"tf\.keras is Keras 3\.12\.0 in this process; .*set TF_USE_LEGACY_KERAS=1 before"
    ):
        keras_2_package()


@pytest.mark.parametrize("wanted", ["0", None])
def test_importing_bittrigger_asks_for_keras_2_unless_the_user_has_chosen(wanted):
    environment = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    environment |= {} if wanted is None else {"TF_USE_LEGACY_KERAS": wanted}
    code = "import bittrigger, os; print(os.environ.get('TF_USE_LEGACY_KERAS'))"
    found = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    asked = "1" if sys.version_info >= (3, 12) else "None"
    assert found.stdout.strip() == (wanted or asked)
