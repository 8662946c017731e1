"""The ways out that refusals name, tried: float kernels and values on no grid, with types declared for them."""

from __future__ import annotations

from battery.parts import Case, Cases, L, QDense, act, dense, of, tf
from battery.shapes import pruned
from bittrigger.frontend.elementwise.own_functions import OWN

ROUNDED = {"weight_precision": {"*": "fixed<8,2>"}}
EVERY = {"*": "fixed<10,4>"}


def float_network():
    """Nothing quantised: what hls4ml's first example is."""
    tensor = given = tf.keras.Input((16,), name="x")
    for number, units in enumerate((12, 8, 5)):
        tensor = L.Dense(units, activation="softmax" if number == 2 else "relu")(tensor)
    return tf.keras.Model(given, tensor)


def divided():
    given = tf.keras.Input((8, 4), name="x")
    tensor = L.LayerNormalization(name="norm")(act("quantized_bits(4,1,alpha=1)")(given))
    return tf.keras.Model(given, dense(3)(act("quantized_bits(4,1,alpha=1)")(tensor)))


def within(kind, text="fixed<10,3>"):
    """A recurrent layer of Keras with one type for all that is in it."""
    return of((6, 4), lambda: kind(4, name="r"), **ROUNDED, layer_precision={"r.cell": text})


WAYS_OUT: Cases = {
    "Dense, weight_precision": of((16,), lambda: L.Dense(8), **ROUNDED),
    "Dense, weight_precision with modes": of((16,), lambda: L.Dense(8), weight_precision={"*": "fixed<8,2,TRN,WRAP>"}),
    "float network, weight_precision": Case(float_network, ROUNDED),
    "float network, weight_precision and layer_precision": Case(float_network, {**ROUNDED, "layer_precision": EVERY}),
    "EinsumDense, weight_precision": of((4, 8), lambda: L.EinsumDense("abc,cd->abd", output_shape=(4, 6)), **ROUNDED),
    "Conv1D, weight_precision": of((8, 4), lambda: L.Conv1D(6, 3), **ROUNDED),
    "DepthwiseConv1D, weight_precision": of((8, 4), lambda: L.DepthwiseConv1D(3), **ROUNDED),
    "Conv1DTranspose, weight_precision": of((8, 4), lambda: L.Conv1DTranspose(3, 3), **ROUNDED),
    "Conv2D, weight_precision": of((6, 6, 2), lambda: L.Conv2D(3, 3), **ROUNDED),
    "SeparableConv2D, weight_precision": of((6, 6, 2), lambda: L.SeparableConv2D(3, 3), **ROUNDED),
    "Conv3D, weight_precision": of((4, 4, 4, 1), lambda: L.Conv3D(2, 2), **ROUNDED),
    "SimpleRNN, relu, weight_precision": of((6, 4), lambda: L.SimpleRNN(4, activation="relu"), **ROUNDED),
    "LSTM, weight_precision": of((6, 4), lambda: L.LSTM(4), **ROUNDED),
    "PruneLowMagnitude, weight_precision": Case(pruned, ROUNDED),
    "kernel quantized_ulaw, quantized_po2 in its place": of(
        (16,), lambda: QDense(8, kernel_quantizer="quantized_po2(4)")
    ),
    "tanh between layers, layer_precision": of(
        (8,),
        *(lambda: dense(6), lambda: L.Activation("tanh", name="f"), lambda: dense(3)),
        layer_precision={"f": "fixed<6,1>"},
    ),
    "mean over 6 between layers, layer_precision": of(
        (6, 4),
        *(lambda: L.GlobalAveragePooling1D(name="m"), lambda: dense(3)),
        layer_precision={"m": "fixed<8,4,RND,SAT>"},
    ),
    "sums before an activation, layer_precision": of(
        (8,), lambda: dense(6, activation="relu", name="d"), layer_precision={"d.sums": "fixed<8,4,TRN,WRAP>"}
    ),
    "LayerNormalization of few bits": Case(divided),
    "channels first, a Permute before it": of((4, 8), *(lambda: L.Permute((2, 1)), lambda: L.Conv1D(6, 1)), **ROUNDED),
    "SeparableConv2D, weight_precision, and layer_precision between its kernels": of(
        (6, 6, 2), lambda: L.SeparableConv2D(3, 3, name="s"), **ROUNDED, layer_precision={"s.depthwise": "fixed<8,4>"}
    ),
    "mean over 10 of wide codes, layer_precision": Case(
        lambda: tf.keras.Sequential([tf.keras.Input((10, 3)), L.GlobalAveragePooling1D(name="m")]),
        {"input_precision": "fixed<24,8>", "layer_precision": {"m": "fixed<24,8,TRN,WRAP>"}},
    ),
    "hard_tanh and hard_sigmoid of Keras 3, quantised behind": of(
        (8,),
        *(lambda: L.Activation(OWN["keras_3_hard_tanh"]), act, lambda: L.Activation(OWN["keras_3_hard_sigmoid"]), act),
    ),
    "LSTM, weight_precision, and layer_precision of its cell": within(L.LSTM),
    "GRU, weight_precision, and layer_precision of its cell": within(L.GRU, "fixed<7,2>"),
    "SimpleRNN, weight_precision, and layer_precision of its cell": within(L.SimpleRNN),
    "LeakyReLU of wide codes, layer_precision": Case(
        lambda: tf.keras.Sequential([tf.keras.Input((4,)), L.LeakyReLU(1.5, name="a")]),
        {"input_precision": "fixed<16,6>", "layer_precision": {"a": "fixed<16,6,TRN,WRAP>"}},
    ),
}
