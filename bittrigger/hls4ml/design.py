"""The design behind a ModelGraph: its integer graph, its pipeline and its compiled simulation, each made once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from bittrigger.build.folder import load_build, save_build, write_firmware
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.compile.provenance import origin_of, provenance
from bittrigger.compile.read import Reading, read_model_graph
from bittrigger.frontend.lower import Lowered
from bittrigger.hls4ml.settings import settings_of
from bittrigger.ir.graph import Linear
from bittrigger.ir.pipeline import Pipeline
from bittrigger.settings import Settings
from bittrigger.simulate import Executor
from bittrigger.simulate.executors.csim import CSim

_DESIGNS: WeakKeyDictionary[Any, Design] = WeakKeyDictionary()


@dataclass(eq=False)
class Design:
    """What the backend keeps about one ModelGraph.

    Attributes:
        reading: the integer graph and where each tensor went.
        settings: part, clock and reuse factors.
        executor: what ``predict`` runs; None until the design is compiled.
    """

    reading: Reading
    settings: Settings
    executor: Executor | None = None

    @property
    def lowered(self) -> Lowered:
        """The graph as it was lowered, with the nodes of each tensor."""
        return self.reading.lowered

    @cached_property
    def pipeline(self) -> Pipeline:
        """The adders, placed in stages; made when it is first needed, because the solver takes its time."""
        made = create_pipeline(self.reading.graph, self.settings)
        return replace(made, origin=origin_of(made.graph, None))

    def write(self, folder: Path) -> None:
        """Write the build folder: ``hls/``, ``rtl/`` and the design files."""
        write_firmware(self.pipeline, folder, self.settings)
        save_build(folder, self.pipeline, self.settings, {}, provenance(None, None, synthesize=False))

    def compile(self, folder: Path) -> Path:
        """Compile the emitted C++ and return the shared library; from now on ``predict`` runs it."""
        simulation = CSim(self.pipeline.graph, folder / "hls", folder / "sim" / "csim")
        library = simulation.build()
        self.executor = simulation
        return library


def lowered(model_graph: Any) -> Lowered:
    """The integer graph of ``model_graph``.

    Raises:
        UnsupportedModelError: if something cannot be lowered exactly.
    """
    return design_of(model_graph).lowered


def design_of(model_graph: Any) -> Design:
    """The design of ``model_graph``, made at the first call from the settings in its configuration, and compared with Keras.

    A graph that was saved and loaded comes without its Keras model; it was compared when it was converted.

    Raises:
        UnsupportedModelError: if something cannot be lowered exactly.
        MismatchError: if Keras and the integers differ in a bit.
    """
    from hls4ml.utils.link import FilesystemModelGraph  # hls4ml imports backends before it has this

    if isinstance(model_graph, FilesystemModelGraph) and model_graph not in _DESIGNS:
        _DESIGNS[model_graph] = _linked(model_graph)
    if model_graph not in _DESIGNS:
        settings = settings_of(model_graph)
        model = model_graph.config.get_config_value("KerasModel")
        chosen = tuple(filter(None, [(model_graph.config.get_config_value("Declared") or {}).get("Chosen")]))
        reading = read_model_graph(model_graph, None if isinstance(model, str) else model, settings, chosen=chosen)
        reuse = _reuse_factors(model_graph, reading.lowered)
        _DESIGNS[model_graph] = Design(reading, replace(settings, reuse_factor=reuse))
    return _DESIGNS[model_graph]


def _linked(project: Any) -> Design:
    """The design of a project that was written before."""
    build = load_build(Path(project.config.get_output_dir()))
    shapes = tuple(tuple(int(n) for n in variable.shape) for variable in project.get_output_variables())
    made = Design(Reading(Lowered(build.graph, {}, {}, shapes), build.graph, None), build.settings)
    made.__dict__["pipeline"] = build.pipeline  # what the project was written from
    return made


def _reuse_factors(model_graph: Any, result: Lowered) -> dict[str, int]:
    """The steps of the HLS loops of each layer: its own factor, else that of the model, or as many as it has outputs."""
    reuse: dict[str, int] = {}
    nodes = {node.name: node for node in result.graph.nodes}
    for node in model_graph.get_layers():
        if node.class_name not in ("Dense", "BitLinear"):
            continue
        own, shared = _own_reuse_factor(model_graph.config, node), model_graph.config.model_rf or 1
        for name in result.made[node.name]:
            made = nodes.get(name)
            most = made.size // made.copies if isinstance(made, Linear) else 1
            factor = min(shared, most) if own is None else own
            if factor != 1:
                reuse[name] = factor
    return reuse


def _own_reuse_factor(config: Any, node: Any) -> int | None:
    """What the configuration says of this layer, or of its kind; an attribute of the node has a default that says nothing."""
    named = config.layer_name_rf.get(node.name.lower(), config.layer_type_rf.get(node.class_name.lower()))
    return None if named is None else int(named)
