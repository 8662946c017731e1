"""What the verbs share: the terminal, and options that take several words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bittrigger.simulate import EXECUTORS

if TYPE_CHECKING:
    from rich.console import Console


def terminal() -> Console:
    """A console on standard output; where that is no terminal, tables take 120 columns."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)


class SeveralWords(click.Command):
    """A command whose ``--executor`` takes several words: ``--executor oracle csim rtl``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each further executor, or word that is no existing path, up to the next option."""
        expanded: list[str] = []
        words = 0
        for word in args:
            if word in ("--executor", "-x"):
                words = 1
            elif word.startswith("-"):
                words = 0
            elif words == 1:
                words = 2
            elif words == 2 and (word in (*EXECUTORS, "all") or not Path(word).exists()):
                expanded.append("--executor")
            else:
                words = 0
            expanded.append(word)
        return super().parse_args(ctx, expanded)
