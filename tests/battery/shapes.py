"""Activations, merges, poolings, layers that move codes, and structures."""

from __future__ import annotations

from battery.parts import (
    BITS,
    QGRU,
    QLSTM,
    TERNARY,
    Case,
    Cases,
    L,
    QAdaptiveActivation,
    QAveragePooling2D,
    QGlobalAveragePooling2D,
    QSimpleRNN,
    act,
    bare,
    behind_dense,
    between,
    dense,
    function,
    of,
    port,
    tf,
    two,
)

QUANTISERS = [
    *(
        "quantized_relu(6,3)",
        "quantized_relu(8)",
        "quantized_relu(6,3,negative_slope=0.25)",
        "quantized_relu(6,3,use_sigmoid=1)",
    ),
    *(
        "quantized_bits(6,3,alpha=1)",
        "quantized_bits(6,3)",
        "quantized_tanh(6)",
        "quantized_tanh(6,use_real_tanh=True)",
    ),
    *(
        "quantized_sigmoid(6)",
        "quantized_sigmoid(6,use_real_sigmoid=True)",
        "ternary(alpha=1)",
        "ternary(alpha=1,threshold=0.5)",
    ),
    *(
        "ternary()",
        "binary(alpha=1)",
        "binary()",
        "stochastic_ternary(alpha=1)",
        "stochastic_binary(alpha=1)",
        "quantized_po2(4)",
    ),
    *(
        "quantized_relu_po2(4)",
        "quantized_ulaw(6,1)",
        "quantized_hswish(8,3,alpha=1)",
        "bernoulli(alpha=1)",
        "hard_tanh",
    ),
    *(
        "hard_sigmoid",
        "smooth_sigmoid",
        "smooth_tanh",
        "binary_tanh",
        "binary_sigmoid",
        "softmax",
        "relu",
        "linear",
        "tanh",
    ),
]
QUANTISER_CASES: Cases = {
    **{text: behind_dense(lambda text=text: act(text)) for text in QUANTISERS},
    "QAdaptiveActivation": behind_dense(lambda: QAdaptiveActivation("quantized_relu", 6)),
}

FUNCTIONS = [
    *(
        "linear",
        "relu",
        "tanh",
        "sigmoid",
        "hard_sigmoid",
        "softmax",
        "elu",
        "selu",
        "softsign",
        "softplus",
        "swish",
        "gelu",
    ),
    *("exponential", "relu6"),
]
LAYERS = {
    "ReLU": L.ReLU,
    "ReLU, max_value": lambda: L.ReLU(max_value=6),
    "ReLU, negative_slope": lambda: L.ReLU(negative_slope=0.25),
    "LeakyReLU": lambda: L.LeakyReLU(0.25),
    "LeakyReLU, no power of two": lambda: L.LeakyReLU(0.3),
    "PReLU": L.PReLU,
    "ELU": L.ELU,
    "ThresholdedReLU": lambda: L.ThresholdedReLU(0.5),
    "Softmax": L.Softmax,
}
ACTIVATION_CASES: Cases = {
    **{
        f"{name}, quantised behind": behind_dense(
            lambda name=name: L.Activation(tf.nn.relu6 if name == "relu6" else name), lambda: act(BITS)
        )
        for name in FUNCTIONS
    },
    **{f"{name}, quantised behind": behind_dense(layer, lambda: act(BITS)) for name, layer in LAYERS.items()},
    "LeakyReLU at the output": behind_dense(lambda: L.LeakyReLU(0.25)),
    "ReLU at the output": behind_dense(L.ReLU),
    "Softmax at the output": behind_dense(L.Softmax),
    "tanh at the output": behind_dense(lambda: L.Activation("tanh")),
}

MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
NARROW = "quantized_bits(4,1,alpha=1)"


def merged(kind, **settings):
    return lambda x, y: getattr(L, kind)(**settings)([x, y])


def thrice(kind):
    return function((8,), lambda x: kind()([dense(4)(x) for _ in range(3)]))


MERGE_CASES: Cases = {
    **{kind: two(merged(kind)) for kind in MERGES},
    **{f"{kind}, two axes": two(merged(kind), shapes=((4, 3), (4, 3))) for kind in MERGES},
    **{f"{kind}, another grid": two(merged(kind), NARROW) for kind in MERGES},
    "Dot": two(merged("Dot", axes=1)),
    "Dot of matrices": two(merged("Dot", axes=2), NARROW, ((2, 3), (2, 3))),
    "Add of three": thrice(L.Add),
    "Concatenate of three": thrice(L.Concatenate),
    "Multiply by itself": function((8,), lambda x: L.Multiply()([x, x])),
    "residual": function((8,), lambda x: dense(4)(act()(L.Add()([x, act(BITS)(dense(8)(x))])))),
    "Add, an axis repeated": two(merged("Add"), shapes=((4, 3), (1, 3))),
    "Concatenate, axis 1": two(merged("Concatenate", axis=1), shapes=((4, 3), (4, 3))),
    "Concatenate, axis 2": two(merged("Concatenate", axis=2), shapes=((4, 3), (4, 3))),
}
OPERATOR_CASES: Cases = {
    "x + y": two(lambda x, y: x + y),
    "x * y": two(lambda x, y: x * y, NARROW),
    "x * 2.0": function((8,), lambda x: x * 2.0),
    "x[:, :4]": function((8,), lambda x: x[:, :4]),
    "tf.reduce_sum": function((8, 4), lambda x: tf.reduce_sum(x, axis=1)),
    "tf.matmul": two(lambda x, y: tf.matmul(x, y, transpose_b=True), NARROW, ((2, 3), (2, 3))),
    "Lambda": of((8,), lambda: L.Lambda(lambda t: t * 2)),
}

POOLING_CASES: Cases = {
    "MaxPooling1D": of((8, 4), lambda: L.MaxPooling1D(2)),
    "AveragePooling1D": of((8, 4), lambda: L.AveragePooling1D(2)),
    "MaxPooling2D": of((4, 4, 2), lambda: L.MaxPooling2D(2)),
    "AveragePooling2D": of((4, 4, 2), lambda: L.AveragePooling2D(2)),
    "GlobalMaxPooling1D": of((8, 4), L.GlobalMaxPooling1D),
    "GlobalAveragePooling1D of 8": of((8, 4), L.GlobalAveragePooling1D),
    "GlobalAveragePooling1D of 6": of((6, 4), L.GlobalAveragePooling1D),
    "GlobalAveragePooling1D of 10, quantised behind": between((10, 4), L.GlobalAveragePooling1D),
    "GlobalAveragePooling1D, keepdims": of((8, 4), lambda: L.GlobalAveragePooling1D(keepdims=True)),
    "GlobalAveragePooling1D behind Masking": of((8, 4), L.Masking, L.GlobalAveragePooling1D),
    "GlobalMaxPooling2D": of((4, 4, 2), L.GlobalMaxPooling2D),
    "GlobalAveragePooling2D": of((4, 4, 2), L.GlobalAveragePooling2D),
    "QAveragePooling2D": of((4, 4, 2), lambda: QAveragePooling2D(2, average_quantizer=BITS, activation=BITS)),
    "QGlobalAveragePooling2D": of((4, 4, 2), lambda: QGlobalAveragePooling2D(average_quantizer=BITS, activation=BITS)),
}

SHAPE_CASES: Cases = {
    "Flatten": between((4, 3), L.Flatten),
    "Flatten of three axes": between((2, 2, 3), L.Flatten),
    "Reshape": between((12,), lambda: L.Reshape((3, 4))),
    "Reshape with -1": between((12,), lambda: L.Reshape((-1, 4))),
    "Permute": between((4, 3), lambda: L.Permute((2, 1))),
    "Permute of three axes": between((2, 2, 3), lambda: L.Permute((3, 1, 2))),
    "RepeatVector": between((4,), lambda: L.RepeatVector(3)),
    "UpSampling1D": between((4, 3), lambda: L.UpSampling1D(2)),
    "UpSampling2D": between((2, 2, 3), lambda: L.UpSampling2D(2)),
    "UpSampling2D, bilinear": between((2, 2, 3), lambda: L.UpSampling2D(2, interpolation="bilinear")),
    "ZeroPadding1D": between((4, 3), lambda: L.ZeroPadding1D(1)),
    "ZeroPadding2D": between((2, 2, 3), lambda: L.ZeroPadding2D(1)),
    "Cropping1D": between((4, 3), lambda: L.Cropping1D(1)),
    "Cropping2D": between((4, 4, 3), lambda: L.Cropping2D(1)),
    "Dropout": between((8,), lambda: L.Dropout(0.2)),
    "SpatialDropout1D": between((8, 4), lambda: L.SpatialDropout1D(0.2)),
    "GaussianNoise": between((8,), lambda: L.GaussianNoise(0.2)),
    "Masking": between((8, 4), L.Masking),
    "ActivityRegularization": between((8,), lambda: L.ActivityRegularization(0.1)),
}

CELL = {
    "kernel_quantizer": TERNARY,
    "recurrent_quantizer": TERNARY,
    "bias_quantizer": BITS,
    "activation": "quantized_tanh(6)",
}
GATED = {**CELL, "recurrent_activation": "quantized_sigmoid(6)"}
OTHER_CASES: Cases = {
    "QSimpleRNN": of((4, 3), lambda: QSimpleRNN(4, **CELL)),
    "QLSTM": of((4, 3), lambda: QLSTM(4, **GATED)),
    "QLSTM, sequences": of((4, 3), lambda: QLSTM(4, return_sequences=True, **GATED)),
    "QGRU": of((4, 3), lambda: QGRU(4, **GATED)),
    "QLSTM, state_quantizer": of((4, 3), lambda: QLSTM(4, **GATED, state_quantizer=BITS)),
    "QGRU, state_quantizer, reset_after": of((4, 3), lambda: QGRU(4, **GATED, state_quantizer=BITS, reset_after=True)),
    "LSTM": of((4, 3), lambda: L.LSTM(4)),
    "GRU": of((4, 3), lambda: L.GRU(4)),
    "Bidirectional": of((4, 3), lambda: L.Bidirectional(QLSTM(4, **GATED, state_quantizer=BITS))),
    "MultiHeadAttention": function((4, 8), lambda x: L.MultiHeadAttention(2, 4)(x, x)),
    "Attention": function((4, 8), lambda x: L.Attention()([x, x])),
    "Embedding": bare((3,), lambda x: act(BITS)(L.Flatten()(L.Embedding(16, 4)(x)))),
    "Embedding, input_precision": bare(
        (3,), lambda x: act(BITS)(L.Flatten()(L.Embedding(16, 4)(x))), input_precision="ufixed<4,4>"
    ),
}


def shared():
    (x, a), (y, b) = port((8,)), port((8,), name="y")
    layer = dense(4, name="shared")
    return tf.keras.Model([x, y], L.Concatenate()([layer(a), layer(b)]))


def inner(kind):
    if kind == "Sequential":
        return tf.keras.Sequential([tf.keras.Input((8,)), dense(4), act()], name="inner")
    tensor = tf.keras.Input((8,))
    return tf.keras.Model(tensor, act()(dense(4)(tensor)), name="inner")


def pruned():
    from tensorflow_model_optimization.sparsity.keras import prune_low_magnitude

    return prune_low_magnitude(tf.keras.Sequential([tf.keras.Input((8,)), L.Dense(4, name="d")]))


def trained():
    tensor, quantised = port((8,))
    model = tf.keras.Model(tensor, act()(dense(4)(quantised)))
    model.compile("adam", "mse")
    return model


def outputs(body):
    def make():
        tensor, quantised = port((8,))
        return tf.keras.Model(tensor, body(quantised))

    return Case(make)


def hidden(x):
    middle = act()(dense(4)(x))
    return [middle, dense(2)(middle)]


def twice(x):
    out = dense(4)(x)
    return [out, out]


STRUCTURE_CASES: Cases = {
    "two inputs": two(lambda x, y: dense(4)(L.Concatenate()([act()(dense(4)(x)), act()(dense(4)(y))]))),
    "inputs of different quantisers": two(lambda x, y: dense(4)(L.Concatenate()([x, y])), "quantized_relu(4,2)"),
    "two outputs": outputs(lambda x: [dense(4)(x), dense(2)(x)]),
    "one tensor at two outputs": outputs(twice),
    "output in the midst": outputs(hidden),
    "input at an output": outputs(lambda x: [x, dense(2)(x)]),
    "quantiser alone": outputs(lambda x: x),
    "layer used twice": Case(shared),
    "Sequential within": function((8,), lambda x: dense(2)(inner("Sequential")(x))),
    "Functional within": function((8,), lambda x: dense(2)(inner("Functional")(x))),
    "TimeDistributed QDense": of((4, 8), lambda: L.TimeDistributed(dense(3))),
    "TimeDistributed model": of((4, 8), lambda: L.TimeDistributed(inner("Sequential"))),
    "Sequential with Input": Case(lambda: tf.keras.Sequential([tf.keras.Input((8,)), act(BITS), dense(4)])),
    "compiled": Case(trained),
    "odd names": bare((8,), lambda x: dense(4, name="layer.1-a")(act(BITS, name="2q")(x))),
    "names that Verilog reserves": bare((8,), lambda x: dense(4, name="module")(act(BITS, name="wire")(x))),
    "open length": Case(lambda: tf.keras.Sequential([tf.keras.Input((None, 8)), act(BITS), dense(4)])),
    "fixed batch": Case(lambda: tf.keras.Sequential([tf.keras.Input(batch_shape=(16, 8)), act(BITS), dense(4)])),
    "whole numbers at the input": bare((8,), lambda x: dense(4)(act(BITS)(tf.cast(x, tf.float32))), dtype="int32"),
    "Dropout at the output": behind_dense(lambda: L.Dropout(0.1)),
    "Flatten before the quantiser": bare((4, 3), lambda x: dense(4)(act(BITS)(L.Flatten()(x)))),
    "PruneLowMagnitude, float kernel": Case(pruned),
    "PruneLowMagnitude, head_bits=8": Case(pruned, {"head_bits": 8}),
    "MLP-Mixer": of(
        (8, 4),
        *(lambda: L.Permute((2, 1)), lambda: dense(8), act, lambda: L.Permute((2, 1)), act, lambda: dense(4)),
    ),
}
