"""bittrigger: ternary neural networks to Level-1 trigger firmware, proven right and known to fit."""

__version__ = "0.1.0"
