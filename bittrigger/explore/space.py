"""The space of designs of one model: clock, latency, interval, effort, part and input precision, tried in parallel and kept.

The model is read once; a graph is solved once for all clocks and parts that share its adders. A point that is done lies in
``points/`` under the hash of what it was made from, so that the same command goes on where it was stopped.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bittrigger import __version__
from bittrigger.compile.pipeline import create_pipeline, placed, solve_layers
from bittrigger.device.part_file import taken_part
from bittrigger.errors import BittriggerError
from bittrigger.ir.graph import Graph
from bittrigger.ir.pipeline import Pipeline
from bittrigger.report import Report, make_report
from bittrigger.settings import Settings


@dataclass(frozen=True)
class Trial:
    """One point of the space.

    Attributes:
        ii: clock cycles between events at least.
        lut: of ``origin``, as are ``ff`` and ``logic_levels``; None where the point was refused.
        refusal: why there is no such design, or None.
        seconds: wall time, shared by the points that were solved together.
        part_file: where the facts of the part lie, if it is none of the catalogue.
    """

    part: str
    clock_mhz: float
    latency_bound: int | None
    effort: str
    input_precision: str | None
    ii: int = 1
    lut: float | None = None
    ff: float | None = None
    logic_levels: float | None = None
    latency_cycles: float | None = None
    latency_ns: float | None = None
    origin: str = "estimate"
    refusal: str | None = None
    seconds: float = 0.0
    part_file: str | None = None

    @property
    def label(self) -> str:
        """The choice in a line."""
        bound = "" if self.latency_bound is None else f", at most {self.latency_bound} cycles"
        precision = "" if self.input_precision is None else f", {self.input_precision}"
        interval = "" if self.ii == 1 else f", an event every {self.ii}"
        return f"{self.clock_mhz:g} MHz{interval}, {self.effort}{bound}{precision}, {self.part.split('-')[0]}"

    @property
    def words(self) -> list[str]:
        """The options of `bittrigger convert` that make it."""
        words = ["--part", self.part_file or self.part, "--clock-mhz", f"{self.clock_mhz:g}", "--effort", self.effort]
        words += ["--ii", str(self.ii)] if self.ii > 1 else []
        words += ["--latency-cycles", str(self.latency_bound)] if self.latency_bound is not None else []
        return words + (["--input-precision", self.input_precision] if self.input_precision is not None else [])


def choices(
    base: Settings,
    *,
    parts: Iterable[str],
    clocks_mhz: Iterable[float],
    latencies: Iterable[int | None],
    efforts: Iterable[str],
    precisions: Iterable[str | None],
    intervals: Iterable[int] = (1,),
) -> list[Settings]:
    """Every combination, each checked; a part may be a file.

    Raises:
        ConfigError: if a value is unknown or out of range.
    """
    found = []
    axes = (parts, clocks_mhz, intervals, latencies, efforts, precisions)
    for part, clock, ii, latency, effort, precision in itertools.product(*axes):
        values: dict[str, Any] = taken_part(part) | {
            "clock_mhz": clock,
            "ii": ii,
            "latency_cycles": latency,
            "effort": effort,
        }
        found.append(replace(base, input_precision=precision, **values))
    return [item for k, item in enumerate(found) if item not in found[:k]]


def explore(
    graphs: Mapping[str | None, Graph | str],
    wanted: Sequence[Settings],
    folder: Path,
    executor: Executor,
    *,
    synthesize: bool = False,
    on_trial: Callable[[int, int, Trial], None] = lambda *_: None,
) -> list[Trial]:
    """Try every choice, in the order of ``wanted``; those in ``folder`` are not tried again.

    Args:
        graphs: the integer graph for each input precision, or why there is none.
        executor: workers; they import nothing of TensorFlow.
        synthesize: whether Yosys counts; else figures are estimates.
        on_trial: told how many are done, of how many, and the latest.
    """
    points = folder / "points"
    points.mkdir(parents=True, exist_ok=True)
    keys = [_key(graphs[choice.input_precision], choice, synthesize=synthesize) for choice in wanted]
    files = [points / f"{key}.json" for key in keys]
    found: dict[int, Trial] = {}
    todo: list[int] = []
    for k, choice in enumerate(wanted):
        graph = graphs[choice.input_precision]
        trial = _saved(files[k])
        if trial is None and isinstance(graph, str):
            trial = _trial(choice, refusal=graph)
        if trial is None:
            todo.append(k)
        else:
            found[k] = trial
            on_trial(len(found), len(wanted), trial)
    futures = {}
    for group in _groups(wanted, todo):
        graph = graphs[wanted[group[0]].input_precision]
        if not isinstance(graph, str):
            futures[executor.submit(try_group, graph, [wanted[k] for k in group], synthesize)] = group
    for future in as_completed(futures):
        for k, trial in zip(futures[future], future.result(), strict=True):
            files[k].write_text(json.dumps(asdict(trial)) + "\n", encoding="utf-8")
            found[k] = trial
            on_trial(len(found), len(wanted), trial)
    return [found[k] for k in range(len(wanted))]


def _key(graph: Graph | str, choice: Settings, *, synthesize: bool) -> str:
    text = json.dumps([__version__, str(graph), asdict(choice), synthesize], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _saved(path: Path) -> Trial | None:
    try:
        return Trial(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # not there, or cut off by an interruption


def _groups(wanted: Sequence[Settings], todo: Sequence[int]) -> Iterator[list[int]]:
    """What is solved together: without a bound on the latency the adders depend on neither clock nor budget."""

    def shared(k: int) -> tuple[object, ...]:
        choice = wanted[k]
        if choice.latency_cycles is not None:
            return (k,)
        return str(choice.input_precision), repr(choice.solver)

    for _, members in itertools.groupby(sorted(todo, key=lambda k: tuple(map(str, shared(k)))), key=shared):
        yield list(members)


def try_group(graph: Graph, group: Sequence[Settings], synthesize: bool) -> list[Trial]:
    """The points of choices that share their adders, or of one with a bound on its latency."""
    started = time.perf_counter()
    solved = solve_layers(graph, group[0]) if group[0].latency_cycles is None else None
    trials = []
    for choice in group:
        try:
            pipeline = create_pipeline(graph, choice) if solved is None else placed(graph, solved, choice)
            trials.append(_trial(choice, _report(pipeline, choice, synthesize=synthesize), synthesized=synthesize))
        except BittriggerError as error:
            trials.append(_trial(choice, refusal=str(error)))
    seconds = round(time.perf_counter() - started, 3)
    return [replace(trial, seconds=seconds) for trial in trials]


def _report(pipeline: Pipeline, choice: Settings, *, synthesize: bool) -> Report:
    if not synthesize:
        return make_report(pipeline, choice, None)
    from bittrigger.build.folder import write_firmware
    from bittrigger.synth.yosys import synthesize as run_yosys

    with tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:
        write_firmware(pipeline, Path(scratch), choice)
        return make_report(pipeline, choice, run_yosys(pipeline, Path(scratch) / "rtl", Path(scratch) / "synth"))


def _trial(
    choice: Settings, report: Report | None = None, *, synthesized: bool = False, refusal: str | None = None
) -> Trial:
    base = Trial(
        part=choice.part,
        clock_mhz=choice.clock_mhz,
        latency_bound=choice.latency_cycles,
        effort=choice.effort,
        input_precision=choice.input_precision,
        ii=choice.ii,
        refusal=refusal,
    )
    if report is None:
        return base
    used = report.totals.synth if synthesized else report.totals.estimate
    return replace(
        base,
        lut=used.lut.value,
        ff=used.ff.value,
        logic_levels=used.logic_levels.value,
        latency_cycles=report.totals.latency_cycles.value,
        latency_ns=report.totals.latency_ns.value,
        origin=used.lut.origin.value,
    )


def front_of(trials: Sequence[Trial]) -> set[int]:
    """The numbers of the trials that no other one equals or beats in both LUTs and nanoseconds of latency."""
    done = [(trial.latency_ns, trial.lut, k) for k, trial in enumerate(trials) if trial.lut is not None]
    front: set[int] = set()
    least = float("inf")
    for _, lut, k in sorted(done, key=lambda item: (item[0] or 0.0, item[1] or 0.0)):
        if lut is not None and lut < least:
            least = lut
            front.add(k)
    return front
