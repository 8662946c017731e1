"""Keras as an executor: what ``model.predict`` gives, as the integer codes of the outputs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from bittrigger.build.store import graph_from_json, graph_to_json
from bittrigger.errors import MismatchError
from bittrigger.ir.fixed import FloatArray, IntArray
from bittrigger.ir.graph import Graph, output_fracs
from bittrigger.ir.ports import decode_inputs, output_fields
from bittrigger.settings import Declared
from bittrigger.system.apart import Answer, Json, ask, is_possible


@dataclass(frozen=True, eq=False)
class KerasExecutor:
    """Runs the Keras model that a build was made from.

    A softmax or sigmoid at its end is left out, unless the build holds it. Outputs of a declared type are rounded to it.

    Attributes:
        graph: the network; its ports say what codes mean.
        model: the model file.
        events: the real events `(events, n_inputs)` behind the first codes of a run, which Keras gets as they are; it gets
            the values of the codes of the others.
        keep_activation: whether the build holds a softmax or sigmoid at the end.
        declared: types that were declared for the model.
        log_odds: what the outputs are in the place of logits, or None.
        name: ``keras``.
    """

    graph: Graph
    model: Path
    events: FloatArray | None = None
    keep_activation: bool = False
    declared: Declared = field(default_factory=Declared)
    log_odds: str | None = None
    name: str = "keras"

    def run(self, codes: IntArray) -> IntArray:
        """Output codes `(events, n_outputs)` for input codes `(events, n_inputs)`.

        Raises:
            UnsupportedModelError: if the file is no model that may be loaded.
            MismatchError: if the model has other inputs or outputs than the build, or a value that no code stands for.
        """
        if is_possible("tensorflow"):
            return self._run_apart(codes)
        from bittrigger.frontend.keras_file.read import load_model
        from bittrigger.frontend.keras_model.log_odds import with_log_odds
        from bittrigger.frontend.keras_model.reference import (
            keras_outputs,
            reference_events,
            round_outputs,
            without_endings,
        )
        from bittrigger.frontend.keras_model.typed import as_declared

        loaded, _ = as_declared(load_model(self.model), self.declared)
        if self.log_odds is not None:
            loaded = with_log_odds(loaded, self.log_odds)
        n_inputs = sum(int(np.prod(tensor.shape[1:])) for tensor in loaded.inputs)
        if n_inputs != self.graph.n_inputs:
            raise MismatchError(f"model {self.model} has {n_inputs} inputs; the build has {self.graph.n_inputs}")
        values = decode_inputs(self.graph, codes).astype(np.float32)
        if self.events is not None:
            given = self.events[: len(values)]
            values[: len(given)] = reference_events(loaded, self.graph, given)
        with without_endings(loaded, remove=not self.keep_activation) as bare:
            outputs = keras_outputs(bare, values)
        self._check_outputs(outputs.shape[1])
        return self._codes(round_outputs(self.graph, outputs))

    def _run_apart(self, codes: IntArray) -> IntArray:
        arrays = [np.ascontiguousarray(codes, dtype=np.int64)]
        if self.events is not None:
            arrays.append(np.ascontiguousarray(self.events, dtype=np.float64))
        head = {
            "graph": graph_to_json(self.graph),
            "model": str(self.model),
            "rows": [len(array) for array in arrays],
            "columns": codes.shape[1],
            "keep_activation": self.keep_activation,
            "declared": asdict(self.declared),
            "log_odds": self.log_odds,
        }
        body = b"".join(array.tobytes() for array in arrays)
        [(_, content)] = ask("bittrigger.simulate.executors.keras:serve", head, body)
        found = np.frombuffer(content, dtype=np.int64)
        return found.reshape(len(codes), self.graph.n_outputs).copy()

    def _check_outputs(self, count: int) -> None:
        if count != self.graph.n_outputs:
            raise MismatchError(f"model {self.model} has {count} outputs; the build has {self.graph.n_outputs}")

    def _codes(self, outputs: FloatArray) -> IntArray:
        scaled = outputs * np.exp2(output_fracs(self.graph))
        off = np.argwhere(~(np.isfinite(scaled) & (scaled == np.rint(scaled)) & (np.abs(scaled) < 2.0**62)))
        if off.size:
            event, column = (int(k) for k in off[0])
            field = output_fields(self.graph)[column]
            raise MismatchError(
                f"event {event}, output {field.port}[{field.index}]: keras gives {outputs[event, column]:g}, which is no "
                f"multiple of {field.type.step:g}, the step of the output; is {self.model} the model of this build?",
                event=event,
                column=column,
            )
        codes: IntArray = scaled.astype(np.int64)
        return codes


def serve(head: Json, body: bytes, answer: Answer) -> None:
    """The other side of an executor that runs apart."""
    rows, columns = head["rows"], head["columns"]
    size = 8 * rows[0] * columns
    codes = np.frombuffer(body[:size], dtype=np.int64).reshape(rows[0], columns)
    events = np.frombuffer(body[size:], dtype=np.float64).reshape(rows[1], -1) if len(rows) > 1 else None
    graph = graph_from_json(head["graph"])
    executor = KerasExecutor(
        graph,
        Path(head["model"]),
        events,
        bool(head["keep_activation"]),
        Declared(**head["declared"]),
        head["log_odds"],
    )
    answer({}, executor.run(codes).tobytes())
