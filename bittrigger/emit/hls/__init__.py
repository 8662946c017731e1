"""C++ of a pipeline for Vitis HLS: one header and source a layer, a top function, a test bench and build scripts."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from bittrigger.emit.hls.cpp import Operands, code_type, operands_of
from bittrigger.emit.hls.extremum import extremum_lines
from bittrigger.emit.hls.held import held_body
from bittrigger.emit.hls.lookup import lookup_body
from bittrigger.emit.hls.loop_form import loop_form
from bittrigger.emit.hls.options import HlsOptions, check_options
from bittrigger.emit.hls.project import result_code_type, summary, top_calls, top_ports, wire_name
from bittrigger.emit.hls.requantize import requantize_body
from bittrigger.emit.hls.scaling import scaling_body
from bittrigger.emit.hls.straight_line import StraightLine, straight_line
from bittrigger.emit.hls.vectors import dat_text, reference_codes
from bittrigger.emit.render import render, write_changed
from bittrigger.errors import InternalError, UnsupportedModelError
from bittrigger.ir.fixed import hull
from bittrigger.ir.graph import Intervals, Linear, Lookup, Requantize, evaluate, intervals, operand
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.ir.origin import MARK
from bittrigger.ir.pipeline import Module, Pipeline, in_software
from bittrigger.system.resources import folder as shipped

__all__ = ["HlsOptions", "emit_hls"]

LOOP_HEADER = "nnet_bitlinear.h"


def emit_hls(pipeline: Pipeline, folder: Path, options: HlsOptions) -> tuple[Path, ...]:
    """Write the Vitis HLS project of ``pipeline``.

    ::

        firmware/<name>.h .cpp      the top function, fixed-point ports
        firmware/<layer>.h .cpp     one pair a layer; large layers add <layer>_parts.h and <layer>_part_<k>.cpp
        firmware/<name>_codes.h     the top function on integer codes, for test benches
        <name>_test.cpp, tb_data/   test bench and the events that it compares, every bit
        build_prj.tcl, Makefile     Vitis HLS, and plain g++

    The top function is an ``ap_ctrl_hs`` core with ``ap_none`` inputs and ``ap_vld`` outputs. It takes an event every
    cycle, or every ``options.ii`` cycles where a layer is reused.

    Args:
        folder: created if need be; files that hold the same text already are left alone, and files of an earlier
            emission that are no longer part of the design are removed.

    Returns:
        The files, relative paths joined to ``folder``.

    Raises:
        ConfigError: if ``options`` do not fit the graph.
        UnsupportedModelError: if the design bears a name that C++ or one of its modules has taken.
    """
    check_options(options, pipeline.graph)
    _check_name(pipeline)
    pipeline = in_software(pipeline)
    texts: dict[str, str] = {}
    for module in pipeline.modules:
        texts |= _module_files(pipeline, module, options)
    ranges = intervals(pipeline.graph)
    for node in pipeline.graph.nodes:
        if isinstance(node, Wire):
            texts |= _wire_files(pipeline, node, ranges, options)
    texts = _project_files(pipeline, options, texts)
    paths = {name: folder / name for name in texts}
    for name, text in texts.items():
        write_changed(paths[name], text)
    _remove_stale(folder / "firmware", set(paths.values()))
    return tuple(paths.values())


def _check_name(pipeline: Pipeline) -> None:
    name = pipeline.graph.name
    if name == "main":
        raise UnsupportedModelError(f"design {name!r} bears the name of a C++ function; choose another with --name")


def _remove_stale(firmware: Path, wanted: set[Path]) -> None:
    """Remove sources of an earlier emission, known by their mark, so that no build picks them up."""
    for path in (*firmware.glob("*.cpp"), *firmware.glob("*.h")):
        if path not in wanted and MARK in path.read_text(encoding="utf-8", errors="replace")[:400]:
            path.unlink()


def _module_files(pipeline: Pipeline, module: Module, options: HlsOptions) -> dict[str, str]:
    """The header and the sources of one layer, by path."""
    operands = operands_of(module.name, module.node, module.source, pipeline.graph)
    common = {
        "name": module.name,
        "mark": pipeline.origin.mark,
        "summary": summary(module),
        "operands": operands,
        "n_out": len(module.result),
        "copies": module.copies,
        "sequential": options.sequential,
    }
    header = render(
        "module.h.j2",
        **common,
        frac=module.node.frac,
        result=hull(module.result),
        result_type=result_code_type(module.result, module.node.frac),
    )
    files = {f"firmware/{module.name}.h": header}
    source = f"firmware/{module.name}.cpp"
    match module.node:
        case Linear():
            if module.adders is None or options.takes_loop_form(module.node):
                form = loop_form(module.node, module.source, module.result, options.reuse(module.node.name))
                files[source] = render("loop_form.cpp.j2", **common, form=form)
                files[f"firmware/{LOOP_HEADER}"] = (shipped("hls_templates") / LOOP_HEADER).read_text(encoding="utf-8")
            else:
                files |= _straight_line_files(module, operands, options, common)
        case Requantize():
            body = requantize_body(module.node, module.source, operands, module.name)
            files[source] = render("requantize.cpp.j2", **common, body=body)
        case Lookup():
            table = lookup_body(module.node, module.source, operands, module.name)
            files[source] = render("lookup.cpp.j2", **common, body=table)
        case Product():
            factors = [
                f"{code_type(span)}({code})" for span, code in zip(module.source, operands.elements, strict=True)
            ]
            files[source] = render("product.cpp.j2", **common, factors=factors, type=code_type(module.result[0]))
        case Weigh() | Hold():
            files[source] = render("weigh.cpp.j2", **common, **held_body(module, module.node, operands))
        case Extremum():
            lines = extremum_lines(module.node, module.source, operands, module.name)
            kinds = {"code_type": code_type(hull(module.source)), "sign": "<" if module.node.least else ">"}
            files[source] = render("extremum.cpp.j2", **common, **kinds, lines=lines)
        case MagnitudeOr() | ShiftDown() | ShiftUp():
            scaled = scaling_body(module.node, module.source, module.result, operands, module.name)
            kind = type(module.node).__name__
            files[source] = render("scaling.cpp.j2", **common, body=scaled, node=module.node, kind=kind)
        case _:
            assert_never(module.node)
    return files


def _wire_files(pipeline: Pipeline, node: Wire, ranges: dict[str, Intervals], options: HlsOptions) -> dict[str, str]:
    """The header and the source of a wire, by path."""
    graph = pipeline.graph
    name, source, result = wire_name(graph.name, node), operand(node, ranges), ranges[node.name]
    common = {
        "name": name,
        "mark": pipeline.origin.mark,
        "summary": f"node '{node.name}', {node.size} of {len(source)} codes, in another order",
        "operands": operands_of(name, node, source, graph),
        "n_out": node.size,
        "copies": 1,
        "sequential": options.sequential,
    }
    result_type = result_code_type(result, node.frac)
    header = render("module.h.j2", **common, frac=node.frac, result=hull(result), result_type=result_type)
    indices = node.indices.tolist()
    text = render(
        "wire.cpp.j2", **common, indices=indices, zero=ZERO, n_in=len(source), operand_type=code_type(hull(source))
    )
    return {f"firmware/{name}.h": header, f"firmware/{name}.cpp": text}


def _straight_line_files(
    module: Module, operands: Operands, options: HlsOptions, common: dict[str, object]
) -> dict[str, str]:
    if module.adders is None:
        raise InternalError(f"layer {module.node.name!r} has no adder graph")
    line: StraightLine = straight_line(
        module.adders,
        operands,
        f"{module.name}_out_t",
        adders_per_function=options.adders_per_function,
        adders_per_file=options.adders_per_file,
    )
    parameters = operands.parameters
    if line.fields:
        parameters += f", {module.name}_values &v"
    parameters += f", {module.name}_out_t y[{len(module.result)}]"
    chunks = [chunk for file in line.files for chunk in file]
    split = len(line.files) > 1
    common = common | {"fields": line.fields, "parameters": parameters, "chunks": chunks}
    stem = f"firmware/{module.name}"
    files = {f"{stem}.cpp": render("straight_line.cpp.j2", **common, parts_header=split)}
    if split:
        files[f"{stem}_parts.h"] = render("straight_line_parts.h.j2", **common)
        first = 0
        for k, file in enumerate(line.files):
            part = common | {"chunks": file, "first": first, "number": k + 1, "count": len(line.files)}
            files[f"{stem}_part_{k}.cpp"] = render("straight_line_part.cpp.j2", **part)
            first += len(file)
    return files


def _project_files(pipeline: Pipeline, options: HlsOptions, texts: dict[str, str]) -> dict[str, str]:
    """Everything but the layers, put before them."""
    graph = pipeline.graph
    sources = [f"{graph.name}.cpp", *(Path(name).name for name in texts if name.endswith(".cpp"))]
    values = {
        "name": graph.name,
        "basis": graph.basis,
        "mark": pipeline.origin.mark,
        "n_inputs": graph.n_inputs,
        "n_outputs": graph.n_outputs,
        "ports": top_ports(graph),
        "modules": top_calls(pipeline),
        "sequential": options.sequential,
        "ii": options.ii,
        "clock_mhz": pipeline.clock_mhz,
        "part": options.part,
        "sources": sources,
        "objects": [f"build/{Path(source).stem}.o" for source in sources],
    }
    codes = reference_codes(graph)
    return {
        f"firmware/{graph.name}.h": render("top.h.j2", **values),
        f"firmware/{graph.name}.cpp": render("top.cpp.j2", **values),
        f"firmware/{graph.name}_codes.h": render("codes.h.j2", **values),
        **texts,
        f"{graph.name}_test.cpp": render("test.cpp.j2", **values),
        "tb_data/tb_input.dat": dat_text(codes),
        "tb_data/tb_output.dat": dat_text(evaluate(graph, codes)),
        "build_prj.tcl": render("build_prj.tcl.j2", **values),
        "project.tcl": render("project.tcl.j2", **values),
        "Makefile": render("project.mk.j2", **values),
    }
