"""What pip brings on request: the packages that read and train Keras models are no part of the core."""

from __future__ import annotations

import importlib.util

from bittrigger.errors import ToolNotFoundError

KERAS = ("tensorflow", "qkeras", "hls4ml")
"""Packages of the extra ``keras``."""


def require_keras() -> None:
    """Check that the extra ``keras`` is installed, before a model is read.

    Raises:
        ToolNotFoundError: if one of its packages is missing.
    """
    missing = [name for name in KERAS if not is_installed(name)]
    if not missing:
        return
    raise ToolNotFoundError(
        f"package {missing[0]!r} is not installed; reading and training Keras models takes {', '.join(KERAS)}; install them "
        "with `pip install 'bittrigger[keras]'`"
    )


def is_installed(name: str) -> bool:
    """Whether a package can be imported."""
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # it was replaced by None in sys.modules
        return False
