"""Tamperings of wrappers, lists and figures, and files that are put beside those of the build."""

from __future__ import annotations

from tamper.edits import Rows, new_file, text

AXIS, EMP = "wrap/axi-stream", "wrap/emp"


def wrapper_kinds() -> dict[str, Rows]:
    """Of what the two wrappers compute."""
    gather, send, fifo = (f"{AXIS}/bittrigger_{name}.sv" for name in ("axis_gather", "axis_send", "credit_fifo"))
    collect, give, links = (
        f"{EMP}/bittrigger_emp_gather.sv",
        f"{EMP}/bittrigger_emp_send.sv",
        f"{EMP}/example_emp_links.vhd",
    )
    axis, emp = f"{AXIS}/example_axis.sv", f"{EMP}/example_emp.sv"
    return {
        "wrap: AXI4-Stream": (
            ("beats the other way round", text(gather, r"\{s_tdata, (event_data\[[^]]*:8\*BEAT_BYTES\])\}", r"{\1, s_tdata}")),
            ("a byte may lack", text(gather, r"!complete;", "1'b0;")),
            ("a beat may lack", text(gather, r"bad \|\| !final_beat", "bad")),
            ("a packet too many", text(fifo, r"room = !used\[ADDRESS_BITS\]", "room = 1'b1")),
            ("a result twice", text(fifo, r"if \(pop\) first <= second;", "if (pop && second != next) first <= second;")),
            ("TUSER is low", text(axis, r"\.result_bad\(head_bad\)", ".result_bad(1'b0)")),
            ("the reset turned", text(axis, r"rst = !aresetn", "rst = aresetn")),
            ("the event a bit further up", text(axis, r"event_data\[71:0\]", "event_data[72:1]")),
            ("a fault told a cycle late", text(axis, r"\.CYCLES\(3\)", ".CYCLES(4)")),
            ("TVALID waits for TREADY", text(send, r"else if \(free\) m_tvalid <= result_there;", "else m_tvalid <= result_there && m_tready;")),
        ),
        "wrap: EMP": (
            ("words the other way round", text(collect, r"\{d_data, (event_data\[[^]]*:64\*LINKS\])\}", r"{\1, d_data}")),
            ("links out of step", text(collect, r"out_of_step = [^;]*;", "out_of_step = 1'b0;")),
            ("a short packet is whole", text(collect, r"complete = taken && word == FINAL", "complete = taken && (word == FINAL || last)")),
            ("a strobe is not asked for", text(collect, r"frame = \|d_strobe", "frame = 1'b1")),
            ("an overrun is not told", text(give, r"overrun <= result_valid && more", "overrun <= 1'b0")),
            ("the orbit is lost", text(give, r"result_valid && result_orbit && !rst", "1'b0")),
            ("start and last exchanged", text(links, r"d_start\(k\) <= d\(k\)\.start;", "d_start(k) <= d(k).last;")),
            ("another latency in the header", text(links, r"Latency: (\d+)", r"Latency: 1\1")),
            ("the event a bit further up", text(emp, r"event_data\[71:0\]", "event_data[72:1]")),
        ),
    }  # fmt: skip


def bus_kinds() -> dict[str, Rows]:
    """Of a wrapper that hands on the bus of what is held."""
    axis, links = f"{AXIS}/example_axis.sv", f"{EMP}/example_emp_links.vhd"
    return {
        "wrap: held": (
            ("a write is lost", text(axis, r"\.settings_write\(settings_write\)", ".settings_write(1'b0)")),
            ("an event writes", text(axis, r"\.settings_write\(settings_write\)", ".settings_write(settings_write | event_valid)")),
            ("busy is not told", text(axis, r"\.settings_busy\(settings_busy\)", ".settings_busy()")),
            ("another word", text(links, r"settings_data => settings_data", "settings_data => (others => '0')")),
        ),
    }  # fmt: skip


def file_kinds() -> dict[str, Rows]:
    """Of a build that is wrapped, with a report."""
    return {
        "wrap": (
            ("an edge", text("wrap/axi-stream/example_axis.sv", r"^endmodule", "// edited\nendmodule")),
            ("an option", text("wrap/axi-stream/options.json", r"64", "32")),
            ("a source", text("wrap/emp/example_emp.f", r"\A", "/opt/other.sv\n")),
            ("a foreign file", new_file("wrap/emp/spy.sv", "module spy; endmodule\n")),
            ("a third wrapper", new_file("wrap/spi/top.sv", "module top; endmodule\n")),
        ),
        "file lists": (
            ("another order", text("rtl/example_rtl.f", r"^(example\.sv)\n(.*)\n", r"\2\n\1\n")),
            ("a source more", text("rtl/example_rtl.f", r"\Z", "/opt/other.sv\n")),
            ("a source less of synthesis", text("synth/example_synth.f", r"^.*requantize.*\n", "")),
        ),
        "figures": (
            ("fewer LUTs", text("report.json", r'("lut": \{\s*"value": )\d+', r"\g<1>1")),
            ("a shorter latency", text("report.json", r'("latency_cycles": \{\s*"value": )\d+', r"\g<1>1")),
            ("a routed figure", text("report.json", r'("value": )null', r"\g<1>5")),
            ("nothing missing", text("report.json", r'"missing": \[[^\]]*\]', '"missing": []')),
        ),
        "planted": (
            ("a Makefile that make takes first", new_file("hls/GNUmakefile", "all:\n\ttrue\n")),
            ("an object that is newer", new_file("hls/build/layer.o", "")),
            ("a library that is newer", new_file("emulator/build/example_v1.so", "")),
            ("a test bench that is built", new_file("hls/example_test", "#!/bin/sh\n")),
            ("a header beside the test bench", new_file("hls/ap_int.h", "#define ap_int other\n")),
            ("constraints", new_file("synth/more.xdc", "set_false_path -to [all_registers]\n")),
            ("VHDL of a build without", new_file("vhdl/spy.vhd", "entity spy is end;\n")),
        ),
        "scripts of Yosys": (
            ("a command", text("synth/example.ys", r"^techmap", "exec true\ntechmap")),
            ("another version", text("synth/example.ys", r"^# Yosys \S+:", "# Yosys 0.1:")),
        ),
    }  # fmt: skip
