"""``bittrigger explore``: one model at many clocks, intervals, latencies, efforts, parts and input precisions."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bittrigger.cli.shared.console import busy, json_option, terminal, write_json, write_text
from bittrigger.settings import DEFAULT_PART

if TYPE_CHECKING:
    from bittrigger.device.parts import Part
    from bittrigger.explore.space import Trial
    from bittrigger.ir.graph import Graph
    from bittrigger.settings import Settings

FREE = "free"


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), required=True, help="Folder of the points and the page."
)
@click.option(
    "--part", "parts", multiple=True, default=(DEFAULT_PART,), show_default=True, help="A name or a .yaml; repeat it."
)
@click.option(
    "--clock-mhz", "clocks", multiple=True, type=float, default=(240.0, 360.0), show_default=True, help="Repeat it."
)
@click.option(
    "--ii",
    "intervals",
    multiple=True,
    type=int,
    default=(1,),
    show_default=True,
    help="Clock cycles between events at least; repeat it.",
)
@click.option(
    "--latency-cycles",
    "latencies",
    multiple=True,
    default=(FREE,),
    show_default=True,
    help="A bound, or free.",
)
@click.option("--effort", "efforts", multiple=True, default=("default",), show_default=True, help="Repeat it.")
@click.option("--input-precision", "precisions", multiple=True, help="Repeat it.  [default: the model's]")
@click.option("--logits", is_flag=True, help="Leave out a softmax or sigmoid at the output.")
@click.option("--synth", is_flag=True, help="LUTs as Yosys counts them; else they are estimated.")
@click.option("--jobs", "-j", type=int, default=1, show_default=True, help="Processes of this machine.")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler, as tcp://host:8786, in place of --jobs.")
@json_option()
def command(
    model: Path,
    output: Path,
    parts: tuple[str, ...],
    clocks: tuple[float, ...],
    intervals: tuple[int, ...],
    latencies: tuple[str, ...],
    efforts: tuple[str, ...],
    precisions: tuple[str, ...],
    logits: bool,
    synth: bool,
    jobs: int,
    scheduler: str | None,
    json_file: Path | None,
) -> None:
    """Try the Keras MODEL (.h5 or .keras) in every combination of the repeated options, and show LUTs against latency.

    The model is read once for each input precision. Stop it whenever you like: the same command goes on. OUTPUT/explore.html is
    the picture; each point says the command that makes it.
    """
    from bittrigger.data.production.workers import check_jobs, dask_cluster, processes
    from bittrigger.explore.space import choices, explore
    from bittrigger.settings import Settings

    check_jobs(jobs)
    files = own_files(parts)
    wanted = choices(
        Settings(logits=logits),
        parts=parts,
        clocks_mhz=clocks,
        latencies=[_latency(text) for text in latencies],
        efforts=efforts,
        precisions=precisions or (None,),
        intervals=intervals,
    )
    with busy(f"reading {model}") as say:
        graphs = _graphs(model, wanted, say)
        with dask_cluster(scheduler) if scheduler else processes(jobs) as workers:
            trials = explore(
                graphs,
                wanted,
                output,
                workers.executor,
                synthesize=synth,
                on_trial=lambda done, total, trial: say(f"{done} of {total}: {trial.label}"),
            )
    trials = with_files(trials, wanted, files)
    rows = [row(model, output, trial, k, trials) for k, trial in enumerate(trials)]
    show(rows)
    page = output / "explore.html"
    write_text(page, plot(model, rows))
    terminal().print(f"wrote {page}", soft_wrap=True)
    write_json(json_file, "explore-1", {"model": str(model), "points": rows})


def own_files(parts: Sequence[str]) -> dict[Part, str]:
    """The file of each part that is none of the catalogue; files may name their parts alike."""
    from bittrigger.device.part_file import taken_part

    return {own: part for part in parts if (own := taken_part(part).get("own_part")) is not None}


def with_files(trials: Sequence[Trial], wanted: Sequence[Settings], files: Mapping[Part, str]) -> list[Trial]:
    """``trials`` with the file of each part that came from one of ``files``."""
    pairs = zip(trials, wanted, strict=True)
    return [
        trial if (own := choice.own_part) is None else replace(trial, part_file=files[own]) for trial, choice in pairs
    ]


def _latency(text: str) -> int | None:
    from bittrigger.errors import ConfigError

    if text == FREE:
        return None
    if not text.isdecimal():
        raise ConfigError(f"--latency-cycles {text!r}; expected a number of cycles, or {FREE}")
    return int(text)


def _graphs(model: Path, wanted: Sequence[Settings], say: Callable[[str], None]) -> dict[str | None, Graph | str]:
    """The integer graph of each input precision, compared with Keras; or why there is none."""
    from bittrigger.compile.apart import graph_of
    from bittrigger.compile.read import Stages
    from bittrigger.errors import BittriggerError

    found: dict[str | None, Graph | str] = {}
    for precision in dict.fromkeys(choice.input_precision for choice in wanted):
        say(f"lowering it{'' if precision is None else f' with inputs of {precision}'}")
        settings = replace(wanted[0], input_precision=precision)
        try:
            with graph_of(model, settings, inputs=None, stages=Stages()) as asked:
                found[precision] = asked.graph
        except BittriggerError as error:
            if len(wanted) == 1 or precision is None:
                raise
            found[precision] = str(error)
    return found


def row(model: Path, output: Path, trial: Trial, number: int, trials: Sequence[Trial]) -> dict[str, Any]:
    """A point with the command that makes it."""
    from bittrigger.explore.space import front_of

    target = output / "builds" / f"point_{number}"
    command = shlex.join(["bittrigger", "convert", str(model), "-o", str(target), *trial.words])
    return asdict(trial) | {"label": trial.label, "command": command, "on_front": number in front_of(trials)}


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print the points by rising latency; those that were refused come last, with their reason."""
    from bittrigger.report.numbers import number
    from bittrigger.report.render import fitting_table

    console = terminal()
    head = ("point", "LUT", "FF", "cycles", "ns", "origin", "front")
    done = sorted(
        (entry for entry in rows if entry["refusal"] is None), key=lambda entry: (entry["latency_ns"], entry["lut"])
    )
    lines = [
        (
            entry["label"],
            *(number(entry[name]) for name in ("lut", "ff", "latency_cycles", "latency_ns")),
            entry["origin"],
            "yes" if entry["on_front"] else "",
        )
        for entry in done
    ]
    console.print(fitting_table("LUTs against latency", head, lines, console)[0])
    for entry in rows:
        if entry["refusal"] is not None:
            console.print(f"refused: {entry['label']}: {entry['refusal']}", markup=False)
    for entry in done:
        if entry["on_front"]:
            console.print(entry["command"], markup=False, soft_wrap=True)


def plot(model: Path, rows: Sequence[dict[str, Any]]) -> str:
    """The points as a page."""
    from bittrigger.report.html.scatter import Dot, render_scatter

    done = [entry for entry in rows if entry["refusal"] is None]
    said = [f"refused: {entry['label']}: {entry['refusal']}" for entry in rows if entry["refusal"] is not None]
    origin = done[0]["origin"] if done else "estimate"
    dots = [
        Dot(entry["latency_ns"], entry["lut"], entry["label"], entry["command"], front=entry["on_front"])
        for entry in done
    ]
    return render_scatter(f"{model.name}: LUTs against latency", dots, "latency (ns)", f"LUT ({origin})", said)
