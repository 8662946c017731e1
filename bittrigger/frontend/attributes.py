"""The plain attributes that carry a layer's exact meaning on a node of hls4ml's ModelGraph.

hls4ml's parser keeps names and topology, but loses facts (the bound of a ReLU, the settings of a quantiser) and picks
weights by looking for a word in their names. A pass of ours therefore writes what Keras really computes on each node, in
types that survive hls4ml's own saving and loading; the lowering reads nothing else.
"""

from __future__ import annotations

from typing import Any

from bittrigger.errors import UnsupportedModelError

KIND = "bittrigger_kind"
"""What the layer does: one of ``KINDS``, or the class of a layer that is not supported."""

KERNEL = "bittrigger_kernel"
BIAS = "bittrigger_bias"
QUANTIZER = "bittrigger_kernel_quantizer"
SCALE = "bittrigger_kernel_scale"
"""What the quantiser multiplies its steps by, of the shape of the kernel; absent where it has no scale."""

MULTIPLIER = "bittrigger_multiplier"
OFFSET = "bittrigger_offset"
FUNCTION = "bittrigger_function"
DYNAMIC = "bittrigger_dynamic"
SHAPE = "bittrigger_shape"
"""Of the result in Keras, without the batch."""

INDICES = "bittrigger_indices"
"""Of a wire, the number of the code that each code is; of a window, of the position under each tap; -1 stands for zeros."""

WIRES = (
    "ZeroPadding1D",
    "ZeroPadding2D",
    "Cropping1D",
    "Cropping2D",
    "UpSampling1D",
    "UpSampling2D",
    "Permute",
    "RepeatVector",
)
"""Layers that compute nothing."""

CONVOLUTIONS = ("Conv1D", "QConv1D", "Conv2D", "QConv2D", "DepthwiseConv2D", "QDepthwiseConv2D")
AVERAGES = ("AveragePooling1D", "AveragePooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D")

MAXIMA = ("MaxPooling1D", "MaxPooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D")

KINDS = (
    "input",
    "dense",
    "convolution",
    "batchnorm",
    "function",
    "dynamic",
    "reshape",
    "wire",
    "average",
    "maxpooling",
    "maximum",
    "minimum",
    "concatenate",
    "add",
    "subtract",
)

BIT_ACTIVATION = "BitActivation"
"""The layer that stays, with a dynamic quantiser, where the others of ``bittrigger.layers`` become stock layers."""

ALLOWED_LAYERS = (
    "InputLayer",
    "Dense",
    "QDense",
    *CONVOLUTIONS,
    "Activation",
    "QActivation",
    "ReLU",
    "LeakyReLU",
    "ELU",
    "ThresholdedReLU",
    "BatchNormalization",
    "QBatchNormalization",
    "Flatten",
    "Reshape",
    "Dropout",
    *AVERAGES,
    *MAXIMA,
    *WIRES,
    "Concatenate",
    "Add",
    "Subtract",
    "Maximum",
    "Minimum",
    "Multiply",
)

AT_OUTPUT = ("Softmax",)
"""Classes that are known, and refused unless the option ``output_logits`` leaves them out at the end."""


def unsupported_layer(name: str, class_name: str) -> UnsupportedModelError:
    """The error for a layer of another class."""
    return UnsupportedModelError(
        f"layer {name!r}: class {class_name} is not supported; allowed are {', '.join(ALLOWED_LAYERS)}; "
        "replace it by one of these"
    )


def read(node: Any, key: str) -> Any:
    """An attribute of ours on ``node``.

    Raises:
        UnsupportedModelError: if the node does not carry it, because the graph was not made from a Keras model object.
    """
    value = node.get_attr(key)
    if value is None:
        raise UnsupportedModelError(
            f"layer {node.name!r}: hls4ml's graph does not hold what Keras computes; allowed are graphs made from a Keras "
            "model object; load the model and pass it to hls4ml.converters.convert_from_keras_model(model, "
            "backend='BitTrigger')"
        )
    return value
