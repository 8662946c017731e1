"""Designs that take words, and designs that take other numbers: as the command line runs them, also on another weight file."""

from __future__ import annotations

from bittrigger.build.folder import Build
from bittrigger.cli.simulate import holding
from bittrigger.errors import InternalError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.held.bus import held_nodes
from bittrigger.ir.held.weight_file import weights_text
from bittrigger.simulate.compare import run_executors
from bittrigger.simulate.vectors import other_numbers

OTHER = ("csim", "emulator", "rtl-fast")
"""Executors of other numbers than those of the build."""


def is_live(build: Build) -> bool:
    """Whether the harness of ``fuzz.natives``, which knows neither words nor the bus of settings, cannot run its RTL."""
    return build.pipeline.arrival is not None or bool(held_nodes(build.graph))


def words_of(build: Build) -> set[str]:
    """What of it is new here, for the table of what was covered."""
    kinds = {type(node).__name__ for node in held_nodes(build.graph)}
    words = {name for kind, name in (("Weigh", "weights held"), ("Hold", "biases held")) if kind in kinds}
    return words | ({"word by word"} if build.pipeline.arrival is not None else set())


def swapped(build: Build, seed: int) -> Build:
    """``build`` with a weight file of random numbers, all that its registers hold, read as ``simulate --weights`` does."""
    other = other_numbers(build.graph, seed)
    path = build.folder.with_name(f"other_{seed}.txt")
    path.write_text(weights_text(other), encoding="utf-8")
    made = holding(build, path)
    path.unlink()
    if weights_text(made.graph) != weights_text(other):
        raise InternalError("a weight file that was written is read as another one")
    return made


def run_live(build: Build, names: tuple[str, ...], codes: IntArray) -> None:
    """Compare executors of ``build`` with its oracle on ``codes`` `(events, n_inputs)`.

    Raises:
        BittriggerError: of the first executor that differs or fails.
    """
    for outcome in run_executors(build, names, codes, entries=False, look_into=False):
        if outcome.error is not None:
            raise outcome.error
