"""Tamperings of numbers that lie in memory: where words go, which half counts, and what is read in each turn."""

from __future__ import annotations

from tamper.edits import TOP, Rows, cell_of, exchange_first, netlist, swap, text

LOAD, FEED, TOP_SV = f"rtl/{TOP}_load.sv", f"rtl/{TOP}_feed_dense_0_terms.sv", f"rtl/{TOP}.sv"
BUS = f"rtl/{TOP}_settings.sv"


def memory_rtl_kinds() -> dict[str, Rows]:
    """Of its Verilog."""
    return {
        "rtl: memory, loads": (
            ("a layer switches a stage early", text(LOAD, r"halves_dense_1_terms\[5\];", "halves_dense_1_terms[4];")),
            ("the half that counts is written", text(LOAD, r"row = \{!half,", "row = {half,")),
            ("a command before the last word", text(LOAD, r"expected == 5'd17", "expected == 5'd16")),
            ("a command without words", text(LOAD, r" & \(expected == 5'd17\)", "")),
            ("a command that is none", text(LOAD, r"writes & command &", "writes &")),
            ("words in any order", text(LOAD, r"\(came == expected\)", "1'd1")),
            ("a load is not begun again", text(LOAD, r" \| \(came == 5'd1\)", "")),
            ("a broken load goes on", text(LOAD, r"writes \? 5'd0 : expected", "expected")),
            ("a memory is passed over", text(LOAD, r"here_dense_0_terms \+ 2'd1", "here_dense_0_terms + 2'd2")),
            ("a layer begins a word late", text(LOAD, r"starts_dense_1_terms = came == 5'd11", "starts_dense_1_terms = came == 5'd12")),
            ("a turn too many for a row", text(LOAD, r"now_dense_0_terms \+ 2'd1", "now_dense_0_terms + 2'd2")),
            ("a word beyond its layer", text(LOAD, r"came <= 5'd10\)", "came <= 5'd11)")),
            ("two memories are hit", text(LOAD, r"\(here_dense_0_terms == 2'd2\)", "((here_dense_0_terms == 2'd2) | (here_dense_0_terms == 2'd3))")),
            ("no half changes", text(LOAD, r"half \^ counts\)", "half)")),
            ("busy ends early", text(BUS, r"\(\|turn\)", "(|turn[7:0])")),
            ("the word of the next cycle", text(BUS, r"settings_word = word", "settings_word = data")),
        ),
        "rtl: memory, turns": (
            ("a turn reads the other half", text(FEED, r"place = \{half,", "place = {!half,")),
            ("a half changes within an event", text(FEED, r"else half <= half", "else half <= bank")),
            ("a turn reads another row", text(FEED, r"half, turn\}", "half, turn ^ 2'd1}")),
            ("a word of the next column", text(FEED, r"write\(hits\[1\]\)", "write(hits[3])")),
            ("always written", text(FEED, r"write\(hits\[1\]\)", "write(hits[1] | hits[0])")),
            ("written while it is read", text(FEED, r"write\(hits\[1\]\)", "write(hits[1] | load)")),
            ("a word shifted on the bus", text(FEED, r"data\(data\[13:0\]\)", "data(data[14:1])")),
            ("written where it is read", text(FEED, r"\.row\(row\)", ".row(place)")),
            ("codes of the next event", text(FEED, r"loaded \? came : codes", "came")),
            ("turns go on", text(FEED, r"if \(load\) turn <= 2'd0", "if (load) turn <= 2'd1")),
            ("words of another layer", text(TOP_SV, r"\.hits\(dense_1_terms_hits\),\n\s+\.data", ".hits(dense_0_terms_hits[1:0]),\n        .data")),
            ("the half of another layer", text(TOP_SV, r"\.bank\(dense_1_terms_bank\)", ".bank(dense_0_terms_bank)")),
        ),
    }  # fmt: skip


def block_netlist_kinds() -> dict[str, Rows]:
    """Of a netlist with block RAM."""
    feed = f"{TOP}_feed_dense_0_terms"

    def ram(m: dict, place: int = 0) -> dict:
        return cell_of(m, "RAMB18E2", place)

    def pins(m: dict, **wanted: list) -> None:
        ram(m)["connections"].update(wanted)

    return {
        "netlist: block RAM": (
            ("two memories exchange their hits", netlist(feed, lambda m: swap(ram(m), ram(m, 1), "WEBWE"))),
            ("a memory is always written", netlist(feed, lambda m: pins(m, WEBWE=["1"] * 4))),
            ("one byte is always written", netlist(feed, lambda m: ram(m)["connections"]["WEBWE"].__setitem__(2, "1"))),
            ("it is written through the other port", netlist(feed, lambda m: pins(m, WEA=ram(m)["connections"]["WEBWE"][:2]))),
            ("it is written where it is read", netlist(feed, lambda m: pins(m, ADDRBWRADDR=ram(m)["connections"]["ADDRARDADDR"]))),
            ("two bits of a place exchanged", netlist(feed, lambda m: ram(m)["connections"]["ADDRARDADDR"].__setitem__(slice(5, 7), ram(m)["connections"]["ADDRARDADDR"][6:4:-1]))),
            ("two bits of a row exchanged", netlist(feed, lambda m: ram(m)["connections"]["ADDRBWRADDR"].__setitem__(slice(5, 7), ram(m)["connections"]["ADDRBWRADDR"][6:4:-1]))),
            ("both halves are one", netlist(feed, lambda m: ram(m)["connections"]["ADDRARDADDR"].__setitem__(11, "0"))),
            ("the bits of a word reversed", netlist(feed, lambda m: ram(m)["connections"]["DINADIN"].reverse())),
            ("the output register is halted", netlist(feed, lambda m: pins(m, REGCEAREGCE=["0"]))),
            ("the output register is reset", netlist(feed, lambda m: pins(m, RSTREGARSTREG=list(m["ports"]["load"]["bits"])))),
            ("nothing is read", netlist(feed, lambda m: pins(m, ENARDEN=["0"]))),
            ("it sleeps", netlist(feed, lambda m: pins(m, SLEEP=["1"]))),
            ("another clock writes", netlist(feed, lambda m: pins(m, CLKBWRCLK=list(m["ports"]["load"]["bits"])))),
            ("no output register", netlist(feed, lambda m: ram(m)["parameters"].update(DOA_REG="0" * 32))),
            ("written first", netlist(feed, lambda m: ram(m)["parameters"].update(WRITE_MODE_B="WRITE_FIRST"))),
            ("words of 18 bits", netlist(feed, lambda m: ram(m)["parameters"].update(READ_WIDTH_A=f"{18:032b}"))),
        ),
    }  # fmt: skip


def memory_netlist_kinds() -> dict[str, Rows]:
    """Of its netlist."""
    feed, load = f"{TOP}_feed_dense_0_terms", f"{TOP}_load"

    def ram(m: dict, place: int = 0) -> dict:
        return cell_of(m, "RAM32M16", place)

    return {
        "netlist: memory": (
            ("two memories exchange their hits", netlist(feed, lambda m: swap(ram(m), ram(m, 1), "WE"))),
            ("a memory is always written", netlist(feed, lambda m: ram(m)["connections"].update(WE=["1"]))),
            ("a memory is never written", netlist(feed, lambda m: ram(m)["connections"].update(WE=["0"]))),
            ("a memory has another clock", netlist(feed, lambda m: ram(m)["connections"].update(WCLK=list(m["ports"]["load"]["bits"])))),
            ("it is written where it is read", netlist(feed, lambda m: ram(m)["connections"].update(ADDRH=ram(m)["connections"]["ADDRA"]))),
            ("two bits of a place exchanged", netlist(feed, lambda m: exchange_first(ram(m)["connections"]["ADDRB"]))),
            ("two bits of a word exchanged", netlist(feed, lambda m: ram(m)["connections"]["DIA"].reverse())),
            ("two bits that are read exchanged", netlist(feed, lambda m: ram(m)["connections"]["DOA"].reverse())),
            ("a bit above opens another row", netlist(feed, lambda m: ram(m)["connections"]["ADDRH"].__setitem__(4, m["ports"]["data"]["bits"][31]))),
            ("a memory is not empty", netlist(feed, lambda m: ram(m)["parameters"].update(INIT_A="1" * 64))),
            ("the half is halted", netlist(load, lambda m: cell_of(m, "FDRE")["connections"].update(CE=["0"]))),
            ("two hits exchanged", netlist(load, lambda m: m["ports"]["dense_0_terms_hits"]["bits"].reverse())),
            ("a bit of a row", netlist(load, lambda m: m["ports"]["dense_0_terms_row"]["bits"].__setitem__(0, "0"))),
        ),
    }  # fmt: skip
