"""Searches: which shape, which layers ternary, at which cost."""
