"""Runs inside a copy of the product: emits the test designs and says whether anything is wrong with what comes out.

``python check.py emit DESIGNS OUT TARGET...`` writes the firmware of every design and prints a digest of its code, comments and
blanks left out. ``python check.py TARGET DESIGNS OUT [NAME...]`` checks that of all designs, or of those named: ``verilog``,
``vhdl``, ``hls``, ``emulator``, ``wrap``; or ``adder3`` and ``cells``, which need no design.
Exit code 0: every bit is right. 3: something is wrong, and standard error begins with what noticed. Anything else: it crashed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from itertools import product
from pathlib import Path

WRONG = 3
EVENTS = 400
VHDL_EVENTS = 12
SANITIZED = ("-fsanitize=bounds,address", "-fno-sanitize-recover=all")
TRAPPED = "-O2 -fsanitize=bounds -fsanitize-undefined-trap-on-error"
WIDTHS = (8, 9, 16)
"""Of the three-input adder: within, beyond and at the end of a block of eight bits."""
OUTPUTS = {"verilog": "rtl", "vhdl": "vhdl", "hls": "hls", "emulator": "emulator", "wrap": "wrap"}
COMMENT = re.compile(r"//.*|#(?!include|define|if|endif|pragma).*")
VHDL_COMMENT = re.compile(r"--.*")
TESTS = Path(__file__).resolve().parents[1]


def designs(folder, names):
    """The pipelines of the designs in ``folder``, those of ``names`` if there are any; plain trees are lowered anew."""
    from bittrigger.build.store import load_design
    from bittrigger.passes.lower_trees import lower_graph_to_trees
    from bittrigger.schedule.schedule import Schedule

    paths = {path.stem: path for path in sorted(folder.glob("*.json"))}
    for path in [paths[name] for name in names] or paths.values():
        settings = json.loads(path.with_suffix(".settings").read_text())
        graph, adders, serial = load_design(path)
        if settings["held"]:
            graph = held(graph, *settings["held"])
        if settings["trees"]:
            adders = lower_graph_to_trees(graph)
        stream = settings["port"] == "stream"
        schedule = Schedule(settings["clock_mhz"], ii=settings["ii"], serial=serial, stream=stream)
        yield path.stem, schedule.apply(graph, adders), settings


def held(graph, weights, bias, due):
    """``graph`` with weights or biases in registers, which changes no bit."""
    import numpy as np

    from bittrigger.errors import MismatchError
    from bittrigger.ir.graph import evaluate
    from bittrigger.ir.held.bus import held_nodes
    from bittrigger.passes.hold import Holding
    from bittrigger.passes.simplify import simplify
    from bittrigger.simulate.vectors import corner_codes, random_codes

    made = simplify(graph, held=Holding(weights, bias))
    codes = np.concatenate([random_codes(graph, EVENTS, 0), corner_codes(graph)])
    if not np.array_equal(evaluate(made, codes), evaluate(graph, codes)):
        raise MismatchError("what is held is not what was there")
    if {type(node).__name__ for node in held_nodes(made)} != {due}:
        raise MismatchError("what was to be held is not")
    return made


def emit(target, name, pipeline, settings, out):
    from bittrigger.emit.emulator import emit_emulator
    from bittrigger.emit.hls import HlsOptions, emit_hls
    from bittrigger.emit.verilog import emit_verilog
    from bittrigger.emit.vhdl import emit_vhdl
    from bittrigger.synth.yosys import design_sources

    folder = out / name / OUTPUTS[target]
    if target == "verilog":
        emit_verilog(pipeline, folder)
        design_sources(folder, out / name / "primitives")
    elif target == "vhdl":
        emit_verilog(pipeline, out / name / OUTPUTS["verilog"])
        emit_vhdl(out / name / OUTPUTS["verilog"], pipeline.graph.name, folder)
    elif target == "hls":
        emit_hls(pipeline, folder, HlsOptions("xcvu13p-flga2577-2-e", settings["reuse_factor"], settings["unrolled"]))
    elif target == "emulator":
        emit_emulator(pipeline, folder)
    else:
        emit_wrappers(pipeline, folder)


def emit_wrappers(pipeline, folder):
    from bittrigger.emit.wrappers import emit_axis, emit_emp
    from bittrigger.patterns.design import make_payload

    axis, emp = wrapped_designs().AXIS, wrapped_designs().EMP
    for name, options in axis.items():
        emit_axis(pipeline, options, folder / "axis" / name)
    for name, options in emp.items():
        emit_emp(pipeline, make_payload(pipeline.graph, pipeline.latency_cycles, options), folder / "emp" / name)


def wrapped_designs():
    """The module of the tests that names all options of wrappers."""
    sys.path[0] = str(TESTS)  # and not this folder, whose modules have names of theirs
    import wrapped_designs as module

    return module


def digest(folder):
    """Of the code in ``folder``, and of the library cells in primitives that go with Verilog."""
    total = hashlib.sha256()
    primitives = folder.parent / "primitives" if folder.name == OUTPUTS["verilog"] else folder
    for path in sorted({*folder.rglob("*"), *primitives.rglob("*")}):
        if path.suffix in (".sv", ".vhd", ".cpp", ".h", ".tcl", ".py") or path.name == "Makefile":
            comment = VHDL_COMMENT if path.suffix == ".vhd" else COMMENT
            code = re.sub(r"\s+", " ", comment.sub("", path.read_text()))
            total.update(f"{path.relative_to(folder.parent)}\0{code}\0".encode())
    return total.hexdigest()


def agrees(target, pipeline, folder, notice):
    """Whether what was emitted gives every bit of the oracle; ``notice`` is told what is asked before it is asked."""
    import numpy as np

    from bittrigger.ir.graph import evaluate
    from bittrigger.simulate.vectors import corner_codes, random_codes

    codes = np.concatenate([random_codes(pipeline.graph, EVENTS, 0), corner_codes(pipeline.graph)])
    wanted = evaluate(pipeline.graph, codes)
    if target == "wrap":
        notice("wrappers")
        return _wrapped_is_right(pipeline, folder)
    if target == "vhdl":
        notice("proof")
        if not _proven(pipeline, folder, hdl="vhdl"):
            return False
        notice("ghdl")
        return _simulated_by_ghdl(folder, codes[-VHDL_EVENTS:])
    if target == "verilog":
        notice("proof")
        if not _proven(pipeline, folder):
            return False
        notice("lint")
        _lint(pipeline, folder)
        notice("rtl")
        return np.array_equal(_rtl(pipeline, folder).run(codes), wanted)
    return _program_agrees(
        _hls(pipeline, folder) if target == "hls" else _emulator(pipeline, folder), codes, wanted, notice
    )


def _program_agrees(executor, codes, wanted, notice):
    import numpy as np

    notice("results")
    if not np.array_equal(executor.run(codes), wanted):
        return False
    notice("entries")
    executor.check_entries()
    return True


def _wrapped_is_right(pipeline, folder):
    """By the very tests of the wrappers, and GHDL's reading of the adapter for EMP."""
    from bittrigger.emit.verilog import emit_verilog

    module = wrapped_designs()
    import emp_adapter
    import emp_protocol
    import test_wrappers

    from bittrigger.simulate.simulators.verilator import find_verilator

    for each in (module, emp_protocol, test_wrappers):
        each.PIPELINE, each.GRAPH = pipeline, pipeline.graph
    workshop = folder, emit_verilog(pipeline, folder / "design")
    for k, files in enumerate(sorted(folder.glob("wrap/*/*"))):
        top = next(path.stem for path in files.glob(f"{pipeline.graph.name}_*.sv"))
        find_verilator().lint([*workshop[1], *sorted(files.glob("*.sv"))], top, folder / f"lint_{k}.log")
        if files.parent.name == "emp":
            emp_adapter.check_adapter(files, pipeline.graph.name, folder / f"adapter_{k}")
    for name in module.EMP:
        test_wrappers.test_packets_at_any_tmux_give_the_oracle_after_the_latency(workshop, name)
        test_wrappers.test_gaps_orbits_strobes_and_padding(workshop, name)
        test_wrappers.test_any_flags_do_what_the_contract_says(workshop, name)
    test_wrappers.test_packets_that_come_too_fast_are_dropped_whole(workshop)
    for name in module.AXIS:
        test_wrappers.test_every_event_comes_out_whatever_waits(workshop, name)
    for name in ("64", "320 to 32"):
        test_wrappers.test_each_packet_gives_one_packet_however_wrong(workshop, name)
    return True


def _lint(pipeline, folder):
    from bittrigger.simulate.simulators.verilator import find_verilator
    from bittrigger.system.toolchain import run_tool

    tool = find_verilator()
    sources = [str(path) for path in sorted((folder / "rtl").glob("*.sv"))]
    command = [str(tool.binary), "--lint-only", "-Wall", "--top-module", pipeline.graph.name, *sources]
    run_tool(command, log=folder / "lint.log", env={"VERILATOR_ROOT": str(tool.root)})


def _simulated_by_ghdl(folder, codes):
    from bittrigger.build.folder import load_build
    from bittrigger.simulate.compare import run_executors

    outcomes = run_executors(load_build(folder), ("oracle", "vhdl"), codes)
    return len(outcomes) > 1 and all(outcome.agrees for outcome in outcomes)


def _proven(pipeline, folder, hdl="verilog"):
    from bittrigger.build.folder import load_build, save_build, write_firmware
    from bittrigger.prove import prove
    from bittrigger.prove.circuits.equivalence import prove_equal
    from bittrigger.prove.sources.rtl import read_rtl
    from bittrigger.settings import Settings
    from bittrigger.synth.yosys import design_sources

    port = "stream" if pipeline.arrival else "whole"
    settings = Settings(clock_mhz=pipeline.clock_mhz, ii=pipeline.ii, hdl=hdl, port=port)
    write_firmware(pipeline, folder, settings)
    save_build(folder, pipeline, settings, {})
    proof = prove(load_build(folder), netlist=False, jobs=1)
    if not proof.proven or hdl == "vhdl":
        return proof.proven
    work = folder / "work"
    rtl = read_rtl(pipeline, sorted((folder / "rtl").glob("*.sv")), work / "rtl")
    primitive = read_rtl(pipeline, design_sources(folder / "rtl", folder / "synth"), work / "primitive")
    for name in rtl.library():
        prove_equal(rtl.module(name), primitive.module(name), work)
    return True


def adder3_is_right(work):
    """Whether the two forms of the three-input adder are equal for every sign, and the behavioural one is right."""
    import subprocess

    from bittrigger.prove.circuits.equivalence import prove_equal
    from bittrigger.synth.netlist import read_netlist
    from bittrigger.synth.worker import WORKER
    from bittrigger.system.resources import folder

    work.mkdir()
    sums = " : ".join(f"NEGATE == {n} ? {_signed_sum(n)}" for n in range(7)) + " : 0"
    (work / "sum.sv").write_text(
        "module bittrigger_adder3 #(parameter WIDTH = 8, parameter [2:0] NEGATE = 0) "
        f"(input [WIDTH-1:0] a, b, c, output [WIDTH-1:0] sum); assign sum = {sums}; endmodule"
    )
    library = folder("firmware")
    sources = {"plain": work, "one": library, "two": library / "ultrascale"}
    commands = []
    for kind, source in sources.items():
        name = "sum.sv" if kind == "plain" else "bittrigger_adder3.sv"
        for negate, width in product(range(7), WIDTHS):
            commands += [
                "design -reset",
                "read_verilog -lib +/xilinx/cells_sim.v",
                f'read_verilog -sv "{source / name}"',
            ]
            commands.append(f"chparam -set WIDTH {width} -set NEGATE {negate} bittrigger_adder3")
            commands += [
                "hierarchy -top bittrigger_adder3",
                "proc -noopt",
                "rename -top adder3",
                f"json -o {kind}{negate}_{width}.json",
            ]
    (work / "adder3.ys").write_text("\n".join(commands) + "\n")
    done = subprocess.run([sys.executable, WORKER, "adder3.ys"], cwd=work, capture_output=True, check=False)
    if done.returncode:
        return False
    for negate, width in product(range(7), WIDTHS):
        plain, one, two = (read_netlist("adder3", [work / f"{kind}{negate}_{width}.json"]) for kind in sources)
        prove_equal(plain, one, work)
        prove_equal(one, two, work)
    return True


def cells_are_right(work):
    """Whether every form of each cell in VHDL is the same in primitives, by the very check of the tests."""
    sys.path[0] = str(TESTS)  # and not this folder, whose modules have names of theirs
    import test_vhdl
    from library import yosys

    work.mkdir()
    root, library = Path.cwd(), Path.cwd() / "firmware" / "vhdl"
    for module in test_vhdl.FORMS:
        commands = []
        for name, source in (("gold", library), ("gate", library / "ultrascale")):
            path = test_vhdl.gates_of(root, work / f"{name}_{module}", module, source / f"{module}.vhd")
            commands += [f"read_verilog {path}", "hierarchy -top forms", "proc; flatten; opt_clean"]
            commands += [f"rename forms {name}", f"design -stash {name}"]
        commands += [
            "design -copy-from gold gold",
            "design -copy-from gate gate",
            "miter -equiv -flatten gold gate both",
        ]
        if yosys(work, *commands, "sat -verify -prove trigger 0 both").returncode:
            return False
    return True


def _signed_sum(negate):
    return " + ".join(f"(-{name})" if negate >> k & 1 else name for k, name in enumerate("abc"))


ALONE = {"adder3": adder3_is_right, "cells": cells_are_right}
"""What needs no design."""


def _rtl(pipeline, folder):
    from bittrigger.simulate.executors.rtl_fast import RtlFast

    return RtlFast(pipeline, folder / "rtl", folder / "sim", jobs=1)


def _hls(pipeline, folder):
    from bittrigger.simulate.executors import csim
    from bittrigger.simulate.executors.csim import CSim

    os.environ.pop("LD_PRELOAD", None)  # this process has it; the compiler needs it not
    csim.FLAGS += SANITIZED
    csim.LINK_FLAGS += SANITIZED
    return CSim(pipeline.graph, folder / "hls", folder / "sim")


def _emulator(pipeline, folder):
    from bittrigger.simulate.executors.emulator import Emulator

    os.environ["CXXFLAGS"] = TRAPPED  # an index out of bounds ends the process
    return Emulator(pipeline.graph, folder / "emulator", folder / "sim")


def main(job, source, out, *names):
    from bittrigger.errors import BittriggerError, InternalError
    from bittrigger.prove.claims import Unproven

    asked = ["structure"]
    digests = {target: {} for target in OUTPUTS}
    try:
        if job in ALONE:
            return 0 if ALONE[job](out) else WRONG
        for name, pipeline, settings in designs(source, () if job == "emit" else names):
            for target, folder in OUTPUTS.items():
                if (target == "wrap") != settings["wrapped"]:
                    continue
                if job == target or (job == "emit" and target in names):
                    emit(target, name, pipeline, settings, out)
                    digests[target][name] = digest(out / name / folder)
            if (
                job != "emit"
                and (job == "wrap") == settings["wrapped"]
                and not agrees(job, pipeline, out / name, asked.append)
            ):
                sys.stderr.write(f"{asked[-1]}: of {name} is wrong\n")
                return WRONG
    except (BittriggerError, InternalError, Unproven) as error:
        sys.stderr.write(f"{asked[-1]}: {type(error).__name__}: {error}\n"[:2000])
        return WRONG
    if job == "emit":
        sys.stdout.write(json.dumps(digests) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:]))
