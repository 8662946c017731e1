"""What settings are where nobody chooses, and what they may be: names, numbers and their ends."""

DEFAULT_PART = "xcvu13p-flga2577-2-e"
DEFAULT_CLOCK_MHZ = 360.0

AUTO = "auto"
DEFAULT_INPUT = "fixed<16,6>"
"""What hls4ml takes where nothing types an input."""

MAX_HEAD_BITS = 16
MAX_LAYER_BITS = 32
"""Widest type that a value inside a network is rounded to."""

MAX_WEIGHT_BITS = 32
"""Widest type that weights are rounded to."""

GRADES = ("exact", "ideal")

DEFAULT_REGISTER_WEIGHT = 0.5
"""A slice of the FPGAs that we know holds two flip-flops for each LUT. Source: AMD UG574, "UltraScale Architecture CLB"."""

WHOLE, STREAM = "whole", "stream"
PORTS = (WHOLE, STREAM)
"""How an event comes: all of it in one clock, or position by position."""

HDLS = ("verilog", "vhdl")
"""What the hardware can be written in; SystemVerilog is always there."""

TUNABLE = ("bias",)
RELOADABLE = ("weights",)
MAX_BIAS_BITS = 32

MAX_CYCLES = 4096
"""Longest latency that can be asked for."""

MAX_REGISTER_WEIGHT = 1000.0
