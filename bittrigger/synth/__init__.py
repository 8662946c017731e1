"""Synthesis: runs of Yosys, and parsers of what Vitis and Vivado report."""
