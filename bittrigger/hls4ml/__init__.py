"""The front-end: an hls4ml backend named BitTrigger and the exact lowering of hls4ml's ModelGraph to integers.

This is the only package that imports hls4ml, TensorFlow or QKeras; importing the package itself imports none of them.
"""

from __future__ import annotations

import contextlib
import io
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bittrigger.build.folder import BuildSettings

__all__ = ["parse"]

_log = logging.getLogger(__name__)


def parse(model: Any, name: str, settings: BuildSettings) -> Any:
    """hls4ml's ModelGraph of a Keras model, with the facts that ``bittrigger.frontend.lower.lower`` needs; not lowered.

    Args:
        model: a Keras model object.
        name: name of the design, an identifier.
        settings: part and clock.

    Raises:
        UnsupportedModelError: if the structure or a layer is not supported.
    """
    from bittrigger.frontend.check_model import check_model
    from bittrigger.frontend.quiet import quiet_tensorflow

    chatter = io.StringIO()
    with quiet_tensorflow(), contextlib.redirect_stdout(chatter):
        model = without_bit_layers(model)
        check_model(model)
        import hls4ml

        register()
        graph = hls4ml.converters.convert_from_keras_model(
            model,
            backend="BitTrigger",
            project_name=name,
            part=settings.part,
            clock_period=1000.0 / settings.clock_mhz,
            hls_config={"Flows": ["bittrigger:parse"]},
        )
    for line in filter(None, chatter.getvalue().splitlines()):
        _log.debug("hls4ml: %s", line)
    return graph


def without_bit_layers(model: Any) -> Any:
    """The model with the layers of ``bittrigger.train`` replaced by stock ones of the same bits, or itself if it has none.

    Raises:
        UnsupportedModelError: if one of them does not convert.
    """
    if not any(type(layer).__module__.startswith("bittrigger.train.") for layer in getattr(model, "layers", ())):
        return model
    from bittrigger.layers.stock import stock_layers

    return stock_layers(model)


def register() -> None:
    """Register the backend with hls4ml, unless hls4ml found the entry point by itself."""
    from hls4ml.backends import get_available_backends, register_backend
    from hls4ml.writer.writers import register_writer

    from bittrigger import hls4ml_plugin

    if "bittrigger" not in get_available_backends():
        hls4ml_plugin.register(register_backend=register_backend, register_writer=register_writer)
