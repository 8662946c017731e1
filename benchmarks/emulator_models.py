"""The emulator of every shipped model against hls4ml's C-simulation of it: python benchmarks/emulator_models.py [MODEL ...].

Events a second of one core (CPU time, the call from Python included), on real inputs as float32 in both, and of all cores by the
threaded call (wall time). The first events of the emulator are compared with the oracle on every bit; hls4ml's C-simulation is
compiled and called as hls4ml does it, from a project in its own types, and its figures are about speed alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from networks import network

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.compile.read import Reading, read_file
from bittrigger.emit.emulator import emit_emulator
from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_model.parse import without_bit_layers
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.ir.fixed import FloatArray
from bittrigger.ir.graph import evaluate
from bittrigger.ir.ports import decode_outputs, encode_events
from bittrigger.settings import Settings
from bittrigger.simulate.executors.emulator import Emulator

ROOT = Path(__file__).resolve().parent.parent
CHECKED = 5000
LEAST_S = 0.5


def rate(action: Callable[[], object], events: int, clock: Callable[[], float]) -> float:
    """Events a second of ``action``, which takes so many, the best of three runs of half a second or more."""
    best = 0.0
    for _ in range(3):
        done, started = 0, clock()
        while clock() - started < LEAST_S:
            action()
            done += events
        best = max(best, done / (clock() - started))
    return best


def emulated(reading: Reading, values: FloatArray, folder: Path) -> tuple[float, float]:
    """Events a second of one core, and of all."""
    graph = reading.graph
    pipeline = create_pipeline(graph, Settings(effort="fast"))  # fewer additions would be faster still
    emit_emulator(pipeline, folder / "emulator")
    one, every = (Emulator(graph, folder / "emulator", folder / "cache", jobs=jobs) for jobs in (1, os.cpu_count()))
    floats = values.astype(np.float32)
    part = floats[:CHECKED]
    wanted = decode_outputs(graph, evaluate(graph, encode_events(graph, part)))
    np.testing.assert_array_equal(every.run_values(part), wanted)
    alone = rate(lambda: one.run_values(floats), len(floats), time.process_time)
    return alone, rate(lambda: every.run_values(floats), len(floats), time.perf_counter)


def simulated(reading: Reading, values: FloatArray, folder: Path) -> float:
    """Events a second of hls4ml's C-simulation, on one core."""
    import hls4ml

    with quiet_tensorflow():
        model = without_bit_layers(reading.model)
        config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend="Vitis")
        project = hls4ml.converters.convert_from_keras_model(
            model, backend="Vitis", hls_config=config, output_dir=str(folder / "hls4ml"), project_name="peer"
        )
        project.compile()
    shapes = [tuple(int(n) for n in tensor.shape[1:]) for tensor in model.inputs]
    stops = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = np.split(values.astype(np.float32), stops[:-1], axis=1)
    inputs = [np.ascontiguousarray(p.reshape(len(values), *shape)) for p, shape in zip(parts, shapes, strict=True)]

    given = inputs if len(inputs) > 1 else inputs[0]
    return rate(lambda: project.predict(given), len(values), time.process_time)


def row(name: str, events: int) -> str:
    """One line of the table."""
    path = network(name)
    try:
        reading = read_file(path, Settings(), check=False)
    except UnsupportedModelError as refusal:  # a model of physics data that is no firmware
        return f"| {name} | refused: {str(refusal)[:80]} | | | |"
    graph = reading.graph
    spans = np.concatenate([np.full(port.size, port.type.step * 2.0 ** (port.type.width - 3)) for port in graph.inputs])
    values = np.random.default_rng(0).normal(size=(events, graph.n_inputs)) * spans
    with tempfile.TemporaryDirectory() as scratch:
        alone, together = emulated(reading, values, Path(scratch))
        try:
            peer = simulated(reading, values[:2000], Path(scratch))
        except Exception as error:  # noqa: BLE001 - a peer may refuse what it will
            return (
                f"| {name} | {alone / 1e6:.2f} | {together / 1e6:.2f} | refused: {str(error).splitlines()[0][:60]} | |"
            )
    return f"| {name} | {alone / 1e6:.2f} | {together / 1e6:.2f} | {peer:,.0f} | {alone / peer:,.0f} |"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "models", nargs="*", default=sorted(path.parent.name for path in ROOT.glob("models/*/model.h5"))
    )
    parser.add_argument("--events", type=int, default=200_000)
    options = parser.parse_args()
    print("| model | emulator, million events/s a core | all cores | hls4ml C-simulation, events/s a core | ratio |")
    print("|---|---|---|---|---|")
    for name in options.models:
        print(row(name, options.events), flush=True)


if __name__ == "__main__":
    main()
