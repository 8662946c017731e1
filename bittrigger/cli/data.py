"""``bittrigger data``: physics data, generated, listed and described."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bittrigger.cli.shared.console import json_option, terminal, write_json

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bittrigger.data.model import DataSet, Json
    from bittrigger.data.production.run import Progress


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
@json_option()
def make(
    name: str,
    events: int,
    seed: int,
    jobs: int,
    scheduler: str | None,
    output: Path,
    json_file: Path | None,
    *,
    overwrite: bool,
) -> None:
    """Generate SET, one of those that `bittrigger data list` describes.

    Finished blocks lie in OUTPUT.parts until the file is complete; after an interruption the same command goes on from there.
    """
    from bittrigger.data.model import Request
    from bittrigger.data.production.parts import folder_of
    from bittrigger.data.production.run import make as make_set
    from bittrigger.data.production.workers import check_jobs, dask_cluster, processes
    from bittrigger.data.sets import find_set

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
    write_json(json_file, "data-make-1", {"file": str(output), "record": record})


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
@json_option()
def list_(json_file: Path | None) -> None:
    """List the sets: what they are, what a row holds, how fast they are made, who published the settings."""
    from bittrigger.data.sets import SETS

    console = terminal()
    for dataset in SETS.values():
        for key, value in _lines(dataset).items():
            console.print(f"{key:<14} {value}", markup=False, soft_wrap=True)
        console.print()
    console.print("Rates are measured, for one core (Python 3.11, Pythia 8.317, FastJet 3.5.2); yours will differ.")
    names = ("name", "what", "features", "kinds", "rate", "source")
    sets = [{name: getattr(dataset, name) for name in names} for dataset in SETS.values()]
    write_json(json_file, "data-list-1", {"sets": sets})


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
@json_option()
def info(file: Path, json_file: Path | None) -> None:
    """Print what FILE holds, and the settings it was made with.

    FILE is an .npz file, or a public one: OpenML 42468 (ARFF or CSV), QG_jets.npz of EnergyFlow, the 150-particle jets, the top
    tagging reference or showers of the CaloChallenge (HDF5).
    """
    lines, facts = _public(file) or _archive(file)
    console = terminal()
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    write_json(json_file, "data-info-1", {"file": str(file)} | facts)


def _public(file: Path) -> tuple[list[str], Json] | None:
    """Lines and facts of a published file, if it is one."""
    from bittrigger.data.loaders.energyflow import is_energyflow, load_energyflow
    from bittrigger.data.loaders.hdf5 import has_array, is_top_landscape, load_top_landscape
    from bittrigger.data.loaders.public import public_jets
    from bittrigger.data.loaders.showers import load_showers

    def jets(source: str, y: npt.NDArray[np.int8], classes: Sequence[str], more: str) -> tuple[list[str], Json]:
        counts = {name: int((y == i).sum()) for i, name in enumerate(classes)}
        each = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        return [f"{source}: {len(y):,} jets ({each})", more], {"source": source, "rows": len(y), "classes": counts}

    if is_top_landscape(file) or is_energyflow(file):
        made = load_top_landscape(file) if is_top_landscape(file) else load_energyflow(file)
        filled = f"{made.counts.mean():.1f} constituents a jet, at most {made.counts.max()}"
        return jets(made.provenance.source, made.y, made.classes, filled)
    if has_array(file, "incident_energies"):
        showers = load_showers(file)
        count, source, energies = len(showers.incident_mev), showers.provenance.source, showers.incident_mev
        range_mev = f"{energies.min():g} to {energies.max():g} MeV, {showers.voxels_mev.shape[1]} voxels"
        return [f"{source}: {count:,} showers", range_mev], {"source": source, "rows": count}
    if (table := public_jets(file)) is not None:
        features = f"{len(table.features)} features: {', '.join(table.features)}"
        lines, facts = jets(table.provenance.source, table.y, table.classes, features)
        return lines, facts | {"features": list(table.features)}
    return None


def _archive(file: Path) -> tuple[list[str], Json]:
    """Lines and facts of an .npz file."""
    from bittrigger.data.production.archive import PROVENANCE, members, read_record

    arrays = [member for member in members(file) if member.name != PROVENANCE]
    lines = []
    for member in arrays:
        shape = " x ".join(f"{size:,}" for size in member.shape) or "one value"
        lines.append(f"{ascii(member.name)[1:-1]:<14} {member.dtype:<10} {shape}")
    record = read_record(file)
    none = "no record of how it was made: not a file of `bittrigger data make`"
    lines.append(none if record is None else json.dumps(record, indent=2))
    return lines, {"arrays": [asdict(member) for member in arrays], "record": record}
