"""LUTs of a Keras model as the cost model has them, without writing any firmware. TensorFlow is imported when it is called."""

from __future__ import annotations

from dataclasses import replace

from bittrigger.device.cost_model import estimate
from bittrigger.layers.keras_types import Model
from bittrigger.settings import Settings

__all__ = ["estimate_luts"]


def estimate_luts(model: Model, settings: Settings | None = None, *, logits: bool = False) -> int:
    """Return the LUTs of the whole design; their origin is `estimate`, and no other figure may be set beside them.

    Keras is not compared with the integers: what is built of a candidate that was chosen is, when it is converted.

    Args:
        model: a model that converts.
        settings: part, clock and effort of the solver; by default those of `bittrigger convert`.
        logits: whether a softmax or sigmoid at the output is left out.

    Raises:
        UnsupportedModelError: the model does not convert.
    """
    from bittrigger.compile.pipeline import create_pipeline
    from bittrigger.compile.read import read_model

    settings = replace(settings or Settings(), logits=logits)
    graph = read_model(model, settings, name="model", check=False).graph
    _, total = estimate(create_pipeline(graph, settings))
    return total.lut
