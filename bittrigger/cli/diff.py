"""``bittrigger diff``: what differs between two builds or two models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bittrigger.cli.shared.console import busy, json_option, terminal, write_json, write_text

if TYPE_CHECKING:
    from rich.console import Console

    from bittrigger.ir.fixed import FloatArray
    from bittrigger.report.difference import Difference, Side

MODELS = (".h5", ".keras", ".onnx", ".pt", ".pth")
DEFAULT_EVENTS = 1000


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--inputs", type=click.Path(path_type=Path), help="Events for both: .npy, or 'x' in an .npz.  [default: random]"
)
@click.option(
    "--events", "-n", type=int, help="The first of --inputs, or so many random ones.  [default: all, or 1000]"
)
@click.option("--threshold", multiple=True, type=float, help="Of the outputs, at which an event passes; repeat it.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page here, too.")
@click.option("--check", is_flag=True, help="Exit with 1 if anything differs.")
@json_option()
def command(
    a: Path,
    b: Path,
    inputs: Path | None,
    events: int | None,
    threshold: tuple[float, ...],
    html: Path | None,
    check: bool,
    json_file: Path | None,
) -> None:
    """Compare the builds, or the models (.h5, .keras, .onnx, .pt), A and B: ports, layers, weights, figures, outputs, files.

    Figures are compared where both are of one origin. Models are lowered and solved with effort fast, and not built.
    """
    from bittrigger.errors import BittriggerError
    from bittrigger.report.difference import compare

    with busy(f"reading {a}") as say:
        first = _side(a)
        say(f"reading {b}")
        second = _side(b)
        say("comparing")
        found = compare(first, second, _events(first, second, inputs, events), threshold)
    show(found, terminal())
    if html is not None:
        write_text(html, page(found))
    write_json(json_file, "diff-1", found.to_json())
    if check and not found.same:
        raise BittriggerError(f"{a} and {b} differ: {'; '.join(found.review)}")


def _side(path: Path) -> Side:
    from bittrigger.report import make_report
    from bittrigger.report.difference import Side

    if path.suffix in MODELS and not path.is_dir():
        from bittrigger.compile.apart import graph_of
        from bittrigger.compile.pipeline import create_pipeline
        from bittrigger.compile.read import Stages, measured_graph
        from bittrigger.settings import Settings

        settings = Settings(effort="fast")
        with graph_of(path, settings, inputs=None, stages=Stages()) as asked:
            pipeline = create_pipeline(asked.graph, settings)
        pipeline = replace(pipeline, graph=measured_graph(pipeline.graph, asked.measured))
        return Side(str(path), pipeline, make_report(pipeline, settings, None), {}, {})
    from bittrigger.build.folder import load_build
    from bittrigger.build.manifest import read_seal
    from bittrigger.report.recount import report_of

    build = load_build(path)
    chosen = asdict(build.settings) | {"model": build.provenance.get("model", {}).get("sha256")}
    return Side(str(path), build.pipeline, report_of(build), chosen, read_seal(path))


def _events(first: Side, second: Side, inputs: Path | None, count: int | None) -> FloatArray | None:
    """Real events for both sides: the given ones, or random ones over the ports of the first; None where none fit both."""
    from bittrigger.compile.convert import read_inputs
    from bittrigger.errors import ConfigError
    from bittrigger.ir.ports import decode_inputs
    from bittrigger.simulate.vectors import random_codes

    if count is not None and count < 1:
        raise ConfigError(f"--events {count}; must be at least 1")
    if inputs is not None:
        return read_inputs(inputs)[:count]
    if first.graph.n_inputs != second.graph.n_inputs:
        return None
    return decode_inputs(first.graph, random_codes(first.graph, count or DEFAULT_EVENTS, 0))


def show(found: Difference, console: Console) -> None:
    """Print what differs, and what has to be looked at again."""
    from rich.markup import escape

    from bittrigger.report.numbers import number
    from bittrigger.report.render import fitting_table

    def table(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        if rows:
            safe = [tuple(escape(cell) for cell in row) for row in rows]
            console.print(fitting_table(title, head, safe, console)[0])

    console.print(f"a: {found.a}\nb: {found.b}", markup=False)
    for title, changes in (("Settings", found.settings), ("Ports", found.ports), ("Layers", found.layers)):
        table(title, ("what", "a", "b"), [(c.what, c.a or "-", c.b or "-") for c in changes])
    rows = [
        (w.layer, f"{w.changed:,} of {w.weights:,}", f"{w.signs:,}", f"{w.zeros:,}", f"{w.biases:,}")
        for w in found.weights
    ]
    table("Weights", ("layer", "changed", "sign", "zero or not", "biases"), rows)
    figures = [(f.name, f.origin, number(f.a), number(f.b), _step(f.a, f.b)) for f in found.figures]
    table("Figures", ("figure", "origin", "a", "b", "change"), figures)
    for line in output_texts(found):
        console.print(line)
    table("Files", ("file",), [(change.what,) for change in found.files[:40]])
    console.print("to be looked at again: " + ("nothing: they are the same" if found.same else ""))
    if not found.same:
        for line in found.review:
            console.print(f"- {line}", markup=False)


def _step(a: float, b: float) -> str:
    return "" if a == b else f"{100 * (b - a) / a:+.1f} %" if a else f"{b - a:+g}"


def output_texts(found: Difference) -> list[str]:
    """What became of the outputs, a sentence each."""
    outputs = found.outputs
    if outputs is None:
        return ["outputs: not compared, since the two take events of different length"]
    share = 100 * outputs.differing / max(outputs.events, 1)
    lines = [
        f"outputs on {outputs.events:,} events: {outputs.differing:,} differ ({share:.2f} %), at most by {outputs.largest:g}"
    ]
    if outputs.choices is not None:
        share = 100 * outputs.choices / max(outputs.events, 1)
        lines.append(f"the largest output is another one for {outputs.choices:,} events ({share:.2f} %)")
    for name, threshold, count in outputs.decisions:
        share = 100 * count / max(outputs.events, 1)
        lines.append(f"decision {name} >= {threshold:g} changes for {count:,} events ({share:.2f} %)")
    return lines


def page(found: Difference) -> str:
    """The difference as a page."""
    from bittrigger.report.html.page import environment

    return environment().get_template("diff.html.j2").render(found=found, outputs=output_texts(found), step=_step)
