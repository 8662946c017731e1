"""Elementwise functions of one number: as Keras rounds them, in exact arithmetic, and as integer requantisers."""
