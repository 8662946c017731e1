"""C-simulation, emulator and Verilated RTL of several networks, compiled together: parsing headers costs more than a network.

Each kind is one compilation unit; all three make one program, which runs one executor of one network in a process of its
own, so that what crashes there takes nothing else with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bittrigger.build.folder import Build
from bittrigger.errors import MismatchError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.ports import bus_width, input_fields, output_fields, pack, unpack
from bittrigger.simulate.executors.csim import _TYPES, _flattened, ap_types_folder
from bittrigger.simulate.simulators.compiled import compiler_version, digest, folder_digest, precompiled_header
from bittrigger.simulate.simulators.runtime import compiled_runtime
from bittrigger.simulate.simulators.verilator import find_verilator
from bittrigger.system.toolchain import compiler_environment, require_tool, run_tool

KINDS = ("csim", "emulator", "rtl")
TIMEOUT_S = 600.0
_GUARD = re.compile(r"^#define (\w+_H_)$", re.MULTILINE)
_FLAGS = ("-O0", "-w", "-Wno-psabi")  # a network runs for a few milliseconds: what counts is how fast it compiles


@dataclass(frozen=True)
class Natives:
    """A program that holds several networks.

    Attributes:
        builds: the networks, each with a design name of its own.
        folder: of the program.
    """

    builds: tuple[Build, ...]
    folder: Path

    def run(self, place: int, kind: str, codes: IntArray) -> IntArray:
        """What executor ``kind`` of network ``place`` makes of ``codes`` `(events, n_inputs)`: `(events, n_outputs)`.

        Raises:
            ToolError: if the program dies.
            MismatchError: if the RTL's ``out_valid`` is wrong, or its data depends on gaps or resets.
        """
        graph = self.builds[place].graph
        source, result = self.folder / "in.bin", self.folder / "out.bin"
        fields = input_fields(graph), output_fields(graph)
        if kind == "rtl":
            _padded(pack(codes, fields[0])).tofile(source)
        else:
            codes.astype(np.int64).tofile(source)
        result.unlink(missing_ok=True)
        command = [str(self.folder / "program"), kind, str(place), str(len(codes)), str(source), str(result)]
        run_tool(command, log=self.folder / "run.log", timeout_s=TIMEOUT_S)
        status, data = np.frombuffer(result.read_bytes()[:8], dtype=np.int64)[0], result.read_bytes()[8:]
        if status:
            raise MismatchError(f"{kind}: {_STATUS.get(int(status), f'it stopped with {status}')}")
        if kind == "rtl":
            words = np.frombuffer(data, dtype=np.uint8).reshape(len(codes), -1)
            return unpack(np.ascontiguousarray(words[:, : -(-bus_width(fields[1]) // 8)]), fields[1])
        return np.frombuffer(data, dtype=np.int64).reshape(len(codes), graph.n_outputs)


_STATUS = {
    1: "out_valid is wrong in a cycle",
    2: "the data of an event depends on gaps or resets",
    3: "the emulator refuses a code",
}


def _padded(words: np.ndarray) -> np.ndarray:
    return np.pad(words, ((0, 0), (0, -words.shape[1] % 4)))


def _words(bits: int) -> int:
    return -(-bits // 32)


def compile_natives(builds: Sequence[Build], folder: Path, kinds: Sequence[str] = KINDS) -> Natives:
    """Compile ``builds`` into one program below ``folder`` that can run ``kinds``.

    Raises:
        ToolError: if Verilator or g++ fails, for whichever of the networks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    verilator = find_verilator()
    include = verilator.root / "include"
    for place, build in enumerate(builds):
        if "rtl" in kinds:
            _verilate(build, place, folder)
    units: dict[str, tuple[str, list[str]]] = {
        "csim": (_csim(builds), ["-std=c++11", f"-I{ap_types_folder()}"]),
        "emulator": (_emulator(builds), ["-std=c++17", "-march=native"]),
        "rtl": (_rtl(builds, folder), ["-std=gnu++17", f"-I{include}", f"-I{include / 'vltstd'}"]),
        "main": (_main(builds, kinds), ["-std=c++17"]),
    }
    compiler = require_tool("g++")
    runtime = compiled_runtime(verilator, ("verilated", "verilated_threads")) if "rtl" in kinds else None
    headers = {
        "csim": (_TYPES, folder_digest(ap_types_folder())),
        "rtl": ('#include "verilated.h"\n', runtime and runtime.key),
    }
    objects = []
    for name in (*kinds, "main"):
        text, flags = units[name]
        source, product = folder / f"{name}.cpp", folder / f"{name}.o"
        source.write_text(text, encoding="utf-8")
        command = [compiler, *_FLAGS, *flags]
        if name in headers:  # most of the time goes into parsing them
            header, key = headers[name]
            key = digest(compiler_version(compiler), compiler_environment(), key or "")
            command += ["-include", str(precompiled_header(f"fuzz_{name}.h", header, command, key))]
        run_tool([*command, "-c", str(source), "-o", str(product)], log=folder / f"{name}.log", timeout_s=TIMEOUT_S)
        objects.append(str(product))
    objects += map(str, runtime.objects) if runtime else ()
    run_tool([compiler, *objects, "-o", str(folder / "program"), "-pthread"], log=folder / "link.log")
    return Natives(tuple(builds), folder)


def _verilate(build: Build, place: int, folder: Path) -> None:
    tool = find_verilator()
    options = [
        "--cc",
        "--no-timing",
        "-Wall",
        "--output-split",
        "0",
        "--prefix",
        f"V{place}",
        "--mod-prefix",
        f"V{place}",
    ]
    sources = [str(path) for path in sorted((build.folder / "rtl").glob("*.sv"))]
    command = [str(tool.binary), *options, "--Mdir", str(folder), "--top-module", build.graph.name, *sources]
    run_tool(command, log=folder / f"verilate_{place}.log", env={"VERILATOR_ROOT": str(tool.root)}, timeout_s=TIMEOUT_S)


def _in_namespace(place: int, text: str) -> str:
    guards = "".join(f"#undef {guard}\n" for guard in dict.fromkeys(_GUARD.findall(text)))
    return f"namespace fuzz_{place} {{\n{text}\n}}\n{guards}"


def _csim(builds: Sequence[Build]) -> str:
    parts = ['#include "ap_fixed.h"\n#include "ap_int.h"\n#include <cassert>\n']
    for place, build in enumerate(builds):
        firmware, name, seen = build.folder / "hls" / "firmware", build.graph.name, set[str]()
        names = [*(path.name for path in sorted(firmware.glob("*.cpp"))), f"{name}_codes.h"]
        text = "".join(_flattened(firmware, source, seen) for source in names)
        text += f"""
extern "C" long long csim_{place}(const void *in, void *out, long long events) {{
    for (long long k = 0; k < events; k++)
        {name}_codes((const long long *)in + k * {name}_n_inputs, (long long *)out + k * {name}_n_outputs);
    return 0;
}}"""
        parts.append(_in_namespace(place, text))
    return "".join(parts)


def _emulator(builds: Sequence[Build]) -> str:
    parts = []
    for place, build in enumerate(builds):
        folder, seen, library = build.folder / "emulator", set[str](), f"{build.graph.name}_v1"
        sources = [path.name for path in sorted(folder.glob("*.cpp")) if not path.name.endswith("_cmssw.cpp")]
        parts += [_flattened(folder, source, seen) for source in sources]
        parts.append(f"""
extern "C" long long emulator_{place}(const void *in, void *out, long long events) {{
    return {library}_run_codes((const int64_t *)in, (int64_t *)out, events) == events ? 0 : 3;
}}
""")
    return "".join(parts)


_STOPS = """#include <cstdlib>
void vl_finish(const char *, int, const char *) { std::abort(); }
void vl_stop(const char *, int, const char *) { std::abort(); }
void vl_fatal(const char *, int, const char *, const char *) { std::abort(); }
"""
"""What the run-time library leaves to its user."""


def _rtl(builds: Sequence[Build], folder: Path) -> str:
    parts = ['#include "verilated.h"\n', _STOPS, (Path(__file__).parent / "harness.h").read_text(encoding="utf-8")]
    for place, build in enumerate(builds):
        parts.append("#undef VL_PCH_INCLUDED\n")
        sources = [folder / f"V{place}.cpp", *sorted(folder.glob(f"V{place}_*.cpp"))]
        parts += [f'#include "{source.name}"\n' for source in sources]
        graph = build.graph
        words = _words(bus_width(input_fields(graph))), _words(bus_width(output_fields(graph)))
        latency = build.pipeline.latency_cycles
        parts.append(f"""
extern "C" long long rtl_{place}(const void *in, void *out, long long events) {{
    for (int pattern : {{fuzz::BACK_TO_BACK, fuzz::GAPS, fuzz::RESETS}}) {{
        const int wrong = fuzz::run<V{place}>((const uint32_t *)in, {words[0]}, (uint32_t *)out, {words[1]}, events,
                                              {latency}, {build.pipeline.ii}, pattern, pattern == 0);
        if (wrong) return wrong;
    }}
    return 0;
}}
""")
    return "".join(parts)


def _main(builds: Sequence[Build], kinds: Sequence[str]) -> str:
    sizes: dict[str, Callable[[Build], tuple[int, int]]] = {
        "csim": lambda b: (8 * b.graph.n_inputs, 8 * b.graph.n_outputs),
        "emulator": lambda b: (8 * b.graph.n_inputs, 8 * b.graph.n_outputs),
        "rtl": lambda b: (4 * _words(bus_width(input_fields(b.graph))), 4 * _words(bus_width(output_fields(b.graph)))),
    }
    calls = [f"{kind}_{place}" for place in range(len(builds)) for kind in kinds]
    rows = [
        f'    {{"{kind}", {place}, {kind}_{place}, {sizes[kind](build)[0]}, {sizes[kind](build)[1]}}},'
        for place, build in enumerate(builds)
        for kind in kinds
    ]
    declared = "\n".join(f'extern "C" long long {call}(const void *, void *, long long);' for call in calls)
    return _PROGRAM % (declared, "\n".join(rows))


_PROGRAM = """#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>
%s
struct Entry { const char *kind; int place; long long (*run)(const void *, void *, long long); long in, out; };
static const Entry ENTRIES[] = {
%s
};
int main(int, char **arguments) {
    const long events = atol(arguments[3]);
    for (const Entry &entry : ENTRIES) {
        if (strcmp(entry.kind, arguments[1]) || entry.place != atoi(arguments[2])) continue;
        std::vector<long long> in(entry.in * events / 8 + 1), out(entry.out * events / 8 + 1);
        FILE *source = fopen(arguments[4], "rb"), *result = fopen(arguments[5], "wb");
        if (!source || !result || fread(in.data(), entry.in, events, source) != size_t(events)) return 2;
        const long long status = entry.run(in.data(), out.data(), events);
        fwrite(&status, sizeof status, 1, result);
        fwrite(out.data(), entry.out, events, result);
        return fclose(result) ? 2 : 0;
    }
    return 2;
}
"""
