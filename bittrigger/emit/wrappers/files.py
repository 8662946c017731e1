"""The files of a wrapper: its own text, what it uses of the firmware library, and a list of all sources."""

from __future__ import annotations

from pathlib import Path

from bittrigger.emit.file_list import write_file_list
from bittrigger.emit.render import write_changed
from bittrigger.emit.verilog import LIBRARY
from bittrigger.errors import UnsupportedModelError
from bittrigger.ir.pipeline import Pipeline
from bittrigger.system.resources import folder as folder_of


def write_wrapper(
    pipeline: Pipeline, folder: Path, top: str, texts: dict[str, str], library: tuple[str, ...]
) -> tuple[Path, ...]:
    """Write ``top`` with each ending of ``texts``, the modules of ``library``, and ``<top>.f``.

    Returns:
        The SystemVerilog files, the top first; the design itself is in ``../../rtl``.

    Raises:
        UnsupportedModelError: if the design has a module of the wrapper's name.
    """
    taken = {pipeline.graph.name, *(module.name for module in pipeline.modules)} & {top, *library}
    if taken:
        raise UnsupportedModelError(f"the design has a module {min(taken)!r}, a name of the wrapper; rename the layer")
    paths = [folder / f"{top}.sv"]
    for ending, text in texts.items():
        write_changed(folder / f"{top}{ending}", text)
    for module in library:
        paths.append(folder / f"{module}.sv")
        write_changed(paths[-1], (folder_of("firmware") / f"{module}.sv").read_text(encoding="utf-8"))
    design = sorted(path.name for path in (folder.parent.parent / "rtl").glob("*.sv") if path.stem not in LIBRARY)
    sources = [*(f"../../rtl/{name}" for name in design), f"{top}.sv"]
    write_file_list(folder / f"{top}.f", f"{top}: all sources", pipeline.origin, sources, [".", "../../rtl"])
    return tuple(paths)
