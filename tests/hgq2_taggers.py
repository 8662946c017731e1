"""Jet taggers of HGQ2 at the sizes of CMS' Level 1, trained for a short time so that widths are mixed, as `.keras` files.

Run by the Python of an environment that has HGQ2: ``python hgq2_taggers.py FOLDER [NAME ...]``. Sizes and quantisers are those of
CMS' published configurations: 16 constituents of 20 features, 8 classes and a pT. The jets are drawn: classes differ in how many
constituents there are, how the momentum is shared, and in three of the features.
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
    from hgq.constraints import MinMax
    from hgq.layers import (
        QAdd,
        QBatchNormalization,
        QConv1D,
        QDense,
        QEinsumDense,
        QEinsumDenseBatchnorm,
        QLinformerAttention,
        QSum,
    )
    from hgq.regularizers import MonoL1
    from hgq.utils import trace_minmax
    from hgq.utils.sugar import BetaPID, FreeEBOPs

CONSTITUENTS, FEATURES, CLASSES = 16, 20, 8
EBOPS = {"deep_sets": 100_000, "jedi_linear": 300_000, "mlp_mixer": 300_000, "linformer": 300_000}
EPOCHS, BATCH, RATE = 30, 128, 0.02
JETS, EVENTS = 2048, 2000
VERBOSE = int(os.environ.get("VERBOSE", "0"))


def jets(count, seed):
    """Drawn jets: ``(count, 16, 20)`` on a grid of 1/64, classes one-hot, and the momentum ratio to be found."""
    draw = np.random.default_rng(seed)
    label = draw.integers(0, CLASSES, count)
    shares = np.sort(draw.gamma(0.3 + 0.25 * (label % 4)[:, None], 1.0, (count, CONSTITUENTS)), 1)[:, ::-1]
    shares = shares / shares.sum(1, keepdims=True)
    x = draw.normal(size=(count, CONSTITUENTS, FEATURES))
    x[..., 0] = 4 * shares
    x[..., 1:3] *= 0.2 + 0.15 * (label // 4)[:, None, None]
    x[..., 3] += 0.5 * (label % 2)[:, None]
    x[..., 4:12] = x[..., 4:12] > 0.8
    x *= (np.arange(CONSTITUENTS) < 6 + label[:, None])[..., None]
    ratio = 1 + 0.3 * x[:, :4, 3].mean(1) + 0.05 * draw.normal(size=count)
    return np.round(x * 64).astype(np.float32) / 64, np.eye(CLASSES, dtype=np.float32)[label], ratio.astype(np.float32)


def scopes(bits):
    """Weights of ``bits`` that wrap, values with 7 fractional bits that wrap: what CMS' three simpler taggers start from."""
    options = {"fr": MonoL1(1e-8), "ir": MonoL1(1e-8), "overflow_mode": "wrap"}
    return (
        QuantizerConfigScope(default_q_type="kbi", b0=bits, i0=0, **options),
        QuantizerConfigScope(default_q_type="kif", place="datalane", f0=7, ic=MinMax(0, 12), **options),
        LayerConfigScope(enable_ebops=True, beta0=1e-8),
    )


def heads(x, dense):
    """Class scores and the momentum, each behind layers of 64, 32 and 16."""
    found = []
    for size, last in ((CLASSES, "jet_id"), (1, "pt")):
        y = x
        for width in (64, 32, 16):
            y = dense(width, activation="relu")(y)
        found.append(keras.layers.Activation("linear", name=last)(dense(size)(y)))
    return found


def wide(size, **options):
    return QEinsumDenseBatchnorm("bc,cC->bC", size, bias_axes="C", **options)


def each(size, count=CONSTITUENTS, **options):
    return QEinsumDenseBatchnorm("bnc,cC->bnC", (count, size), bias_axes="C", **options)


def port():
    return keras.layers.Input((CONSTITUENTS, FEATURES))


def deep_sets():
    given = port()
    x = QBatchNormalization()(given)
    for _ in range(2):
        x = QConv1D(10, 1, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    scores = QDense(CLASSES)(QDense(16, activation="relu")(QDense(32, activation="relu")(x)))
    return keras.Model(given, [scores, QDense(1)(QDense(10, activation="relu")(x))])


def jedi_linear():
    given = port()
    x = each(64, activation="relu")(given)
    own = each(64, activation="relu")(x)
    mean = each(64, 1, activation="relu")(keras.layers.AveragePooling1D(CONSTITUENTS)(x))
    x = each(64, activation="relu")(QAdd()([own, mean]))
    return keras.Model(given, heads(QSum(axes=1, scale=1 / 16)(x), wide))


def mlp_mixer():
    given = port()
    port_type = QuantizerConfig(k0=1, i0=11, f0=11, trainable=False, round_mode="RND", overflow_mode="SAT")
    x = each(16, activation="relu", iq_conf=port_type)(given)
    x = each(FEATURES, activation="relu")(x)
    x = QEinsumDenseBatchnorm("bnc,nN->bNc", (CONSTITUENTS, FEATURES), bias_axes="N")(x)
    x = QAdd(iq_confs=(port_type, QuantizerConfig(place="datalane")))([given, x])
    x = each(16, activation="relu")(each(16, activation="relu")(x))
    return keras.Model(given, heads(QEinsumDense("bnc,n->bc", 16)(x), wide))


def linformer():
    given = port()
    x = QDense(16, activation="relu")(QDense(16, activation="relu")(given))
    with QuantizerConfigScope(k0=1, i0=1, f0=6, round_mode="RND", overflow_mode="SAT", bc=MinMax(1, 8)):
        x = QAdd()([QLinformerAttention(1, key_dim=16, lin_kv_proj_dim=2)(x, x, x), x])
    for _ in range(2):
        x = QAdd()([QDense(16, activation="relu")(QDense(32, activation="relu")(x)), x])
    return keras.Model(given, heads(keras.layers.GlobalAveragePooling1D()(x), QDense))


TAGGERS = {"deep_sets": 7, "jedi_linear": 8, "mlp_mixer": 7, "linformer": 8}
"""Each with the bits that its weights start from."""


def trained(name):
    keras.utils.set_random_seed(1)
    if name == "linformer":
        scope = QuantizerConfigScope(k0=1, b0=8, i0=1, br=MonoL1(1e-8), overflow_mode="WRAP")
        rest = QuantizerConfigScope(place="datalane", k0=1, f0=6, fr=MonoL1(1e-8), ir=MonoL1(1e-8))
        within = (scope, rest, LayerConfigScope(enable_ebops=True, beta0=1.1e-8))
    else:
        within = scopes(TAGGERS[name])
    with within[0], within[1], within[2]:
        model = globals()[name]()
    x, label, ratio = jets(JETS, 1)
    losses = [keras.losses.CategoricalCrossentropy(from_logits=True), keras.losses.Huber()]
    model.compile(keras.optimizers.Adam(RATE), losses)
    pid = BetaPID(
        target_ebops=EBOPS[name], p=1, i=0.1, d=0, init_beta=1e-6, warmup=1, max_beta=1e-3, damp_beta_on_target=0.5
    )
    model.fit(x, [label, ratio], epochs=EPOCHS, batch_size=BATCH, verbose=VERBOSE, callbacks=[FreeEBOPs(), pid])
    trace_minmax(model, x, verbose=0)
    return model


def main(folder, names):
    for name in names:
        model = trained(name)
        model.save(folder / f"{name}.keras")
        model = keras.saving.load_model(folder / f"{name}.keras")
        x, label, _ = jets(EVENTS, 2)
        y = model.predict(x, verbose=0)
        right = float((y[0].argmax(1) == label.argmax(1)).mean())
        np.savez(
            folder / f"{name}.npz",
            x=x.reshape(EVENTS, -1),
            y=np.concatenate([part.reshape(EVENTS, -1) for part in y], 1),
        )
        ebops = sum(int(layer.ebops) for layer in model.layers if hasattr(layer, "ebops"))
        (folder / f"{name}.json").write_text(json.dumps({"ebops": ebops, "right": right}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(TAGGERS))
