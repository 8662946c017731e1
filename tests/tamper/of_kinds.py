"""Tamperings of the other kinds of modules: step by step, sums in turns, tables and sums of them, products, scales, codes that wrap around; and bits of INIT of all of them."""

from __future__ import annotations

import random

from tamper.edits import Rows, cell_of, cleared, flip, netlist, register, swap, text

STEPS, TURNS, TABLES, SUMS, PRODUCTS, SCALES = "stepwise", "summed", "tables", "norms", "products", "scales"
MODULO = "modulo"


def steps_rtl_kinds() -> dict[str, Rows]:
    """Of matrices that are multiplied step by step."""
    lane, feed, top = (f"rtl/{STEPS}{end}.sv" for end in ("_bitlinear_second", "_feed_second", ""))
    return {
        "rtl: step by step": (
            ("a sum is not cleared", text(lane, r"if \(clear\) sum <= 13'd0;", "if (clear) sum <= s3;")),
            ("a bias for a step", text(lane, r"settle \? bias", "clear ? bias")),
            ("a term is a step late", text(lane, r"10'\(p1\) \+ t2", "10'(s1) + t2")),
            ("what is subtracted is added", text(lane, r"\^ \(8'\(x0\)", "& (8'(x0)")),
            ("another weight", text(lane, r"\{8\{weights\[0\]\}\}", "{8{weights[2]}}")),
            ("the operand is not kept", text(feed, r"else held <= held;", "else held <= x;")),
            ("the count is not begun anew", text(feed, r"if \(load\) count <= 6'd0;", "if (load) count <= count + 6'd1;")),
            ("a weight of one step", text(feed, r"(n0_0 = 64'b0{24}\d{31})1", r"\g<1>0")),
            ("a sign of one step", text(feed, r"(m1_0 = 64'b0{24}\d{34})1", r"\g<1>0")),
            ("two operands exchanged", text(feed, r"held\[15\], held\[0\]", "held[0], held[15]")),
            ("a group clears a step late", text(feed, r"(t_clear = 64'b.*)01;", r"\g<1>10;")),
            ("a bias of another group", text(feed, r"b0_0 = 4'b0001", "b0_0 = 4'b0010")),
            ("the feed listens to in_valid", text(top, r"\.load\(accept\)", ".load(in_valid)")),
        ),
    }  # fmt: skip


def steps_netlist_kinds() -> dict[str, Rows]:
    """Of their netlist."""
    lane, feed = f"{STEPS}_bitlinear_second", f"{STEPS}_feed_second"
    return {
        "netlist: step by step": (
            ("a sum is not cleared", netlist(lane, lambda m: cleared(m)["connections"].update(R=["0"]))),
            ("a sum is halted", netlist(lane, lambda m: register(m, 4)["connections"].update(CE=list(m["ports"]["settle"]["bits"])))),
            ("two weights exchanged", netlist(STEPS, lambda m: cell_of(m, lane)["connections"]["weights"].__setitem__(slice(0, 2), cell_of(m, lane)["connections"]["weights"][1::-1]))),
            ("two lanes exchanged", netlist(STEPS, lambda m: swap(cell_of(m, lane), cell_of(m, lane, 1), "bias"))),
            ("clear is settle", netlist(feed, lambda m: m["ports"]["clear"].update(bits=list(m["ports"]["settle"]["bits"])))),
            ("two bits of the operand exchanged", netlist(feed, lambda m: swap(register(m, 30), register(m, 31), "D"))),
        ),
    }  # fmt: skip


def turns_rtl_kinds() -> dict[str, Rows]:
    """Of sums over positions that come in turns."""
    summed, top, queue = (f"rtl/{TURNS}{end}.sv" for end in ("_bitlinear_sum", "", "_queue_each"))
    return {
        "rtl: sums in turns": (
            ("a sum goes on", text(summed, r"first \? 10'd3 : sum", "sum")),
            ("a sum begins always", text(summed, r"first \? 10'd3 : sum", "10'd3")),
            ("a bias", text(summed, r"10'd3", "10'd2")),
            ("a position is left out", text(summed, r"10'\(x1\) \+ s0", "s0")),
            ("a sum begins a turn late", text(top, r"\.first\(valid\[2\]\)", ".first(valid[3])")),
            ("two features exchanged", text(top, r"each_again_stream\[34:28\],", "each_again_stream[27:21],")),
            ("two turns exchanged", text(queue, r"waiting\[60\], waiting\[0\]", "waiting[0], waiting[60]")),
        ),
    }  # fmt: skip


def turns_netlist_kinds() -> dict[str, Rows]:
    """Of their netlist."""
    summed = f"{TURNS}_bitlinear_sum"
    return {
        "netlist: sums in turns": (
            ("first is never", netlist(TURNS, lambda m: cell_of(m, summed, 2)["connections"].update(first=["0"]))),
            ("two sums exchanged", netlist(TURNS, lambda m: swap(cell_of(m, summed), cell_of(m, summed, 1), "y"))),
            ("a sum is cleared by first", netlist(summed, lambda m: register(m, 1)["connections"].update(R=list(m["ports"]["first"]["bits"])))),
            ("a sum begins with one", netlist(summed, lambda m: register(m, 0)["parameters"].update(INIT="1"))),
        ),
    }  # fmt: skip


def tables_rtl_kinds() -> dict[str, Rows]:
    """Of tables."""
    few, top = f"rtl/{TABLES}_lookup_few.sv", f"rtl/{TABLES}.sv"
    return {
        "rtl: tables": (
            ("a start", text(few, r"13'd2317", "13'd2318")),
            ("a value", text(few, r"-10'sd44 ", "-10'sd45 ")),
            ("two values exchanged", text(few, r"code\[0\] \? 13'd6744 : 13'd3714", "code[0] ? 13'd3714 : 13'd6744")),
            ("a result a cycle early", text(top, r"_d(\d) <= (\w+_codes);", r"_d\1 <= \2 ^ \2;")),
        ),
    }  # fmt: skip


def sums_rtl_kinds() -> dict[str, Rows]:
    """Of scales that are sums of tables."""
    wide, narrow = f"rtl/{SUMS}_scale_x_codes.sv", f"rtl/{SUMS}_scale_y_codes.sv"
    return {
        "rtl: sums of tables": (
            ("an entry", text(wide, r"code\[0\] \? 7'd(\d+) : 7'd(\d+)", r"code[0] ? 7'd\2 : 7'd\1")),
            ("another digit", text(wide, r"x0_d1\[13:9\]", "x0_d1[12:8]")),
            ("another table", text(wide, r"table1\(x0", "table4(x0")),
            ("a table is taken off", text(narrow, r" \+ table1\(", " - table1(")),
            ("a bit of a sum is left out", text(wide, r"12'\(s0\)", "12'(s0[5:0])")),
            ("a sum of another channel", text(wide, r"16'\(s1_d1\)", "16'(s4_d1)")),
            ("a bit more is dropped", text(narrow, r"s1_d1 >>> (\d+)", r"s1_d1 >>> 1\1")),
            ("a limit", text(wide, r"above0 = ~r0\[8\]", "above0 = r0[8]")),
        ),
    }  # fmt: skip


def modulo_rtl_kinds() -> dict[str, Rows]:
    """Of codes that wrap around."""
    plain, rounded = f"rtl/{MODULO}_requantize_q6.sv", f"rtl/{MODULO}_requantize_q13.sv"
    return {
        "rtl: wrapping around": (
            ("limits", text(plain, r"4'\(x0\);", "x0 > 9'sd7 ? 4'sd7 : x0 < -9'sd8 ? -4'sd8 : 4'(x0);")),
            ("the sign for the highest bit", text(plain, r"4'\(x1\);", "{x1[8], x1[2:0]};")),
            ("a bit more is dropped", text(rounded, r"x0 >>> 1", "x0 >>> 2")),
            ("no rounding", text(rounded, r" \+ 3'\(up0\)", "")),
            ("another sign", text(rounded, r"\(x0\[8\]\)", "(x0[7])")),
            ("a code of another channel", text(rounded, r"y1 = r1", "y1 = r0")),
        ),
    }  # fmt: skip


def products_rtl_kinds() -> dict[str, Rows]:
    """Of products of two codes."""
    product = f"rtl/{PRODUCTS}_product_s8_u6.sv"
    return {
        "rtl: products": (
            ("a digit of Booth's", text(product, r"n1 = x1\[3\]", "n1 = x1[2]")),
            ("a digit twice", text(product, r"m2 = \(x1\[4\] \^ x1\[3\]\)", "m2 = (x1[4] | x1[3])")),
            ("a carry of a complement", text(product, r"\{t2, n2\}", "{t2, 1'd0}")),
            ("a row is not shifted", text(product, r"\(10'\(x0\) << 1\) : 10'd0\);\n(?=.*t1)", "10'(x0) : 10'd0);\n")),
            ("two digits of a product", text(product, r"l2_d1, l1_d1", "l1_d1, l2_d1")),
            ("an operand a cycle early", text(product, r"x0_d1 <= x0;", "x0_d1 <= x0_d1;")),
        ),
    }  # fmt: skip


def scales_rtl_kinds() -> dict[str, Rows]:
    """Of codes that share an exponent."""
    down, peak, up = (f"rtl/{SCALES}_{end}.sv" for end in ("shift_down_q0", "magnitude_q0_peak", "shift_up_up0"))
    return {
        "rtl: scales": (
            ("a sticky bit", text(down, r"\|t0_3\[4:0\]", "|t0_3[4:3]")),
            ("a tie", text(down, r"t0_d1\[0\] \| t0_d1\[2\]", "t0_d1[0]")),
            ("saturation", text(down, r" & ~\(\(&t0_d1\[4:2\]\) & ~t0_d1\[5\]\)", "")),
            ("another exponent", text(down, r"x3\[2\] \?", "x3[1] ?")),
            ("a magnitude is left out", text(peak, r" \| \(x2\[9:3\] \^ \{7\{x2\[10\]\}\}\)", "")),
            ("a sign of a magnitude", text(peak, r"\{7\{x1\[10\]\}\}", "{7{x0[10]}}")),
            ("a shift", text(up, r"x3\[0\] \?", "x3[1] ?")),
        ),
    }  # fmt: skip


FLIPPED = {
    "held": ("example_settings", "example_weigh_dense_0_terms"),
    "words": ("stream_interval", "stream_bitlinear_head"),
    "digits": ("digits_bitlinear_first", "digits_bitlinear_last", "digits_interval"),
    "steps": ("stepwise_bitlinear_second", "stepwise_feed_first", "stepwise_lookup_steps"),
    "turns": ("summed_bitlinear_sum", "summed_queue_each"),
    "tables": ("tables_lookup_few", "tables_lookup_narrow"),
    "sums": ("norms_scale_x_codes", "norms_scale_y_codes"),
    "products": ("products_product_s8_u6",),
    "modulo": ("modulo_requantize_q13", "modulo_requantize_q19"),
    "scales": ("scales_shift_down_q1", "scales_magnitude_q1_peak"),
}
"""Builds, and the modules of their netlists of which bits of INIT are flipped."""

EACH = 3
"""Bits a module."""


def flipped_kinds(build: str) -> dict[str, Rows]:
    """One bit of a table of a netlist, in both forms."""
    dice = random.Random(f"bits of {build}")  # noqa: S311 - a choice, no secret
    rows = []
    for module in FLIPPED[build]:
        for _ in range(EACH):
            place, bit = dice.randrange(1 << 10), dice.randrange(1 << 10)
            rows.append((f"bit {bit} of LUT {place} of {module}", netlist(module, _flip(place, bit))))
    return {"netlist: a bit of INIT, other modules": tuple(rows)}


def _flip(place: int, bit: int):
    def change(module: dict) -> None:
        cells = [cell for cell in module["cells"].values() if cell["type"].startswith("LUT")]
        cell = cells[place % len(cells)]
        flip(cell, bit % len(cell["parameters"]["INIT"]))

    return change
