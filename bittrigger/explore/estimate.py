"""LUTs of a Keras model as the cost model has them, without writing any firmware. TensorFlow is imported when it is called."""

from __future__ import annotations

from bittrigger.build.folder import BuildSettings, create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.layers.keras_types import Model

__all__ = ["estimate_luts"]


def estimate_luts(model: Model, settings: BuildSettings | None = None, *, logits: bool = False) -> int:
    """Return the LUTs of the whole design; their origin is `estimate`, and no other figure may be set beside them.

    Args:
        model: a model that converts.
        settings: part, clock and effort of the solver; by default those of `bittrigger convert`.
        logits: whether a softmax or sigmoid at the output is left out.

    Raises:
        UnsupportedModelError: the model does not convert.
    """
    from bittrigger.frontend.lower import lower
    from bittrigger.frontend.parse import parse

    settings = settings or BuildSettings()
    graph = lower(parse(model, "model", settings), logits=logits, name="model")
    _, total = estimate(create_pipeline(graph, settings))
    return total.lut
