"""One dense tagger of HGQ2, for `beside_hgq.py`: beside_hgq_train.py JETS OUT BETA EPOCHS SEED.

Run by the Python of an environment that has HGQ2, and nothing of bittrigger. Widths of each weight and activation are learned:
`BETA` times the effective bit operations is added to the loss.
"""

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QDense
from hgq.utils import trace_minmax
from hgq.utils.sugar import FreeEBOPs

HIDDEN, CLASSES = (64, 32, 32), 5
BATCH_SIZE, LEARNING_RATE = 512, 3e-3
WEIGHT_BITS, FRACTION_BITS = 4, 3
"""Where the widths start: from HGQ2's own 8 and 6 they do not come down in so few epochs."""


def network(beta: float) -> keras.Model:
    """The network of the benchmark, untrained: what flows saturates, as in ours."""
    with (
        QuantizerConfigScope(place="all", default_q_type="kbi", b0=WEIGHT_BITS, i0=1, overflow_mode="SAT_SYM"),
        QuantizerConfigScope(place="datalane", default_q_type="kif", i0=2, f0=FRACTION_BITS, overflow_mode="SAT"),
        LayerConfigScope(enable_ebops=True, beta0=beta),
    ):
        hidden = [QDense(units, activation="relu", name=f"dense_{i}") for i, units in enumerate(HIDDEN, start=1)]
        return keras.Sequential([keras.layers.Input((16,)), *hidden, QDense(CLASSES, name="logits")])


def main() -> None:
    """Train, keep the epoch with the best validation accuracy, and write OUT/model.keras and OUT/history.json."""
    jets, out = np.load(sys.argv[1]), Path(sys.argv[2])
    beta, epochs, seed = float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(seed)
    x, y, train, validation = (jets[name] for name in ("x", "y", "train", "validation"))
    model = network(beta)
    steps = epochs * -(-len(train) // BATCH_SIZE)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    model.compile(keras.optimizers.Adam(schedule), loss, metrics=["accuracy"])
    best = out / "best.weights.h5"
    kept = keras.callbacks.ModelCheckpoint(
        str(best), monitor="val_accuracy", save_best_only=True, save_weights_only=True
    )
    history = model.fit(
        *(x[train], y[train]),
        batch_size=BATCH_SIZE,
        epochs=epochs,
        verbose=0,
        callbacks=[FreeEBOPs(), kept],
        validation_data=(x[validation], y[validation]),
    ).history
    model.load_weights(best)
    trace_minmax(model, x[train])
    model.save(out / "model.keras")
    np.save(out / "predicted.npy", model.predict(x[jets["test"]], batch_size=4096, verbose=0))
    (out / "history.json").write_text(json.dumps({key: [float(v) for v in line] for key, line in history.items()}))


if __name__ == "__main__":
    main()
