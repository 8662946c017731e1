"""The hls4ml backend named BitTrigger. Importing the package itself imports neither hls4ml nor TensorFlow."""

from __future__ import annotations


def register() -> None:
    """Register the backend with hls4ml, unless hls4ml found the entry point by itself."""
    from hls4ml.backends import get_available_backends, register_backend
    from hls4ml.writer.writers import register_writer

    from bittrigger import hls4ml_plugin

    if "bittrigger" not in get_available_backends():
        hls4ml_plugin.register(register_backend=register_backend, register_writer=register_writer)
