"""VHDL-2008 of a pipeline: the emitted SystemVerilog, module by module, with the same names, widths and registers.

There is one place that decides what the hardware is, `bittrigger.emit.verilog`. What it writes is a language so small that it
can be read back whole; here it is written down again for the tools of those who work in VHDL. What is not understood is an
error, never left out.
"""

from __future__ import annotations

from pathlib import Path

from bittrigger.emit.render import write_changed
from bittrigger.emit.vhdl.design import translate
from bittrigger.emit.vhdl.names import spelled
from bittrigger.errors import InternalError, UnsupportedModelError
from bittrigger.system.resources import folder as folder_of

__all__ = ["emit_vhdl"]

PACKAGE = "bittrigger_logic"
"""The package of the functions that the entities share."""

PRIMITIVES = "ultrascale"
"""The folder of the library cells in LUTs and carry chains, to be read in the place of those in behavioural form."""


def emit_vhdl(rtl: Path, top: str, folder: Path) -> tuple[Path, ...]:
    """Write ``<module>.vhd`` for each file of ``rtl``, the package that they share, and ``<top>_vhdl.f``.

    The library cells that the design uses come in primitives too, in the folder ``ultrascale``; ``<top>_vhdl.f`` names those in
    behavioural form, from which they do not differ.

    Ports, protocol and latency are those of the SystemVerilog; an element 0 is in the lowest bits. A port of one bit is a
    ``std_logic``, every other a ``std_logic_vector``. Names that VHDL reserves, or would not tell apart, are extended
    identifiers.

    Args:
        rtl: what ``emit_verilog`` has written, with nothing else beside it.
        top: name of the top module.
        folder: created if need be; files that hold the same text already are left alone.

    Returns:
        The files, in the order in which they have to be read; the top is the last.

    Raises:
        UnsupportedModelError: if the name of the design is none in VHDL.
        InternalError: if a file is not of the language that ``emit_verilog`` writes.
    """
    if spelled(top) != top:
        raise UnsupportedModelError(
            f"design {top!r} has a name that VHDL reserves, or does not tell from others; allowed are lower-case letters, digits "
            "and single underscores; choose another with --name"
        )
    library = folder_of("firmware") / "vhdl"
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(rtl.glob("*.sv"))}
    if top not in texts:
        raise InternalError(f"{rtl}: no {top}.sv")
    shared = [name for name in texts if (library / f"{name}.vhd").is_file()]
    written = {name: (library / f"{name}.vhd").read_text(encoding="utf-8") for name in (PACKAGE, *shared)}
    own = {name: text for name, text in texts.items() if name not in written}
    written |= translate(own, top)
    for name, text in written.items():
        write_changed(folder / f"{name}.vhd", text)
    for name in shared:
        primitive = library / PRIMITIVES / f"{name}.vhd"
        write_changed(folder / PRIMITIVES / primitive.name, primitive.read_text(encoding="utf-8"))
    write_changed(folder / f"{top}_vhdl.f", "".join(f"{name}.vhd\n" for name in written))
    return tuple(folder / f"{name}.vhd" for name in written)
