"""The Yosys commands that turn one emitted module into UltraScale+ cells.

The sequence is that of ``synth_xilinx -family xcup -flatten -noiopad -noclkbuf`` with the same mapping libraries, less
what these designs cannot contain (state machines, memories, multipliers, tri-states, shift registers of variable length), and
with two changes:

* ``abc`` maps the LUTs in place of ``abc9``. Adders sit in carry chains that neither may touch, so the timing-driven
  mapper has next to nothing to decide, and takes eight times as long over it.
* Adder results keep their wires. Otherwise ``alumacc`` merges whole adder trees into one sum and builds it from
  LUT compressors, which costs up to 70 % more LUTs than the carry chains that Vivado infers.

Yosys infers no three-input adders; it would build ``a + b + c`` from compressors and one carry chain. The emitter therefore
instantiates them, and synthesis takes the library's form in LUT6_2 and CARRY8.

A form, which is a library module with its parameters, is mapped once, up to LUTs as such; a module of the design reads those that
it uses under the names that Yosys derives, maps what lies around them, and dissolves them only then. What constant operands
and unread results make superfluous in a form goes after that.
"""

from __future__ import annotations

import os
from pathlib import Path

from bittrigger.synth.tables import has_tables

TABLES = "#! tables"
"""Has ``yosys_worker`` map large tables of constants (``synth.tables``); Yosys by itself passes over it, and takes hours."""

LUT_COSTS = "2:2,3,6:5"
"""Relative areas of LUT1 to LUT6, as ``synth_xilinx`` has them."""

MUX_COSTS = "10,20"
"""Those of two and four LUT6 with MUXF7/8, where something is chosen by a number.

The mapper takes them wherever they save a level, at two LUTs and four: four LUTs a bit and not two for the sum of two rows of a
square. So they are left out of modules that multiply. Elsewhere they save LUTs: ten channels that drop 36 bits with ties to even
take 118, and 188 without.
"""

CELLS = "read_verilog -lib +/xilinx/cells_sim.v"
BLOCK_CELLS = "read_verilog -lib +/xilinx/cells_xtra.v"
"""Declares block RAM; takes a second."""

BLOCKS = "bittrigger_memory_block"
"""The library module that is a block RAM."""

_FORM = (
    "proc",
    "opt -nodffe -nosdff",
    "techmap -map +/techmap.v -D LUT_SIZE=6 -map +/xilinx/arith_map.v",
    "opt",
    f"abc -luts {LUT_COSTS},{MUX_COSTS}",
    "opt_clean -purge",
    "rename -enumerate",  # so that names do not depend on the forms beside it
    "setattr -unset src w:* c:*",
    "setattr -mod -unset src *",
    "setattr -mod -set keep_hierarchy 1 *",
)
_PREPARE = (
    "opt_expr",
    "opt_clean",
    "opt -nodffe -nosdff",
    "wreduce",
    "peepopt",
    "opt_clean",
    "techmap -map +/cmp2lut.v -map +/cmp2lcu.v -D LUT_WIDTH=6",
    "alumacc",
    "opt",
)
_MAP = (
    "techmap -map +/techmap.v -D LUT_SIZE=6 -map +/xilinx/arith_map.v",
    "opt_expr",
    "opt_merge",
    "opt_clean",
    "dfflegalize -cell $_DFFE_?P?P_ 01 -cell $_SDFFE_?P0P_ 01",
    "techmap -map +/xilinx/ff_map.v",
    "opt_expr -mux_undef -noclkinv",
    "abc -luts {costs}",
    "opt_clean",
)
_DISSOLVE = (
    "select -clear",
    "setattr -mod -unset keep_hierarchy *",
    "flatten",
    "opt_lut",
    "opt_merge",
    "opt_clean",
)
_FINISH = (
    "xilinx_srl -fixed -minlen 3",
    "techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6",
    "xilinx_dffopt",
    "opt_lut_ins -tech xilinx",
    # the Verilog leaves open what registers hold after configuration; the netlist says 0, so that no event comes out
    "setparam -set INIT 1'b0 t:FDRE",
    f"setparam -set INIT 16'b{'0' * 16} t:SRL16E",
    f"setparam -set INIT 32'b{'0' * 32} t:SRLC32E",
    "setattr -unset keep w:*",
    "setattr -unset src w:* c:*",
    "opt_clean -purge",
    "delete t:$scopeinfo",
)


def _quoted(path: Path, folder: Path) -> str:
    return '"' + Path(os.path.relpath(path, folder)).as_posix() + '"'


def cells_for(sources: list[Path]) -> list[str]:
    """The commands that declare the cells that ``sources`` instantiate."""
    return [CELLS, *([BLOCK_CELLS] if any(path.stem == BLOCKS for path in sources) else [])]


def form_script(wrapper: Path, library: list[Path], result: Path, folder: Path) -> list[str]:
    """The commands that map the forms that ``wrapper`` instantiates and write all modules to ``result``, as RTLIL.

    Args:
        wrapper: declares the module ``forms``.
        library: Verilog of the library modules.
        folder: where the script runs.
    """
    commands = [*cells_for(library), *(f"read_verilog -sv -defer {_quoted(path, folder)}" for path in library)]
    commands += [f"read_verilog -sv {_quoted(wrapper, folder)}", "hierarchy -check -top forms", *_FORM]
    return [*commands, f"write_rtlil {_quoted(result, folder)}"]


def script(
    top: str, sources: list[Path], parts: list[Path], forms: Path | None, folder: Path, *, muxes: bool = True
) -> list[str]:
    """The commands that write ``<top>.part.json`` and ``<top>.part.v`` of a module into ``folder``.

    Args:
        sources: the Verilog of ``top`` and of the library modules that it instantiates.
        parts: that of modules that are left alone, because they are synthesised on their own.
        forms: the forms of library modules, mapped already; one that is missing there is mapped with the module.
        folder: where the script runs.
        muxes: whether MUXF7/8 may be used.
    """
    commands = cells_for(sources)
    if forms is not None:
        commands.append(f"read_rtlil {_quoted(forms, folder)}")
    commands += [f"read_verilog -sv -lib {_quoted(path, folder)}" for path in parts]
    commands += [f"read_verilog -sv -defer {_quoted(path, folder)}" for path in sources]
    commands.append(f"hierarchy -check -top {top}")
    # every wire named s<number>: the patterns of Yosys know no ranges of characters
    commands += ["select -set sums */w:s[0123456789]* */w:*_* %d", "setattr -set keep 1 @sums"]
    commands += ["proc", "flatten", f"select {top}"]  # forms stay, being marked
    tables = [TABLES] if any(has_tables(path.read_text(encoding="utf-8")) for path in sources) else []
    costs = f"{LUT_COSTS},{MUX_COSTS}" if muxes else LUT_COSTS
    commands += [*_PREPARE, *tables, *(line.format(costs=costs) for line in _MAP), *_DISSOLVE, *_FINISH]
    return [*commands, f"json -o {top}.part.json", f"write_verilog -noattr {top}.part.v"]
