"""``bittrigger pareto``: ternary networks of several sizes trained on a sample, and the cheapest that is good enough."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bittrigger.cli.shared.console import json_option, terminal, write_json, write_text
from bittrigger.errors import BittriggerError, ConfigError
from bittrigger.settings import DEFAULT_PART

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bittrigger.explore.pareto import Point


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="Folder of the runs.")
@click.option("--x", "x_name", default="x", show_default=True, help="Array of the features in DATA.")
@click.option("--y", "y_name", default="y", show_default=True, help="Array of the class indices in DATA.")
@click.option(
    "--hidden", multiple=True, default=("64,32,32", "32,16"), show_default=True, help="Hidden units; repeat it."
)
@click.option("--threshold", multiple=True, type=float, default=(0.5, 1.0), show_default=True, help="Zeros; repeat it.")
@click.option("--activation-bits", multiple=True, type=int, default=(6,), show_default=True, help="Repeat it.")
@click.option("--input-bits", multiple=True, type=int, default=(8,), show_default=True, help="Repeat it.")
@click.option("--cost-strength", multiple=True, type=float, default=(0.0,), show_default=True, help="Repeat it.")
@click.option(
    "--seed", "seeds", multiple=True, type=click.IntRange(0), default=(1, 2, 3), show_default=True, help="Repeat it."
)
@click.option("--epochs", type=int, default=30, show_default=True, help="Of each ternary training.")
@click.option("--twin-epochs", type=int, default=30, show_default=True, help="Of each float training.")
@click.option("--batch-size", type=int, default=512, show_default=True, help="Rows of a step, of both trainings.")
@click.option("--no-freeze", is_flag=True, help="Do not freeze weights that go to and fro between two codes.")
@click.option("--want", type=float, help="Accuracy on the validation rows, such as 0.76: name the cheapest network.")
@click.option(
    "--part", default=DEFAULT_PART, show_default=True, help="A name of `bittrigger parts`, or a .yaml of yours."
)
@click.option("--no-synth", is_flag=True, help="LUTs as the solver estimates them; else Yosys counts.")
@json_option()
def command(
    data: Path,
    output: Path,
    x_name: str,
    y_name: str,
    hidden: tuple[str, ...],
    threshold: tuple[float, ...],
    activation_bits: tuple[int, ...],
    input_bits: tuple[int, ...],
    cost_strength: tuple[float, ...],
    seeds: tuple[int, ...],
    epochs: int,
    twin_epochs: int,
    batch_size: int,
    no_freeze: bool,
    want: float | None,
    part: str,
    no_synth: bool,
    json_file: Path | None,
) -> None:
    """Train ternary dense networks on the classes of DATA and show which accuracy costs how many LUTs.

    DATA is an .npz file, or a public file of the five-class jets of the hls4ml benchmark:
    OpenML 42468 as ARFF or CSV, or one of the 150-particle set as HDF5.

    All combinations of the repeated options are trained with each seed: from float twins of the same shape, towards the
    mean probabilities of those of the first shape. Stop it whenever you like; the same command goes on. Networks are
    chosen on the validation rows; the test rows are shown.
    """
    from bittrigger.data.loaders.public import public_jets
    from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
    from bittrigger.system.arrays import read_array
    from bittrigger.system.extras import require_keras

    require_keras()
    shapes = [_shape(text) for text in hidden]
    if (jets := public_jets(data)) is not None:
        x, y = jets.x, jets.y
    else:
        x, y = read_array(data, "data", x_name), read_array(data, "data", y_name)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with quiet_tensorflow():
        from bittrigger.explore.dense import class_sample
        from bittrigger.explore.pareto import cheapest, points_of
        from bittrigger.explore.sweep import SweepSettings, add_firmware, grid, sweep
        from bittrigger.train.recipes import prepare_tensorflow

        sample = class_sample(x, y, seed=seeds[0])
        designs = grid(
            shapes,
            input_bits=input_bits,
            activation_bits=activation_bits,
            threshold_factors=threshold,
            cost_strengths=cost_strength,
        )
        prepare_tensorflow(seeds[0])
        settings = SweepSettings(epochs, twin_epochs, batch_size, teacher_hidden=shapes[0], teacher_seeds=seeds)
        if no_freeze:
            settings = replace(settings, freeze_from=None)
        runs = sweep(sample, designs, seeds, settings, output)
        runs = add_firmware(runs, output / ("estimate" if no_synth else "synth"), synthesize=not no_synth, part=part)
    points, tested = points_of(runs), points_of(runs, score="test_accuracy")
    chosen, refusal = None, None
    if want is not None:
        try:
            chosen = cheapest(points, want).variant
        except ConfigError as error:  # the table is worth as much
            refusal = str(error)
    origin = "estimate" if no_synth else "synth"
    rows = rows_of(points, tested, chosen, origin)
    show(rows, points, tested, origin)
    page = output / "pareto.html"
    write_text(page, plot(rows, origin, refusal))
    terminal().print(f"wrote {page}", markup=False)
    write_json(json_file, "pareto-1", {"networks": rows})
    if refusal is not None:
        raise BittriggerError(refusal)


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--hidden {text}: expected numbers of units with commas between, as 64,32,32") from error


def rows_of(points: Sequence[Point], tested: Sequence[Point], chosen: str | None, origin: str) -> list[dict[str, Any]]:
    """A row for each network, by rising LUTs."""
    from bittrigger.explore.pareto import pareto_front

    front = {point.variant for point in pareto_front(points)}
    return [
        {
            "network": point.variant,
            "luts": point.cost.mean,
            "luts_origin": origin,
            "accuracy": point.score.mean,
            "test_accuracy": test.score.mean,
            "test_accuracy_deviation": test.score.deviation,
            "on_front": point.variant in front,
            "chosen": point.variant == chosen,
        }
        for point, test in sorted(zip(points, tested, strict=True), key=lambda pair: pair[0].cost.mean)
    ]


def show(rows: Sequence[dict[str, Any]], points: Sequence[Point], tested: Sequence[Point], origin: str) -> None:
    """Print the rows, with the spread over the seeds."""
    from rich.table import Table

    table = Table()
    for head in ("network", f"LUT ({origin})", "validation (%)", "test (%)", "front"):
        table.add_column(head, overflow="fold", justify="left" if head == "network" else "right")
    named, texts = {p.variant: p for p in points}, {test.variant: test.score.text(2, 100) for test in tested}
    for row in rows:
        point = named[row["network"]]
        mark = "chosen" if row["chosen"] else "yes" if row["on_front"] else ""
        table.add_row(point.variant, point.cost.text(0), point.score.text(2, 100), texts[point.variant], mark)
    terminal().print(table)


def plot(rows: Sequence[dict[str, Any]], origin: str, refusal: str | None) -> str:
    """Accuracy against LUTs as a page."""
    from bittrigger.report.html.scatter import Dot, render_scatter

    dots = [
        Dot(
            row["luts"], 100 * row["accuracy"], row["network"], f"test {100 * row['test_accuracy']:.2f} %",
            front=row["on_front"], chosen=row["chosen"],
        )
        for row in rows
    ]  # fmt: skip
    said = [] if refusal is None else [refusal]
    return render_scatter("Accuracy against LUTs", dots, f"LUT ({origin})", "validation accuracy (%)", said)
