"""The adder-graph solver: constant matrices as few, narrow and shallow adders."""

from bittrigger.device.lut_prices import adder_luts, graph_luts
from bittrigger.solver.blocks import solve_blocks
from bittrigger.solver.options import EFFORTS, SolverOptions
from bittrigger.solver.solve import solve
from bittrigger.solver.watch import watching

__all__ = ["EFFORTS", "SolverOptions", "adder_luts", "graph_luts", "solve", "solve_blocks", "watching"]
