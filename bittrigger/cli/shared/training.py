"""What ``bittrigger sensitivity`` and ``bittrigger quantize`` share: options, the model with its events, and the progress bar."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from bittrigger.explore.candidates import Probe, Task
    from bittrigger.explore.sensitivity import Announce

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--data", "-d", type=click.Path(path_type=Path), required=True, help="Events: .npz with x (or X) and y."
    ),
    click.option(
        "--metric", default="accuracy", show_default=True, help="accuracy, auc, or mse for numbers as targets."
    ),
    click.option("--bits", type=int, default=6, show_default=True, help="Of kernels that are not ternary, 4 to 8."),
    click.option(
        "--activation-bits", type=int, default=8, show_default=True, help="Of activations without a quantizer."
    ),
    click.option(
        "--seed",
        "-s",
        type=click.IntRange(0),
        default=1,
        show_default=True,
        help="Of the split of the events and the training.",
    ),
    click.option("--batch-size", type=int, default=256, show_default=True, help="Events of a training step."),
    click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="At the start of the training."),
    click.option("--part", default="xcvu13p-flga2577-2-e", show_default=True, help="FPGA; see `bittrigger parts`."),
    click.option("--clock-mhz", type=float, default=360.0, show_default=True, help="Clock."),
    click.option("--effort", default="fast", show_default=True, help="Of the LUT estimate: fast, default, max."),
)


def training_options(command: Command) -> Command:
    """Add the options of both verbs to a command, which hands them on as they are to `read_task`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_probe(epochs: int, distil: float, options: dict[str, Any]) -> Probe:
    """Return the settings in the options.

    Raises:
        ConfigError: one is unknown or out of range.
    """
    from bittrigger.explore.candidates import Probe
    from bittrigger.settings import Settings

    settings = Settings(part=options["part"], clock_mhz=options["clock_mhz"], effort=options["effort"])
    return Probe(
        bits=options["bits"],
        activation_bits=options["activation_bits"],
        epochs=epochs,
        seed=options["seed"],
        batch_size=options["batch_size"],
        learning_rate=options["learning_rate"],
        distil=distil,
        settings=settings,
    )


def read_task(model: Path, probe: Probe, options: dict[str, Any]) -> Task:
    """Return the model and its events, both checked.

    Raises:
        BittriggerError: the model or the data cannot be read, or do not fit each other or the metric.
    """
    from bittrigger.errors import ConfigError
    from bittrigger.explore.candidates import Task
    from bittrigger.explore.events import check_file, read_events
    from bittrigger.explore.objectives import find_objective
    from bittrigger.frontend.keras_file.read import load_model
    from bittrigger.frontend.keras_model.quiet import quiet_tensorflow

    objective = find_objective(options["metric"])
    check_file(options["data"])
    with quiet_tensorflow():
        from bittrigger.train.recipes import prepare_tensorflow

        prepare_tensorflow(probe.seed)
    original = load_model(model)
    from bittrigger.explore.mixed import dense_layers, output_function

    dense_layers(original)
    events = read_events(options["data"], original, objective, probe.seed)
    function = output_function(original)
    if function is not None and not objective.classes:
        raise ConfigError(
            f"model {original.name!r}: it ends with a {function}, which firmware leaves out, so that its squared error has no "
            "meaning there; allowed are accuracy and auc; end the model at a dense layer for mse"
        )
    return Task(original, events, objective, probe)


@contextmanager
def progress() -> Iterator[Announce]:
    """A bar on standard error, with the last line of the training behind it; without a terminal, its lines alone."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, TextColumn("{task.fields[line]}"), console=console, transient=True)
    number = bar.add_task("reading", total=None, line="")

    def announce(what: str, done: int, total: int) -> None:
        bar.update(number, description=what, completed=done, total=total, line="")
        if not console.is_terminal:
            click.echo(f"{done + 1}/{total} {what}", err=True)

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if console.is_terminal:
                bar.update(number, line=record.getMessage())
            else:
                click.echo(record.getMessage(), file=sys.stderr)

    logger, handler = logging.getLogger("bittrigger.train.fitting"), Lines()
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        with bar:
            yield announce
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates
