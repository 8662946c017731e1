"""Every tampering of the campaign."""

from __future__ import annotations

from collections.abc import Iterator

from tamper.edits import Tampering
from tamper.of_design import other_kinds
from tamper.of_emulator import emulator_kinds
from tamper.of_hls import hls_kinds
from tamper.of_netlist import netlist_kinds
from tamper.of_verilog import rtl_kinds


def tamperings() -> Iterator[Tampering]:
    """All of them, kind after kind, with the executors that read what is changed."""
    for executors, kinds in (
        (("rtl-fast",), rtl_kinds()),
        (("gates",), netlist_kinds()),
        (("csim",), hls_kinds()),
        (("emulator",), emulator_kinds()),
        ((), other_kinds()),
    ):
        for kind, rows in kinds.items():
            for name, edit in rows:
                yield Tampering(kind, name, edit, executors)
