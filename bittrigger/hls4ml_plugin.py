"""Entry point of the group ``hls4ml.backends``: registers the backend ``BitTrigger``. Imports neither TensorFlow nor QKeras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def register(*, register_backend: Callable[[str, Any], None], register_writer: Callable[[str, Any], None]) -> None:
    """Register the writer and the backend; hls4ml calls this while it is imported. The writer comes first."""
    from hls4ml.writer.writers import writer_map

    from bittrigger.hls4ml.backend import BitTriggerBackend
    from bittrigger.hls4ml.writer import BitTriggerWriter

    if "BitTrigger" in writer_map:  # installed, and named in HLS4ML_BACKEND_PLUGINS as well
        return
    register_writer("BitTrigger", BitTriggerWriter)
    register_backend("BitTrigger", BitTriggerBackend)
