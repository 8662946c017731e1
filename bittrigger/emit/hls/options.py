"""What a user may choose about the HLS project, and which layers take the loop form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.ir.graph import Graph, Linear


@dataclass(frozen=True)
class HlsOptions:
    """Choices of the HLS project; the clock comes from the pipeline.

    Attributes:
        part: FPGA, as Vitis HLS spells it.
        reuse_factor: for each layer name the cycles over which its columns are spread; 1, the default, is parallel.
        max_unrolled: non-zero weights above which a layer is written as loops over packed weights instead of
            straight-line adders. The shared subexpressions of the adder graph are lost in that form.
        adders_per_function: where straight-line code is cut into functions; smaller is not faster to compile.
        adders_per_file: where it is cut into source files; each file costs about one second of compilation.
    """

    part: str
    reuse_factor: Mapping[str, int] = field(default_factory=dict)
    max_unrolled: int = 65536
    adders_per_function: int = 64
    adders_per_file: int = 4096

    def reuse(self, layer: str) -> int:
        """The reuse factor of ``layer``."""
        return self.reuse_factor.get(layer, 1)

    def takes_loop_form(self, node: Linear) -> bool:
        """Whether ``node`` is written as loops."""
        return self.reuse(node.name) > 1 or int(np.count_nonzero(node.weights)) > self.max_unrolled

    @property
    def sequential(self) -> bool:
        """Whether a layer is reused, so that a new event enters less often than every cycle."""
        return any(factor > 1 for factor in self.reuse_factor.values())

    @property
    def ii(self) -> int:
        """Cycles between events at best: the largest reuse factor."""
        return max(self.reuse_factor.values(), default=1)


def check_options(options: HlsOptions, graph: Graph) -> None:
    """Check ``options`` against ``graph``.

    Raises:
        ConfigError: if a reuse factor names no layer or is out of its range, if a limit is not positive, or if a vector
            has several readers although a layer is reused.
    """
    layers = {node.name: node for node in graph.nodes if isinstance(node, Linear)}
    for name, factor in options.reuse_factor.items():
        if name not in layers:
            raise ConfigError(f"reuse factor for {name!r}: no such linear layer; allowed are {', '.join(layers)}")
        columns = layers[name].weights.shape[1]
        if not 1 <= factor <= columns:
            raise ConfigError(
                f"reuse factor {factor} of layer {name!r}; allowed are 1 to {columns}, its outputs: "
                "each step computes whole columns"
            )
    for limit in ("max_unrolled", "adders_per_function", "adders_per_file"):
        if getattr(options, limit) < (0 if limit == "max_unrolled" else 1):
            raise ConfigError(f"HLS option {limit} is {getattr(options, limit)}; allowed are positive numbers")
    if options.sequential:
        _check_single_readers(graph)


def _check_single_readers(graph: Graph) -> None:
    """A dataflow region needs one producer and one consumer for each array."""
    for node in graph.nodes:
        readers = [reader.name for reader in graph.nodes if node.name in reader.inputs]
        readers += ["the output ports"] * graph.outputs.count(node.name)
        if len(readers) > 1:
            raise ConfigError(
                f"reuse factor above 1: the codes of {node.name!r} have {len(readers)} readers ({', '.join(readers)}); "
                "the dataflow pipeline that reuse needs allows one; use reuse factor 1 for every layer"
            )
