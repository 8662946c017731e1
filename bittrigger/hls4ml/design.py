"""The design behind a ModelGraph: its integer graph, its pipeline and its compiled simulation, each made once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from bittrigger.build.folder import BuildSettings, create_pipeline, save_build, write_firmware
from bittrigger.compile.agreement import check_agreement
from bittrigger.errors import ConfigError
from bittrigger.frontend.lower import Lowered, lower_with_map
from bittrigger.ir.graph import Graph
from bittrigger.ir.pipeline import Pipeline
from bittrigger.passes.simplify import simplify
from bittrigger.simulate import Executor
from bittrigger.simulate.executors.csim import CSim

_DESIGNS: WeakKeyDictionary[Any, Design] = WeakKeyDictionary()


@dataclass(eq=False)
class Design:
    """What the backend keeps about one ModelGraph.

    Attributes:
        lowered: the integer graph and where each tensor went.
        settings: part, clock and reuse factors.
        executor: what ``predict`` runs; None until the design is compiled.
    """

    lowered: Lowered
    settings: BuildSettings
    executor: Executor | None = None

    @cached_property
    def graph(self) -> Graph:
        """The integer graph with less to build."""
        return simplify(self.lowered.graph)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The adders, placed in stages; made when it is first needed, because the solver takes its time."""
        return create_pipeline(self.graph, self.settings)

    def write(self, folder: Path) -> None:
        """Write the build folder: ``hls/``, ``rtl/`` and the design files."""
        write_firmware(self.pipeline, folder, self.settings)
        save_build(folder, self.pipeline, self.settings, {})

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
    if model_graph not in _DESIGNS:
        config = model_graph.config
        logits = bool(config.get_config_value("OutputLogits", False))
        precision = config.get_config_value("InputPrecision")
        result = lower_with_map(model_graph, input_precision=precision, logits=logits)
        design = Design(result, _settings(model_graph, result))
        model = config.get_config_value("KerasModel")
        if model is not None and not isinstance(model, str):
            check_agreement(model, design.graph, logits=logits)
        _DESIGNS[model_graph] = design
    return _DESIGNS[model_graph]


def _settings(model_graph: Any, result: Lowered) -> BuildSettings:
    config = model_graph.config
    period_ns = float(config.get_config_value("ClockPeriod"))
    if not period_ns > 0:
        raise ConfigError(f"clock_period {period_ns:g}: expected nanoseconds above 0, for example 2.78 for 360 MHz")
    reuse: dict[str, int] = {}
    for node in model_graph.get_layers():
        factor = node.get_attr("reuse_factor") if node.get_attr("reuse_factor") is not None else config.model_rf
        if factor not in (None, 1) and node.class_name in ("Dense", "BitLinear"):
            reuse |= dict.fromkeys(result.made[node.name], int(factor))
    return BuildSettings(part=config.get_config_value("Part"), clock_mhz=1000.0 / period_ns, reuse_factor=reuse)
