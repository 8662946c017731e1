"""Three networks that show layers in time: a constituent tagger, a calorimeter-image CNN and a vertex CNN, trained shortly.

python benchmarks/models_in_time.py tagger l1_jets.npz -o tagger.h5       # bittrigger data make l1-jets
python benchmarks/models_in_time.py image l1_regions.npz -o image.h5      # bittrigger data make l1-regions
python benchmarks/models_in_time.py vertex l1_vertices.npz -o vertex.h5   # bittrigger data make l1-vertices

The shapes are those of CMS' Level-1 taggers of constituents, of the teacher of CICADA, and of a finder of vertices: what they
cost is measured by `benchmarks/folding.py`. They are not tuned, and their figures of merit, printed at the end, say no more
than that they have learned something.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.layers import (
    BitActivation,
    BitConv1D,
    BitConv2D,
    BitLinear,
    StaticQuantizer,
    absmean_ternary,
    export_stock,
)
from bittrigger.train import roc_auc

Array = npt.NDArray[Any]
POSITIONS, FEATURES, CLASSES = 16, 21, 5
SEED, TEST_SHARE = 1, 0.2


def tagger(path: Path, epochs: int) -> tuple[Any, str]:
    """16 constituents of 21 features, 10 and 10 units on each, their mean, 32 and 16 units, five classes and a correction."""
    import tensorflow as tf

    with np.load(path) as file:
        particles, jet, y = (file[name] for name in ("particles", "jet", "y"))
    x = constituent_features(particles, jet)
    target = np.log2(np.maximum(jet[:, 0], 1) / np.maximum(particles[:, :, 0].sum(axis=1), 1))[:, None]
    seen = net = tf.keras.Input((POSITIONS, FEATURES), name="constituents")
    net = BitLinear(10, name="each_1", **ternary(8, 3))(net)
    net = BitActivation(relu(6, 2), name="each_relu")(BitLinear(10, name="each_2", **ternary(6, 2, relu))(net))
    net = tf.keras.layers.GlobalAveragePooling1D(name="mean")(net)
    net = BitLinear(32, name="jet_1", **ternary(8, 2, relu))(net)
    net = BitLinear(16, name="jet_2", **ternary(6, 2, relu))(net)
    net = BitActivation(relu(6, 2), name="jet_relu")(net)
    outputs = [
        BitLinear(units, name=name, **ternary(6, 2, relu))(net) for name, units in (("classes", CLASSES), ("pt", 1))
    ]
    model = tf.keras.Model(seen, outputs, name="constituent_tagger")
    losses = [tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), "mae"]
    test = train(model, x, [y.astype(np.int32), target.astype(np.float32)], losses, epochs)
    classes, correction = model.predict(x[test], verbose=0)
    accuracy = float((classes.argmax(axis=1) == y[test]).mean())
    return (
        model,
        f"accuracy {accuracy:.3f} of five classes, mean error {np.abs(correction - target[test]).mean():.3f} of log2 pT",
    )


def constituent_features(particles: Array, jet: Array) -> Array:
    """21 features of each constituent, `(n, 16, 21)`: logarithms and shares of pT, places, distances, kind, impact parameter."""
    pt, eta, phi, kind, dxy = np.moveaxis(particles.astype(np.float32), 2, 0)
    there = pt > 0
    jet_pt = np.maximum(jet[:, :1].astype(np.float32), 1)
    log_pt, share = np.log2(np.maximum(pt, 1)) / 2, pt / jet_pt
    eta, phi = eta / 25, phi / 25
    distance = np.hypot(eta, phi)
    columns = [log_pt, 4 * share, np.log2(np.maximum(share, 2**-8)) / 2, eta, phi, distance, np.abs(eta), np.abs(phi)]
    columns += [np.abs(dxy) / 16, dxy / 16, np.abs(dxy) > 8, distance < 1, share > 0.25]
    columns.append(np.broadcast_to(np.log2(jet_pt) / 2, pt.shape))
    columns += [there & (kind == code) for code in range(5)]
    columns += [there, np.broadcast_to(there.sum(axis=1, keepdims=True) / 4, pt.shape)]
    table = np.stack([np.asarray(column, dtype=np.float32) for column in columns], axis=2)
    return np.where(there[:, :, None], table, 0).astype(np.float32)


def image(path: Path, epochs: int) -> tuple[Any, str]:
    """18 x 14 regions, a convolution of 3 x 3 with 4 filters, a pooling, 16 units: zero bias, or one of the signals."""
    import tensorflow as tf

    with np.load(path) as file:
        parts = [file[name] for name in ("zerobias", "ttbar", "qcd", "hto4l")]
    x = np.log2(1 + np.concatenate(parts).astype(np.float32))[..., None]
    y = np.repeat([0, 1, 1, 1], [len(part) for part in parts]).astype(np.float32)
    seen = tf.keras.Input((18, 14, 1), name="regions")
    net = BitConv2D(4, 3, padding="same", name="conv", **ternary(7, 4, relu))(seen)
    net = BitActivation(relu(5, 3), name="conv_relu")(net)
    net = tf.keras.layers.Flatten(name="flat")(tf.keras.layers.MaxPooling2D(2, name="pool")(net))
    net = BitLinear(16, name="dense", **ternary(5, 3, relu))(net)
    model = tf.keras.Model(seen, BitLinear(1, name="score", **ternary(6, 3, relu))(net), name="calorimeter_cnn")
    test = train(model, x, [y], [tf.keras.losses.BinaryCrossentropy(from_logits=True)], epochs)
    scores = model.predict(x[test], verbose=0)[:, 0]
    return model, f"AUC {roc_auc(scores, y[test] == 1):.3f} of signals against zero bias"


def vertex(path: Path, epochs: int) -> tuple[Any, str]:
    """256 bins along the beam, two convolutions of 4 filters, a pooling between them, a score for each of 128 pairs of bins."""
    import tensorflow as tf

    with np.load(path) as file:
        x, z = np.log2(1 + file["x"].astype(np.float32))[..., None], file["z"]
    pairs = np.clip(np.floor((z + 15) / 30 * 128), 0, 127).astype(np.int32)
    seen = tf.keras.Input((256, 1), name="bins")
    net = BitConv1D(4, 5, padding="same", name="conv_1", **ternary(7, 4, relu))(seen)
    net = tf.keras.layers.MaxPooling1D(2, name="pool")(BitActivation(relu(5, 3), name="relu_1")(net))
    net = BitConv1D(4, 3, padding="same", name="conv_2", **ternary(5, 3, relu))(net)
    net = BitConv1D(1, 1, name="score", **ternary(5, 3, relu))(net)
    model = tf.keras.Model(seen, tf.keras.layers.Flatten(name="scores")(net), name="vertex_cnn")
    test = train(model, x, [pairs], [tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)], epochs)
    found = model.predict(x[test], verbose=0).argmax(axis=1)
    return model, f"{100 * (np.abs(found - pairs[test]) <= 1).mean():.0f} % of vertices within a pair of bins"


def relu(bits: int, integer: int) -> StaticQuantizer:
    """An activation of so many bits, none of them a sign."""
    return StaticQuantizer(bits=bits, signed=False, integer=integer)


def signed(bits: int, integer: int) -> StaticQuantizer:
    """Inputs of so many bits, one of them the sign."""
    return StaticQuantizer(bits=bits, signed=True, integer=integer)


def ternary(bits: int, integer: int, quantizer: Callable[[int, int], StaticQuantizer] = signed) -> dict[str, Any]:
    """A layer with ternary kernels that rounds its inputs."""
    return {"input_quantizer": quantizer(bits, integer), "kernel_quantizer": absmean_ternary(0.7)}


def train(model: Any, x: Array, targets: list[Array], losses: list[Any], epochs: int) -> Array:  # noqa: ANN401
    """Train on four fifths of the rows; the others."""
    import tensorflow as tf

    order = np.random.default_rng(SEED).permutation(len(x))
    cut = int(TEST_SHARE * len(x))
    rows = order[cut:]
    model.compile(tf.keras.optimizers.Adam(2e-3), loss=losses)
    model.fit(x[rows], [target[rows] for target in targets], batch_size=128, epochs=epochs, verbose=0)
    return order[:cut]


MAKERS: dict[str, Callable[[Path, int], tuple[Any, str]]] = {"tagger": tagger, "image": image, "vertex": vertex}


def main() -> None:
    """Train one and save it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=MAKERS)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--output", "-o", type=Path, required=True)
    options = parser.parse_args()
    with quiet_tensorflow():
        import tensorflow as tf

        tf.keras.utils.set_random_seed(SEED)
        model, merit = MAKERS[options.model](options.data, options.epochs)
        export_stock(model).save(options.output, include_optimizer=False)
    print(f"{options.output}: {merit}")


if __name__ == "__main__":
    main()
