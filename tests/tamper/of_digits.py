"""Tamperings of layers that are multiplied digit by digit: passes, digits, adders, lanes, and what is held behind them."""

from __future__ import annotations

from tamper.edits import Rows, cell_of, cleared, exchange_first, netlist, register, swap, text

TOP = "digits"
TOP_SV, FIRST, LAST = f"rtl/{TOP}.sv", f"rtl/{TOP}_bitlinear_first.sv", f"rtl/{TOP}_bitlinear_last.sv"


def digits_rtl_kinds() -> dict[str, Rows]:
    """Of their Verilog."""
    return {
        "rtl: digits, passes": (
            ("a pass is a cycle short", text(FIRST, r"ends = phase == 4'd8", "ends = phase == 4'd7")),
            ("a pass begins a cycle late", text(FIRST, r"begins = phase == 4'd0", "begins = phase == 4'd1")),
            ("the phase is not begun anew", text(FIRST, r"if \(load\) phase <= 4'd0;", "if (load) phase <= ends ? 4'd0 : phase + 4'd1;")),
            ("the pass is not begun anew", text(FIRST, r"if \(load\) group <= 1'd0;", "if (load) group <= group;")),
            ("every pass is the first", text(FIRST, r"ends \? group \+ 1'd1 : group", "group")),
            ("the operand is not kept", text(FIRST, r"else held <= held;", "else held <= x;")),
            ("the operand is never taken", text(FIRST, r"if \(load\) held <= x;", "if (load) held <= held;")),
            ("loaded by in_valid", text(TOP_SV, r"\.load\(accept\)", ".load(in_valid)")),
            ("the second layer a cycle early", text(TOP_SV, r"\.load\(valid\[19\]\)", ".load(valid[18])")),
            ("results of the passes exchanged", text(TOP_SV, r"\{relu_stream\[29:0\], relu_held_0\}", "{relu_held_0, relu_stream[29:0]}")),
            ("results are held a cycle late", text(TOP_SV, r"valid\[10\] \? relu_stream", "valid[11] ? relu_stream")),
            ("results are held no longer", text(TOP_SV, r"relu_stream : relu_held_0", "relu_stream : relu_stream")),
            ("the guard is a cycle short", text(f"rtl/{TOP}_interval.sv", r"enters \? 5'd17", "enters ? 5'd16")),
        ),
        "rtl: digits, adders and lanes": (
            ("two digits exchanged", text(FIRST, r"held\[1\], held\[0\]\}", "held[0], held[1]}")),
            ("the sign is not inverted", text(FIRST, r"INVERT\(8'b11100000\)", "INVERT(8'b00000000)")),
            ("no zeros above a code", text(FIRST, r"x3 <= fills \? 1'd0 : p3_0", "x3 <= p3_0")),
            ("a digit is subtracted", text(FIRST, r"INVERT\(2'b00\)\) u_s0 ", "INVERT(2'b10)) u_s0 ")),
            ("a digit is added", text(LAST, r"INVERT\(2'b10\)", "INVERT(2'b00)")),
            ("another operand", text(FIRST, r"\.a\(x4\), \.b\(x7\)", ".a(x4), .b(x6)")),
            ("a carry of another adder", text(FIRST, r"\.carry\(carry_0\[3\]\)", ".carry(carry_0[4])")),
            ("carries are not cleared", text(FIRST, r"carry_0 <= begins \? 29'd0 : above_0", "carry_0 <= above_0")),
            ("carries of the lanes are not cleared", text(FIRST, r"carry <= begins \? 6'd0 : above;", "carry <= above;")),
            ("a bit of a bias", text(FIRST, r"32'b00000001111111100000000001000100", "32'b00000001111111100000000001000101")),
            ("a bit of a bias in the second pass", text(FIRST, r"32'b00000001111111100000000001000100", "32'b00000001111111110000000001000100")),
            ("a bit of a bias that comes never", text(FIRST, r"32'b00000001111111100000000001000100", "32'b10000001111111100000000001000100")),
            ("columns of the passes exchanged", text(FIRST, r"\{s20\[0\], s2\[0\]\}", "{s2[0], s20[0]}")),
            ("results from the other end", text(FIRST, r"r0 <= \{t0, r0\[8:1\]\}", "r0 <= {r0[7:0], t0}")),
            ("two lanes exchanged", text(FIRST, r"r1\[8:0\],\n        r0\[8:0\]", "r0[8:0],\n        r1[8:0]")),
            ("the cell's carry", text("rtl/bittrigger_digit.sv", r"above = carries\[WIDTH\]", "above = carry")),
        ),
    }  # fmt: skip


def digits_netlist_kinds() -> dict[str, Rows]:
    """Of their netlist."""
    first, last = f"{TOP}_bitlinear_first", f"{TOP}_bitlinear_last"

    def load(module: dict) -> list:
        return list(module["ports"]["load"]["bits"])

    return {
        "netlist: digits": (
            ("an operand is always taken", netlist(first, lambda m: _enabled(m, load(m), 0)["connections"].update(CE=["1"]))),
            ("an operand is never taken", netlist(first, lambda m: _enabled(m, load(m), 7)["connections"].update(CE=["0"]))),
            ("two bits of the operand exchanged", netlist(first, lambda m: swap(_enabled(m, load(m), 3), _enabled(m, load(m), 4), "D"))),
            ("two bits of a result exchanged", netlist(first, lambda m: exchange_first(m["ports"]["y"]["bits"]))),
            ("a register is not cleared", netlist(first, lambda m: cleared(m)["connections"].update(R=["0"]))),
            ("a digit's inputs exchanged", netlist(last, lambda m: swap(cell_of(m, "LUT6_2", 4), cell_of(m, "LUT6_2", 5), "I0"))),
            ("a carry goes to another digit", netlist(last, lambda m: swap(cell_of(m, "LUT6_2", 4), cell_of(m, "LUT6_2", 5), "O5"))),
            ("a result is held for ever", netlist(TOP, lambda m: _halted(m)["connections"].update(CE=["0"]))),
            ("a result is not held", netlist(TOP, lambda m: _halted(m)["connections"].update(CE=["1"]))),
            ("loads of two exchanged", netlist(TOP, lambda m: swap(cell_of(m, first), cell_of(m, last), "load"))),
            ("loaded around the guard", netlist(TOP, lambda m: cell_of(m, first)["connections"].update(load=list(m["ports"]["in_valid"]["bits"])))),
            ("two lanes exchanged", netlist(TOP, lambda m: swap(cell_of(m, f"{TOP}_requantize"), cell_of(m, f"{TOP}_requantize", 1), "x"))),
            ("the phase is halted", netlist(first, lambda m: _free(m)["connections"].update(CE=load(m)))),
            ("a bit of the state starts high", netlist(first, lambda m: register(m, 60)["parameters"].update(INIT="1"))),
        ),
    }  # fmt: skip


def _enabled(module: dict, net: list, place: int) -> dict:
    """The register number ``place`` that ``net`` enables."""
    return [cell for cell in module["cells"].values() if cell["connections"].get("CE") == net][place]


def _halted(module: dict) -> dict:
    """A register of the top that keeps what it has."""
    return next(cell for cell in module["cells"].values() if cell["connections"].get("CE", ["1"]) != ["1"])


def _free(module: dict) -> dict:
    """A register that nothing halts."""
    return next(cell for cell in module["cells"].values() if cell["connections"].get("CE") == ["1"])
