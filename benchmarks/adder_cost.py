"""The adder cost of training against the LUT estimate of the solver, on random matrices: python benchmarks/adder_cost.py."""

from __future__ import annotations

import argparse

import numpy as np

from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
from bittrigger.ir.fixed import IntArray, Interval
from bittrigger.solver import SolverOptions, graph_luts, solve

SHAPES = ((16, 16), (16, 64), (64, 32), (32, 32), (32, 5))
ZEROS = (0.2, 0.35, 0.5, 0.7, 0.85)
WIDTHS = (4, 8)


def main() -> None:
    """Print three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--effort", default="fast", help="of the solver")
    options = parser.parse_args()
    with quiet_tensorflow():
        from bittrigger.layers import absmean_ternary, adder_bits
    generator = np.random.default_rng(options.seed)

    def luts(matrix: IntArray, width: int, adder_inputs: int) -> int:
        source = (Interval(-(1 << (width - 1)), (1 << (width - 1)) - 1),) * len(matrix)
        bias = np.zeros(matrix.shape[1], dtype=np.int64)
        return graph_luts(solve(matrix, bias, source, SolverOptions(adder_inputs=adder_inputs, effort=options.effort)))

    print(
        "| adder inputs | matrices | correlation | of the logarithms | LUT an adder bit, min to max |\n|---|---|---|---|---|"
    )
    for adder_inputs in (2, 3):
        pairs = []
        for shape in SHAPES:
            for zeros in ZEROS:
                for width in WIDTHS:
                    codes = generator.choice([-1, 0, 1], size=shape, p=[(1 - zeros) / 2, zeros, (1 - zeros) / 2])
                    pairs.append((adder_bits(codes, width), luts(codes, width, adder_inputs)))
        counted, solved = np.array(pairs, dtype=float).T
        plain, logarithms = np.corrcoef(counted, solved)[0, 1], np.corrcoef(np.log(counted), np.log(solved))[0, 1]
        share = solved / counted
        print(
            f"| {adder_inputs} | {len(pairs)} | {plain:.3f} | {logarithms:.3f} | {share.min():.2f} to {share.max():.2f} |"
        )

    kernel = generator.normal(0, 1, (64, 32))
    print("\n| threshold factor | zeros | adder bits | LUT (two-input) | LUT (three-input) |\n|---|---|---|---|---|")
    for factor in (0.25, 0.5, 0.7, 1.0, 1.5):
        codes = absmean_ternary(threshold_factor=factor).codes_and_scale(kernel)[0].numpy().astype(np.int64)
        cells = (adder_bits(codes, 8), luts(codes, 8, 2), luts(codes, 8, 3))
        print(f"| {factor} | {np.mean(codes == 0):.0%} | " + " | ".join(map(str, cells)) + " |")

    codes = absmean_ternary().codes_and_scale(kernel)[0].numpy().astype(np.int64)
    print("\n| scale | LUT (three-input) |\n|---|---|")
    for scale in (1, 2, 3, 5, 7, 11, 13):
        print(f"| {scale} | {luts(scale * codes, 8, 3)} |")


if __name__ == "__main__":
    main()
