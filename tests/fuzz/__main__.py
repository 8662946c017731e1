"""``python -m fuzz``: a campaign of random networks; the same command goes on where it was interrupted."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click
from rich.console import Console

from fuzz.campaign import Campaign, run_campaign, summary
from fuzz.case import Plan


@click.command()
@click.option("--count", "-n", type=click.IntRange(1), default=200, show_default=True, help="Networks.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="Seed of the first one.")
@click.option("--folder", "-o", type=click.Path(path_type=Path), default=Path("build/fuzz"), show_default=True)
@click.option("--jobs", "-j", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
@click.option("--build-every", default=1, show_default=True, help="Build, run and prove one network in so many.")
@click.option(
    "--predict-every", default=50, show_default=True, help="Keras' predict, and not its eager calls; 0 for none."
)
@click.option("--gates-every", default=1, show_default=True, help="Synthesise one network in so many; 0 for none.")
@click.option(
    "--product-every", default=50, show_default=True, help="Also run the executors of the command line, cocotb too."
)
def main(  # noqa: PLR0917 - one parameter an option
    count: int,
    first: int,
    folder: Path,
    jobs: int,
    build_every: int,
    predict_every: int,
    gates_every: int,
    product_every: int,
) -> None:
    """Run random networks through Keras and every executor; exit with 1 if one of them fails."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts in the background ignore it
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    plan = Plan(build_every, predict_every, gates_every=gates_every, product_every=product_every)
    records = run_campaign(Campaign(range(first, first + count), folder, plan, jobs), console)
    for table in summary(records):
        console.print(table)
    sys.exit(any(record["outcome"] in ("mismatch", "crash", "failed") for record in records))


if __name__ == "__main__":
    main()
