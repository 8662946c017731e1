"""A layer that repeats as one module, beside the same network with every position written out as one matrix for the whole event.

python benchmarks/positions.py                          # models/quark_gluon, an event a clock
python benchmarks/positions.py --dense 64 128           # two QDense(32) on so many constituents, converted with an empty cache

Both forms of the first have the same bits; each is synthesised, proven and run, with nothing kept of the other. Seconds are those
of the processor, child processes included; events a second those of one core. Of the second each row is a process of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from networks import network
from spent import cpu_seconds
from waiting import run, verb

from bittrigger.build.folder import load_build, save_build, write_firmware
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.compile.read import read_file
from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Node, Requantize, evaluate, frozen_array
from bittrigger.ir.nodes.wire import Wire
from bittrigger.prove import prove
from bittrigger.report.schema import load_report
from bittrigger.settings import Settings
from bittrigger.simulate.compare import create_executor
from bittrigger.simulate.executors.emulator import Emulator
from bittrigger.simulate.vectors import random_codes
from bittrigger.synth.yosys import synthesize

EVENTS, CHECKED, FEATURES, UNITS = 200_000, 500, 16, 32
HEAD = (
    "| form | modules | rtl/ (kB) | LUT | FF | cycles | synth (CPU s) | prove (CPU s) | csim compiled (CPU s) "
    "| emulator compiled (CPU s) | million events/s |"
)


def written_out(graph: Graph) -> Graph:
    """``graph`` with one matrix for all copies of each layer."""

    def flat(node: Node) -> Node:
        match node:
            case Linear():
                every = np.eye(node.copies, dtype=np.int64)
                bias = np.tile(node.bias, node.copies)
                return replace(
                    node, weights=frozen_array(np.kron(every, node.weights)), bias=frozen_array(bias), copies=1
                )
            case Lookup():
                return replace(node, starts=node.starts * node.copies, values=node.values * node.copies, copies=1)
            case Requantize():
                return replace(node, copies=1)
            case Input() | Wire():
                return node
            case _:
                raise UnsupportedModelError(f"node {node.name!r}: {type(node).__name__} is not written out")

    return replace(graph, nodes=tuple(map(flat, graph.nodes)))


def timed(action: Callable[[], object]) -> float:
    """Seconds of the processor that ``action`` takes."""
    before = cpu_seconds()
    action()
    return cpu_seconds() - before


def row(name: str, graph: Graph, folder: Path) -> str:
    """What one form takes."""
    os.environ["BITTRIGGER_CACHE"] = str(folder / "cache")
    build, settings = folder / "build", Settings()
    pipeline = create_pipeline(graph, settings)
    write_firmware(pipeline, build, settings)
    started = cpu_seconds()
    used = synthesize(pipeline, build / "rtl", build / "synth").total
    synth = cpu_seconds() - started
    save_build(build, pipeline, settings, {})
    made = load_build(build)
    proven = timed(lambda: prove(made).raise_unless_proven())
    codes = random_codes(graph, CHECKED, 0)
    csim = create_executor("csim", made)
    compiled = timed(lambda: np.testing.assert_array_equal(csim.run(codes), evaluate(graph, codes)))
    emulator = Emulator(graph, build / "emulator", folder / "cache", arch="-march=native", jobs=1)
    emulated = timed(emulator.build)
    many = random_codes(graph, EVENTS, 1)
    np.testing.assert_array_equal(emulator.run(codes), evaluate(graph, codes))
    rate = max(EVENTS / spent for spent in (_process_seconds(lambda: emulator.run(many)) for _ in range(5)))
    size = sum(path.stat().st_size for path in (build / "rtl").iterdir() if path.is_file()) / 1000
    figures = (f"{len(pipeline.modules)}", f"{size:.0f}", f"{used.lut:,}", f"{used.ff:,}", f"{pipeline.latency_cycles}")
    seconds = (f"{value:.1f}" for value in (synth, proven, compiled, emulated))
    return f"| {name} | {' | '.join((*figures, *seconds))} | {rate / 1e6:.2f} |"


def _process_seconds(action: Callable[[], object]) -> float:
    before = time.process_time()
    action()
    return time.process_time() - before


def dense_on(constituents: int, path: Path) -> None:
    """Write two QDense(32) on so many constituents, their mean and a score to ``path``."""
    with quiet_tensorflow():
        import tensorflow as tf
        from qkeras import QActivation, QDense

        tf.keras.utils.set_random_seed(1)
        kinds = {"kernel_quantizer": "ternary(alpha=1)", "bias_quantizer": "quantized_bits(6,2,alpha=1)"}
        seen = net = tf.keras.Input((constituents, FEATURES), name="constituents")
        net = QActivation("quantized_bits(8,3,alpha=1)", name="rounded")(net)
        for k in (1, 2):
            net = QActivation("quantized_relu(6,2)", name=f"relu_{k}")(QDense(UNITS, name=f"each_{k}", **kinds)(net))
        net = tf.keras.layers.GlobalAveragePooling1D(name="mean")(net)
        model = tf.keras.Model(seen, QDense(1, name="score", **kinds)(net), name=f"on_{constituents}")
        model.save(path, include_optimizer=False)


def converted(constituents: int) -> str:
    """What the command line takes to convert that, with nothing kept and without synthesis."""
    with tempfile.TemporaryDirectory() as scratch:
        model, build = Path(scratch) / "model.h5", Path(scratch) / "build"
        words = [sys.executable, __file__, str(model), "--written", str(constituents)]
        subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
        used = run(verb("convert", model, "-o", build, "--no-synth"), Path(scratch) / "cache")
        lut = load_report(build / "report.json").totals.estimate.lut.value
        return f"| {constituents} | {used.cpu_s:.1f} | {used.peak_mb * 1024 / 1e6:.2f} | {lut:,} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=network("quark_gluon"))
    parser.add_argument("--dense", nargs="+", type=int)
    parser.add_argument("--forms", type=int, default=2, help="1 for today's alone; the other one takes minutes.")
    parser.add_argument("--written", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.written:
        dense_on(options.written, options.model)
    elif options.dense:
        print(
            "| constituents | convert without synthesis (CPU s) | memory (GB) | LUT (estimate) |\n|---|---|---|---|",
            flush=True,
        )
        for constituents in options.dense:
            print(converted(constituents), flush=True)
    else:
        graph = read_file(options.model, Settings(), check=False).graph
        print(f"{HEAD}\n|{'---|' * (HEAD.count('|') - 1)}", flush=True)
        forms = {"one module a layer": graph, "every position written out": written_out(graph)}
        for name, form in list(forms.items())[: options.forms]:
            with tempfile.TemporaryDirectory() as scratch:
                print(row(name, form, Path(scratch)), flush=True)


if __name__ == "__main__":
    main()
