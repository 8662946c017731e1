"""Passes over hls4ml's ModelGraph; hls4ml registers each under ``bittrigger:``."""
