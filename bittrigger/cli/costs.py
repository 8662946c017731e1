"""``bittrigger costs``: operations and parameters of a model, and the share that is quantised."""

from __future__ import annotations

import runpy
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bittrigger.cli.shared.console import busy, json_option, terminal, write_json

if TYPE_CHECKING:
    from rich.table import Table

    from bittrigger.system.apart import Answer, Json
    from bittrigger.train.costs import ModelCost


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--code",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Python file that registers layers of MODEL with Keras. It is run: give it none that you do not trust.",
)
@json_option()
def command(model: Path, code: Path | None, json_file: Path | None) -> None:
    """Count what the Keras MODEL (.h5 or .keras) costs per event, layer by layer.

    FLOPs and IntOPs count every weight, zeros included; a ternary or binary weight is one IntOP, any other
    multiply-accumulate is two operations. `adder bits` are those of a ternary layer without sharing. What is not known
    is shown as "-". Convolutions, attention and layer normalisation are counted too, though they do not convert. An .h5
    file with layers of your own is read with --code.
    """
    from bittrigger.errors import UnsupportedModelError

    try:
        with busy("reading the model"):
            costs = _costs(model, code)
    except UnsupportedModelError as error:
        if code is not None or ": class '" not in str(error):
            raise
        raise UnsupportedModelError(
            f"{error}; or give the file that registers it, if you trust it, with --code"
        ) from error
    from bittrigger.train.costs import costs_json

    terminal().print(_table(costs))
    write_json(json_file, "costs-1", costs_json(costs))


def _costs(model: Path, code: Path | None) -> ModelCost:
    """What ``model`` costs, counted in the process apart; here where code of the user's own is run."""
    from bittrigger.errors import ToolError
    from bittrigger.system.apart import ask, is_possible

    if code is not None or not is_possible("tensorflow"):
        return _counted(model, frozenset() if code is None else _registered_by(code))
    from bittrigger.train.costs import LayerCost, ModelCost

    answers = list(ask("bittrigger.cli.costs:serve", {"model": str(model)}))
    try:
        [(found, _)] = answers
        return ModelCost(str(found["name"]), tuple(LayerCost(**layer) for layer in found["layers"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ToolError(f"the process that reads the model answered {str(answers)[:80]!r}") from error


def serve(head: Json, _body: bytes, answer: Answer) -> None:
    """The other side of ``_costs``."""
    answer(asdict(_counted(Path(head["model"]), frozenset())), b"")


def _counted(model: Path, own: frozenset[str]) -> ModelCost:
    from bittrigger.frontend.keras_file.names import COUNTED, COUNTED_OPERATIONS
    from bittrigger.frontend.keras_file.read import load_model
    from bittrigger.train.costs import model_costs

    return model_costs(load_model(model, also=COUNTED | own | (COUNTED_OPERATIONS if own else frozenset())))


def _registered_by(code: Path) -> frozenset[str]:
    """Run a Python file, and return the names of the classes that it registers with Keras."""
    import tensorflow as tf

    before = set(tf.keras.utils.get_custom_objects())
    sys.path.insert(0, str(code.resolve().parent))
    runpy.run_path(str(code), run_name=code.stem)
    return frozenset(set(tf.keras.utils.get_custom_objects()) - before)


def _table(costs: ModelCost) -> Table:
    from rich.table import Table

    table = Table(title=costs.name, show_footer=True)
    share = costs.quantized_share
    quantised = "-" if share is None else f"{share:.1%}"
    totals = ("all", "", "", _text(costs.parameters), quantised, "", _text(costs.flops), _text(costs.int_ops), "")
    heads = ("layer", "class", "kernel", "parameters", "quantised", "zeros", "FLOPs", "IntOPs", "adder bits")
    for head, total in zip(heads, totals, strict=True):
        table.add_column(head, total, overflow="fold", justify="left" if head in heads[:3] else "right")
    for layer in costs.layers:
        table.add_row(
            layer.name,
            layer.kind,
            layer.kernel or "-",
            _text(layer.parameters),
            _text(layer.quantized_parameters),
            "-" if layer.zero_share is None else f"{layer.zero_share:.1%}",
            *(_text(value) for value in (layer.flops, layer.int_ops, layer.adder_bits)),
        )
    return table


def _text(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
