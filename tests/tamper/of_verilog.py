"""Tamperings of the Verilog."""

from __future__ import annotations

from pathlib import Path

from tamper.edits import TOP, Edit, Rows, both, insert, new_file, text

TOP_SV = f"rtl/{TOP}.sv"
RELU = "rtl/example_requantize_relu_0.sv"
FIRST, LAST = "rtl/example_bitlinear_dense_0.sv", "rtl/example_bitlinear_dense_1.sv"


def rtl_kinds() -> dict[str, Rows]:
    """Of the Verilog."""
    spy = "`default_nettype none\n\nmodule spy (\n    output wire v\n);\n    assign v = 1'b1;\nendmodule\n\n`default_nettype wire\n"
    return {
        "rtl: two drivers": (
            ("a code also from in_data", insert(TOP_SV, "    assign relu_0_codes[0] = in_data[0];")),
            ("a sum also zero", insert(TOP_SV, "    assign dense_0_codes[5] = 1'b0;")),
            ("an output bit twice", insert(TOP_SV, "    assign out_data[2] = in_valid;")),
            ("out_valid twice", insert(TOP_SV, "    assign out_valid = in_valid;")),
            ("an operand twice", insert(RELU, "    assign x3[0] = x0[0];")),
            ("a result twice", insert(LAST, "    assign y[29] = 1'b0;")),
            ("a register in a second block", insert(TOP_SV, "    always_ff @(posedge clk) begin\n        dense_1_codes_d1[0] <= 1'b1;\n    end")),
            ("the whole register again", insert(LAST, "    always_ff @(posedge clk) begin\n        x0_d1 <= x1;\n    end")),
            ("the valid chain again", insert(TOP_SV, "    always_ff @(posedge clk) begin\n        valid <= 3'd7;\n    end")),
        ),
        "rtl: foreign modules": (
            ("one that drives the valid chain", both(new_file("rtl/spy.sv", spy), insert(TOP_SV, "    spy u_spy (\n        .v(valid[0])\n    );"))),
            ("one that nothing names", new_file("rtl/spy.sv", spy)),
            ("a second module in a file", text(RELU, r"\A", spy)),
            ("an instance too many", insert(TOP_SV, "    wire [29:0] more;\n    example_bitlinear_dense_1 u_more (\n        .clk(clk), .x(relu_0_codes), .y(more)\n    );")),
        ),
        "rtl: references into modules": (
            ("assign from the top", insert(TOP_SV, "    assign u_requantize_relu_0.r0 = 7'd0;")),
            ("assign from a sister", insert(LAST, f"    assign {TOP}.u_requantize_relu_0.r0 = 7'd0;")),
            ("read from a sister", text(LAST, r"= x\[5:0\]", f"= {TOP}.relu_0_codes[5:0]")),
            ("force", insert(TOP_SV, "    initial force u_bitlinear_dense_1.s0 = 8'd0;")),
            ("defparam", insert(RELU, "    defparam u_y0.WIDTH = 6;")),
            ("bind", text(TOP_SV, r"\Z", "bind example_requantize_relu_0 bittrigger_clip u_b (.code(y0), .zero(1'b0), .over(1'b0), .clipped(r0));\n")),
        ),
        "rtl: ports": (
            ("an inout", text(TOP_SV, r"output wire        out_valid", "inout  wire        debug,\n    output wire        out_valid")),
            ("an output too many", text(TOP_SV, r"output wire        out_valid", "output wire        debug,\n    output wire        out_valid")),
            ("in_data wider", text(TOP_SV, r"\[71:0\] in_data", "[72:0] in_data")),
            ("a port of a layer as inout", text(LAST, r"output wire", "inout  wire")),
        ),
        "rtl: text for some tools": (
            ("ifdef SYNTHESIS", text(RELU, r">>> 2\)", "\n`ifdef SYNTHESIS\n>>> 1\n`else\n>>> 2\n`endif\n)")),
            ("ifdef YOSYS", text(TOP_SV, r"valid\[2\];", "\n`ifdef YOSYS\nvalid[2];\n`else\nvalid[1];\n`endif")),
            ("ifndef SYNTHESIS", insert(LAST, "`ifndef SYNTHESIS\n    assign y = 30'd0;\n`endif")),
            ("a macro in a file that sorts first", both(new_file("rtl/aaa.sv", "`define FLIP ~\n"), text(RELU, r"y5,", "\n`ifdef FLIP\n~y5,\n`else\ny5,\n`endif"))),
            ("include", text(LAST, r"    // operand", '`include "/etc/hostname"\n    // operand')),
            ("translate_off", text(LAST, r"(    wire signed \[ 7:0\] s1;)", r"// synthesis translate_off\n    // synthesis translate_on\n\1")),
            ("synopsys translate_off", text(RELU, r"    // stage 1", "    // synopsys translate_off\n    // synopsys translate_on\n    // stage 1")),
            ("verilator lint_off", text(RELU, r"    // stage 1", "    /* verilator lint_off WIDTH */\n    // stage 1")),
            ("an attribute", text(TOP_SV, r"    reg \[2:0\] valid", '    (* keep = "true" *) reg [2:0] valid')),
            ("full_case", text(RELU, r"    // stage 1", "    // synopsys full_case parallel_case\n    // stage 1")),
            ("line", text(LAST, r"    // operand", '`line 1 "other.sv" 0\n    // operand')),
            ("timescale", text(TOP_SV, r"\A", "`timescale 1ns/1ps\n")),
            ("default_nettype wire first", text(TOP_SV, r"`default_nettype none", "`default_nettype wire")),
        ),
        "rtl: initial values": (
            ("initial of the valid chain", insert(TOP_SV, "    initial valid = 3'd7;")),
            ("initial block of data", insert(LAST, "    initial begin\n        x0_d1 = 6'd1;\n    end")),
            ("a value at the declaration", text(TOP_SV, r"reg \[2:0\] valid;", "reg [2:0] valid = 3'd7;")),
            ("final", insert(TOP_SV, "    final $finish;")),
        ),
        "rtl: undefined bits": (
            ("x on a result", text(RELU, r"^        y5,", "        {1'bx, y5[4:0]},")),
            ("z on a result", text(RELU, r"^        y0$", "        {y0[5:1], 1'bz}")),
            ("x on out_data", text(TOP_SV, r"out_data = dense_1_codes_d1;", "out_data = {1'bx, dense_1_codes_d1[28:0]};")),
            ("? in a constant", text(LAST, r"5'd9", "5'b0100?")),
            ("x where it is not read", text(TOP_SV, r"if \(rst\) valid <= 3'd0;", "if (rst) valid <= 3'bxxx;")),
            ("a bit beyond the vector", text(RELU, r"x0 = x\[10:0\]", "x0 = {x[66], x[9:0]}")),
        ),
        "rtl: meaning": (
            ("a sign", text(LAST, r"NEGATE\(3'b010\)", "NEGATE(3'b000)")),
            ("another sign", text(FIRST, r"NEGATE\(3'b000\)", "NEGATE(3'b001)")),
            ("a constant", text(LAST, r"5'd9", "5'd8")),
            ("an operand", text(LAST, r"\.a\(x2_d1\)", ".a(x1_d1)")),
            ("a shift", text(RELU, r">>> 2", ">>> 1")),
            ("no rounding", text(RELU, r"\+ 8'\(up0\)", "+ 8'd0")),
            ("half up", text(RELU, r"\(\|x0_d1\[0:0\]\)", "1'b1")),
            ("no saturation", text(RELU, r"\.over\(r0\[7:6\]\)", ".over(2'b00)")),
            ("no zero", text(RELU, r"\.zero\(x1_d1\[10\]\)", ".zero(1'b0)")),
            ("two results exchanged", text(RELU, r"y5,\n        y4,", "y4,\n        y5,")),
            ("valid a cycle early", text(TOP_SV, r"out_valid = valid\[2\]", "out_valid = valid[1]")),
            ("data a cycle early", text(TOP_SV, r"out_data = dense_1_codes_d1", "out_data = dense_1_codes")),
            ("valid without reset", text(TOP_SV, r"if \(rst\) valid <= 3'd0;", "if (rst) valid <= 3'd1;")),
            ("an enable", text(TOP_SV, r"dense_1_codes_d1 <= dense_1_codes;", "dense_1_codes_d1 <= in_valid ? dense_1_codes : dense_1_codes_d1;")),
            ("the falling edge", text(LAST, r"posedge clk", "negedge clk")),
            ("a register too many", text(LAST, r"wire        \[ 5:0\] x1 = (x\[11:6\]);", r"reg [5:0] x1;\n    always_ff @(posedge clk) begin\n        x1 <= \1;\n    end")),
        ),
        "rtl: code that a tool runs": (
            ("DPI import", new_file("rtl/zzz.sv", 'module zzz;\n    import "DPI-C" function int system(input string s);\n    localparam int A = system("true");\nendmodule\n')),
            ("a system task", insert(TOP_SV, '    localparam int A = $system("true");')),
            ("readmemh", insert(LAST, '    reg [7:0] m [0:1];\n    initial $readmemh("/etc/hostname", m);')),
            ("a name with a newline", new_file("rtl/a\nexec true\n.sv", "")),
        ),
        "rtl: the library": (
            ("adder3", text("rtl/bittrigger_adder3.sv", r"NEGATE\[0\] \? -a : a", "a")),
            ("adder3_carry", text("rtl/bittrigger_adder3_carry.sv", r"\+", "-")),
            ("clip", text("rtl/bittrigger_clip.sv", r"1'b1", "1'b0")),
            ("ultrascale adder3", text("synth/ultrascale/bittrigger_adder3.sv", r"A \& B\)", "A | B)")),
            ("ultrascale clip", text("synth/ultrascale/bittrigger_clip.sv", r"ffffff00", "fffffff0")),
            ("ultrascale adder3_carry: simulated alone", insert("synth/ultrascale/bittrigger_adder3_carry.sv", "    initial $finish;")),
        ),
        "files: missing, foreign, other bytes": (
            ("a module is gone", lambda folder: (folder / RELU).unlink()),
            ("a header that nothing includes", new_file("rtl/defs.svh", "`define A 1\n")),
            ("a netlist that nothing names", new_file("synth/spare.v", "module spare; endmodule\n")),
            ("a blank at the end", text(RELU, r"\Z", " ")),
            ("a comment", text(LAST, r"do not edit", "do edit")),
            ("line ends", lambda folder: (folder / LAST).write_bytes((folder / LAST).read_bytes().replace(b"\n", b"\r\n"))),
            ("a link", _link(RELU)),
        ),
    }  # fmt: skip


def _link(name: str) -> Edit:
    def apply(folder: Path) -> None:
        (folder / name).rename(folder / "moved")
        (folder / name).symlink_to(folder / "moved")

    return apply
