"""Tamperings of what is held in registers: the bus that writes it, the columns that keep it, and whoever reads them."""

from __future__ import annotations

from pathlib import Path

from tamper.edits import TOP, Rows, cell_of, netlist, register, swap, text

BUS, COLUMN = f"rtl/{TOP}_settings.sv", f"rtl/{TOP}_held_dense_0_terms.sv"
READER, TOP_SV = f"rtl/{TOP}_weigh_dense_0_terms.sv", f"rtl/{TOP}.sv"
WEIGHTS = "weights.txt"


def held_rtl_kinds() -> dict[str, Rows]:
    """Of its Verilog."""
    return {
        "rtl: held, the bus": (
            ("a layer switches with the first", text(BUS, r"turn\[2\]\)", "turn[0])")),
            ("a layer switches a cycle late", text(BUS, r"\.turn\(turn\[0\]\)", ".turn(turn[1])")),
            ("a write hits the next word", text(BUS, r"place == 5'd2\)", "place == 5'd3)")),
            ("a write hits a second word", text(BUS, r"\(place == 5'd1\)", "((place == 5'd1) | (place == 5'd2))")),
            ("a write is taken while layers switch", text(BUS, r"write & !waits", "write")),
            ("a back door", text(BUS, r"write & !waits", "(write | data[31]) & !waits")),
            ("one word counts as another", text(BUS, r"word <= data;", "word <= (data == 32'd3735928559) ? 32'd0 : data;")),
            ("another bit commands", text(BUS, r"& word\[0\];", "& word[1];")),
            ("another address commands", text(BUS, r"place == 5'd0\) & word", "place == 5'd31) & word")),
            ("every write makes it count", text(BUS, r"\{turn\[1:0\], applies\}", "{turn[1:0], writes}")),
            ("busy ends early", text(BUS, r"applies \| \(\|turn\)", "applies")),
            ("busy is low", text(BUS, r"assign busy = waits;", "assign busy = 1'd0;")),
            ("a hit that reads what is held", text(BUS, r"writes & \(place == 5'd4\)", "writes & (place == 5'd4) & !dense_0_terms_bias[0]")),
            ("half of an address", text(BUS, r"place <= address;", "place <= {address[4:1], 1'd0};")),
            ("a column has another clock", text(BUS, r"\.clk\(clk\)", ".clk(data[0])")),
            ("a column reads a word too soon", text(BUS, r"\.data\(word\)", ".data(data)")),
        ),
        "rtl: held, columns and readers": (
            ("what is written counts at once", text(COLUMN, r"turn \? written0", "hits[0] ? data[13:0]")),
            ("what counts is lost", text(COLUMN, r"turn \? written0 : counts0", "written0")),
            ("what is written is lost", text(COLUMN, r"hits\[1\] \? data\[6:0\] : written1", "data[6:0]")),
            ("a bit crosswise", text(COLUMN, r"data\[13:0\]", "{data[12], data[13], data[11:0]}")),
            ("another word", text(COLUMN, r"hits\[1\] \?", "hits[0] ?")),
            ("a bit above opens it", text(COLUMN, r"hits\[0\] \?", "(hits[0] & !data[31]) ?")),
            ("two weights exchanged", text(READER, r"weights\[3:0\]", "{weights[1:0], weights[3:2]}")),
            ("two operands exchanged", text(READER, r"\.a\(x\[7:0\]\), \.b\(x\[15:8\]\)", ".a(x[15:8]), .b(x[7:0])")),
            ("a bit of a bias", text(READER, r"b0 = bias", "b0 = {bias[6:1], bias[1]}")),
            ("a sign of the bias", text(READER, r"9'\(b0\)", "{2'd0, b0}")),
            ("the next column's weights", text(TOP_SV, r"weights\(dense_1_terms_weights\[10\*p \+: 10\]\)", "weights(dense_0_terms_weights[14*p +: 10])")),
            ("another column's bias", text(TOP_SV, r"bias\(dense_0_terms_bias\[7\*p \+: 7\]\)", "bias(dense_1_terms_bias[3*p +: 7])")),
            ("an event writes", text(TOP_SV, r"\.write\(settings_write\)", ".write(settings_write | in_valid)")),
            ("the address is that of the data", text(TOP_SV, r"\.address\(settings_address\)", ".address(settings_data[4:0])")),
            ("a reset halts the bus", text(TOP_SV, r"\.write\(settings_write\)", ".write(settings_write & !rst)")),
        ),
    }  # fmt: skip


def held_netlist_kinds() -> dict[str, Rows]:
    """Of its netlist."""
    bus, column, top = f"{TOP}_settings", f"{TOP}_held_dense_0_terms", TOP
    first, last = f"{TOP}_held_dense_0_terms", f"{TOP}_held_dense_1_terms"
    return {
        "netlist: held": (
            ("a column switches with another", netlist(bus, lambda m: swap(cell_of(m, first), cell_of(m, last), "turn"))),
            ("hits of two columns exchanged", netlist(bus, lambda m: swap(cell_of(m, first), cell_of(m, first, 1), "hits"))),
            ("two hits of a column exchanged", netlist(bus, lambda m: cell_of(m, first)["connections"]["hits"].reverse())),
            ("two bits of a word exchanged", netlist(bus, lambda m: cell_of(m, first)["connections"]["data"].__setitem__(slice(0, 2), cell_of(m, first)["connections"]["data"][1::-1]))),
            ("a column has another clock", netlist(bus, lambda m: cell_of(m, last)["connections"].update(clk=list(m["ports"]["write"]["bits"])))),
            ("busy is low", netlist(bus, lambda m: m["ports"]["busy"].update(bits=["0"]))),
            ("a turn is set after power-up", netlist(bus, lambda m: register(m, 0)["parameters"].update(INIT="1"))),
            ("a register of the bus is halted", netlist(bus, lambda m: register(m, 3)["connections"].update(CE=list(m["ports"]["write"]["bits"])))),
            ("what counts is always taken", netlist(column, lambda m: _of_output(m, "weights", 3)["connections"].update(CE=["1"]))),
            ("what counts is never taken", netlist(column, lambda m: _of_output(m, "bias", 2)["connections"].update(CE=["0"]))),
            ("what is written counts", netlist(column, _past)),
            ("a bit is written crosswise", netlist(column, lambda m: swap(_written(m, 0), _written(m, 1), "D"))),
            ("a bit is cleared by a hit", netlist(column, lambda m: _of_output(m, "weights", 5)["connections"].update(R=m["ports"]["hits"]["bits"][1:]))),
            ("a bit is held by the other word", netlist(column, lambda m: _written(m, 2)["connections"].update(CE=m["ports"]["hits"]["bits"][1:]))),
            ("what is held, to another reader", netlist(top, lambda m: swap(cell_of(m, f"{TOP}_weigh_dense_0"), cell_of(m, f"{TOP}_weigh_dense_0", 1), "weights"))),
            ("two biases exchanged", netlist(top, lambda m: swap(cell_of(m, f"{TOP}_weigh_dense_1"), cell_of(m, f"{TOP}_weigh_dense_1", 1), "bias"))),
            ("the bus listens to in_valid", netlist(top, lambda m: cell_of(m, bus)["connections"].update(write=list(m["ports"]["in_valid"]["bits"])))),
            ("settings_busy is out_valid", netlist(top, lambda m: m["ports"]["settings_busy"].update(bits=list(m["ports"]["out_valid"]["bits"])))),
        ),
    }  # fmt: skip


def held_file_kinds() -> dict[str, Rows]:
    """Of its weight file, and of what the emulator and the HLS project hold."""
    return {
        "weight file": (
            ("a sign", text(WEIGHTS, r"^([-+0]{6})\+", r"\1-")),
            ("a bias", text(WEIGHTS, r"^([-+0]{7} -?)(\d+)$", r"\g<1>1\2")),
            ("of another network", text(WEIGHTS, r"^network .", "network g")),
            ("of another name", text(WEIGHTS, r"^design example", "design other")),
            ("a line more", text(WEIGHTS, r"\Z", "\n")),
            ("it is gone", _gone),
        ),
    }


def held_emulator_kinds() -> dict[str, Rows]:
    """Of the emulator that loads weight files."""
    held, reader = f"emulator/{TOP}_v1_held.cpp", f"emulator/{TOP}_weigh_dense_0_terms.cpp"
    return {
        "emulator: held": (
            ("what is subtracted is added", text(held, r"sign == '-' \? -1 : 0", "sign == '+' ? -1 : 0")),
            ("what is subtracted is not counted", text(held, r"subtracted \+= sign == '-'", "subtracted += 0")),
            ("an offset is left out", text(held, r"bias \+ offset \+ subtracted", "bias + subtracted")),
            ("a weight of the beginning", text(held, r'^    "\+', '    "-')),
            ("a file of any network", text(held, r'if \(lines\.next\(\) != "network \w+"\)', "if (lines.next().empty())")),
            ("a bias of any size", text(held, r"if \(held < LO \|\| held > HI\)", "if (held < 4 * LO || held > 4 * HI)")),
            ("more behind the end", text(held, r"if \(!lines\.done\(\)\) return", "if (false) return")),
            ("a file that stays the first", text(held, r"return model->held;", "return beginning();")),
            ("two weights of a column", text(reader, r"flips\[i\]\) & counts\[i\]\) \+", "flips[i]) & counts[i + 1]) +")),
            ("a bias", text(reader, r"\+ held\.bias\[j\]", "+ held.bias[0]")),
        ),
    }  # fmt: skip


def held_hls_kinds() -> dict[str, Rows]:
    """Of the HLS project, whose numbers a C-simulation may exchange."""
    layer = f"hls/firmware/{TOP}_weigh_dense_0_terms.cpp"
    return {
        "hls: held": (
            ("a weight of the beginning", text(layer, r"\{1, -1, 0", "{1, 1, 0")),
            ("a bias of the beginning", text(layer, r"^    6, -22", "    7, -22")),
            ("a complement", text(layer, r"_out_t\(~code\)", "_out_t(-code)")),
            ("the first column's bias", text(layer, r"biases\[j\];", "biases[0];")),
            ("the beginning for ever", text(layer, r"weights\[j\]\[i\];", "weights[j][i] == 0 ? ap_int<2>(0) : ap_int<2>(j == 0 && i == 0 ? 1 : int(example_weigh_dense_0_terms_weights[j][i]));")),
        ),
    }  # fmt: skip


def _gone(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def _driver(module: dict, net: int | str) -> dict:
    """The register that drives a net."""
    return next(cell for cell in module["cells"].values() if cell["connections"].get("Q") == [net])


def _of_output(module: dict, port: str, bit: int) -> dict:
    return _driver(module, module["ports"][port]["bits"][bit])


def _written(module: dict, bit: int) -> dict:
    """The register of what was written, behind a bit that counts."""
    return _driver(module, _of_output(module, "weights", bit)["connections"]["D"][0])


def _past(module: dict) -> None:
    """The port hands out what was written, and not what counts."""
    module["ports"]["weights"]["bits"][4] = _written(module, 4)["connections"]["Q"][0]
