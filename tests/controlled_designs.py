"""A small reloadable design behind an AXI4-Lite or IPbus slave in Verilator, and a model of what the slave answers."""

import json
import shutil
import zlib
from dataclasses import dataclass, field

from bittrigger.emit.wrappers.control import AxiLiteOptions, IpbusOptions, emit_control
from bittrigger.ir.control_map import KIND, REGISTERS, UNITS, VERSION, window_bits
from bittrigger.ir.held_bus import SETTLING, address_bits, writes
from bittrigger.ir.ports import bus_width, input_fields, output_fields
from bittrigger.ir.weight_file import network_hash
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
    wire settings_write, settings_busy;
    wire [{address}:0] settings_address;
    wire [31:0] settings_data;
    {name}_{bus} u_control (.*);
    {name} u_design (.*);
endmodule
"""


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
    graph = build.graph
    top = place / f"{graph.name}_{bus}_top.sv"
    facts = {
        "inputs": bus_width(input_fields(graph)) - 1,
        "outputs": bus_width(output_fields(graph)) - 1,
        "address": address_bits(graph) - 1,
    }
    top.write_text(TOP.format(name=graph.name, bus=bus, ports=ports, **facts))
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
