"""Tamperings of a design whose events come word by word: the guard of the words, their order, and the valid chain behind them."""

from __future__ import annotations

from tamper.edits import Rows, cell_of, netlist, register, swap, text

TOP = "stream"
TOP_SV, GUARD = f"rtl/{TOP}.sv", f"rtl/{TOP}_interval.sv"


def words_rtl_kinds() -> dict[str, Rows]:
    """Of its Verilog."""
    return {
        "rtl: words, the guard": (
            ("any word starts an event", text(GUARD, r"in_valid & in_start & !busy", "in_valid & !busy")),
            ("an event may start sooner", text(GUARD, r"left <= enters \? 2'd3", "left <= enters ? 2'd2")),
            ("a word that starts goes on", text(GUARD, r"in_valid & !in_start & under_way", "in_valid & under_way")),
            ("a gap goes on", text(GUARD, r"in_valid & !in_start & under_way", "!in_start & under_way")),
            ("words that are too many go on", text(GUARD, r"in_valid & !in_start & under_way", "in_valid & !in_start")),
            ("whole a word early", text(GUARD, r"due != 2'd1", "due != 2'd2")),
            ("whole with a word missing", text(GUARD, r"goes_on & last", "under_way & last")),
            ("what lacks a word goes on later", text(GUARD, r"goes_on \? due - 2'd1 : 2'd0", "goes_on ? due - 2'd1 : due")),
            ("a missing word is not told", text(GUARD, r" \| \(under_way & !goes_on\)", "")),
            ("a word that is left out is not told", text(GUARD, r"\(in_valid & !enters & !goes_on\) \| ", "")),
            ("a reset leaves an event under way", text(GUARD, r"if \(rst\) due <= 2'd0;", "if (rst) due <= due;")),
        ),
        "rtl: words, their order": (
            ("two words exchanged", text(TOP_SV, r"jet_stream_d2, jet_stream_d3\}", "jet_stream_d3, jet_stream_d2}")),
            ("the half empty word's other half", text(TOP_SV, r"\{again_q_stream\[19:0\], ", "{again_q_stream[39:20], ")),
            ("a copy reads its neighbour", text(TOP_SV, r"jet_stream\[18\*p \+: 18\]", "jet_stream[17*p +: 18]")),
            ("the bits of the port turned", text(TOP_SV, r"jet_stream = in_data\[35:0\]", "jet_stream = {in_data[0], in_data[35:1]}")),
            ("the other input a word early", text(TOP_SV, r"x_rest\(rest_codes_d3\)", "x_rest(rest_codes_d2)")),
            ("the second position for the first", text(TOP_SV, r"jet_codes\[17:0\]", "jet_codes[35:18]")),
            ("results of two words exchanged", text(TOP_SV, r"again_q_stream_d2, again_q_stream_d3\}", "again_q_stream_d3, again_q_stream_d2}")),
            ("a register less", text(TOP_SV, r"jet_stream_d2 <= jet_stream_d1;", "jet_stream_d2 <= jet_stream;")),
        ),
        "rtl: words, valid": (
            ("valid for what lacks words", text(TOP_SV, r"passed\[3:0\], whole", "passed[3:0], accept")),
            ("in_start is not asked for", text(TOP_SV, r"\.in_start\(in_start\)", ".in_start(in_valid)")),
            ("a cycle early", text(TOP_SV, r"out_valid = passed\[4\]", "out_valid = passed[3]")),
            ("no reset", text(TOP_SV, r"if \(rst\) passed <= 5'd0;", "if (rst) passed <= {passed[3:0], whole};")),
            ("dropped is never said", text(TOP_SV, r"\.dropped\(dropped\)", ".dropped(lost)")),
        ),
    }  # fmt: skip


def words_netlist_kinds() -> dict[str, Rows]:
    """Of its netlist."""
    guard = f"{TOP}_interval"

    def of_guard(module: dict) -> dict:
        return cell_of(module, guard)["connections"]

    return {
        "netlist: words": (
            ("in_start is in_valid", netlist(TOP, lambda m: of_guard(m).update(in_start=list(m["ports"]["in_valid"]["bits"])))),
            ("accept for whole", netlist(TOP, lambda m: _exchange(of_guard(m), "accept", "whole"))),
            ("no reset of the guard", netlist(TOP, lambda m: of_guard(m).update(rst=["0"]))),
            ("dropped is 0", netlist(TOP, lambda m: m["ports"]["dropped"].update(bits=["0"]))),
            ("two bits of a word exchanged", netlist(TOP, lambda m: swap(register(m, 20), register(m, 21), "D"))),
            ("a delay is a cycle short", netlist(TOP, lambda m: _shorter(cell_of(m, "SRL16E", 5)))),
            ("a delay is halted", netlist(TOP, lambda m: cell_of(m, "SRL16E", 7)["connections"].update(CE=list(m["ports"]["in_valid"]["bits"])))),
            ("a delay begins with ones", netlist(TOP, lambda m: cell_of(m, "SRL16E", 7)["parameters"].update(INIT="1" * 16))),
            ("two positions exchanged", netlist(TOP, lambda m: swap(cell_of(m, f"{TOP}_bitlinear_each"), cell_of(m, f"{TOP}_bitlinear_each", 1), "x"))),
            ("a word to come is not reset", netlist(guard, lambda m: register(m, 2)["connections"].update(R=["0"]))),
            ("a register starts high", netlist(guard, lambda m: register(m, 1)["parameters"].update(INIT="1"))),
        ),
    }  # fmt: skip


def _exchange(pins: dict, one: str, other: str) -> None:
    pins[one], pins[other] = pins.get(other, ["0"]), pins.get(one, ["0"])


def _shorter(cell: dict) -> None:
    """One cycle less, if the address is a constant above 0."""
    pins = [f"A{k}" for k in range(4)]
    address = sum((cell["connections"][pin] == ["1"]) << k for k, pin in enumerate(pins)) - 1
    cell["connections"].update({pin: [str(address >> k & 1)] for k, pin in enumerate(pins)})
