"""The first half of every build: a model becomes an integer graph that has less to build, compared with Keras on every bit.

The command line, the hls4ml backend and the cost estimates all come through here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bittrigger.compile.digit_sums import with_digit_sums
from bittrigger.compile.divisions import with_divided_sums
from bittrigger.compile.scales import with_cheap_scales
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.ir.basis import Measured
from bittrigger.ir.fixed import FloatArray
from bittrigger.ir.graph import Graph
from bittrigger.ir.naming import identifier
from bittrigger.passes.hold import Holding
from bittrigger.passes.simplify import nothing, simplify
from bittrigger.settings import Settings

if TYPE_CHECKING:
    from bittrigger.frontend.lower import Lowered

Announce = Callable[[str], None]


def silent(_stage: str) -> None:
    """Announce nothing."""


@dataclass
class Stages:
    """Wall seconds of each stage, in order.

    Attributes:
        announce: called with the name of each stage as it starts.
        watch: called with the integer graph before the passes and after each of them.
    """

    announce: Announce = silent
    watch: Callable[[str, Graph], None] = nothing
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time the block as stage ``name``."""
        self.announce(name)
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)


@dataclass(frozen=True, eq=False)
class Reading:
    """A model that has been read.

    Attributes:
        lowered: the graph as it was lowered, and where each tensor of the model went.
        graph: the same with less to build; every later stage takes this one.
        emulated: the same with its numbers held, if the emulator is to take weight files.
        model: the Keras model, or None where it is not at hand.
    """

    lowered: Lowered
    graph: Graph
    model: Any
    emulated: Graph | None = None


@dataclass(eq=False)
class Dump:
    """Writes the integer graph before and after each pass as text, to ``folder/<number>_<pass>.txt``."""

    folder: Path
    count: int = 0

    def __call__(self, name: str, graph: Graph) -> None:
        """Write ``graph`` as it is after pass ``name``.

        Raises:
            ConfigError: if the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{self.count}_{identifier(name)}.txt").write_text(str(graph), encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"folder {self.folder} cannot be written: {error.strerror}; choose another for --dump-passes"
            ) from error
        self.count += 1


def design_name(path: Path, wanted: str | None) -> str:
    """The design's identifier: ``wanted``, else the file's stem, else (for ``model.h5``) its folder's name."""
    stem = path.stem if path.stem not in ("model", "keras_model") else path.resolve().parent.name
    return identifier(wanted or stem)


def read(
    source: Path | Any,
    settings: Settings,
    *,
    inputs: FloatArray | None = None,
    check: bool = True,
    stages: Stages | None = None,
) -> Reading:
    """A model file or a Keras model object; arguments and errors as in ``read_file``."""
    if isinstance(source, Path):
        return read_file(source, settings, inputs=inputs, check=check, stages=stages)
    name = identifier(settings.name or str(source.name))
    return read_model(source, settings, name=name, inputs=inputs, check=check, stages=stages)


def read_file(
    path: Path,
    settings: Settings,
    *,
    inputs: FloatArray | None = None,
    check: bool = True,
    stages: Stages | None = None,
) -> Reading:
    """The model in ``path``.

    Args:
        inputs: real events `(events, n_inputs)` on which Keras and the integers are compared, besides random ones.
        check: whether they are compared at all.

    Raises:
        UnsupportedModelError: if the file is no model or a layer cannot be lowered exactly.
        MismatchError: if Keras and the integers differ in a bit.
    """
    stages = stages or Stages()
    with stages("load"):
        from bittrigger.frontend.keras_file.read import load_model

        model = load_model(path)
    return read_model(model, settings, name=design_name(path, settings.name), inputs=inputs, check=check, stages=stages)


def read_model(
    model: Any,
    settings: Settings,
    *,
    name: str,
    inputs: FloatArray | None = None,
    check: bool = True,
    stages: Stages | None = None,
) -> Reading:
    """A Keras model object; arguments and errors as in ``read_file``."""
    stages = stages or Stages()
    from bittrigger.frontend.keras_file.read import said_of

    chosen = said_of(model)
    if settings.declared.is_any:
        with stages("declared"):
            from bittrigger.frontend.keras_model.typed import as_declared, distance_text

            given = model
            model, said = as_declared(given, settings.declared)
            chosen += (f"{'; '.join(said)}; {distance_text(given, model, inputs)}",)
    if settings.log_odds is not None:
        with stages("heads"):
            from bittrigger.frontend.keras_model.log_odds import odds_text, with_log_odds

            given, model = model, with_log_odds(model, settings.log_odds)
            chosen += (odds_text(given, model, settings.log_odds, inputs),)
    with stages("parse"):
        from bittrigger.frontend.keras_model.parse import parse

        model_graph = parse(model, name, settings)
    return read_model_graph(
        model_graph, model, settings, name=name, inputs=inputs, check=check, stages=stages, chosen=chosen
    )


def read_model_graph(
    model_graph: Any,
    model: Any,
    settings: Settings,
    *,
    name: str | None = None,
    inputs: FloatArray | None = None,
    check: bool = True,
    stages: Stages | None = None,
    chosen: tuple[str, ...] = (),
) -> Reading:
    """hls4ml's ModelGraph of ``model``; None as model, or False as ``check``, leaves out the comparison.

    Args:
        chosen: what was chosen for the model before, for the report.
    """
    stages = stages or Stages()
    with stages("lower"):
        from bittrigger.frontend.lower import lower_with_map

        lowered = lower_with_map(model_graph, settings, name=name, inputs=inputs, chosen=chosen)
        graph = simplified(lowered.graph, settings, stages.watch)
        reading = Reading(lowered, graph, model, emulated_graph(lowered.graph, graph, settings))
    if check and model is not None:
        with stages("check"):
            reading = with_measured(reading, check_reading(reading, settings, inputs))
    return reading


def simplified(graph: Graph, settings: Settings, watch: Callable[[str, Graph], None] = nothing) -> Graph:
    """``graph`` after all passes, and with the cheapest scales, as adders or tables, where all numbers are constants."""
    held = holding(settings)
    simple = simplify(graph, held=held, at_once=settings.ii == 1, watch=watch)
    if held is None:
        simple = with_cheap_scales(simple)
        watch("with_cheap_scales", simple)
        simple = with_digit_sums(simple, settings)
        watch("with_digit_sums", simple)
        simple = with_divided_sums(simple, settings)
        watch("with_divided_sums", simple)
    return simple


EMULATED = Holding(weights=True, bias=True)
"""What an emulator holds that takes weight files."""


def holding(settings: Settings) -> Holding | None:
    """Which weights and biases are no constants."""
    if settings.tunable is None and settings.reloadable is None:
        return None
    return Holding(settings.reloadable is not None, settings.tunable is not None, settings.bias_bits)


def emulated_graph(lowered: Graph, graph: Graph, settings: Settings) -> Graph | None:
    """``lowered`` with all held that can be, if the emulator is to take weight files; ``graph`` is what the firmware computes.

    Raises:
        UnsupportedModelError: if there is nothing to hold, or its outputs come in other steps than those of ``graph``.
    """
    if not settings.emulator_weights:
        return None
    made = simplify(lowered, held=EMULATED)
    for one, other in zip(made.outputs, graph.outputs, strict=True):
        if made[one].frac != graph[other].frac:
            raise UnsupportedModelError(
                f"model {graph.name!r}: output {other!r} comes in steps of 2^{-graph[other].frac}, with held numbers in "
                f"2^{-made[one].frac}; leave out --emulator-weights, or convert with --reloadable weights"
            )
    return made


def check_reading(reading: Reading, settings: Settings, inputs: FloatArray | None = None) -> Measured | None:
    """Compare Keras and the integers, if the Keras model is at hand.

    Raises:
        MismatchError: if they differ in a bit, and the grade is exact.
    """
    if reading.model is None:
        return None
    from bittrigger.compile.agreement import check_agreement

    return check_agreement(reading.model, reading.graph, inputs, keep_activation=settings.keep_activation)


def with_measured(reading: Reading, measured: Measured | None) -> Reading:
    """``reading`` with the outcome of its comparison."""
    return replace(reading, graph=measured_graph(reading.graph, measured))


def measured_graph(graph: Graph, measured: Measured | None) -> Graph:
    """``graph`` with the outcome of its comparison with the model."""
    return replace(graph, basis=replace(graph.basis, measured=measured))
