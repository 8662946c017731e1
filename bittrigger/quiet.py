"""TensorFlow without its chatter."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Silence the notes of TensorFlow's C++ code and Keras' deprecation warnings inside the block.

    TensorFlow reads the variable once, when it is imported; a level that the user has set stays. The environment is
    restored.
    """
    before = os.environ.get(_LEVEL)
    os.environ.setdefault(_LEVEL, "2")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            os.environ.pop(_LEVEL, None)
