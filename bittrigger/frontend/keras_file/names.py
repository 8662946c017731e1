"""What a Keras model file may name: layers, quantisers, functions, helpers, and the modules that they come from."""

from __future__ import annotations

from bittrigger.frontend.attributes import ALLOWED_LAYERS, AT_OUTPUT, BIDIRECTIONAL, HGQ, HGQ_PACKAGE, WRAPPERS
from bittrigger.frontend.elementwise.own_functions import OWN
from bittrigger.layers.names import OURS, PACKAGE, TRAINING_ONLY
from bittrigger.system.legacy_keras import PACKAGES as KERAS_2

COUNTED = frozenset(
    [
        *("Conv1D", "Conv2D", "QConv1D", "QConv2D", *TRAINING_ONLY, *(PACKAGE + name for name in TRAINING_ONLY)),
        *("MultiHeadAttention", "Attention", "Dot", "EinsumDense", "LayerNormalization", "Multiply", "Permute"),
        *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D"),
        *("AveragePooling1D", "AveragePooling2D", "MaxPooling1D", "MaxPooling2D"),
    ]
)
"""Layers that do not convert, but whose operations ``bittrigger costs`` counts; none of them holds code."""

COUNTED_OPERATIONS = frozenset(["math.top_k", "one_hot", "image.resize", "compat.v1.squeeze"])
"""Operators of TensorFlow of that kind, as P-DAT has them; allowed beside layers whose code the user gives and trusts."""

SCHEDULES = frozenset(["ConstantSparsity", "PolynomialDecay"])
"""How pruning goes on in training."""

LAYERS = frozenset(
    [
        *(HGQ_PACKAGE + name for name in HGQ),
        *ALLOWED_LAYERS,
        *WRAPPERS,
        *BIDIRECTIONAL,
        *AT_OUTPUT,
        *OURS,
        *(PACKAGE + name for name in OURS),
    ]
)
QUANTIZERS = frozenset(
    [
        "quantized_bits",
        "quantized_relu",
        "quantized_tanh",
        "quantized_sigmoid",
        "quantized_po2",
        "quantized_relu_po2",
        "quantized_ulaw",
        "quantized_hswish",
        "ternary",
        "binary",
        "stochastic_ternary",
        "stochastic_binary",
        "bernoulli",
        "absmean_ternary",
        "absmean_binary",
    ]
)
FUNCTIONS = frozenset(
    [
        "linear",
        "relu",
        "relu6",
        "leaky_relu",
        "mish",
        "silu",
        "tanh",
        "sigmoid",
        "hard_sigmoid",
        "elu",
        "selu",
        "softsign",
        "softplus",
        "swish",
        "gelu",
        "exponential",
        "softmax",
        "hard_tanh",
        "smooth_sigmoid",
        "smooth_tanh",
        "binary_tanh",
        "binary_sigmoid",
        *OWN,
    ]
)
HELPERS = frozenset(
    [
        "Zeros",
        "Ones",
        "Constant",
        "RandomNormal",
        "RandomUniform",
        "TruncatedNormal",
        "VarianceScaling",
        "Orthogonal",
        "Identity",
        "GlorotNormal",
        "GlorotUniform",
        "HeNormal",
        "HeUniform",
        "LecunNormal",
        "LecunUniform",
        "QInitializer",
        "zeros",
        "ones",
        "constant",
        "random_normal",
        "random_uniform",
        "truncated_normal",
        "glorot_normal",
        "glorot_uniform",
        "he_normal",
        "he_uniform",
        "lecun_normal",
        "lecun_uniform",
        "L1",
        "L2",
        "L1L2",
        "OrthogonalRegularizer",
        "l1",
        "l2",
        "l1_l2",
        "Clip",
        "MaxNorm",
        "MinMaxNorm",
        "NonNeg",
        "UnitNorm",
        "max_norm",
        "non_neg",
        "unit_norm",
        "min_max_norm",
        "Policy",
    ]
)
OBJECTS = LAYERS | QUANTIZERS | FUNCTIONS | SCHEDULES | HELPERS
HGQ_MODULES = (
    *("HGQ.proxy.fixed_point_quantizer", "HGQ.proxy.unary_lut"),
    "bittrigger.frontend.keras_model.hgq",  # saved again
)
KERAS_MODULES = (*KERAS_2, "qkeras", "tensorflow", "tensorflow_model_optimization")
