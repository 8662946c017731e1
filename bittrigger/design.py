"""The front door for Python: a model or a matrix becomes a ``Design``, which can be simulated, proven and reported.

``from bittrigger import convert, load, solve, Settings`` gives the names of this module without importing NumPy or TensorFlow
until one of them is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bittrigger.settings import Settings

if TYPE_CHECKING:
    import numpy.typing as npt

    from bittrigger.build.folder import Build
    from bittrigger.ir.fixed import FloatArray, IntArray
    from bittrigger.ir.graph import Graph
    from bittrigger.prove import Proof
    from bittrigger.report import Report
    from bittrigger.simulate.compare import Outcome

__all__ = ["Design", "convert", "load", "solve"]

Place = str | PathLike[str]


@dataclass(frozen=True, eq=False)
class Design:
    """Firmware in a build folder.

    Attributes:
        build: the folder with what was read from it.
    """

    build: Build

    @property
    def folder(self) -> Path:
        """Where the firmware lies."""
        return self.build.folder

    @property
    def graph(self) -> Graph:
        """The network in integers; ``print(design.graph)`` shows every node."""
        return self.build.graph

    @property
    def settings(self) -> Settings:
        """What it was made with."""
        return self.build.settings

    @property
    def latency_cycles(self) -> int:
        """Clock cycles from input to output."""
        return self.build.pipeline.latency_cycles

    @property
    def report(self) -> Report:
        """Resources and latency, each figure with its origin; a notebook shows it as a table.

        Raises:
            ReportError: if the build has none, as one of ``solve``.
            TamperError: if a figure is not what is counted again.
        """
        from bittrigger.report.recount import report_of

        return report_of(self.build)

    def run(self, inputs: npt.ArrayLike) -> FloatArray:
        """The outputs of the firmware, `(events, n_outputs)` float64, by the oracle.

        Args:
            inputs: real events `(events, n_inputs)`, read as the float32 that Keras would read.

        Raises:
            ConfigError: if they do not fit the ports, or are not finite.
        """
        from bittrigger.ir.graph import evaluate
        from bittrigger.ir.ports import decode_outputs, encode_events

        return decode_outputs(self.graph, evaluate(self.graph, encode_events(self.graph, _events(inputs))))

    def simulate(
        self,
        executors: Sequence[str] = ("all",),
        *,
        inputs: npt.ArrayLike | None = None,
        events: int = 1000,
        seed: int = 0,
        model: Place | None = None,
    ) -> list[Outcome]:
        """Run executors on events and on corner vectors, and compare every bit with the oracle.

        Args:
            executors: names of ``bittrigger simulate --executor``; ``all`` are those that this machine has.
            inputs: real events `(events, n_inputs)`; None draws ``events`` random ones.
            model: the Keras file, for the executor ``keras``.

        Raises:
            MismatchError: if a bit differs; the message says where, and what was left to see it again.
            BittriggerError: if an executor that was named cannot run.
        """
        import numpy as np

        from bittrigger.ir.ports import encode_events
        from bittrigger.simulate.compare import raise_first, run_executors
        from bittrigger.simulate.vectors import corner_codes, random_codes

        values = None if inputs is None else _events(inputs)
        wanted = random_codes(self.graph, events, seed) if values is None else encode_events(self.graph, values)
        codes: IntArray = np.concatenate([wanted, corner_codes(self.graph)])
        path = None if model is None else Path(model)
        outcomes = run_executors(self.build, executors, codes, model=path, events=values)
        raise_first(outcomes)
        return outcomes

    def prove(self, *, netlist: bool | None = None) -> Proof:
        """Decide every claim about the firmware for every input, and keep ``proof.json``.

        Args:
            netlist: whether the synthesised netlist is proven too; None proves it where there is one.

        Raises:
            ProofError: if a claim is not proven.
        """
        from bittrigger.prove import prove
        from bittrigger.prove.kept import PROOF
        from bittrigger.prove.run import save_proof

        if netlist is None:
            netlist = (self.folder / "synth" / f"{self.graph.name}.json").is_file()
        proof = prove(self.build, netlist=netlist)
        save_proof(proof, self.folder / PROOF)
        proof.raise_unless_proven()
        return proof

    def __repr__(self) -> str:
        graph = self.graph
        return (
            f"Design({graph.name!r}: {graph.n_inputs} inputs, {graph.n_outputs} outputs, {self.latency_cycles} cycles at "
            f"{self.settings.clock_mhz:g} MHz, in {str(self.folder)!r})"
        )

    def _repr_html_(self) -> str:
        return self.report._repr_html_() if (self.folder / "report.json").is_file() else f"<code>{self!r}</code>"


def convert(
    model: Any,  # noqa: ANN401 - Keras is untyped
    folder: Place,
    settings: Settings | None = None,
    *,
    inputs: npt.ArrayLike | None = None,
    synthesize: bool = True,
    overwrite: bool = False,
    **chosen: Any,  # noqa: ANN401 - fields of Settings, checked there
) -> Design:
    """Convert a model into firmware, compared with its framework on every bit before anything is written.

    Args:
        model: a file of Keras, ONNX or PyTorch, a Keras model object, or a module of PyTorch in ``model.eval()``.
        folder: the build, which appears whole or not at all.
        settings: everything that can be chosen; or name single ones, as ``budget="cms-phase2-correlator-layer2"``.
        inputs: real events `(events, n_inputs)` to compare on, besides random ones; for a module of PyTorch in the shape that
            it is called with, `(events, ...)`, a tuple where it has several arguments.
        synthesize: whether Yosys counts LUTs and flip-flops.
        overwrite: whether an earlier build in ``folder`` is replaced.

    Raises:
        BittriggerError: if the model, a setting or the folder will not do, or a bit differs.
    """
    from bittrigger.compile.convert import convert as run
    from bittrigger.compile.foreign import with_events

    source, values = with_events(Path(model) if isinstance(model, str | PathLike) else model, inputs)
    values = _events(inputs) if values is None and inputs is not None else values
    made = _settings(settings, chosen)
    build, _ = run(source, Path(folder), made, inputs=values, synthesize=synthesize, overwrite=overwrite)
    return Design(build)


def solve(
    matrix: npt.ArrayLike,
    folder: Place,
    settings: Settings | None = None,
    *,
    bits: int = 8,
    signed: bool = True,
    synthesize: bool = False,
    overwrite: bool = False,
    **chosen: Any,  # noqa: ANN401 - fields of Settings, checked there
) -> Design:
    """Turn one integer matrix `(n_in, n_out)`, ``y = x @ matrix``, into firmware.

    Args:
        bits: width of each input, 1 to 32.
        signed: whether inputs are two's complement.

    Raises:
        ConfigError: if the matrix, a setting or the folder will not do.
    """
    import numpy as np

    from bittrigger.build.folder import load_build
    from bittrigger.compile.matrix import matrix_graph, solve_matrix, write_solution

    made = _settings(settings, chosen)
    graph = matrix_graph(made.name or "matrix", np.asarray(matrix), bits=bits, signed=signed)
    solution = solve_matrix(graph, made)
    write_solution(solution, Path(folder), synthesize=synthesize, overwrite=overwrite)
    return Design(load_build(Path(folder)))


def load(folder: Place) -> Design:
    """The design in a build folder.

    Raises:
        ConfigError: if there is none, it cannot be read, or a file was changed.
    """
    from bittrigger.build.folder import load_build

    return Design(load_build(Path(folder)))


def _settings(settings: Settings | None, chosen: dict[str, Any]) -> Settings:
    if not chosen:
        return settings or Settings()
    if settings is None:
        return Settings.given(**chosen)
    from dataclasses import asdict

    kept = asdict(settings)
    if "part" in chosen:
        del kept["own_part"]  # of the part that was
    return Settings.given(**{**kept, **chosen})


def _events(inputs: npt.ArrayLike) -> FloatArray:
    import numpy as np

    values = np.asarray(inputs, dtype=np.float64)
    return values.reshape(len(values), -1) if values.ndim > 2 else values
