"""The C-simulation of somebody else's hls4ml project: its own C++, compiled by g++ and run on integer codes.

This executes what the project holds, and is done only when the user asks for it.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from bittrigger.errors import MismatchError, ToolError
from bittrigger.frontend.hls4ml_project.project import Project, Variable
from bittrigger.frontend.hls4ml_project.source import preprocessed, read_text, tokens
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Graph, evaluate, input_intervals
from bittrigger.simulate.executors.csim import ap_types_folder
from bittrigger.simulate.vectors import corner_codes, random_codes
from bittrigger.system.toolchain import require_tool, run_tool

_SPACE = ("namespace", "{")
_FLAGS = ("-std=c++14", "-O1", "-w", "-fno-exceptions")


def check_with_csim(project: Project, graph: Graph, outputs: list[str], *, events: int = 1000, seed: int = 0) -> int:
    """Compare the graph with the project's own C++ on corners and random codes, but for a softmax; returns the number of events.

    Raises:
        MismatchError: if a bit differs.
        ToolError: if the C++ does not compile, or fails.
    """
    codes = np.concatenate([corner_codes(graph), random_codes(graph, events, seed), _small(graph, events, seed)])
    wanted, found = project_codes(project, outputs, codes), evaluate(graph, codes)
    softmax = {call.arguments[1] for call in project.calls if call.function == "softmax"}
    compared = np.repeat([name not in softmax for name in outputs], [project.variables[name].size for name in outputs])
    differs = (wanted != found) & compared
    if differs.any():
        event, column = (int(place[0]) for place in np.nonzero(differs))
        pair = int(wanted[event, column]), int(found[event, column])
        raise MismatchError(
            f"the C-simulation of {project.folder} and the integers differ in {int(differs.any(axis=1).sum())} of {len(codes)} "
            f"events: first in event {event}, output {column}: code {pair[0]} and {pair[1]}",
            event=event,
            column=column,
            codes=pair,
        )
    return len(codes)


def _small(graph: Graph, events: int, seed: int) -> IntArray:
    """Random codes of every magnitude: such as saturate nothing are among them."""
    codes = random_codes(graph, events, seed + 1)
    bits = np.random.default_rng(seed + 2).integers(0, 24, size=(events, 1))
    low = np.array([span.lo for span in input_intervals(graph)])
    return np.maximum(codes >> bits, low)


def project_codes(project: Project, outputs: list[str], codes: IntArray) -> IntArray:
    """Output codes of the project's own C++, `(events, n_outputs)`.

    Args:
        outputs: the ports that it writes, in order.
        codes: `(events, n_inputs)` codes of its input types.

    Raises:
        ToolNotFoundError: if g++ or hls4ml's headers are missing.
        ToolError: if it does not compile, or fails.
    """
    compiler = require_tool("g++")
    with tempfile.TemporaryDirectory(prefix="bittrigger-") as name:
        folder = Path(name)
        (folder / "bench.cpp").write_text(_bench(project, outputs), encoding="utf-8")
        own = project.folder / "ap_types"
        includes = [project.folder, project.folder.parent, own if own.is_dir() else ap_types_folder()]
        command = [compiler, *_FLAGS, *(f"-I{path.resolve()}" for path in includes), "bench.cpp", "-o", "bench"]
        run_tool(command, log=folder / "log", cwd=folder)
        done = subprocess.run(
            [folder / "bench"],
            input=np.ascontiguousarray(codes, dtype=np.int64).tobytes(),
            cwd=project.folder,
            capture_output=True,
            check=False,
        )
    count = sum(project.variables[output].size for output in outputs)
    if done.returncode or len(done.stdout) != 8 * len(codes) * count:
        said = done.stderr.decode("utf-8", "replace").strip()[-300:]
        raise ToolError(f"the C-simulation of {project.folder} failed with exit code {done.returncode}: {said}")
    return np.frombuffer(done.stdout, dtype=np.int64).reshape(len(codes), count)


def _bench(project: Project, outputs: list[str]) -> str:
    """A program that reads input codes and writes output codes, 64 bits each."""
    words = tokens(preprocessed(read_text(project.source), project.source.name)[0])
    before = words[: words.index(project.name)]
    opened = [name for word, name, sign in zip(before, before[1:], before[2:], strict=False) if (word, sign) == _SPACE]
    top = f"{opened[-1] if opened else ''}::{project.name}"
    arrays = "".join(f"    static {port.spelled} {port.name}[{port.size}];\n" for port in project.ports)
    reads = "".join(_read(port) for port in project.ports if port.name not in outputs)
    writes = "".join(_write(project.variables[output]) for output in outputs)
    arguments = ", ".join(port.name for port in project.ports)
    return (
        f'#include "{project.source.resolve()}"\n#include <cstdio>\nint main() {{\n    long long code;\n{arrays}'
        f"    for (;;) {{\n{reads}        {top}({arguments});\n{writes}    }}\n}}\n"
    )


def _read(port: Variable) -> str:
    top = port.type.fixed.width - 1
    return (
        f"        for (int i = 0; i < {port.size}; i++) {{\n            if (std::fread(&code, 8, 1, stdin) != 1) return 0;\n"
        f"            {port.name}[i]({top}, 0) = ap_int<64>(code);\n        }}\n"
    )


def _write(port: Variable) -> str:
    width, sign = port.type.fixed.width, "" if port.type.fixed.signed else "u"
    return (
        f"        for (int i = 0; i < {port.size}; i++) {{\n"
        f"            ap_{sign}int<{width}> bits = {port.name}[i]({width - 1}, 0);\n"
        "            code = (long long)bits;\n            std::fwrite(&code, 8, 1, stdout);\n        }\n"
    )
