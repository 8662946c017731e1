"""The first half of a build in a process apart: TensorFlow, Keras and hls4ml see the model there; the integer graph comes back.

The graph arrives as soon as it is lowered, so that it can be solved while Keras and the integers are still being compared. Where
TensorFlow is loaded already (a notebook, a training script) everything happens in this process.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bittrigger.build.store import basis_from_json, basis_to_json, graph_from_json, graph_to_json
from bittrigger.compile.foreign import foreign_graph
from bittrigger.compile.read import Stages, check_reading, emulated_graph, read, read_file, simplified
from bittrigger.errors import ToolError
from bittrigger.ir.basis import Measured
from bittrigger.ir.fixed import FloatArray
from bittrigger.ir.graph import Graph
from bittrigger.passes.simplify import nothing
from bittrigger.settings import Settings
from bittrigger.system.apart import Answer, Json, ask, is_possible


@dataclass(eq=False)
class Asked:
    """The integer graph of a model, that of its emulator if it is another, and, once compared with the model, the outcome."""

    graph: Graph
    measured: Measured | None = None
    emulated: Graph | None = None


@contextmanager
def graph_of(source: Path | Any, settings: Settings, *, inputs: FloatArray | None, stages: Stages) -> Iterator[Asked]:
    """The integer graph of a model, compared with Keras on every event that was tried when the block ends.

    Args:
        source: a model file of Keras, ONNX or PyTorch, a Keras model object, or an integer graph; only models of Keras are
            compared.
        inputs: real events `(events, n_inputs)` on which Keras and the integers are compared, besides random ones.

    Raises:
        BittriggerError: as ``read_file``; a difference to Keras is raised at the end of the block.
    """
    own = foreign_graph(source, settings, inputs)
    if own is not None:
        graph = simplified(own, settings, stages.watch)
        yield Asked(graph, own.basis.measured, emulated_graph(own, graph, settings))
        return
    if not isinstance(source, Path) or not is_possible("tensorflow"):
        reading = read(source, settings, inputs=inputs, check=False, stages=stages)
        with ThreadPoolExecutor(1) as pool:
            checked = pool.submit(check_reading, reading, settings, inputs)
            asked = Asked(reading.graph, emulated=reading.emulated)
            yield asked
            with stages("check"):
                asked.measured = checked.result()
        return
    shape = None if inputs is None else inputs.shape
    body = b"" if inputs is None else np.ascontiguousarray(inputs, dtype=np.float64).tobytes()
    watched = stages.watch is not nothing
    head = {"path": str(source), "settings": asdict(settings), "shape": shape, "watched": watched}
    answers = ask("bittrigger.compile.apart:serve", head, body)
    graphs: dict[str, Graph] = {}
    for answer, _ in answers:
        kind = next((kind for kind in ("emulated", "graph") if kind in answer), None)
        if kind is None:
            _note(stages, answer)
            continue
        graphs[kind] = graph_from_json(answer[kind])
        if kind == "graph":
            break
    if "graph" not in graphs:
        raise ToolError("the process that reads the model gave no graph")
    asked = Asked(graphs["graph"], emulated=graphs.get("emulated"))
    yield asked
    with stages("check"):
        for answer, _ in answers:
            if "basis" in answer:
                asked.measured = basis_from_json(answer["basis"]).measured
            else:
                _note(stages, answer)


def _note(stages: Stages, answer: Json) -> None:
    try:
        if "stage" in answer:
            stages.announce(str(answer["stage"]))
        elif "pass" in answer:
            stages.watch(str(answer["pass"]), graph_from_json(answer["after"]))
        else:
            stages.seconds |= {str(name): float(value) for name, value in answer["seconds"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ToolError(f"the process that reads the model answered {str(answer)[:80]!r}") from error


def serve(head: Json, body: bytes, answer: Answer) -> None:
    """The other side of ``graph_of``."""
    settings = Settings(**head["settings"])
    inputs = None if head["shape"] is None else np.frombuffer(body, dtype=np.float64).reshape(head["shape"])
    stages = Stages(lambda name: answer({"stage": name}, b""))
    if head["watched"]:
        stages.watch = lambda name, graph: answer({"pass": name, "after": graph_to_json(graph)}, b"")
    reading = read_file(Path(head["path"]), settings, inputs=inputs, check=False, stages=stages)
    answer({"seconds": stages.seconds}, b"")
    if reading.emulated is not None:
        answer({"emulated": graph_to_json(reading.emulated)}, b"")
    answer({"graph": graph_to_json(reading.graph)}, b"")
    measured = check_reading(reading, settings, inputs)
    answer({"basis": basis_to_json(replace(reading.graph.basis, measured=measured))}, b"")
