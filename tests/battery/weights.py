"""Dense layers and convolutions."""

from __future__ import annotations

from battery.parts import (
    BITS,
    TERNARY,
    Cases,
    L,
    QBatchNormalization,
    QConv1D,
    QConv2D,
    QConv2DBatchnorm,
    QDense,
    QDepthwiseConv2D,
    QDepthwiseConv2DBatchnorm,
    QMobileNetSeparableConv2D,
    QSeparableConv1D,
    QSeparableConv2D,
    act,
    bare,
    between,
    chain,
    dense,
    function,
    of,
    quantized_bits,
    quantized_relu,
)

KERNELS = [
    *(
        "ternary(alpha=1)",
        "ternary()",
        "ternary(alpha='auto')",
        "binary(alpha=1)",
        "binary()",
        "binary(alpha=1,use_01=True)",
    ),
    *("quantized_bits(4,0,alpha=1)", "quantized_bits(4,0)", "quantized_bits(4,0,alpha='auto_po2')"),
    *(
        "quantized_bits(4,0,alpha='auto')",
        "quantized_bits(8,0,alpha=1)",
        "quantized_bits(1,0,alpha=1)",
        "quantized_po2(4)",
    ),
    *("quantized_po2(4,1)", "stochastic_ternary(alpha=1)", "stochastic_ternary()", "stochastic_binary(alpha=1)"),
    *("bernoulli(alpha=1)", "quantized_relu_po2(4)", "quantized_relu(4,0)", "quantized_tanh(4)", "quantized_ulaw(4,0)"),
]
KERNEL_CASES: Cases = {kernel: of((16,), lambda kernel=kernel: dense(8, kernel)) for kernel in KERNELS}


def tutorial(**settings):
    """The network of hls4ml's tutorial."""

    def make(tensor):
        def layer(units):
            return QDense(
                units,
                kernel_quantizer=quantized_bits(6, 0, **settings),
                bias_quantizer=quantized_bits(6, 0, **settings),
            )

        relu = quantized_relu(6)
        hidden = (step for units in (64, 32, 32) for step in (layer(units), act(relu)))
        return chain(tensor, *hidden, layer(5), L.Activation("softmax"))

    return make


def mlp(*ending):
    return of((16,), lambda: dense(64), act, lambda: dense(32), act, *ending)


def plain(tensor):
    return dense(8)(tensor)


DENSE_CASES: Cases = {
    "float bias": of((16,), lambda: dense(8, bias=None)),
    "float bias, quantised behind": of((16,), lambda: dense(8, bias=None), act),
    "no bias": of((16,), lambda: dense(8, use_bias=False)),
    "float kernel (Dense)": of((16,), lambda: L.Dense(8)),
    "float kernel, head_bits=8": of((16,), lambda: L.Dense(8), head_bits=8),
    "activation quantized_relu": of((16,), lambda: dense(8, activation="quantized_relu(6,3)")),
    "activation relu": of((16,), lambda: dense(8, activation="relu")),
    "of two axes": of((8, 4), lambda: dense(8)),
    "of three axes": of((4, 4, 3), lambda: dense(8)),
    "input without quantiser": bare((16,), plain),
    "input without quantiser, input_precision": bare((16,), plain, input_precision="fixed<16,6>"),
    "three layers, softmax": mlp(lambda: dense(5), lambda: L.Activation("softmax")),
    "sigmoid": mlp(lambda: dense(1, activation="sigmoid")),
    "hls4ml's tutorial, alpha=1": bare((16,), tutorial(alpha=1)),
    "hls4ml's tutorial, default alpha": bare((16,), tutorial()),
    "autoencoder": of(
        (57,), *(maker for n in (32, 16, 3, 16) for maker in (lambda n=n: dense(n), act)), lambda: dense(57)
    ),
    "one input, one output": of((1,), lambda: dense(1, "binary(alpha=1)")),
    "EinsumDense, float kernel": of((4, 8), lambda: L.EinsumDense("abc,cd->abd", output_shape=(4, 6))),
}

CONV = {"kernel_quantizer": TERNARY, "bias_quantizer": BITS}


def conv1d(filters=6, size=3, **settings):
    return QConv1D(filters, size, **{**CONV, **settings})


def conv2d(filters=3, size=3, **settings):
    return QConv2D(filters, size, **{**CONV, **settings})


CONV1D_CASES: Cases = {
    **{
        text: of((8, 4), lambda settings=settings: conv1d(**settings))
        for text, settings in {
            "size 1": {"size": 1},
            "size 3, valid": {},
            "size 3, same": {"padding": "same"},
            "size 3, causal": {"padding": "causal"},
            "size 3, strides 2": {"strides": 2},
            "size 3, dilation 2": {"dilation_rate": 2},
            "as long as its input": {"size": 8},
            "size 1, strides 2": {"size": 1, "strides": 2},
            "size 1, groups 2": {"size": 1, "groups": 2},
            "kernel binary": {"size": 1, "kernel_quantizer": "binary(alpha=1)"},
            "kernel quantized_bits": {"size": 1, "kernel_quantizer": "quantized_bits(4,0,alpha=1)"},
            "kernel quantized_po2": {"size": 1, "kernel_quantizer": "quantized_po2(4)"},
            "activation": {"size": 1, "activation": "quantized_relu(6,3)"},
        }.items()
    },
    "channels first": of((4, 8), lambda: conv1d(size=1, data_format="channels_first")),
    "size 1, Flatten, QDense": of((8, 4), lambda: conv1d(size=1), act, L.Flatten, lambda: dense(5)),
    "size 3, Flatten, QDense": of((8, 4), conv1d, act, L.Flatten, lambda: dense(5)),
    "float kernel, size 1": of((8, 4), lambda: L.Conv1D(6, 1)),
    "float kernel, size 3": of((8, 4), lambda: L.Conv1D(6, 3)),
    "float kernel, head_bits=8": of((8, 4), lambda: L.Conv1D(6, 3), head_bits=8),
    "DeepSets": of(
        (16, 4),
        *(lambda: conv1d(8, 1), act, lambda: conv1d(8, 1), act, L.GlobalAveragePooling1D, act),
        *(lambda: dense(16), act, lambda: dense(5), lambda: L.Activation("softmax")),
    ),
    "QSeparableConv1D": of(
        (8, 4),
        lambda: QSeparableConv1D(6, 3, depthwise_quantizer=TERNARY, pointwise_quantizer=TERNARY, bias_quantizer=BITS),
    ),
    "DepthwiseConv1D, float kernel": of((8, 4), lambda: L.DepthwiseConv1D(3)),
    "Conv1DTranspose, float kernel": of((8, 4), lambda: L.Conv1DTranspose(3, 3)),
}

DEEP = {"depthwise_quantizer": TERNARY, "bias_quantizer": BITS}


def mobile(x):
    return QMobileNetSeparableConv2D(6, 3, name="mobile", pointwise_quantizer=TERNARY, **DEEP)(x)


CONV2D_CASES: Cases = {
    **{
        text: of((6, 6, 2), lambda settings=settings: conv2d(**settings))
        for text, settings in {
            "size 1": {"size": 1},
            "size 3, valid": {},
            "size 3, same": {"padding": "same"},
            "size 2, strides 2": {"size": 2, "strides": 2},
            "size 3, dilation 2": {"dilation_rate": 2},
            "as large as its input": {"size": 6},
            "size 1 x 3": {"size": (1, 3)},
            "kernel binary": {"kernel_quantizer": "binary(alpha=1)"},
            "kernel quantized_bits": {"kernel_quantizer": "quantized_bits(4,0,alpha=1)"},
            "kernel quantized_po2": {"kernel_quantizer": "quantized_po2(4)"},
        }.items()
    },
    "max pooling, Flatten, QDense": of((6, 6, 1), conv2d, act, lambda: L.MaxPooling2D(2), L.Flatten, lambda: dense(5)),
    "QConv2DBatchnorm": of((6, 6, 2), lambda: QConv2DBatchnorm(3, 3, **CONV)),
    "QDepthwiseConv2D": of((6, 6, 2), lambda: QDepthwiseConv2D(3, **DEEP)),
    "QDepthwiseConv2DBatchnorm": of((6, 6, 2), lambda: QDepthwiseConv2DBatchnorm(3, **DEEP)),
    "QSeparableConv2D": of((6, 6, 2), lambda: QSeparableConv2D(6, 3, pointwise_quantizer=TERNARY, **DEEP)),
    "QMobileNetSeparableConv2D": function((6, 6, 2), mobile),
    "float kernel": of((6, 6, 2), lambda: L.Conv2D(3, 3)),
    "Conv3D, float kernel": of((4, 4, 4, 1), lambda: L.Conv3D(2, 2)),
}


def normalised(*layers, shape=(8,), **settings):
    return between(shape, *layers, behind="quantized_relu(6,3)", **settings)


NORMALISATION_CASES: Cases = {
    "before a quantiser": normalised(lambda: dense(4, bias=None, use_bias=False), L.BatchNormalization),
    "behind a quantiser, quantised": of(
        (8,), lambda: dense(4), act, L.BatchNormalization, lambda: act(BITS), lambda: dense(4)
    ),
    "behind a quantiser, not quantised": of((8,), lambda: dense(4), act, L.BatchNormalization, lambda: dense(4)),
    "at the output": of((8,), lambda: dense(4), L.BatchNormalization),
    "at the input": bare((8,), lambda x: dense(4)(act(BITS)(L.BatchNormalization()(x)))),
    "at the input, input_precision": bare(
        (8,), lambda x: dense(4)(act(BITS)(L.BatchNormalization()(x))), input_precision="fixed<12,4>"
    ),
    "scale=False, center=False": normalised(lambda: dense(4), lambda: L.BatchNormalization(scale=False, center=False)),
    "of two axes, the last": normalised(lambda: dense(4), L.BatchNormalization, shape=(4, 8)),
    "of two axes, the first": normalised(lambda: dense(4), lambda: L.BatchNormalization(axis=1), shape=(4, 8)),
    "of three axes": normalised(L.BatchNormalization, shape=(2, 2, 8)),
    "two in a row": normalised(lambda: dense(4), L.BatchNormalization, L.BatchNormalization),
    "before a relu": normalised(lambda: dense(4), L.BatchNormalization, lambda: L.Activation("relu")),
    "QBatchNormalization": normalised(lambda: dense(4), QBatchNormalization),
    "QBatchNormalization at the output": of((8,), lambda: dense(4), QBatchNormalization),
    "LayerNormalization": normalised(L.LayerNormalization),
    "LayerNormalization of two axes": normalised(L.LayerNormalization, shape=(4, 8)),
    "Normalization": normalised(lambda: L.Normalization(mean=0.0, variance=1.0)),
    "UnitNormalization": normalised(L.UnitNormalization),
    "Rescaling": normalised(lambda: L.Rescaling(0.5)),
}
