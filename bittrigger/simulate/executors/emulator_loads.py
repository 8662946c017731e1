"""What the emulator makes of weight files: models beside each other that hold other numbers, and files that it has to refuse."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from bittrigger.errors import MismatchError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Graph, evaluate, frozen_array
from bittrigger.ir.held.bus import held_nodes
from bittrigger.ir.held.weight_file import weights_text
from bittrigger.ir.nodes.held import register_interval
from bittrigger.simulate.vectors import corner_codes, turned_numbers

WRONG: dict[str, Callable[[str], str]] = {
    "of another network": lambda text: re.sub(r"^network .", "network x", text, flags=re.M),
    "with more behind its end": lambda text: text + "\n",
    "without its end": lambda text: text.removesuffix("end\n"),
    "with another sign": lambda text: text.replace("\n+", "\n*").replace("\n-", "\n*").replace("\n0", "\n*"),
}
"""Files that are to be refused, as changes of one that is to be taken."""


def check_loads(
    graph: Graph,
    load: Callable[[Path], int | str],
    run: Callable[[int, IntArray], IntArray],
    free: Callable[[int], None],
) -> None:
    """Compare models that were loaded from weight files with the oracle, and have wrong files refused.

    Args:
        graph: what the library was emitted for.
        load: makes a model of the file of a path, or says why it makes none.
        run: output codes of a model for input codes.
        free: gives a model back.

    Raises:
        MismatchError: if a model gives other results than its numbers do, a good file is refused, or a wrong one is taken.
    """
    codes = corner_codes(graph)
    with tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:
        path, models = Path(scratch) / "weights.txt", []
        others = turned_numbers(graph)
        for other in others:
            path.write_text(weights_text(other), encoding="ascii")
            found = load(path)
            if isinstance(found, str):
                raise MismatchError(f"emulator: entry 'load' refuses a good weight file: {found}")
            models.append(found)
        for other, model in zip(others, models, strict=True):
            if not np.array_equal(run(model, codes), evaluate(other, codes)):
                raise MismatchError(
                    "emulator: a model that was loaded from a weight file gives other results than its numbers"
                )
        wrong = [(what, change(weights_text(graph))) for what, change in WRONG.items()]
        wrong += [("with a bias that no register holds", text) for text in _beyond(graph)]
        for what, text in wrong:
            path.write_text(text, encoding="ascii")
            if not isinstance(load(path), str):
                raise MismatchError(f"emulator: entry 'load' takes a weight file {what}")
    for model in models:
        free(model)


def _beyond(graph: Graph) -> Iterator[str]:
    """Weight files whose first bias is one more, or one less, than its register holds."""
    node = held_nodes(graph)[0]
    span = register_interval(node.bits)
    for held in (span.hi + 1, span.lo - 1):
        bias = node.bias.copy()
        bias[0] += held - node.held[0]
        yield weights_text(
            replace(graph, nodes=tuple(replace(n, bias=frozen_array(bias)) if n is node else n for n in graph.nodes))
        )
