"""Nodes of the integer graph as every reader makes them: with the exact range and spacing of each code."""
