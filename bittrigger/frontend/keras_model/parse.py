"""hls4ml reads a Keras model: its parser gives the ModelGraph that the lowering starts from."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bittrigger.errors import InternalError

if TYPE_CHECKING:
    from bittrigger.settings import Settings

_log = logging.getLogger(__name__)
_PLUGIN = "bittrigger.hls4ml_plugin"
_PLUGINS = "HLS4ML_BACKEND_PLUGINS"
"""Where hls4ml looks for backends besides the entry points; an uninstalled checkout has none of these."""


def parse(model: Any, name: str, settings: Settings) -> Any:
    """hls4ml's ModelGraph of a Keras model, with the facts that ``frontend.lower`` needs; not lowered.

    Args:
        model: a Keras model object.
        name: name of the design, an identifier.
        settings: part and clock.

    Raises:
        UnsupportedModelError: if the structure or a layer is not supported.
    """
    from bittrigger.frontend.keras_model.check import check_model
    from bittrigger.frontend.keras_model.quiet import quiet_tensorflow

    chatter = io.StringIO()
    with quiet_tensorflow(), contextlib.redirect_stdout(chatter):
        model = without_bit_layers(model)
        check_model(model)
        hls4ml = _hls4ml()

        # What convert_from_keras_model does for Keras 2; it goes by the package ``keras``, which may be Keras 3 beside tf_keras.
        config = hls4ml.utils.config.create_config(
            backend="BitTrigger", project_name=name, part=settings.part, clock_period=1000.0 / settings.clock_mhz
        )
        config["KerasModel"] = model
        config["HLSConfig"] = {"Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1}, "Flows": ["bittrigger:parse"]}
        graph = hls4ml.converters.keras_v2_to_hls(config)
    for line in filter(None, chatter.getvalue().splitlines()):
        _log.debug("hls4ml: %s", line)
    return graph


def without_bit_layers(model: Any) -> Any:
    """The model with the layers of ``bittrigger.layers`` replaced by stock ones of the same bits, or itself if it has none.

    Raises:
        UnsupportedModelError: if one of them does not convert.
    """
    if not any(type(layer).__module__.startswith("bittrigger.layers.") for layer in getattr(model, "layers", ())):
        return model
    from bittrigger.layers.stock import stock_layers

    return stock_layers(model, keep_activations=True)


def _hls4ml() -> Any:
    """hls4ml with our backend, which it finds by its entry point, or by name where bittrigger is not installed.

    Raises:
        InternalError: if hls4ml was imported before and did not find it.
    """
    from bittrigger.frontend.keras_model.quiet import without_collection

    with _plugin_named(), without_collection():
        import hls4ml
    if "bittrigger" not in hls4ml.backends.get_available_backends():
        raise InternalError(
            "hls4ml does not know the backend BitTrigger; install bittrigger, or import it before hls4ml"
        )
    return hls4ml


@contextlib.contextmanager
def _plugin_named() -> Iterator[None]:
    before = os.environ.get(_PLUGINS)
    os.environ[_PLUGINS] = f"{before}{os.pathsep}{_PLUGIN}" if before else _PLUGIN
    try:
        yield
    finally:
        if before is None:
            del os.environ[_PLUGINS]
        else:
            os.environ[_PLUGINS] = before
