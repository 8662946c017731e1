"""``bittrigger data``: physics data, generated, listed and described."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bittrigger.cli.console import terminal

if TYPE_CHECKING:
    from bittrigger.data.model import DataSet
    from bittrigger.data.run import Progress


@click.group()
def command() -> None:
    """Generate physics data to train and test on, with Pythia 8 and FastJet."""


@command.command()
@click.argument("name", metavar="SET")
@click.option("--events", "-n", type=int, required=True, help="Rows of the file: jets, or bunch crossings.")
@click.option("--seed", "-s", type=int, default=1, show_default=True, help="The same seed gives the same bits.")
@click.option("--jobs", "-j", type=int, default=1, show_default=True, help="Processes of this machine.")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler, as tcp://host:8786, in place of --jobs.")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="File to write, .npz.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists, once the new one is complete.")
def make(name: str, events: int, seed: int, jobs: int, scheduler: str | None, output: Path, *, overwrite: bool) -> None:
    """Generate SET, one of those that `bittrigger data list` describes.

    Finished blocks lie in OUTPUT.parts until the file is complete; after an interruption the same command goes on from there.
    """
    from bittrigger.data.model import Request
    from bittrigger.data.parts import folder_of
    from bittrigger.data.run import make as make_set
    from bittrigger.data.sets import find_set
    from bittrigger.data.workers import check_jobs, dask_cluster, processes

    dataset = find_set(name)
    check_jobs(jobs)
    console = terminal()
    try:
        with dask_cluster(scheduler) if scheduler else processes(jobs) as workers, _bar(name) as report:
            record = make_set(Request(dataset, events, seed), output, workers, overwrite=overwrite, on_progress=report)
    except KeyboardInterrupt:
        click.echo(f"finished blocks are kept in {folder_of(output)}; run the same command to go on", err=True)
        raise click.Abort from None
    rows = ", ".join(f"{kind} {count:,}" for kind, count in record["rows"].items())
    console.print(
        f"wrote {output}: {events:,} rows ({rows}) from {sum(record['events_tried'].values()):,} events", markup=False
    )


@contextmanager
def _bar(name: str) -> Iterator[Callable[[Progress], None]]:
    """A bar with rate and remaining time on standard error; rows found at the start do not count for the rate."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bar = Bar(*columns, console=Console(stderr=True))

    def report(progress: Progress) -> None:
        if not bar.tasks:
            bar.start()
            bar.add_task(name, total=progress.wanted, rate="")
        elapsed_s, made = bar.tasks[0].elapsed, progress.rows - progress.found
        rate = f"{made / elapsed_s:.1f}/s" if made and elapsed_s else ""
        bar.update(bar.tasks[0].id, completed=progress.rows, rate=rate)

    try:
        yield report
    finally:
        bar.stop()


@command.command(name="list")
def list_() -> None:
    """List the sets: what they are, what a row holds, how fast they are made, who published the settings."""
    from bittrigger.data.sets import SETS

    console = terminal()
    for dataset in SETS.values():
        for key, value in _lines(dataset).items():
            console.print(f"{key:<14} {value}", markup=False, soft_wrap=True)
        console.print()
    console.print("Rates are measured, for one core (Python 3.11, Pythia 8.317, FastJet 3.5.2); yours will differ.")


def _lines(dataset: DataSet) -> dict[str, str]:
    return {
        dataset.name: dataset.what,
        "  features": dataset.features,
        "  kinds": ", ".join(dataset.kinds),
        "  rate": dataset.rate,
        "  source": dataset.source,
    }


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
def info(file: Path) -> None:
    """Print what FILE holds, and the settings it was made with.

    FILE is an .npz file, or a public one: OpenML 42468 (ARFF or CSV), the 150-particle jets or the top tagging reference (HDF5).
    """
    from bittrigger.data.archive import PROVENANCE, members, read_record
    from bittrigger.data.load_hdf5 import is_top_landscape, load_top_landscape
    from bittrigger.data.public import public_jets

    console = terminal()
    if is_top_landscape(file):
        tops = load_top_landscape(file)
        counts = ", ".join(f"{name} {(tops.y == i).sum():,}" for i, name in enumerate(tops.classes))
        console.print(f"{tops.provenance.source}: {len(tops.y):,} jets ({counts})", markup=False)
        console.print(f"{tops.counts.mean():.1f} constituents a jet, at most {tops.counts.max()}", markup=False)
        return
    if (table := public_jets(file)) is not None:
        counts = ", ".join(f"{name} {(table.y == i).sum():,}" for i, name in enumerate(table.classes))
        console.print(f"{table.provenance.source}: {len(table.y):,} jets ({counts})", markup=False)
        console.print(f"{len(table.features)} features: {', '.join(table.features)}", markup=False)
        return
    for member in members(file):
        if member.name != PROVENANCE:
            shape = " x ".join(f"{size:,}" for size in member.shape) or "one value"
            console.print(f"{ascii(member.name)[1:-1]:<14} {member.dtype:<10} {shape}", markup=False)
    record = read_record(file)
    if record is None:
        console.print("no record of how it was made: not a file of `bittrigger data make`")
    else:
        console.print(json.dumps(record, indent=2), markup=False, soft_wrap=True)
