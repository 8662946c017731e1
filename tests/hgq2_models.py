"""Models of HGQ2, written to a folder as `.keras` files beside what their own `predict` gives for random events.

Run by the Python of an environment that has HGQ2: ``python hgq2_models.py FOLDER``.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras
    import numpy as np
    from hgq.config import LayerConfigScope, QuantizerConfig, QuantizerConfigScope
    from hgq.layers import (
        QGRU,
        QAdd,
        QAffinedUnaryFunctionLUT,
        QAveragePooling1D,
        QAveragePow2,
        QBatchNormalization,
        QBatchNormDense,
        QConv1D,
        QConv2D,
        QConv3D,
        QConvT1D,
        QConvT2D,
        QDense,
        QDenseT,
        QDot,
        QEinsum,
        QEinsumDense,
        QEinsumDenseBatchnorm,
        QGlobalAveragePooling1D,
        QGlobalMaxPooling1D,
        QLinformerAttention,
        QMaximum,
        QMaxPooling1D,
        QMeanPow2,
        QMinimum,
        QMultiHeadAttention,
        QMultiply,
        QSimpleRNN,
        QSoftmax,
        QSubtract,
        QSum,
        QUnaryFunctionLUT,
    )
    from hgq.quantizer import Quantizer
    from hgq.utils import trace_minmax

EVENTS = 1000


def dense():
    layers = [keras.layers.Input((16,)), QDense(24, activation="relu"), QDense(12, activation="relu"), QDense(5)]
    return keras.Sequential(layers)


def constituents():
    pool = keras.layers.GlobalAveragePooling1D()
    layers = [keras.layers.Input((8, 4)), QConv1D(6, 1, activation="relu"), QConv1D(5, 1, activation="relu"), pool]
    return keras.Sequential(layers)


def features(x, size, **options):
    """The same dense layer with its normalisation at each constituent."""
    return QEinsumDenseBatchnorm("bnc,cC->bnC", (8, size), bias_axes="C", **options)(x)


def deep_sets():
    given = keras.layers.Input((8, 4))
    x = features(features(given, 6, activation="relu"), 5, activation="relu")
    return keras.Model(given, QDense(3)(keras.layers.GlobalAveragePooling1D()(x)))


def mixer():
    """A layer along the constituents, one along the features, each around a sum with what it reads."""
    given = keras.layers.Input((8, 4))
    along = QEinsumDenseBatchnorm("bnc,nN->bNc", (8, 4), bias_axes="N", activation="relu")(given)
    x = QAdd()([given, QEinsumDenseBatchnorm("bnc,nN->bNc", (8, 4), bias_axes="N")(along)])
    x = QAdd()([x, features(features(x, 6, activation="relu"), 4)])
    return keras.Model(given, QDense(3)(keras.layers.Flatten()(x)))


def jedi_linear():
    """Each constituent sees itself and the mean of all, both through matrices."""
    given = keras.layers.Input((8, 4))
    x = features(given, 6, activation="relu")
    mean = QEinsumDense("bnc,nN->bNc", (8, 6), kernel_initializer=keras.initializers.Constant(0.125))
    x = QAdd()([QEinsumDense("bnc,cC->bnC", (8, 6), bias_axes="C")(x), features(mean(x), 6)])
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Activation("relu")(x))
    return keras.Model(given, QDense(3)(QDense(5, activation="relu")(x)))


def jedi_sums():
    """The same with a sum that is repeated, and a mean over a power of two; outputs quantised too."""
    given = keras.layers.Input((8, 4))
    x = features(given, 6, activation="relu")
    mean = QMeanPow2(axes=1, keepdims=True)(x)
    x = QAdd()([QEinsumDense("bnc,cC->bnC", (8, 6), bias_axes="C")(x), QEinsumDense("bnc,cC->bnC", (1, 6))(mean)])
    x = QSum(axes=1, scale=0.25)(keras.layers.Activation("relu")(x))
    return keras.Model(given, QDense(3, enable_oq=True)(QDense(5, activation="relu")(x)))


def normalised():
    given = keras.layers.Input((6,))
    x = QBatchNormalization()(QDense(5, activation="relu")(given))
    return keras.Model(given, QDense(3)(x))


def merges():
    given = keras.layers.Input((6,))
    a, b = QDense(4, activation="relu")(given), QDense(4)(Quantizer()(given))
    x = keras.layers.Concatenate()([QSubtract()([a, b]), QMultiply()([a, b]), QMaximum()([a, b])])
    return keras.Model(given, QDense(3)(x))


def tables():
    given = keras.layers.Input((6,))
    return keras.Model(given, QDense(3)(QUnaryFunctionLUT("tanh")(QDense(4)(given))))


def affined():
    """Tables whose operand is scaled and shifted by numbers that are trained."""
    given = keras.layers.Input((6,))
    tables = QAffinedUnaryFunctionLUT("tanh")(QDense(4)(given)), QAffinedUnaryFunctionLUT("sigmoid")(QDense(4)(given))
    return keras.Model(given, QDense(3)(QAdd()(list(tables))))


def tabulated():
    """Each value through a small network of its own to each result, and the sum of what these give."""
    given = keras.layers.Input((4,))
    x = QDenseT(5, d_hl=4, activation="relu")(given)
    return keras.Model(given, QDenseT(3, n_hl=2, d_hl=3, batch_norm=True, use_bias=False)(x))


def tabulated_windows():
    """The same at each window of a sequence and of an image, with types of each position, or one for all."""
    given, picture = keras.layers.Input((5, 2)), keras.layers.Input((3, 4, 1))
    x = QConvT1D(3, 2, d_hl=3, subnn_activation="tanh", padding="same", strides=2)(given)
    y = QConvT2D(2, (2, 3), d_hl=2, subnn_activation="relu", iq_conf=one_type())(picture)
    z = QDenseT(2, d_hl=3)(given)
    return keras.Model(
        [given, picture], keras.layers.Concatenate()([keras.layers.Flatten()(part) for part in (x, y, z)])
    )


def images():
    given = keras.layers.Input((6, 6, 1))
    x = keras.layers.MaxPooling2D(2)(QConv2D(3, 3, activation="relu")(given))
    return keras.Model(given, QDense(3)(keras.layers.Flatten()(x)))


def shared():
    inner = QDense(4, activation="relu")
    first, second = keras.layers.Input((6,)), keras.layers.Input((6,))
    return keras.Model([first, second], QDense(3)(QAdd()([inner(first), inner(second)])))


def attention():
    """Heads of a sequence on itself and on another; one quantiser for query, key and value, and each its own."""
    given = keras.layers.Input((4, 6))
    x = QMultiHeadAttention(2, 3, fuse="qkv")(given, given)
    x = QAdd()([x, given])
    fewer = keras.layers.Cropping1D((0, 1))
    y = QMultiHeadAttention(1, 4, value_dim=3, output_shape=5)(x, fewer(given), fewer(x))
    return keras.Model(given, QDense(2)(keras.layers.Flatten()(y)))


def crossed():
    """Quantisers that several tensors share, each of which differs; and a key without a value."""
    given = keras.layers.Input((3, 2))
    other = QDense(2, activation="relu")(given)
    third = QDense(2)(given)
    x = QMultiHeadAttention(1, 2, fuse="kv", use_bias=False)(given, other, third)
    y = QMultiHeadAttention(1, 2, fuse="qkv", use_bias=False)(given, other, third)
    z = QMultiHeadAttention(1, 2, use_bias=False)(given, key=other)
    return keras.Model(given, QDense(2)(keras.layers.Flatten()(QAdd()([x, y, z]))))


def linformer():
    given = keras.layers.Input((6, 4))
    x = QAdd()([QLinformerAttention(2, 2, 3)(given, given, given), given])
    x = QLinformerAttention(1, 3, 2, share_kv_proj=True, use_bias=False)(x, x)
    return keras.Model(given, QDense(2)(keras.layers.GlobalMaxPooling1D()(x)))


def softmaxes():
    """Along one axis and along two, one without the largest taken off; a product of two tensors of each."""
    given = keras.layers.Input((4, 3))
    x = QSoftmax(axis=(1, 2))(given)
    y = QSoftmax(axis=-1, stable=False, enable_iq=True, enable_oq=True, iq_conf=one_type())(given)
    x = QEinsum("bij,bkj->bik")([x, y])
    return keras.Model(given, QDense(2)(QEinsum("bik,bkj->bj")([x, given])))


def one_type():
    """Of all codes of a tensor, as a table needs it."""
    return QuantizerConfig(place="datalane", homogeneous_axis=None, heterogeneous_axis=())


def volumes():
    layers = [
        keras.layers.Input((3, 3, 3, 2)),
        QConv3D(2, 2, activation="relu"),
        keras.layers.Flatten(),
        QSum(axes=1, keepdims=True),
    ]
    return keras.Sequential([*layers, QDense(2)])


def normalised_before():
    layers = [keras.layers.Input((6,)), QBatchNormDense(5, activation="relu"), QBatchNormDense(3, scale=False)]
    return keras.Sequential(layers)


def others():
    """The merges and poolings that stand in no other model, and normalisations without one of their parameters."""
    given = keras.layers.Input((4, 3))
    a = QEinsumDenseBatchnorm("bnc,cC->bnC", (4, 3), bias_axes="C", center=False, activation="relu")(given)
    b = QEinsumDenseBatchnorm("bnc,cC->bnC", (4, 3), bias_axes="C")(given)
    x = QMinimum()([QAveragePow2()([a, b, given]), b])
    parts = [QGlobalAveragePooling1D()(x), QGlobalMaxPooling1D()(a)]
    parts += [
        keras.layers.Flatten()(y) for y in (QAveragePooling1D(2)(x), QMaxPooling1D(2)(b), QDot(axes=(1, 1))([a, b]))
    ]
    parts = [QBatchNormalization(center=False)(parts[0]), QBatchNormalization(scale=False)(parts[1]), *parts[2:]]
    return keras.Model(given, QDense(2)(keras.layers.Concatenate()(parts)))


def recurrent():
    """All steps and the last, from either end; the reset before and behind its matrix, a state quantiser and none."""
    given = keras.layers.Input((4, 3))
    x = QGRU(2, return_sequences=True)(given)
    x = QSimpleRNN(2, return_sequences=True, go_backwards=True, activation="relu", use_bias=False, enable_sq=True)(x)
    y = QGRU(2, reset_after=False, use_bias=False, go_backwards=True)(x)
    return keras.Model(given, QDense(2)(keras.layers.Concatenate()([y, QSimpleRNN(2)(given)])))


def sample():
    """A little of everything, for a file that is small enough to be kept beside the tests."""
    given = keras.layers.Input((4, 3))
    x = QEinsumDenseBatchnorm("bnc,cC->bnC", (4, 3), bias_axes="C", activation="relu")(Quantizer()(given))
    x = QAdd()([QEinsumDense("bnc,cC->bnC", (4, 3), bias_axes="C")(x), QMeanPow2(axes=1, keepdims=True)(x)])
    x = QBatchNormalization()(QSum(axes=1, scale=0.25)(keras.layers.Activation("relu")(x)))
    return keras.Model(given, QDense(2, enable_oq=True)(x))


ATTENTION = (attention, crossed, linformer, softmaxes)
FORMS = (dense, constituents, deep_sets, mixer, jedi_linear)
FILES = (
    *FORMS,
    jedi_sums,
    normalised,
    merges,
    tables,
    affined,
    tabulated,
    tabulated_windows,
    images,
    shared,
    sample,
    *ATTENTION,
    volumes,
    normalised_before,
    others,
    recurrent,
)

KEPT = (sample, linformer, crossed, recurrent)
"""Kept beside the tests."""


def built(make, overflow):
    """A model with all types of HGQ2: of weights those that saturate, of what flows those that do ``overflow``."""
    keras.utils.set_random_seed(1)
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", overflow_mode="SAT_SYM"),
        QuantizerConfigScope(place="datalane", default_q_type="kif", overflow_mode=overflow),
        LayerConfigScope(enable_ebops=True, beta0=1e-5),
    ):
        return make()


def trained(make, overflow):
    """A model after one pass, with the types that it has found."""
    model = built(make, overflow)
    draw = np.random.default_rng(0)
    x = [draw.normal(size=(2000, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]
    x = x if len(x) > 1 else x[0]
    model.compile("adam", "mse")
    model.fit(x, np.random.default_rng(1).normal(size=(2000, *model.output_shape[1:])), epochs=1, verbose=0)
    trace_minmax(model, x)
    return model


def write(folder, wanted=FILES):
    made = []
    for make in wanted:
        for overflow in ("WRAP", "SAT"):
            stem = f"{make.__name__}_{overflow.lower()}"
            model = trained(make, overflow)
            if make in KEPT:  # without the state of its optimizer
                model, found = built(make, overflow), model.get_weights()
                model.set_weights(found)
            model.save(folder / f"{stem}.keras")
            model = keras.saving.load_model(folder / f"{stem}.keras")
            draw = np.random.default_rng(2)
            shapes = [(EVENTS, *tensor.shape[1:]) for tensor in model.inputs]
            x = [(draw.integers(-120, 120, shape) / 32).astype(np.float32) for shape in shapes]
            y = model.predict(x if len(x) > 1 else x[0], verbose=0)
            np.savez(
                folder / f"{stem}.npz",
                x=np.concatenate([part.reshape(EVENTS, -1) for part in x], 1),
                y=y.reshape(EVENTS, -1),
            )
            made.append(stem)
    (folder / "models.json").write_text(json.dumps(made))


if __name__ == "__main__":
    names = sys.argv[2:]
    write(Path(sys.argv[1]), [make for make in FILES if not names or make.__name__ in names])
