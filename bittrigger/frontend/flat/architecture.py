"""The calls of a model as hls4ml's parser wants them: a functional Keras model of layers that it knows, and one generic layer.

hls4ml keeps names and topology. What a layer computes is attached to its nodes from the Keras layers themselves, so that a layer
which hls4ml does not read needs no more than a name, its operands and its shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bittrigger.frontend.attributes import BIT_ACTIVATION, GENERIC
from bittrigger.frontend.flat.calls import Call, FlatModel
from bittrigger.layers.names import PACKAGE

_PLAIN = frozenset(
    [
        *(
            "InputLayer",
            "Dense",
            "QDense",
            "Conv1D",
            "QConv1D",
            "Conv2D",
            "QConv2D",
            "DepthwiseConv2D",
            "QDepthwiseConv2D",
        ),
        *(
            "Activation",
            "ReLU",
            "LeakyReLU",
            "ELU",
            "ThresholdedReLU",
            "Softmax",
            "BatchNormalization",
            "QBatchNormalization",
        ),
        *(
            "Flatten",
            "Reshape",
            "AveragePooling1D",
            "AveragePooling2D",
            "GlobalAveragePooling1D",
            "GlobalAveragePooling2D",
        ),
        *("MaxPooling1D", "MaxPooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "RepeatVector", "Permute"),
        *("ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D", "UpSampling1D", "UpSampling2D", BIT_ACTIVATION),
    ]
)
"""Classes that hls4ml's parser reads, each alone."""

_OF_TWO = frozenset(["Add", "Subtract", "Maximum", "Minimum", "Concatenate"])
"""Classes that it reads where they join two tensors of one shape."""

_QUANTISERS = (
    "quantized_bits",
    "quantized_relu",
    "quantized_tanh",
    "quantized_sigmoid",
    "ternary",
    "binary",
    "binary_tanh",
)
"""What it reads in a QActivation."""

_RANK = ("Dense", "QDense", "Activation", "QActivation", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU")
"""Classes that it reads with axes in front, over which a layer is repeated."""


def architecture(model: FlatModel) -> dict[str, Any]:
    """``model`` as the JSON of a functional Keras model."""
    return {
        "class_name": "Functional",
        "config": {
            "name": model.name,
            "layers": [_entry(call) for call in model.calls],
            "input_layers": [[name, 0, 0] for name in model.inputs],
            "output_layers": [[name, 0, 0] for name in model.outputs],
        },
    }


def _entry(call: Call) -> dict[str, Any]:
    nodes = [[[name, 0, 0, {}] for name in call.inputs]] if call.inputs else []
    if is_read(call):
        return {"class_name": call.class_name, "config": dict(call.config), "name": call.name, "inbound_nodes": nodes}
    config = {"name": call.name, "shape": list(call.shape)}
    return {"class_name": GENERIC, "config": config, "name": call.name, "inbound_nodes": nodes}


def is_read(call: Call) -> bool:
    """Whether hls4ml's parser reads the layer of ``call`` as it is."""
    kind, config = call.class_name.removeprefix(PACKAGE), call.config
    if call.lead and kind not in _RANK:
        return False
    if config.get("data_format") == "channels_first" or config.get("keepdims"):
        return False
    if config.get("interpolation", "nearest") != "nearest":
        return False
    if kind in _OF_TWO:
        return (
            len(call.inputs) == 2
            and len(call.shape) <= 3
            and (kind == "Concatenate" or len(set(call.input_shapes)) == 1)
        )
    if kind == "QActivation":
        activation = config.get("activation")
        word = activation["class_name"] if isinstance(activation, dict) else str(activation).split("(", maxsplit=1)[0]
        return word in _QUANTISERS
    return kind in _PLAIN and not (kind == "Activation" and isinstance(config.get("activation"), dict))


@dataclass(frozen=True, eq=False)
class Weights:
    """Reads the weights of calls, as hls4ml's readers do those of layers."""

    model: FlatModel

    def get_weights_data(self, layer_name: str, var_name: str) -> Any:
        """The first array of call ``layer_name`` in whose name ``var_name`` stands, or None."""
        (call,) = (call for call in self.model.calls if call.name == layer_name)
        for weight in call.layer.weights:
            if var_name in weight.name:
                return weight.numpy()
        return None
