"""The published baseline of CMS' jet tagger, built here with seeded weights and converted without an option.

16 constituents of 20 features, a BatchNormalization at the input, pointwise QConv1D of 10 and 10 with ``quantized_bits(9,2)`` and
``quantized_relu(9,0)``, ``quantized_bits(18,8)`` before the mean, heads 32-16-8 with softmax and 10-1.

python benchmarks/cms_jet_tagger.py --synth --simulate
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from spent import cpu_seconds

from bittrigger.compile.convert import convert
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.settings import Settings
from bittrigger.simulate.compare import raise_first, run_executors
from bittrigger.simulate.vectors import random_codes

with quiet_tensorflow():
    import tensorflow as tf
    from qkeras import QActivation, QConv1D, QDense

FORMS = {
    "as published": ("quantized_bits(9,2,alpha=1)", None),
    "quantiser behind the normalisation": ("quantized_bits(9,2,alpha=1)", "quantized_bits(9,2,alpha=1)"),
    "ternary": ("ternary(alpha=1)", None),
    "ternary, quantiser behind the normalisation": ("ternary(alpha=1)", "quantized_bits(9,2,alpha=1)"),
}
BITS = "quantized_bits(9,2,alpha=1)"
RELU = "quantized_relu(9,0)"
EVENTS = 1000


def tagger(kernel: str, behind_norm: str | None) -> tf.keras.Model:
    """The network, with weights of seed 0."""
    settings = {"kernel_quantizer": kernel, "bias_quantizer": BITS}
    port = tf.keras.Input((16, 20), name="model_input")
    x = tf.keras.layers.BatchNormalization(name="norm_input")(port)
    if behind_norm is not None:
        x = QActivation(behind_norm, name="norm_quantized")(x)
    for k in (1, 2):
        x = QActivation(RELU, name=f"relu_{k}")(QConv1D(10, 1, name=f"Conv1D_{k}", **settings)(x))
    mean = tf.keras.layers.GlobalAveragePooling1D(name="avgpool")(
        QActivation("quantized_bits(18,8)", name="act_pool")(x)
    )
    x = mean
    for k, size in enumerate((32, 16), 1):
        x = QActivation(RELU, name=f"relu_{k}_jetID")(QDense(size, name=f"Dense_{k}_jetID", **settings)(x))
    classes = tf.keras.layers.Activation("softmax", name="jet_id_output")(
        QDense(8, name="Dense_3_jetID", **settings)(x)
    )
    x = QActivation(RELU, name="relu_1_pT")(QDense(10, name="Dense_1_pT", **settings)(mean))
    model = tf.keras.Model(port, [classes, QDense(1, name="pT_output", **settings)(x)], name="baseline")
    _set_weights(model)
    return model


def _set_weights(model: tf.keras.Model) -> None:
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name == "norm_input":
            factors = [generator.uniform(0.5, 1.5, 20), generator.normal(0, 0.2, 20), generator.normal(0, 1, 20)]
            layer.set_weights([*factors, 10 ** generator.uniform(-0.5, 1.2, 20)])
        elif layer.weights:
            shapes = [tuple(weight.shape) for weight in layer.weights]
            spreads = [(2 / shape[-2]) ** 0.5 if len(shape) > 1 else 0.1 for shape in shapes]
            layer.set_weights(
                [np.clip(generator.normal(0, s, shape), -1, 1) for s, shape in zip(spreads, shapes, strict=True)]
            )


def row(name: str, *, synthesize: bool, simulate: bool) -> str:
    """What one form takes, as a row of the table."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "baseline.h5"
        tagger(*FORMS[name]).save(path)
        started = cpu_seconds()
        build, report = convert(path, Path(scratch) / "build", Settings(), synthesize=synthesize)
        converted = cpu_seconds()
        if simulate:
            codes = random_codes(build.graph, EVENTS, 0)
            raise_first(run_executors(build, ("oracle", "rtl"), codes))
        simulated = f"{cpu_seconds() - converted:.0f}" if simulate else "-"
        totals, grade = report.totals, report.grade
        lut = totals.synth.lut if synthesize else totals.estimate.lut
        return (
            f"| {name} | {grade.name} | {grade.float32_events} of {grade.events} | {lut.value:,.0f} ({lut.origin.value}) | "
            f"{totals.latency_cycles.value} | {converted - started:.0f} | {simulated} |"
        )


def main() -> None:
    """Measure each form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("forms", nargs="*", default=list(FORMS), help="names of the forms")
    parser.add_argument("--synth", action="store_true", help="synthesise with Yosys")
    parser.add_argument(
        "--simulate", action="store_true", help=f"simulate {EVENTS} events of the Verilog with Verilator"
    )
    options = parser.parse_args()
    print(
        "| form | grade | events on which float32 differs | LUT | cycles at 360 MHz | convert (CPU s) | RTL (CPU s) |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in options.forms:
        print(row(name, synthesize=options.synth, simulate=options.simulate), flush=True)


if __name__ == "__main__":
    main()
