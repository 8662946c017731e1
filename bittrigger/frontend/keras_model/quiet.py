"""TensorFlow without its chatter, without work that nobody asked for, and with what the layers write and call."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_SILENT = "3" if sys.version_info >= (3, 12) else "2"
"""The TensorFlow of later Pythons calls it an error that there is no GPU."""


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Silence the notes of TensorFlow's C++ code and Keras' deprecation warnings inside the block.

    TensorFlow reads the variable once, when it is imported; a level that the user has set stays. The environment is
    restored.
    """
    before = os.environ.get(_LEVEL)
    os.environ.setdefault(_LEVEL, _SILENT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            os.environ.pop(_LEVEL, None)


@contextmanager
def without_autograph() -> Iterator[None]:
    """No rewriting of Python code into graphs inside the block.

    Keras rewrites every layer that it calls, which takes 80 % of the time to load a small model; QKeras' layers branch on
    Python values alone and need none of it.

    TensorFlow then puts one without named arguments into each function of its own that a layer stands for, for good: the
    slices of models that are made later would be saved without what they slice. Each gets back what it was.
    """
    from tensorflow.python.autograph.core import ag_ctx  # TensorFlow has no public switch for code that it calls itself
    from tensorflow.python.util import tf_decorator

    put, replaced = tf_decorator.rewrap, []

    def noted(function: Any, before: Any, after: Any) -> Any:
        replaced.append((function, before, after))
        return put(function, before, after)

    tf_decorator.rewrap = noted
    try:
        with ag_ctx.ControlStatusCtx(status=ag_ctx.Status.DISABLED):
            yield
    finally:
        tf_decorator.rewrap = put
        for function, before, after in reversed(replaced):
            put(function, after, before)


@contextmanager
def without_collection() -> Iterator[None]:
    """No search for garbage inside the block, in which large packages are imported.

    They make a million objects and next to no garbage; looking through these again and again takes a quarter of the time to
    import TensorFlow. What is there at the end is left out of later searches as well.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def as_written() -> None:
    """Let TensorFlow compute every sum as the layers write it, from now on in this process.

    Its graph optimiser turns ``(x + (q - x)) + (y + (r - y))``, which is the Add of two QKeras quantisers, into one sum of
    four terms, which rounds otherwise: ``predict`` then differs from the layers called one by one, and has no single
    answer. What has been traced already is optimised anew at its next call.
    """
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


def mend_qkeras() -> None:
    """Give TensorFlow back the names by which QKeras' layers call three of its functions, where it has them no more."""
    import tensorflow as tf
    from tensorflow.python.ops import array_ops
    from tensorflow.python.util import nest

    gone = (
        (nest, "is_sequence", tf.nest.is_nested),
        (array_ops, "unstack", tf.unstack),
        (array_ops, "stack", tf.stack),
    )
    for module, name, function in gone:
        if not hasattr(module, name):
            setattr(module, name, function)
