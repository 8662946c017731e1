"""What is going on: the stages in words, and of a long search for adder graphs the LUTs so far, until it ends or Ctrl-C."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

STAGES = {
    "load": "reading the model",
    "heads": "changing the outputs as asked",
    "declared": "rounding what was declared",
    "parse": "parsing it with hls4ml",
    "lower": "lowering it to integers",
    "check": "comparing the integers with Keras, every bit",
    "solve": "finding adder graphs",
    "emit": "writing C++ and SystemVerilog",
    "synth": "synthesising with Yosys",
    "timing": "estimating whether it meets the clock",
    "report": "writing the report",
}
"""What each stage of a conversion does."""

LINE_S = 10.0
"""Least time between two lines where standard error is no terminal."""


@contextmanager
def searching(say: Callable[[str], None], what: str, effort: str) -> Iterator[None]:
    """While the block solves with effort ``max``, ``say`` the LUTs of the present matrix so far; Ctrl-C keeps them.

    A shorter search is not watched, and ends with nothing at Ctrl-C.
    """
    from bittrigger.solver import watching

    with watching(_Teller(say, what)) if effort == "max" else nullcontext():
        yield


class _Teller:
    def __init__(self, say: Callable[[str], None], what: str) -> None:
        self.say, self.what = say, what
        self.told, self.at = 0, -LINE_S
        self.pause = 0.0 if sys.stderr.isatty() else LINE_S

    def __call__(self, luts: int) -> None:
        now = time.monotonic()
        if luts == self.told or now - self.at < self.pause:
            return
        self.told, self.at = luts, now
        self.say(f"{self.what}: {luts:,} LUTs so far; Ctrl-C ends the search and keeps them")
