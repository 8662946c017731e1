"""Keras models in memory: checked, copied, parsed by hls4ml, and computed as the reference."""
