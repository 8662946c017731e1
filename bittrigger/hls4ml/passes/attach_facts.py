"""Pass: write on each node what Keras computes, before anything else is done to the graph."""

from __future__ import annotations

from typing import Any

from hls4ml.model.optimizer import ModelOptimizerPass

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.keras_layers.meaning import call_facts
from bittrigger.frontend.keras_model.check import check_model
from bittrigger.frontend.keras_model.quiet import as_written


class AttachFacts(ModelOptimizerPass):  # type: ignore[misc]
    """Sets the attributes of ``bittrigger.frontend.attributes`` on every node, from the Keras model object."""

    def __init__(self) -> None:
        self.name = "attach_facts"

    def transform(self, model: Any) -> bool:
        """Attach the facts, unless the graph carries them already because it was saved with them.

        Raises:
            UnsupportedModelError: if there is no Keras model object, or a layer is not supported.
        """
        nodes = list(model.get_layers())
        if all(node.get_attr(attributes.KIND) is not None for node in nodes):
            return False
        keras_model = model.config.get_config_value("KerasModel")
        if keras_model is None or isinstance(keras_model, str):
            raise UnsupportedModelError(
                "the graph comes without a Keras model object, and hls4ml's parser alone does not keep what Keras computes; "
                "allowed is hls4ml.converters.convert_from_keras_model with a model object; load the model and pass it"
            )
        as_written()  # so that what Keras predicts from now on is what the design gives
        calls = {call.name: call for call in check_model(keras_model).calls}
        for node in nodes:
            call = calls.get(node.name)
            if call is None:
                raise UnsupportedModelError(
                    f"layer {node.name!r}: hls4ml made it, and it belongs to no layer of the Keras model; allowed are layers of "
                    "the model; rename the layer that it stems from"
                )
            for key, value in call_facts(call).items():
                node.set_attr(key, value)
        return False
