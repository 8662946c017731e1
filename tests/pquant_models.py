"""Models of PQuant, written to a folder as `.keras` files beside what their own `predict` gives for random events.

Run by the Python of an environment that has pquant-ml and TensorFlow: ``python pquant_models.py FOLDER``.
"""

from __future__ import annotations

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
    from pquant import apply_final_compression, pdp_config, post_training_prune  # noqa: F401
    from pquant.layers import PQActivation, PQAvgPool1d, PQConv1d, PQConv2d, PQDense

EVENTS = 1000


def config(*, hgq, overflow):
    made = pdp_config()
    quantisation = made.quantization_parameters
    quantisation.use_high_granularity_quantization = hgq
    quantisation.granularity = "per_weight" if hgq else "per_tensor"
    quantisation.overflow_mode_data = overflow
    quantisation.default_data_keep_negatives = 1.0
    quantisation.default_data_integer_bits = 2.0
    quantisation.default_data_fractional_bits = 5.0
    return made


def dense(conf):
    given = keras.layers.Input((8,))
    x = PQActivation(conf, "relu", in_quant_bits=(1, 2, 4))(PQDense(conf, 6)(given))
    return keras.Model(given, PQDense(conf, 3, quantize_output=True)(x))


def constituents(conf):
    given = keras.layers.Input((4, 5))
    x = PQActivation(conf, "relu", quantize_output=True, out_quant_bits=(0, 2, 3))(PQConv1d(conf, 6, 1)(given))
    x = keras.layers.Flatten()(PQAvgPool1d(conf, 4)(x))
    return keras.Model(given, PQDense(conf, 2)(x))


def images(conf):
    given = keras.layers.Input((5, 5, 1))
    x = PQActivation(conf, "relu")(PQConv2d(conf, 3, 3)(given))
    return keras.Model(given, PQDense(conf, 2, in_quant_bits=(0, 3, 2))(keras.layers.Flatten()(x)))


def drawn(model, seed):
    """A model with weights of all sizes, and with types that differ where they may."""
    draw = np.random.default_rng(seed)
    for layer in model.layers:
        for name in ("_kernel", "_bias"):
            variable = getattr(layer, name, None)
            if variable is not None:
                variable.assign(draw.normal(size=variable.shape).astype(np.float32) * 0.6)
        for name in ("input_quantizer", "output_quantizer", "weight_quantizer"):
            inner = getattr(getattr(layer, name, None), "quantizer", None)
            inner = getattr(inner, "quantizer", None)
            if inner is not None and inner.built:
                inner._f.assign(draw.integers(1, 7, inner._f.shape))
                inner._i.assign(draw.integers(0, 4, inner._i.shape))
    return model


def write(folder):
    for make in (dense, constituents, images):
        for hgq in (False, True):
            for overflow in ("SAT", "WRAP"):
                keras.utils.set_random_seed(1)
                model = drawn(make(config(hgq=hgq, overflow=overflow)), 1)
                stem = f"{make.__name__}_{'each' if hgq else 'one'}_{overflow.lower()}"
                if stem == "dense_one_sat":
                    model.save(folder / "in_training.keras")
                apply_final_compression(model)
                model.save(folder / f"{stem}.keras")
                model = keras.saving.load_model(folder / f"{stem}.keras")
                x = np.random.default_rng(2).integers(-128, 128, (EVENTS, *model.inputs[0].shape[1:])) / 32
                y = model.predict(x.astype(np.float32), verbose=0)
                np.savez_compressed(
                    folder / f"{stem}.npz", x=x.reshape(EVENTS, -1).astype(np.float32), y=y.reshape(EVENTS, -1)
                )


if __name__ == "__main__":
    write(Path(sys.argv[1]))
