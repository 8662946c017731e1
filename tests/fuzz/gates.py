"""A long-lived Yosys: netlists of whole designs by the commands of ``bittrigger.synth.recipe``, and Verilog to be proven."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bittrigger.build.folder import Build
from bittrigger.errors import ToolError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.held.bus import held_nodes
from bittrigger.ir.pipeline import Pipeline
from bittrigger.prove.sources.rtl import Rtl, collect_rtl, rtl_commands
from bittrigger.simulate.executors.gates import GateSim
from bittrigger.simulate.simulators.program import Program
from bittrigger.synth.netlist import read_netlist
from bittrigger.synth.recipe import script
from bittrigger.synth.yosys import design_sources, synthesize
from fuzz.child import Child


@dataclass
class Yosys:
    """A Yosys that takes one script after another, started when it is needed and again when it has died."""

    folder: Path
    cpu_s: float = 0.0
    _child: Child = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._child = Child("fuzz.yosys_server", (str(self.folder / "yosys.log"),))

    def run(self, path: Path) -> None:
        """Run the commands in ``path``.

        Raises:
            ToolError: if one fails.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        answer = self._child.ask(str(path)).split()
        if answer[:1] != ["done"]:
            self.close()
            tail = (self.folder / "yosys.log").read_text(encoding="utf-8", errors="replace").splitlines()[-10:]
            raise ToolError(f"Yosys failed on {path}:\n" + "\n".join(tail))
        self.cpu_s += float(answer[1])

    def close(self) -> None:
        """End the process."""
        self._child.close()

    def rtl(self, pipeline: Pipeline, sources: list[Path], work: Path) -> Rtl:
        """As ``bittrigger.prove.sources.rtl.read_rtl``.

        Raises:
            ToolError: if Yosys does not take the Verilog.
        """
        work.mkdir(parents=True, exist_ok=True)
        path, result = work / "rtl.ys", work / "rtl.json"
        path.write_text("\n".join(rtl_commands(pipeline.graph.name, sources, result)) + "\n", encoding="utf-8")
        self.run(path)
        return collect_rtl(pipeline, result)

    def gates(self, build: Build, codes: IntArray) -> IntArray:
        """Synthesise ``build`` and run its netlist on ``codes`` `(events, n_inputs)`.

        Raises:
            ToolError: if Yosys fails or the netlist holds what a pipeline cannot.
            MismatchError: if ``out_valid`` is wrong.
        """
        folder = self.folder / "netlist"
        folder.mkdir(parents=True, exist_ok=True)
        if build.pipeline.ii > 1 or held_nodes(build.graph):  # as the product does, module by module: there is feedback
            synthesize(build.pipeline, build.folder / "rtl", folder, jobs=1)
            return GateSim(build.pipeline, folder).run(codes)
        top = build.graph.name
        lines = script(top, design_sources(build.folder / "rtl", folder), [], None, folder)
        kept = [line for line in lines if not line.startswith(("read_verilog -lib", "write_verilog", "json "))]
        result = folder / f"{top}.json"
        path = folder / f"{top}.ys"
        text = "\n".join([*kept, f"json -o {result}"]) + "\n"
        path.write_text(_absolute(text, folder), encoding="utf-8")
        self.run(path)
        simulator = GateSim(build.pipeline, folder)
        simulator.program = Program(read_netlist(top, [result]))
        result.unlink()
        return simulator.run(codes)


def _absolute(text: str, folder: Path) -> str:
    """``text`` with the relative path of each source made absolute, since the server runs somewhere else."""
    lines = []
    for line in text.splitlines():
        head, quote, rest = line.partition('"')
        lines.append(
            f'{head}"{(folder / rest.rstrip(chr(34))).resolve()}"' if quote and head.startswith("read") else line
        )
    return "\n".join(lines) + "\n"
