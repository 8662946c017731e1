"""``bittrigger prove``: what is proven about a build, for every input, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bittrigger.cli.shared.console import errors, json_option, junit_option, terminal, write_json, write_junit

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bittrigger.build.folder import Build
    from bittrigger.prove import Claim, Proof

COLUMNS = ("files", "figures", "structure", "weights", "widths", "verilog", "latency", "vhdl", "netlist")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--netlist/--no-netlist", default=True, show_default=True, help="Prove the synthesised netlist as well.")
@click.option("--jobs", "-j", type=int, help="Proofs at a time.  [default: one a core]")
@click.option("--claims", is_flag=True, help="Print every claim with its method.")
@json_option()
@junit_option()
def command(
    folder: Path, netlist: bool, jobs: int | None, claims: bool, json_file: Path | None, junit: Path | None
) -> None:
    """Prove the build in FOLDER for every input and every pattern of gaps; exit with 1 unless everything is proven.

    The proof is kept as proof.json in FOLDER.
    """
    from bittrigger.build.folder import load_build
    from bittrigger.errors import ConfigError
    from bittrigger.prove.run import SCHEMA, proof_cases, proof_json

    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs {jobs}; must be at least 1")
    build = load_build(folder, sealed=False)
    console = terminal()
    proof = run(build, console, netlist=netlist, jobs=jobs, every=claims)
    write_json(json_file, SCHEMA, proof_json(proof))
    write_junit(junit, proof.design, proof_cases(proof))
    proof.raise_unless_proven()


def run(build: Build, console: Console, *, netlist: bool = True, jobs: int | None = None, every: bool = False) -> Proof:
    """Prove ``build`` with progress, keep the proof in it and show it.

    Args:
        every: whether every claim is shown, and not a table of modules.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from bittrigger.prove import prove, save_proof
    from bittrigger.prove.kept import PROOF

    columns = (TextColumn("proving"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    said = errors()
    if not said.is_terminal:
        said.print(f"proving {build.graph.name}")
    with Progress(*columns, console=said, transient=True, disable=not said.is_terminal) as progress:
        bar = progress.add_task("claims", total=None)
        proof = prove(
            build,
            netlist=netlist,
            jobs=jobs,
            on_claim=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    save_proof(proof, build.folder / PROOF)
    _show(proof, console, every=every)
    return proof


def _show(proof: Proof, console: Console, *, every: bool) -> None:
    from rich.markup import escape

    from bittrigger.prove import Verdict

    console.print(_list(proof) if every else _table(proof))
    for claim in proof.claims:
        if claim.verdict is not Verdict.PROVEN:
            said = escape(f"{claim.subject}: {claim.statement}: {claim.detail}")
            console.print(f"[red]{claim.verdict.value}[/] {said}")
    if proof.proven:
        parts = ["the Verilog", *(["the VHDL"] if proof.ghdl else []), *(["the netlist"] if proof.netlist else [])]
        forms = f"{', '.join(parts[:-1])} and {parts[-1]} give" if parts[1:] else f"{parts[0]} gives"
        rest = "" if proof.netlist else " The netlist is not proven."
        more = ", and for all that its registers may hold" if proof.held else ""
        console.print(
            f"Proven for every input{more}: {forms} the outputs of the integer graph, and nothing else comes out.{rest}"
        )
    console.print("Tested only: " + "; ".join(proof.tested_only) + ".")
    console.print("Assumed: " + "; ".join(proof.assumed) + ".")


def _mark(claim: Claim) -> str:
    from bittrigger.prove import Verdict

    if claim.verdict is Verdict.PROVEN:
        return f"[green]proven[/] {claim.seconds:6.2f} s"
    return f"[red]{claim.verdict.value}[/]"


def _title(proof: Proof) -> str:
    proven = sum(claim.verdict.value == "proven" for claim in proof.claims)
    return (
        f"{proof.design}: {proven} of {len(proof.claims)} claims proven in {proof.seconds:.1f} s (Yosys {proof.yosys})"
    )


def _table(proof: Proof) -> Table:
    from rich.table import Table

    table = Table(title=_title(proof), title_justify="left")
    table.add_column("")
    columns = [column for column in COLUMNS if column != "vhdl" or proof.ghdl]
    for column in columns:
        table.add_column({"verilog": "Verilog", "vhdl": "VHDL"}.get(column, column))
    marks = {(claim.subject, claim.kind): _mark(claim) for claim in proof.claims}
    subjects = sorted({claim.subject for claim in proof.claims}, key=lambda name: (name == proof.design, name))
    for subject in subjects:
        table.add_row(subject, *(marks.get((subject, column), "-") for column in columns))
    return table


def _list(proof: Proof) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=_title(proof), title_justify="left")
    for column in ("", "claim", "method", "", "figures"):
        table.add_column(column)
    for claim in proof.claims:
        table.add_row(claim.subject, claim.statement, claim.method, _mark(claim), escape(claim.detail))
    return table
