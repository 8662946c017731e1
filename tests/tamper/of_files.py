"""Tamperings of wrappers, lists and figures, and files that are put beside those of the build."""

from __future__ import annotations

from tamper.edits import Rows, new_file, text


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
