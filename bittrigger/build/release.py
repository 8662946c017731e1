"""What an experiment's repository needs beside the files of a build: lists of sources, and constraints.

* ``<design>.f``: sources for a simulator's or a linter's ``-f``, the deepest modules first; ``<design>_vhdl.f`` where there is
  VHDL, which the lists for IPBB and Hog then take.
* ``firmware/cfg/<design>.dep``: the same for IPBB; the package is then a component. Source: IPBB's "Dependency Tree file format":
  ``src`` looks in ``firmware/hdl`` of the component, and ``--cd`` leads from there.
* ``list/<design>.src`` and ``list/<design>.con``: the same for Hog, whose paths begin at the root of the repository. Source:
  Hog 2026.1, "List Files".
* ``constraints/<design>.xdc``: the clock, and on parts of several SLRs a suggestion that keeps the design in one. Source: AMD
  UG912, ``USER_SLR_ASSIGNMENT``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bittrigger.build.folder import Build
from bittrigger.emit.render import render


def source_names(build: Build) -> list[str]:
    """The Verilog of ``build``, relative to it: library cells and layers first, the top last."""
    top = f"{build.graph.name}.sv"
    names = sorted(path.name for path in (build.folder / "rtl").glob("*.sv"))
    cells = [name for name in names if name.startswith("bittrigger_")]
    layers = [name for name in names if name not in cells and name != top]
    return [f"rtl/{name}" for name in (*cells, *layers, top)]


def vhdl_names(build: Build) -> list[str]:
    """The VHDL of ``build``, relative to it, in the order in which it has to be read; none if it was not asked for."""
    if build.settings.hdl != "vhdl":
        return []
    return [
        f"vhdl/{name}"
        for name in (build.folder / "vhdl" / f"{build.graph.name}_vhdl.f").read_text(encoding="utf-8").split()
    ]


def release_files(build: Build, root: str) -> dict[str, str]:
    """The text of each list and constraint file by its name in the package.

    Args:
        root: where the package lies in the experiment's repository, for Hog.
    """
    name, sources, vhdl = build.graph.name, source_names(build), vhdl_names(build)
    chosen, option = (vhdl, "--vhdl2008 ") if vhdl else (sources, "")
    place = root.rstrip("/")
    head = f"# {name}: {build.pipeline.origin.mark}"
    constraint = f"constraints/{name}.xdc"
    return {
        f"{name}.f": _lines(head.replace("#", "//"), sources),
        **({f"{name}_vhdl.f": _lines(head.replace("#", "--"), vhdl)} if vhdl else {}),
        f"firmware/cfg/{name}.dep": _lines(
            head,
            [
                *(f"src {option}--cd ../../{Path(source).parent} {Path(source).name}" for source in chosen),
                f"src --cd ../../constraints {name}.xdc",
            ],
        ),
        f"list/{name}.src": _lines(head, [f"{place}/{source}" for source in chosen]),
        f"list/{name}.con": _lines(head, [f"{place}/{constraint}"]),
        constraint: _constraints(build),
    }


def _lines(head: str, entries: Sequence[str]) -> str:
    return "\n".join([head, *entries]) + "\n"


def _constraints(build: Build) -> str:
    part = build.settings.device
    return render(
        "release.xdc.j2",
        name=build.graph.name,
        mark=build.pipeline.origin.mark,
        part=build.settings.part,
        slrs=part.slrs,
        clock_mhz=f"{build.settings.clock_mhz:g}",
        period_ns=f"{1000.0 / build.settings.clock_mhz:.4f}",
    )
