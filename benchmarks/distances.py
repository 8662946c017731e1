"""A network of the shape of CMS' newer anomaly trigger: an embedding of its inputs, rebuilt, and the squared distance.

python benchmarks/distances.py [--clock-mhz 240] [--folder build/distances]

57 inputs `ap_fixed<18,13>` are scaled by `(x - offset) >> shift`, and pass 29 and 10 neurons; 9, 6, 4, 6, 9 and 10 more give
these 10 again; the score is the sum of the squares of the differences. Weights are random, with the quantisers, spread and
zeros of the published version 4 (57-28-15-8); a trained network has others.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from bittrigger.compile.convert import convert
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.prove import prove
from bittrigger.settings import Settings

with quiet_tensorflow():
    import tensorflow as tf
    from qkeras import QActivation, QDense

HIDDEN = (29, 10, 9, 6, 4, 6, 9, 10)
EMBEDDING = 2
"""Layers before the vector that is compared."""

KERNEL, BIAS, RELU, CODES = (
    "quantized_bits(6,2,alpha=1)",
    "quantized_bits(10,6,alpha=1)",
    "quantized_relu(10,6)",
    "quantized_bits(10,6,alpha=1)",
)
ZEROS = 0.45
"""Of the published weights."""


def distance_model(seed: int = 1) -> tf.keras.Model:
    """The model, with random weights."""
    generator = np.random.default_rng(seed)
    scale = 2.0 ** -generator.integers(0, 6, 57)
    offset = generator.integers(-64, 65, 57)
    port = tensor = tf.keras.Input((57,), name="objects")
    tensor = tf.keras.layers.Rescaling(scale.tolist(), (-offset * scale).tolist(), name="scaler")(tensor)
    tensor = QActivation("quantized_bits(8,5,alpha=1)", name="scaled")(tensor)
    embedding = None
    for number, units in enumerate(HIDDEN, 1):
        tensor = QDense(units, kernel_quantizer=KERNEL, bias_quantizer=BIAS, name=f"dense_{number}")(tensor)
        ends = number in (EMBEDDING, len(HIDDEN))
        tensor = QActivation(CODES if ends else RELU, name=f"act_{number}")(tensor)
        embedding = tensor if number == EMBEDDING else embedding
    difference = tf.keras.layers.Subtract(name="difference")([embedding, tensor])
    score = tf.keras.layers.Dot(axes=1, name="distance")([difference, difference])
    model = tf.keras.Model(port, score, name="distances")
    for layer in model.layers:
        if isinstance(layer, QDense):
            kernel = generator.normal(0, 0.35, layer.kernel.shape)
            kernel[generator.random(kernel.shape) < ZEROS] = 0
            layer.set_weights([kernel, generator.normal(0, 0.5, layer.bias.shape)])
    return model


def main() -> None:
    """Convert, synthesise and prove the network, and print what it takes."""
    parser = argparse.ArgumentParser(description="what the network takes")
    parser.add_argument("--clock-mhz", type=float, default=240.0)
    parser.add_argument("--latency-cycles", type=int, help="most clock cycles")
    parser.add_argument("--folder", type=Path, help="keep the build here")
    options = parser.parse_args()
    settings = Settings(
        clock_mhz=options.clock_mhz,
        latency_cycles=options.latency_cycles,
        input_precision="fixed<18,13>",
        name="distances",
    )
    with tempfile.TemporaryDirectory() as scratch:
        build, report = convert(distance_model(), options.folder or Path(scratch) / "build", settings)
        proof = prove(build)
    proof.raise_unless_proven()
    totals = report.totals
    cycles = totals.latency_cycles.value
    print(f"{totals.synth.lut.value:,} LUT, {totals.synth.ff.value:,} FF (synth)")
    nanoseconds = 1000 * cycles / options.clock_mhz
    print(f"{cycles} cycles at {options.clock_mhz:g} MHz: {nanoseconds:.1f} ns; {len(proof.claims)} claims proven")


if __name__ == "__main__":
    main()
