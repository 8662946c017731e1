"""What a block of attention takes as firmware: ReLU, softmax, and a bias of pairs beside either.

python benchmarks/attention.py [--tokens 8 16] [--ii 1 9] [--no-synth] [--prove]

The block alone: tokens of 16 unsigned codes of 5 bits go in, 16 codes of 5 bits of each come out; a bias of pairs reads five
signed codes of 8 bits of each token besides. Widths are those of `models/quark_gluon/attention_nets.py`; weights are random,
ranges are calibrated on random events. A row is one `bittrigger convert model.h5 --ii N`, which compares Keras and the integers
on every bit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from bittrigger.compile.convert import convert
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.layers import AttentionSettings, BitActivation, SoftmaxSettings, StaticQuantizer, bit_attention
from bittrigger.prove import Verdict, prove
from bittrigger.settings import Settings
from bittrigger.train import calibrate

with quiet_tensorflow():
    import tensorflow as tf

UNITS, FEATURES = 16, 5
CODES, ANGLES = StaticQuantizer(bits=5, signed=False, integer=2), StaticQuantizer(bits=8, signed=True, integer=2)
RELU = AttentionSettings()
SOFTMAX = replace(RELU, weight_bits=6, softmax=SoftmaxSettings())
KINDS = {
    "ReLU": (RELU, False),
    "softmax": (SOFTMAX, False),
    "ReLU, bias of pairs": (RELU, True),
    "softmax, bias of pairs": (SOFTMAX, True),
}


def block(tokens: int, settings: AttentionSettings, *, pairs: bool) -> tf.keras.Model:
    """The block with random weights and calibrated ranges."""
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(1)
    ports = [tf.keras.Input((tokens, UNITS), name="tokens")]
    codes = [BitActivation(CODES, name="codes")(ports[0])]
    if pairs:
        ports.append(tf.keras.Input((tokens, FEATURES), name="angles"))
        codes.append(BitActivation(ANGLES, name="angle_codes")(ports[1]))
    tensor = bit_attention(codes[0], UNITS, settings, pairs=codes[1] if pairs else None)
    model = tf.keras.Model(ports, BitActivation(CODES, name="out")(tensor), name="block")
    random = np.random.default_rng(1)
    events = [random.normal(1, 1, (1000, *port.shape[1:])).astype(np.float32) for port in ports]
    calibrate(model, events if pairs else events[0])
    return model


def main() -> None:
    """Print a row for each block and interval."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--ii", type=int, nargs="+", default=[1, 9])
    parser.add_argument("--no-synth", action="store_true", help="the estimate of the solver")
    parser.add_argument("--prove", action="store_true")
    options = parser.parse_args()
    sys.stdout.write("| tokens | clocks between events | block | LUT | FF | cycles | latency (ns) | claims proven |\n")
    sys.stdout.write("| --- " * 8 + "|\n")
    for tokens in options.tokens:
        for interval in options.ii:
            for kind, (settings, pairs) in KINDS.items():
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "model.h5"
                    block(tokens, settings, pairs=pairs).save(path)
                    made, report = convert(
                        path, Path(folder) / "build", Settings(ii=interval), synthesize=not options.no_synth
                    )
                    claims = prove(made).claims if options.prove else ()
                total, proven = report.totals, sum(claim.verdict is Verdict.PROVEN for claim in claims)
                counted = total.estimate if options.no_synth else total.synth
                sys.stdout.write(
                    f"| {tokens} | {interval} | {kind} | {counted.lut.value:,} | {counted.ff.value:,} | "
                    f"{total.latency_cycles.value} | {total.latency_ns.value:.1f} | {proven} of {len(claims)} |\n"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
