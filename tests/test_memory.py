"""The memory of the firmware library: LUTs, as Yosys' cells are, equal the behavioural form and the gate-level executor."""

import subprocess
from dataclasses import replace
from importlib.resources import files

import gate_cells
import numpy as np
import pytest

from bittrigger.errors import ToolError
from bittrigger.simulate.simulators.clocked import Clocked
from bittrigger.synth.memory import LETTERS
from bittrigger.synth.netlist import Cell, Netlist, read_netlist

FORMS = [(14, 5), (15, 4), (7, 6), (9, 6), (1, 2)]
"""Widths, and bits of an address: what fills the LUTs, what does not, and the least."""


def bench(root, folder, width, places, change=lambda text: text):
    """Both forms beside each other, in CXXRTL, and the netlist of that in primitives."""
    library = root / "firmware"
    for name, path in (("behavioural", library), ("primitive", library / "ultrascale")):
        text = (path / "bittrigger_memory.sv").read_text().replace("module bittrigger_memory", f"module {name}")
        (folder / f"{name}.sv").write_text(change(text) if name == "primitive" else text)
    pins = f".clk(clk), .write(v[0]), .row(v[1+:{places}]), .place(v[7+:{places}]), .data(v[13+:{width}])"
    head = (
        f"module bench(input clk, input [31:0] v, output [{{}}:0] y);\n  primitive #({width}, {places}) a({pins}, .q(y["
    )
    both = (
        head.format(2 * width - 1)
        + f"{width - 1}:0]));\n  behavioural #({width}, {places}) b({pins}, .q(y[{width} +: {width}]));\n"
    )
    (folder / "both.v").write_text(both + "endmodule\n")
    (folder / "one.v").write_text(head.format(width - 1) + f"{width - 1}:0]));\nendmodule\n")
    (folder / "main.cc").write_text(gate_cells.HARNESS)
    read = "read_verilog -lib +/xilinx/cells_sim.v", "read_verilog -sv primitive.sv one.v"
    gate_cells.run_yosys(
        folder, *read, "hierarchy -top bench", "proc; flatten; opt_clean", "delete t:$scopeinfo", "json -o one.json"
    )
    read = "read_verilog -sv +/xilinx/cells_sim.v primitive.sv behavioural.sv both.v", "hierarchy -top bench", "proc"
    gate_cells.run_yosys(folder, *read, "flatten", "write_cxxrtl -g0 bench.cc")
    runtime = files("pyosys") / "share/include/backends/cxxrtl/runtime"
    subprocess.run(["g++", "-O0", f"-I{runtime}", "-o", "bench", "main.cc"], cwd=folder, check=True)
    return folder / "bench"


def played(root, folder, width, places, change=lambda text: text):
    """What both forms and the executor give, `(cycles, width)`, once every word has been written."""
    program = bench(root, folder, width, places, change)
    rng, rows = np.random.default_rng(width), 1 << places
    stimulus = rng.integers(0, 1 << 32, 600 + rows, dtype=np.uint64)
    stimulus[:rows] = (
        (stimulus[:rows] & ~np.uint64(0x7F)) | np.arange(rows, dtype=np.uint64) << np.uint64(1) | np.uint64(1)
    )
    both = gate_cells.simulate(program, stimulus, 2 * width)[rows + 1 :]
    bits = (stimulus[:, None] >> np.arange(32, dtype=np.uint64) & np.uint64(1))[:, :, None]
    words = np.where(bits, ~np.uint64(0), np.uint64(0)).astype(np.uint64)
    gates = Clocked(read_netlist("bench", [folder / "one.json"])).run({"v": words})["y"][rows + 1 :, :, 0]
    return both[:, :width], both[:, width:], (gates & np.uint64(1)).astype(np.uint8)


@pytest.mark.parametrize(("width", "places"), FORMS)
def test_primitives_and_the_executor_are_the_memory(root, tmp_path, width, places):
    primitive, behavioural, gates = played(root, tmp_path, width, places)
    assert behavioural.any()
    assert np.array_equal(primitive, behavioural)
    assert np.array_equal(gates, behavioural)


CHANGES = {
    "read where it is written": (".ADDRB(from[4:0])", ".ADDRB(to[4:0])"),
    "two bits exchanged": (".DOC(read[14*k+4+:2])", ".DOC(read[14*k+2+:2])"),
    "never written": (".WE(write)", ".WE(1'b0)"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen(root, tmp_path, name):
    old, new = CHANGES[name]
    primitive, behavioural, _ = played(root, tmp_path, 14, 5, lambda text: text.replace(old, new))
    assert not np.array_equal(primitive, behavioural)


def lut_memory(name, write, place, data, q):
    """A RAM32M16 of which one LUT is used, written at the place where it is read."""
    nets = {"WCLK": (2,), "WE": (write,), **{f"DI{letter}": (data, data) for letter in LETTERS}}
    nets |= {f"ADDR{letter}": place for letter in LETTERS}
    return Cell(name, "RAM32M16", {}, nets, {"DOA": q})


def test_a_memory_is_read_where_another_says():
    first, second = (
        lut_memory("first", 3, (4, 0, 0, 0, 0), 5, (6, 7)),
        lut_memory("second", 3, (6, 0, 0, 0, 0), 5, (8, 9)),
    )
    inputs = {"clk": (2,), "write": (3,), "place": (4,), "data": (5,)}
    rng, cycles = np.random.default_rng(2), 64
    bits = {port: rng.integers(0, 2, cycles) for port in ("write", "place", "data")}
    words = {port: np.where(found[:, None, None], ~np.uint64(0), np.uint64(0)) for port, found in bits.items()}
    given = Clocked(Netlist("one", inputs, {"q": (8,)}, (second, first), 10, {})).run(words)["q"][:, 0, 0] & np.uint64(
        1
    )
    one, two, due = [0, 0], [0, 0], []
    for write, place, data in zip(*(bits[port].tolist() for port in ("write", "place", "data")), strict=True):
        there = one[place]
        due.append(two[there])
        if write:
            one[place] = two[there] = data
    assert given.tolist() == due


def test_runs_of_one_word_may_all_read_another_place_than_those_of_the_next():
    cell = lut_memory("ram", 3, (*range(4, 9),), 1, (9, 10))
    inputs = {"clk": (2,), "write": (3,), "place": (*range(4, 9),)}
    ones = ~np.uint64(0)
    write, place = np.zeros((2, 1, 2), np.uint64), np.zeros((2, 5, 2), np.uint64)
    write[0] = place[0, 0] = ones  # all runs write place 1
    place[1, 0] = 0, ones  # and then those of the second word alone read it
    found = Clocked(Netlist("one", inputs, {"q": (9,)}, (cell,), 11, {})).run({"write": write, "place": place})["q"]
    assert found[1, 0].tolist() == [0, ones]


def test_the_executor_reads_a_block_ram_through_its_register():
    """Its cells have no model in Yosys: what they are taken to be is that of UG573, held here against a model of two lines."""
    names = dict.fromkeys(("CLKARDCLK", "CLKBWRCLK"), (2,)) | {"WEBWE": (3,) * 4, "WEA": (0, 0), "SLEEP": (0,)}
    names |= dict.fromkeys(("ENARDEN", "ENBWREN", "ADDRENA", "ADDRENB", "REGCEAREGCE", "REGCEB"), (1,))
    names |= dict.fromkeys(("RSTRAMARSTRAM", "RSTRAMB", "RSTREGARSTREG", "RSTREGB"), (0,))
    row, place, data, q = range(4, 13), range(13, 22), range(22, 54), range(54, 86)
    low = (0,) * 5
    names |= {
        "ADDRBWRADDR": (*low, *row),
        "ADDRARDADDR": (*low, *place),
        "DINADIN": (*data[:16],),
        "DINBDIN": (*data[16:],),
    }
    cell = Cell("ram", "RAMB18E2", {}, names, {"DOUTADOUT": (*q[:16],), "DOUTBDOUT": (*q[16:],)})
    inputs = {"clk": (2,), "write": (3,), "row": (*row,), "place": (*place,), "data": (*data,)}
    rng, cycles = np.random.default_rng(1), 400
    values = {port: rng.integers(0, 1 << min(len(nets), 3), cycles) for port, nets in inputs.items() if port != "clk"}
    values["data"] = rng.integers(0, 1 << 32, cycles)
    words = {
        port: np.where(found[:, None, None] >> np.arange(len(inputs[port]))[:, None] & 1, ~np.uint64(0), np.uint64(0))
        for port, found in values.items()
    }
    given = Clocked(Netlist("one", inputs, {"q": (*q,)}, (cell,), 86, {})).run(words)["q"][:, :, 0] & np.uint64(1)
    memory, read, due = np.zeros(512, dtype=np.int64), 0, [0, 0]
    for write, to, at, word in zip(*(values[port].tolist() for port in ("write", "row", "place", "data")), strict=True):
        read = int(memory[at])
        memory[to] = word if write else memory[to]
        due.append(read)
    assert (given.astype(np.int64) << np.arange(32)).sum(axis=1).tolist() == due[:cycles]
    for pin in ("ENARDEN", "REGCEAREGCE", "REGCEB"):
        halted = replace(cell, inputs={**names, pin: (3,)})
        with pytest.raises(ToolError, match="used in another way"):
            Clocked(Netlist("one", inputs, {"q": (*q,)}, (halted,), 86, {}))
