"""Reads a firmware project that hls4ml has written: its C++ is parsed as text, never compiled or run."""
