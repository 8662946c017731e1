"""The names of the layers of this package, as files and messages spell them. Imports nothing."""

from __future__ import annotations

OURS = frozenset(["BitLinear", "BitActivation", "BitTable", "BitConv1D", "BitConv2D", "BitHepLinear"])
"""Layers of ``bittrigger.layers``; Keras puts ``PACKAGE`` in front of their names."""

PACKAGE = "bittrigger>"
MODULES = tuple(f"bittrigger.layers.{name}" for name in ("bit_linear", "activations", "tables", "bithep"))
TRAINING_ONLY = {
    "BitHepLinear": "it scales activations by 127 / max|x| of each token and weights by mean|W|, which are no powers of two and "
    "have no exact bits; allowed is BitLinear; build the model with it and train again",
}
"""Layers that do not convert, and why."""
