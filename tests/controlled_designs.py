"""A small reloadable design behind an AXI4-Lite or IPbus slave in Verilator, and a model of what the slave answers."""

import json
import shutil
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from bittrigger.emit.wrappers.control import AxiLiteOptions, IpbusOptions, emit_control
from bittrigger.errors import ToolError
from bittrigger.ir.held.bus import SETTLING, address_bits, writes
from bittrigger.ir.held.control_map import KIND, REGISTERS, UNITS, VERSION, window_bits
from bittrigger.ir.held.weight_file import network_hash
from bittrigger.ir.ports import bus_width, input_fields, output_fields
from bittrigger.simulate.simulators.model import build_model, launch, options
from bittrigger.simulate.wrapper import WrapperSim

OPTIONS = {"axi_lite": AxiLiteOptions(), "ipbus": IpbusOptions()}
BUSES = {"axi_lite": "axi-lite", "ipbus": "ipbus"}
ALL = 15  # strobes of a whole word

TOP = """\
module {name}_{bus}_top (
{ports}
    input  wire rst,
    input  wire in_valid,
    input  wire [{inputs}:0] in_data,
    output wire out_valid,
    output wire [{outputs}:0] out_data
);
    wire settings_write, settings_busy{dropped};
    wire [{address}:0] settings_address;
    wire [31:0] settings_data;
    {name}_{bus} u_control (.*);
    {name} u_design (.*);
endmodule
"""

VHDL_TOP = """\
library ieee;
use ieee.std_logic_1164.all;

entity {name}_{bus}_top is
    port (
{ports}
        rst : in std_logic;
        in_valid : in std_logic;
        in_data : in std_logic_vector({inputs} downto 0);
        out_valid : out std_logic;
        out_data : out std_logic_vector({outputs} downto 0)
    );
end entity;

architecture structure of {name}_{bus}_top is
    signal settings_write, settings_busy : std_logic;
    signal settings_address : std_logic_vector({address} downto 0);
    signal settings_data : std_logic_vector(31 downto 0);
begin
    u_control : entity work.{name}_{bus}
        port map ({control});
    u_design : entity work.{name}
        port map ({design});
end architecture;
"""
SETTINGS = ("settings_write", "settings_address", "settings_data", "settings_busy")


@dataclass(frozen=True)
class GhdlSim:
    """A top of VHDL under GHDL, with the interface of ``WrapperSim`` that a bench needs."""

    top: str
    sources: tuple
    cache: Path

    def run(self, module, bench):
        """Run the tests of ``sim/<module>.py``; ``ToolError`` where one does not pass."""
        model = build_model(self.top, self.sources, self.cache, "ghdl")
        results = self.cache / "results.xml"
        job = {
            "simulator": "ghdl",
            "options": options("ghdl", self.cache),
            "top": self.top,
            "module": module,
            "build_dir": str(model.parent),
            "test_dir": str(bench),
            "results": str(results),
            "seed": 1,
        }
        environment = {
            "BITTRIGGER_BENCH": str(bench),
            "BITTRIGGER_TIMEOUT_S": "300",
            "COCOTB_REWRITE_ASSERTION_FILES": "",
        }
        log = self.cache / "test.log"
        launch("test", job, log=log, environment=environment, timeout_s=330)
        if "<failure" in results.read_text() or "<testcase" not in results.read_text():
            raise ToolError(log.read_text()[-2000:])


def facts_of(build, bus):
    """What a top of ``build`` behind ``bus`` is written with."""
    graph = build.graph
    return {
        "name": graph.name,
        "bus": bus,
        "inputs": bus_width(input_fields(graph)) - 1,
        "outputs": bus_width(output_fields(graph)) - 1,
        "address": address_bits(graph) - 1,
        "dropped": ", dropped;\n    wire unused = &{1'b0, dropped}" if build.pipeline.guard_name else "",
    }


def vhdl_bench_of(build, bus, place):
    """The VHDL of ``build``, whose design is VHDL too, behind ``bus``."""
    emit_control(build.pipeline, OPTIONS[bus], place / "wrap" / bus)
    files = sorted((place / "wrap" / bus / "vhdl").glob("*.vhd"))
    text = (place / "wrap" / bus / "vhdl" / f"{build.graph.name}_{bus}.vhd").read_text()
    ports = text[text.index("    port (\n") + 11 : text.index("        settings_write")].rstrip()
    names = [line.split()[0] for line in ports.splitlines()]
    data = ("clk", "rst", "in_valid", "in_data", "out_valid", "out_data")
    maps = {
        key: ", ".join(f"{port} => {port}" for port in chosen)
        for key, chosen in {"control": (*names, *SETTINGS), "design": (*data, *SETTINGS)}.items()
    }
    top = place / f"{build.graph.name}_{bus}_top.vhd"
    top.write_text(VHDL_TOP.format(ports=ports, **maps, **facts_of(build, bus)))
    return GhdlSim(top.stem, (*sorted((build.folder / "vhdl").glob("*.vhd")), *files, top), place / "sim")


def bench_of(build, bus, place, change=None):
    """The design of ``build`` behind ``bus``, in ``place``; ``change`` is a stem, a text, and what it becomes."""
    files = emit_control(build.pipeline, OPTIONS[bus], place / "wrap" / bus)
    copies = []
    for path in files:
        text = path.read_text()
        if change and path.stem == change[0]:
            assert text.count(change[1]) == 1, change
            text = text.replace(*change[1:])
        copies.append(place / path.name)
        copies[-1].write_text(text)
    text = copies[0].read_text()
    ports = text[text.index(" (\n") + 3 : text.index("    output wire        settings_write")].rstrip()
    top = place / f"{build.graph.name}_{bus}_top.sv"
    top.write_text(TOP.format(ports=ports, **facts_of(build, bus)))
    design = sorted((build.folder / "rtl").glob("*.sv"))
    return WrapperSim(top.stem, (top, *copies, *design), place / "sim", timeout_s=300)


@dataclass(frozen=True)
class Run:
    """Accesses in order, or reads beside writes."""

    accesses: list
    stall: float = 0.0
    seed: int = 1
    parallel: bool = False
    events: bool = False
    reset: bool = False


def play(sim, build, bus, runs, *, events=(), clk_ps=2000, bus_ps=2000):
    """What each run is answered with, and what came out for the events of each."""
    bench = sim.cache / "bench"
    shutil.rmtree(bench, ignore_errors=True)
    bench.mkdir(parents=True)
    latency = build.pipeline.latency_cycles
    setup = {
        "bus": bus,
        "clk_ps": clk_ps,
        "bus_ps": bus_ps,
        "idle": latency + SETTLING,
        "latency": latency,
        "ii": build.pipeline.ii,
        "events": [f"{word:x}" for word in events] or ["0"],
        "runs": [vars(run) for run in runs],
    }
    (bench / "bench.json").write_text(json.dumps(setup))
    sim.run("test_control", bench)
    found = json.loads((bench / "out.json").read_text())
    return [
        ([tuple(answer) for answer in run["answers"]], [(k, int(word, 16)) for k, word in run["events"]])
        for run in found
    ]


@dataclass
class Model:
    """What the slave of ``graph`` answers, one access after the other."""

    graph: object
    bus: str
    written: dict = field(default_factory=dict)
    live: dict = field(default_factory=dict)
    registers: dict = field(default_factory=dict)

    def __post_init__(self):
        self.bits, self.words = window_bits(self.graph), len(writes(self.graph)) - 1
        network = bytes.fromhex(network_hash(self.graph))
        self.registers = dict.fromkeys(range(12), 0) | {
            REGISTERS["kind"]: KIND,
            REGISTERS["version"]: VERSION,
            REGISTERS["words"]: self.words,
            **{16 + k: int.from_bytes(network[4 * k : 4 * k + 4], "big") for k in range(8)},
        }

    def access(self, write, address, data, strobes=ALL):
        """Whether it is refused, and what is read."""
        unit = UNITS[BUSES[self.bus]]
        whole = self.bus == "ipbus" or not write or strobes == ALL
        if address % unit or not whole:
            return 1, 0
        window, offset = divmod(address // unit % (4 << self.bits), 1 << self.bits)
        if window == 0:
            return self._write(offset, data) if write else self._read(offset)
        if window == 3 or not 1 <= offset <= self.words or (write and window == 2):
            return 1, 0
        if write:
            self.written[offset] = data
            self.registers[REGISTERS["status"]] |= 2
            return 0, 0
        return 0, (self.written if window == 1 else self.live).get(offset)

    def _read(self, offset):
        return (0, self.registers[offset]) if offset in self.registers else (1, 0)

    def _write(self, offset, data):
        if offset == REGISTERS["label"]:
            self.registers[offset] = data
        elif (offset == REGISTERS["apply"] and data == 1) or offset == REGISTERS["apply_if"]:
            self._apply(data if offset == REGISTERS["apply_if"] else None)
        else:
            return 1, 0
        return 0, 0

    def _apply(self, wanted):
        found = self.registers
        crc = zlib.crc32(b"".join(self.written.get(k + 1, 0).to_bytes(4, "little") for k in range(self.words)))
        found[REGISTERS["crc"]] = crc
        if wanted not in (None, crc):
            found[REGISTERS["status"]] |= 4
            found[REGISTERS["refusals"]] += 1
            return
        found[REGISTERS["status"]] = 0
        found[REGISTERS["live_crc"]], found[REGISTERS["live_label"]] = crc, found[REGISTERS["label"]]
        found[REGISTERS["applied"]] += 1
        self.live = dict(self.written)
