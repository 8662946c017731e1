"""A file of Keras 3 beside what its own ``predict`` gave for some events: the design has every bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from keras_models import lowered

from bittrigger.compile.agreement import check_agreement
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.frontend.keras_model.reference import keras_outputs
from bittrigger.ir.basis import Grade
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import evaluate, output_fracs
from bittrigger.ir.ports import decode_inputs, encode_events


def check_every_bit(path: Path, *, left_open: bool = False) -> None:
    """Compare ``path`` with the events in the `.npz` of its name.

    Args:
        left_open: whether the grade may be ideal, for what float32 leaves open; the bits are the same all the same.
    """
    model, events = load_model(path), np.load(path.with_suffix(".npz"))
    assert (keras_outputs(model, events["x"]).astype(np.float32) == events["y"]).all()
    graph = lowered(model, require="ideal" if left_open else "exact")
    assert left_open or graph.basis.grade is Grade.EXACT
    codes = encode_events(graph, events["x"].astype(np.float64))
    on_port = (decode_inputs(graph, codes) == events["x"]).all(axis=1)
    found = decode(evaluate(graph, codes), output_fracs(graph))
    assert on_port.sum() > 100
    assert (found[on_port] == events["y"][on_port]).all()
    check_agreement(model, graph)
