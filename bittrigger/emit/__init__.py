"""Emitters: a pipeline becomes C++, SystemVerilog and scripts."""
