"""The slaves of a control computer, every order of accesses over some cycles: a SAT solver looks for one that breaks them.

``formal/*.sv`` say what has to hold. Nothing is said of longer times: this is a bounded check, not a proof.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from bittrigger.prove.circuits.equivalence import abc
from bittrigger.system.resources import folder

SCRIPT = """
import sys
from pyosys import libyosys
*files, top, result = sys.argv[1:]
design = libyosys.Design()
prepared = f"hierarchy -check -top {top}", "proc", "flatten", "memory_map", "opt -full", "chformal -lower", "async2sync"
written = "techmap", "opt -fast", "dffunmap", "opt_clean", "aigmap", f"write_aiger -zinit {result}"
for command in (*(f"read_verilog -sv -formal {name}" for name in files), *prepared, *written):
    libyosys.run_pass(command, design)
"""
"""Registers without a first value begin with any; of a circuit in this form ABC tells in a twentieth of Yosys' own time."""
HOLDS, BROKEN = "No output asserted in", "was asserted in frame"


def verdict(root, work, name, steps, *changes):
    """What ABC says of the assertions on ``bittrigger_<name>``, with texts of it changed: each old one, and its new one."""
    text = (folder("firmware") / f"bittrigger_{name}.sv").read_text()
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (work / f"bittrigger_{name}.sv").write_text(text)
    files = (work / f"bittrigger_{name}.sv", root / "tests" / "formal" / f"{name}.sv")
    words = [sys.executable, "-c", SCRIPT, *map(str, files), f"formal_{name}", "asked.aig"]
    subprocess.run(words, cwd=work, capture_output=True, check=True, timeout=900)
    asked = [str(abc()), "-c", f"read_aiger asked.aig; fold; bmc3 -F {steps}"]  # of folded assumptions
    said = subprocess.run(asked, cwd=work, capture_output=True, text=True, check=True, timeout=900).stdout
    found = [text for text in (HOLDS, BROKEN) if text in said]
    assert len(found) == 1, said[-2000:]
    assert found == [BROKEN] or f"{HOLDS} {steps} frames" in said
    return found[0]


@pytest.mark.parametrize(("name", "steps"), [("axi_lite", 16), ("control", 24)])
def test_nothing_breaks_it(root, tmp_path, name, steps):
    assert verdict(root, tmp_path, name, steps) == HOLDS


CHANGES = {
    "a response does not stand": ("axi_lite", 10, "if (s_axi_rready) s_axi_rvalid <= 1'b0;", "s_axi_rvalid <= 1'b0;"),
    "a partial write": ("axi_lite", 10, "w_whole <= &s_axi_wstrb;", "w_whole <= |s_axi_wstrb;"),
    "a refusal is lost": ("axi_lite", 10, "waits && !refused ? OKAY", "waits ? OKAY"),
    "what counts is not copied": ("control", 24, "walks_2 && state == COPY", "walks_2 && state == SETTLE"),
    "writes while busy": (
        *("control", 24, "state == READY && !settings_busy", "state == READY"),
        *("default: if (ended && !settings_busy) begin", "default: begin"),
    ),
    "a word is left out": (
        "control",
        24,
        "if (agrees) {walks, index} <= {1'b1, SETTINGS_BITS'(1)}",
        "if (agrees) {walks, index} <= {1'b1, SETTINGS_BITS'(2)}",
    ),
    "beyond the last word": ("control", 8, "offset <= WINDOW_BITS'(WORDS);", "1'b1;"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found(root, tmp_path, name):
    of, steps, *changes = CHANGES[name]
    assert verdict(root, tmp_path, of, steps, *changes) == BROKEN
