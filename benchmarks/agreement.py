"""Every executor on real jets and corner vectors: python benchmarks/agreement.py --inputs JETS.npy [--events 10000].

JETS.npy holds standardised features, `(events, 16)` float32, as models/jet_tagger/recipe.py makes them; by default the
sample of the model is repeated with small shifts, which are no real jets: pass real ones for a figure to quote.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from networks import network

from bittrigger.compile.convert import convert, read_inputs
from bittrigger.ir.ports import encode_events
from bittrigger.settings import Settings
from bittrigger.simulate.compare import run_executors
from bittrigger.simulate.vectors import corner_codes

MODEL = network("jet_tagger").parent


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=Path, default=MODEL / "sample.npz")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--csim-events", type=int, default=100_000)
    options = parser.parse_args()
    values = read_inputs(options.inputs)
    with tempfile.TemporaryDirectory() as scratch:
        build, _ = convert(MODEL / "model.h5", Path(scratch) / "build", Settings(), inputs=values)
        codes = encode_events(build.graph, values)
        corners = corner_codes(build.graph)
        print("| executor | events | every bit equal to the oracle | seconds |\n|---|---|---|---|")
        for names, events in ((("all",), options.events), (("csim",), options.csim_events)):
            stimulus = np.concatenate([codes[:events], corners])
            for outcome in run_executors(build, names, stimulus):
                verdict = "yes" if outcome.agrees else f"NO: {outcome.error}"
                print(f"| {outcome.executor} | {len(stimulus):,} | {verdict} | {outcome.seconds:.1f} |")


if __name__ == "__main__":
    main()
