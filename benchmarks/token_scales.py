"""Static scales against a scale for each token, in firmware: the DeepSets of models/quark_gluon, LUTs, flip-flops, latency.

    python benchmarks/token_scales.py -o build/token_scales

Networks 5-32-16 on each of 16 constituents, their mean, 16 units and a logit, with random ternary kernels and no biases (nor
training: what a shifter costs does not hang on it), ranges of the static quantizers calibrated on the jets of
models/quark_gluon/sample.npz. They differ in the quantizers on constituents alone. Figures are those of `bittrigger convert`.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bittrigger.compile.convert import convert
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.layers.keras_types import Model
from bittrigger.report import Report
from bittrigger.settings import Settings
from bittrigger.train.recipes import load_arrays, markdown_table, prepare_tensorflow

SAMPLE = Path(__file__).resolve().parent.parent / "models" / "quark_gluon" / "sample.npz"
CONSTITUENTS, FEATURES = 16, 5

PORT = "fixed<8,3>"
"""Of the features where the first quantizer is dynamic; the static one has these very codes."""

Bounds = tuple[int | None, int | None]


@dataclass(frozen=True)
class Kind:
    """Which quantizers on constituents are dynamic.

    Attributes:
        name: in the table.
        hidden: least and most of those in front of and behind the second layer; None if they are static.
        inputs: whether that of the features is.
    """

    name: str
    hidden: Bounds | None = None
    inputs: bool = False


KINDS = (
    Kind("static"),
    Kind("inputs dynamic, 5 bits", inputs=True),
    Kind("hidden dynamic, 6 bits, ranges 1 to 8", (0, 3)),
    Kind("hidden dynamic, 6 bits", (None, None)),
)


def main() -> None:
    """Build and convert each network, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--ii", type=int, nargs="+", default=[1, 9])
    parser.add_argument(
        "--kinds", type=int, nargs="+", default=range(len(KINDS)), help="numbers of networks, from 0 on"
    )
    parser.add_argument("--no-synth", action="store_true", help="estimates alone")
    options = parser.parse_args()
    logging.getLogger("bittrigger").setLevel(logging.ERROR)
    options.output.mkdir(parents=True, exist_ok=True)
    rows = []
    for kind in (KINDS[number] for number in options.kinds):
        path = options.output / f"{kind.name.replace(', ', '_').replace(' ', '_')}.h5"
        with quiet_tensorflow():
            prepare_tensorflow(1)
            build(kind).save(path)
        for interval in options.ii:
            settings = Settings(ii=interval, name="jets", input_precision=PORT if kind.inputs else None)
            folder = path.with_name(f"{path.stem}_{interval}")
            _, report = convert(path, folder, settings, overwrite=True, synthesize=not options.no_synth)
            rows.append([kind.name, str(interval), *_figures(report)])
            print(rows[-1], flush=True)
    print(markdown_table(["scales", "II", "LUT", "FF", "LUT (estimate)", "FF (estimate)", "cycles"], rows))


def build(kind: Kind) -> Model:
    """The network of a kind, with random kernels; the same ones for all."""
    import tensorflow as tf

    from bittrigger.layers import BitActivation, BitLinear, DynamicQuantizer, StaticQuantizer, absmean_ternary
    from bittrigger.train import calibrate

    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(1)
    relu = StaticQuantizer(bits=6, signed=False, integer=2)
    each = relu if kind.hidden is None else DynamicQuantizer(6, False, *kind.hidden)
    first = DynamicQuantizer(5) if kind.inputs else StaticQuantizer(bits=8, signed=True, integer=2)

    def layer(units: int, name: str, quantizer: StaticQuantizer | DynamicQuantizer) -> BitLinear:
        kernel = absmean_ternary(0.7)
        return BitLinear(units, input_quantizer=quantizer, kernel_quantizer=kernel, use_bias=False, name=name)

    jet = tf.keras.Input((CONSTITUENTS, FEATURES), name="jet")
    tensor = layer(16, "each_2", each)(layer(32, "each_1", first)(jet))
    tensor = tf.keras.layers.GlobalAveragePooling1D(name="mean")(BitActivation(each, name="each_relu")(tensor))
    tensor = layer(16, "mean_1", StaticQuantizer(bits=8, signed=False, integer=2))(tensor)
    model = tf.keras.Model(jet, layer(1, "logit", relu)(tensor), name="jets")
    calibrate(model, load_arrays(SAMPLE, ("x",))["x"].reshape(-1, CONSTITUENTS, FEATURES).astype(np.float32))
    return model


def _figures(report: Report) -> list[str]:
    totals = report.totals
    figures = (totals.synth.lut, totals.synth.ff, totals.estimate.lut, totals.estimate.ff, totals.latency_cycles)
    return ["missing" if figure.value is None else str(figure.value) for figure in figures]


if __name__ == "__main__":
    main()
