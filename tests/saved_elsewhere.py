"""Files as other versions of Keras write them, with the weights and a prediction beside each: the samples in ``keras_3``.

``python saved_elsewhere.py FOLDER`` writes an HDF5 file by the Python of an environment with QKeras v3, and an archive by that of
one with tf_keras 2.15 or later and QKeras 0.9.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

EVENTS = 200


def network(keras, folded):
    """A model within a model, a normalisation, a convolution and a repeated layer; its values are short binary fractions."""
    from qkeras import QDense

    layers = keras.layers
    quantised = QDense(4, kernel_quantizer="quantized_bits(4,0,alpha=1)", name="quantised")
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(5, name="within"), layers.ReLU(), quantised])
    port = keras.Input((6, 2), name="port")
    x = layers.Conv1D(4, 3, activation="relu", name="conv")(folded(port))
    x = layers.BatchNormalization(epsilon=0.25, name="normalised")(x)
    x = layers.Dropout(0.5)(layers.TimeDistributed(layers.Dense(4, name="each"), name="repeated")(x))
    x = inner(layers.GlobalAveragePooling1D(name="mean")(x))
    return keras.Model(port, layers.Dense(2, name="last")(layers.Flatten()(x)), name="net")


def weigh(model):
    """Multiples of an eighth; a variance with which the root is one."""
    generator = np.random.default_rng(7)
    values = [generator.integers(-8, 9, weight.shape) / 8 for weight in model.get_weights()]
    names = [weight.name for weight in model.weights]
    model.set_weights([np.full_like(v, 0.75) if "variance" in n else v for v, n in zip(values, names, strict=True)])
    model.compile(optimizer="adam", loss="mse")


def write(model, path):
    """The file, and beside it what it holds and what the model predicts."""
    weigh(model)
    model.save(path)
    x = np.random.default_rng(8).integers(-16, 16, (EVENTS, 6, 2)) / 8
    arrays = {f"w{k}": values for k, values in enumerate(model.get_weights())}
    np.savez_compressed(path.with_suffix(".npz"), x=x.astype(np.float32), y=model.predict(x, verbose=0), **arrays)


def main(folder):
    """A file of HDF5 of Keras 3, or, where TF_USE_LEGACY_KERAS is set, an archive with a folded normalisation in it."""
    if "TF_USE_LEGACY_KERAS" not in os.environ:
        import keras

        write(network(keras, lambda x: x), folder / "hdf5_of_3.h5")
        return
    import tf_keras

    sys.modules["keras"] = tf_keras
    from qkeras import QConv2DBatchnorm

    def folded(x):
        x = tf_keras.layers.Reshape((6, 2, 1))(x)
        bits = {"kernel_quantizer": "quantized_bits(4,1,alpha=1)", "bias_quantizer": "quantized_bits(4,1,alpha=1)"}
        x = QConv2DBatchnorm(1, (2, 2), padding="same", epsilon=0.25, **bits, name="folded")(x)
        return tf_keras.layers.Reshape((6, 2))(x)

    write(network(tf_keras, folded), folder / "archive_of_2_15.keras")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
