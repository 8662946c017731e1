"""How often two hls4ml backends give exactly what Keras gives: stock Vitis against BitTrigger.

    python benchmarks/exactness.py [--events 2000] [--markdown FILE]

Each row is a QKeras network 16-32-5 with random weights. A cell is the fraction of events of which *every* output equals
Keras on every bit, for inputs on the grid of the input quantiser and for raw reals. The stock backend is run with
``granularity='name'``, its best configuration without ``bit_exact``, and with ``bit_exact=True`` as well. Each stock
compilation takes some seconds. "refused" and "error" say that a backend gave no number: the first with a reason.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.hls4ml import register

SEED = 7

KerasModel = Any

with quiet_tensorflow():
    import hls4ml
    import tensorflow as tf
    from qkeras import QActivation, QBatchNormalization, QDense

    register()

INPUT = "quantized_bits(8,3,alpha=1)"
RELU = "quantized_relu(6,2)"

CASES: dict[str, dict[str, Any]] = {
    "ternary(alpha=1)": {},
    "quantized_bits(2,1,alpha=1)": {"kernel": "quantized_bits(2,1,alpha=1)"},
    "ternary(alpha=1), ternary activation": {"activation": "ternary(alpha=1)"},
    "ternary()": {"kernel": "ternary()"},
    "ternary(alpha='auto_po2')": {"kernel": "ternary(alpha='auto_po2')"},
    "ternary(alpha='auto')": {"kernel": "ternary(alpha='auto')"},
    "binary(alpha=1)": {"kernel": "binary(alpha=1)"},
    "binary()": {"kernel": "binary()"},
    "binary(alpha='auto_po2')": {"kernel": "binary(alpha='auto_po2')"},
    "ternary(alpha=1) + BatchNormalization": {"normalisation": tf.keras.layers.BatchNormalization},
    "ternary(alpha=1) + QBatchNormalization": {"normalisation": QBatchNormalization},
    "ternary(alpha=1), float bias": {"bias": None},
    "quantized_po2(4)": {"kernel": "quantized_po2(4)"},
}


def network(
    kernel: str = "ternary(alpha=1)",
    activation: str = RELU,
    normalisation: Callable[..., Any] | None = None,
    bias: str | None = "quantized_bits(8,3,alpha=1)",
) -> KerasModel:
    """A network 16-32-5 with random weights; the output layer has no bias, so that its logits are on a grid."""
    port = tf.keras.Input((16,), name="x")
    x = QActivation(INPUT, name="q")(port)
    x = QDense(32, kernel_quantizer=kernel, bias_quantizer=bias, name="d1")(x)
    x = x if normalisation is None else normalisation(name="n1")(x)
    x = QActivation(activation, name="a1")(x)
    model = tf.keras.Model(port, QDense(5, kernel_quantizer=kernel, use_bias=False, name="d2")(x))
    generator = np.random.default_rng(SEED)
    for layer in model.layers:
        values = [
            generator.uniform(0.2, 4, w.shape) if "variance" in w.name else generator.normal(0, 0.7, w.shape)
            for w in layer.weights
        ]
        if values:
            layer.set_weights(values)
    return model


def events(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs on the grid of the input quantiser, and raw reals."""
    generator = np.random.default_rng(SEED)
    return generator.integers(-128, 128, (count, 16)) / np.float32(16), generator.normal(0, 3, (count, 16)).astype("f")


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Without the chatter of hls4ml, its compiler and Keras."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def agreement(model: KerasModel, backend: str, inputs: tuple[np.ndarray, np.ndarray], *, bit_exact: bool | None) -> str:
    """``on the grid / off the grid``: fractions of events that equal Keras in every output."""
    with tempfile.TemporaryDirectory() as folder, silence():
        try:
            config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend=backend)
            converted = hls4ml.converters.convert_from_keras_model(
                model, backend=backend, output_dir=folder, hls_config=config, bit_exact=bit_exact
            )
            converted.compile()
            shares = [
                np.mean((converted.predict(x) == model.predict(x, verbose=0, batch_size=4096)).all(axis=1))
                for x in inputs
            ]
        except UnsupportedModelError:
            return "refused"
        except Exception:  # noqa: BLE001 - hls4ml raises bare exceptions of every kind
            return "error"
    return " / ".join(f"{share:.3f}" for share in shares)


def table(count: int) -> str:
    """The comparison as a Markdown table."""
    inputs = events(count)
    lines = [
        "| kernel quantiser and layers | Vitis | Vitis, bit_exact=True | BitTrigger |",
        "|---|---|---|---|",
    ]
    for name, settings in CASES.items():
        with silence():
            model = network(**settings)
        cells = [agreement(model, "Vitis", inputs, bit_exact=exact) for exact in (None, True)]
        cells.append(agreement(model, "BitTrigger", inputs, bit_exact=None))
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description="exactness of stock hls4ml and BitTrigger against Keras")
    parser.add_argument("--events", type=int, default=2000, help="events of each kind")
    parser.add_argument("--markdown", type=Path, help="file to write the table to")
    options = parser.parse_args()
    text = table(options.events)
    print(text)
    if options.markdown is not None:
        options.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
