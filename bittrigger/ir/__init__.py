"""Integers: fixed point, the graph with its oracle, adder graphs, pipelines and ports."""
