"""Claims about the structure of Verilog and netlist, and what may be read by Yosys because they hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from bittrigger.ir.forms.arrival import word_fields
from bittrigger.ir.forms.engine import WEIGHT_BITS, Engine
from bittrigger.ir.held.bus import bus_ports, column_ports, reader_ports
from bittrigger.ir.held.memory import fed_ports, loader_ports, placed, settings_ports
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module, Pipeline, queued_codes
from bittrigger.ir.ports import bus_width, output_fields
from bittrigger.prove.claims import Claim, Unproven, Verdict, attempt
from bittrigger.prove.sources.files import Copy
from bittrigger.prove.sources.rtl import Rtl, read_rtl
from bittrigger.prove.sources.setting import Setting
from bittrigger.prove.sources.text import LIBRARY, check_texts
from bittrigger.prove.sources.vhdl import read_vhdl
from bittrigger.synth.netlist_text import check_text
from bittrigger.synth.strict import CELLS, NetlistFault, Pins, check_module, load_module, reached_bits
from bittrigger.synth.yosys import design_sources, netlist_files
from bittrigger.system.toolchain import has_program

_CLOCK = re.compile(r"^ +input +wire +clk\b", re.MULTILINE)
UNREAD = Rtl({}, frozenset(), "it is not read by Yosys, as its text or a file of the library is refuted")


def read_structure(copy: Copy, work: Path, *, netlist: bool) -> tuple[list[Claim], Setting]:
    """Decide the claims of structure, and read Verilog and netlist where they hold.

    Raises:
        ToolNotFoundError: if Yosys is not installed.
        ToolError: if it does not take the Verilog.
    """
    pipeline, folder = copy.build.pipeline, copy.build.folder
    vectors = BusLayout.of(pipeline)
    claims = [_text_claim(copy)]
    readable = claims[0].verdict is Verdict.PROVEN and not any(_is_library(line) for line in _differences(copy))
    gates: dict[str, Any] = {}
    with ThreadPoolExecutor(1) as beside:  # Yosys is a process of its own
        reading = beside.submit(_read_both, copy, work, netlist=netlist) if readable else None
        if netlist:
            ports = module_ports(pipeline, vectors, folder / "rtl")
            files = netlist_files(pipeline, folder / "synth")
            stems = [path.stem for path in files]
            claims += [_netlist_claim(path, stems[:k], ports, gates) for k, path in enumerate(files)]
        rtl, primitive = reading.result() if reading else (UNREAD, UNREAD if netlist else None)
    vhdl = _vhdl(copy, work) if readable else None
    return claims, Setting(pipeline, vectors, rtl, primitive, gates, work, vhdl)


def _vhdl(copy: Copy, work: Path) -> Rtl | None:
    """The VHDL, if the build has any as it was emitted, and GHDL is there to read it."""
    if copy.build.settings.hdl != "vhdl" or not has_program("ghdl"):
        return None
    if copy.differences("vhdl"):
        return replace(UNREAD, unread="it is not read by GHDL, as its text is refuted")
    return read_vhdl(copy.build.pipeline, copy.build.folder / "vhdl", work / "vhdl")


def _read_both(copy: Copy, work: Path, *, netlist: bool) -> tuple[Rtl, Rtl | None]:
    """The Verilog as it is, and, for the netlist, with library modules in primitives."""
    pipeline, folder = copy.build.pipeline, copy.build.folder
    rtl = read_rtl(pipeline, sorted((folder / "rtl").glob("*.sv")), work / "rtl")
    if not netlist:
        return rtl, None
    return rtl, read_rtl(pipeline, design_sources(folder / "rtl", folder / "synth"), work / "primitive")


def _differences(copy: Copy) -> list[str]:
    return [*copy.differences("rtl"), *copy.differences("synth")]


def _is_library(difference: str) -> bool:
    return Path(difference.partition(":")[0]).stem in LIBRARY


def _text_claim(copy: Copy) -> Claim:
    pipeline = copy.build.pipeline
    names = frozenset(module_ports(pipeline, BusLayout.of(pipeline), copy.build.folder / "rtl")) - {pipeline.graph.name}

    def check() -> str:
        texts = {}
        for name in (*sorted(names), pipeline.graph.name):
            path = copy.build.folder / "rtl" / f"{name}.sv"
            if not path.is_file():
                raise Unproven(f"rtl/{name}.sv is missing")
            texts[name] = path.read_text(encoding="ascii", errors="replace")
        return check_texts(texts, names)

    return attempt(
        pipeline.graph.name,
        "structure",
        "the Verilog is wires, registers, assignments and instances that every tool reads alike, and each bit has one driver",
        "a grammar of its own",
        check,
    )


def _netlist_claim(path: Path, before: list[str], ports: dict[str, Pins], gates: dict[str, Any]) -> Claim:
    """Of one module, which may hold those ``before`` it; if it holds, ``gates`` gets the module in Yosys' JSON."""
    name = path.stem

    def check() -> str:
        try:
            module = load_module(path)
            bits = check_module(module, {child: ports[child] for child in before}, ports[name])
            check_text(path.with_suffix(".v").read_text(encoding="ascii"), name, module)
        except (NetlistFault, OSError, ValueError) as fault:
            raise Unproven(f"{path.parent.name}/{name}: {fault}") from fault
        gates[name] = module
        tables = [cell for cell in module["cells"].values() if cell["type"].startswith("LUT")]
        beyond = sum(CELLS[cell["type"]].init - len(reached_bits(cell)) for cell in tables)
        cells = len(module["cells"])
        return f"{cells} cells, {bits} bits, each with one driver; {beyond} bits of INIT lie beyond constant inputs"

    statement = (
        "the netlist is cells of one list, whole and defined, and each bit has one driver; its Verilog says the same"
    )
    return attempt(name, "structure", statement, "a table of cells, a grammar of its own", check)


def module_ports(pipeline: Pipeline, vectors: BusLayout, rtl: Path) -> dict[str, Pins]:
    """The ports that each module of the design has to have; a clock only where its Verilog in ``rtl`` has one."""
    graph = pipeline.graph
    start = {"in_start": 1} if pipeline.arrival else {}
    top = {"clk": 1, "rst": 1, "in_valid": 1, **start, "in_data": bus_width(word_fields(graph, pipeline.arrival))}
    found: dict[str, Pins] = {module.name: _ports(vectors, module, rtl) for module in pipeline.modules}
    for module in pipeline.modules:
        if module.engine:
            found |= _engine_ports(vectors, module, module.engine)
        if module.serial:
            (bus,), width = vectors.operands(module), vectors.result(module).width
            found[module.name] = _both_ways({"clk": 1, "load": 1, "x": bus.width}, {"y": module.lanes * width})
        if module.tally:
            (bus,), width = vectors.operands(module), vectors.result(module).width
            found[module.name] = _both_ways({"clk": 1, "first": 1, "x": bus.width}, {"y": width})
        if module.queue:
            (bus,) = vectors.operands(module)
            taken = len(queued_codes(graph, module)[0]) * bus.element.width
            found[module.queue_name] = _both_ways({"clk": 1, "load": 1, "x": taken}, {"y": module.lanes * bus.width})
    found |= _held_ports(vectors, pipeline, found)
    if pipeline.settings_name:
        top |= {f"settings_{port}": width for port, width in bus_ports(graph).items()}
    late = {"settings_busy": 1} if pipeline.settings_name else {}
    if pipeline.guard_name:
        late["dropped"] = 1
        told = {"accept": 1, **({"whole": 1} if pipeline.arrival else {}), "dropped": 1}
        found[pipeline.guard_name] = _both_ways({"clk": 1, "rst": 1, "in_valid": 1, **start}, told)
    found[graph.name] = _both_ways(top, {"out_valid": 1, "out_data": bus_width(output_fields(graph)), **late})
    return found


def _held_ports(vectors: BusLayout, pipeline: Pipeline, modules: Mapping[str, Pins]) -> dict[str, Pins]:
    """The ports of what reads held numbers, of ``modules``, and of what holds them."""
    found: dict[str, Pins] = {}
    for place, module in placed(pipeline):
        found[module.name] = {**modules[module.name], **_both_ways(reader_ports(place.node), {})}
        if module.is_fed:
            (bus,) = vectors.operands(module)
            given, driven = fed_ports(module, bus.width)
            found[module.feed_name] = _both_ways({"clk": 1, "load": 1} | given, driven)
        else:
            given, driven = column_ports(place)
            found[module.held_name] = _both_ways({"clk": 1} | given, driven)
    for name, ports in ((pipeline.loader_name, loader_ports), (pipeline.settings_name, settings_ports)):
        if name is not None:
            given, driven = ports(pipeline)
            found[name] = _both_ways({"clk": 1} | given, driven)
    return found


def _both_ways(given: Mapping[str, int], driven: Mapping[str, int]) -> Pins:
    """Ports by direction, from the widths of inputs and outputs."""
    return {
        **{port: ("input", width) for port, width in given.items()},
        **{port: ("output", width) for port, width in driven.items()},
    }


def _engine_ports(vectors: BusLayout, module: Module, engine: Engine) -> dict[str, Pins]:
    """The ports of a lane, and of what feeds the lanes."""
    (bus,), width = vectors.operands(module), vectors.result(module).width
    told = {"clear": 1, "settle": 1}
    code, weights = engine.terms * bus.element.width, WEIGHT_BITS * engine.terms
    lane = {"clk": 1, **told, "x": code, "weights": weights, "bias": width}
    feed = {**told, "step": code, "weights": weights * engine.lanes, "bias": width * engine.lanes}
    taken = {"clk": 1, "load": 1, "x": bus.width}
    return {
        module.name: _both_ways(lane, {"y": width}),
        module.feed_name: _both_ways(taken, feed),
    }


def _ports(vectors: BusLayout, module: Module, rtl: Path) -> Pins:
    path = rtl / f"{module.name}.sv"
    clocked = module.cycles > 0 and path.is_file() and _CLOCK.search(path.read_text(encoding="utf-8", errors="replace"))
    clock = {"clk": 1} if clocked else {}
    operands = {bus.name: bus.width for bus in vectors.operands(module)}
    return _both_ways({**clock, **operands}, {"y": vectors.result(module).width})
