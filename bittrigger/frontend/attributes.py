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

AXIS = "bittrigger_axis"
"""Along which a Concatenate joins, from the last axis."""

TERMS = "bittrigger_terms"
"""Of a reduction, for each result the numbers of the codes that it is made of; of products of tensors those of each factor."""

FACTOR = "bittrigger_factor"
"""What a mean is multiplied with afterwards, one number after the other."""

POINTWISE = "bittrigger_pointwise"
"""The kernel behind the depthwise one of a separable convolution."""

WHOLE = "bittrigger_whole"
"""Whether a port takes whole numbers only."""

PARAMETERS = "bittrigger_parameters"
"""Numbers of a function that has its own for each channel."""

RECURRENT_KERNEL = "bittrigger_recurrent_kernel"
CELL = "bittrigger_cell"
"""What a recurrent layer does with its kernels: its kind, functions and options."""

EPSILON = "bittrigger_epsilon"
CENTRED = "bittrigger_centred"
"""What is added to the variance of a vector, and whether its mean is taken off."""

CAST = "bittrigger_cast"
"""The rounding and the overflow mode of a quantiser with a type for each code."""

OPEN = "bittrigger_open"
"""What the last bits of float32 decide in a layer whose numbers were made from its definition; as ``IDEAL``, but they stand."""
IDEAL = "bittrigger_ideal"
"""Why float32 gives no one answer there, where the values lie on no grid."""

GENERIC = "BittriggerLayer"
"""The class, in hls4ml's graph, of a layer that hls4ml itself does not read."""

WIRES = (
    "ZeroPadding1D",
    "ZeroPadding2D",
    "Cropping1D",
    "Cropping2D",
    "UpSampling1D",
    "UpSampling2D",
    "Permute",
    "RepeatVector",
    "ZeroPadding3D",
    "Cropping3D",
    "UpSampling3D",
)
"""Layers that compute nothing."""

CONVOLUTIONS = (
    "Conv1D",
    "QConv1D",
    "Conv2D",
    "QConv2D",
    "Conv3D",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "QDepthwiseConv2D",
    "QConv2DBatchnorm",
    "QDepthwiseConv2DBatchnorm",
)
SEPARABLE = ("SeparableConv1D", "SeparableConv2D", "QSeparableConv1D", "QSeparableConv2D")
TRANSPOSED = ("Conv1DTranspose", "Conv2DTranspose", "QConv2DTranspose")

RECURRENT = ("SimpleRNN", "LSTM", "GRU", "QSimpleRNN", "QLSTM", "QGRU")

HGQ = ("FixedPointQuantizer", "UnaryLUT", "ChannelLUT")
"""Layers of the proxy models that HGQ writes."""
HGQ_PACKAGE = "HGQ>"
"""What Keras puts before their names."""

LENGTHS = ("LayerNormalization", "UnitNormalization")
"""Layers that divide a vector by its length, or by its deviation."""

_SIZES = ("1D", "2D", "3D")
AVERAGES = (
    *(f"{kind}AveragePooling{size}" for size in _SIZES for kind in ("", "Global")),
    "QAveragePooling2D",
    "QGlobalAveragePooling2D",
)
MAXIMA = tuple(f"{kind}MaxPooling{size}" for size in _SIZES for kind in ("", "Global"))

MERGES = ("Add", "Subtract", "Average", "Maximum", "Minimum", "Multiply", "Concatenate", "Dot")
AFFINE = ("Rescaling", "Normalization")
INERT = (
    "Dropout",
    *(f"SpatialDropout{size}" for size in _SIZES),
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "ActivityRegularization",
)
"""Layers that hand on their input at inference."""

BIDIRECTIONAL = ("Bidirectional", "QBidirectional")
"""Wrappers around a recurrent layer and its twin, which goes backwards."""

MASKED = (
    "GlobalAveragePooling1D",
    "Softmax",
    "Attention",
    "MultiHeadAttention",
    *RECURRENT,
    *BIDIRECTIONAL,
)
"""Layers that look at a mask."""

WRAPPERS = ("TimeDistributed", "PruneLowMagnitude")
"""Layers around a layer, which are taken off."""

MODELS = ("Functional", "Sequential", "Model")
OPERATORS = ("TFOpLambda", "SlicingOpLambda")
"""Operators of TensorFlow that were applied to a tensor of Keras."""

KINDS = (
    "input",
    "dense",
    "convolution",
    "separable",
    "einsum",
    "batchnorm",
    "function",
    "parametric",
    "dynamic",
    "reshape",
    "wire",
    "average",
    "maxpooling",
    "sum_over",
    "mean_over",
    "max_over",
    "min_over",
    "maximum",
    "minimum",
    "concatenate",
    "add",
    "subtract",
    "average_of",
    "multiply",
    "contract",
    "embedding",
    "recurrent",
    "lengths",
    "casts",
)

BIT_ACTIVATION = "BitActivation"
"""The layer that stays, with a dynamic quantiser, where the others of ``bittrigger.layers`` become stock layers."""

BIT_TABLE = "BitTable"
"""The layer of ``bittrigger.layers`` that has no stock twin."""

ALLOWED_LAYERS = (
    "InputLayer",
    "Dense",
    "QDense",
    *CONVOLUTIONS,
    *SEPARABLE,
    *TRANSPOSED,
    *RECURRENT,
    *LENGTHS,
    *HGQ,
    "EinsumDense",
    "Embedding",
    "Activation",
    "QActivation",
    "QAdaptiveActivation",
    "ReLU",
    "LeakyReLU",
    "PReLU",
    "ELU",
    "ThresholdedReLU",
    "BatchNormalization",
    "QBatchNormalization",
    *AFFINE,
    "Flatten",
    "Reshape",
    *INERT,
    "Masking",
    *AVERAGES,
    *MAXIMA,
    *WIRES,
    *MERGES,
    *OPERATORS,
)

PROBABILITIES = ("softmax", "sigmoid")
"""Functions that make probabilities of logits."""

AT_OUTPUT = ("Softmax",)
"""Classes that are known, and refused unless the option ``output_logits`` leaves them out at the end."""


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
