"""Tamperings of design, settings and scripts."""

from __future__ import annotations

from tamper.edits import Rows, new_file, text


def other_kinds() -> dict[str, Rows]:
    """Of the design, the settings, the scripts and the report."""
    return {
        "design and settings": (
            ("a weight", text("design.json", r'"weights":\[\[(-?)(\d)', r'"weights":[[\g<1>1\2')),
            ("the limit of a requantiser", text("design.json", r'"range":\[0,63\]', '"range":[0,62]')),
            ("the type of the inputs", text("design.json", r'"type":\[true,8,4\]', '"type":[true,8,5]')),
            ("a blank", text("design.json", r",", ", ")),
            ("a name twice", text("design.json", r'"schema":(\d+)', r'"schema":\1,"schema":\1')),
            ("the clock", text("bittrigger.json", r'"clock_mhz": [\d.]+', '"clock_mhz": 100.0')),
            ("the part", text("bittrigger.json", r'"part": "[^"]+"', '"part": "xcku115-flva1517-2-e"')),
            ("the latency", text("bittrigger.json", r'"latency_cycles": (\d)', r'"latency_cycles": 1\1')),
        ),
        "scripts of synthesis": (
            ("another part", text("synth/vivado_synth.tcl", r"-part \S+", "-part xc7a35t")),
            ("another source", text("synth/vivado_synth.tcl", r"\.\./rtl/", "../../rtl/")),
            ("a command", text("synth/vivado_synth.tcl", r"opt_design", "opt_design; exec true")),
            ("a foreign script", new_file("synth/more.tcl", "exec true\n")),
        ),
    }  # fmt: skip
