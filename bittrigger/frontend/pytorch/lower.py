"""A described chain of PyTorch becomes an integer graph, in exact arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.elementwise.chains import AddBias
from bittrigger.frontend.elementwise.exact import Line, quantised_runs, quantised_steps
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.plans import fits_and_tables, reach_under
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.frontend.pytorch.account import left_out
from bittrigger.frontend.pytorch.description import (
    Description,
    LinearLayer,
    Quantize,
    Relu,
)
from bittrigger.frontend.pytorch.tensors import Array
from bittrigger.frontend.pytorch.weights import quantized_kernel
from bittrigger.ir.basis import Basis, Reference
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FLOAT32_BITS, FixedPoint
from bittrigger.ir.graph import Graph, Linear, frozen_array
from bittrigger.ir.naming import identifier

MAX_STEPS = 1 << 20
"""Most steps of a layer that are written out."""


@dataclass
class _Tensor:
    """Values ``codes * scale + offset``, and a ReLU on top: codes of a node, or of a ``Linear`` that is none yet.

    Attributes:
        offsets: of each channel.
    """

    node: str
    scale: Fraction
    linear: Linear | None
    offsets: list[Fraction]
    relu: bool = False


def lower_pytorch(tensors: dict[str, Array], description: Description, name: str, *, exactly: bool = False) -> Graph:
    """The integer graph of a described chain.

    Args:
        tensors: those of its checkpoint.
        name: of the design, an identifier.
        exactly: whether nothing but the bits of float32 will do.

    Raises:
        UnsupportedModelError: if it cannot be computed in integers.
    """
    walk = _Walk(tensors, Builder(identifier(name)))
    walk.start(description)
    for layer in description.layers:
        match layer:
            case LinearLayer():
                walk.linear(layer)
            case Relu():
                walk.tensor.relu = True
            case Quantize():
                walk.quantize(layer)
    walk.finish(description.output)
    names = [layer.name for layer in description.layers if isinstance(layer, LinearLayer)]
    walk.chosen += left_out(tensors, walk.used, names)
    if exactly and walk.rounds:
        raise UnsupportedModelError(f"{walk.rounds[0]}; allowed with --require exact are scales that are powers of two")
    basis = Basis(tuple(walk.rounds), tuple(walk.chosen), reference=Reference.PYTORCH)
    graph = Graph(identifier(name), walk.builder.nodes, (walk.tensor.node,), basis)
    verify(graph)
    return graph


class _Walk:
    """The state of one lowering."""

    def __init__(self, tensors: dict[str, Array], builder: Builder) -> None:
        self.tensors = tensors
        self.builder = builder
        self.rounds: list[str] = []
        self.chosen: list[str] = []
        self.count = 0
        self.used: set[str] = set()

    def start(self, description: Description) -> None:
        """The port."""
        first = next((layer for layer in description.layers if isinstance(layer, LinearLayer)), None)
        if first is None:
            raise UnsupportedModelError("PyTorch description: it has no linear layer; expected at least one")
        size = self._weight(first).shape[-1]
        kind = description.input
        node = self.builder.add_input("x", size, kind, kind.interval)
        self.tensor = _Tensor(node, Fraction(1) / Fraction(2) ** kind.frac, None, [Fraction(0)] * size)

    def _weight(self, layer: LinearLayer) -> Array:
        found = self.tensors.get(f"{layer.name}.weight")
        if found is None or found.ndim != 2 or 0 in found.shape:
            names = ", ".join(sorted(self.tensors)[:8])
            raise UnsupportedModelError(
                f"layer {layer.name!r}: there is no matrix {layer.name}.weight; the file holds {names}"
            )
        return found

    def linear(self, layer: LinearLayer) -> None:
        """A matrix on settled codes."""
        owner = f"layer {layer.name!r}"
        if self.tensor.linear is not None or self.tensor.relu or any(self.tensor.offsets):
            raise UnsupportedModelError(
                f"{owner}: nothing quantises its inputs; allowed are codes; put a quantize before it"
            )
        weight = self._weight(layer)
        source = self.builder[self.tensor.node]
        if weight.shape[1] != source.size:
            raise UnsupportedModelError(f"{owner}: it reads {weight.shape[1]} values, and {source.size} are there")
        self.used |= {f"{layer.name}.weight", f"{layer.name}.bias"}
        codes, scale = quantized_kernel(weight, layer.form, layer.bits, owner)
        bias = self.tensors.get(f"{layer.name}.bias", np.zeros(len(codes)))
        if bias.shape != (len(codes),) or not np.isfinite(bias.astype(np.float64)).all():
            raise UnsupportedModelError(f"{owner}: a bias of shape {bias.shape}; expected {len(codes)} finite values")
        zeros = frozen_array(np.zeros(len(codes), dtype=np.int64))
        node = Linear(layer.name.replace(".", "_"), (self.tensor.node,), frozen_array(codes.T), zeros, source.frac)
        offsets = [Fraction(value) for value in bias.astype(np.float64).tolist()]
        self.tensor = _Tensor(self.tensor.node, self.tensor.scale * scale, node, offsets)
        self._note(owner)

    def _note(self, owner: str) -> None:
        """Whether float32 rounds: where the scale is no power of two, or a sum does not fit its significand."""
        tensor = self.tensor
        if not _is_power(tensor.scale):
            self.rounds.append(f"{owner}: its scale {float(tensor.scale):.6g} is no power of two")
            return
        if tensor.linear is None:
            return
        spans = self.builder.operand((tensor.node,))
        largest = np.array([max(abs(span.lo), abs(span.hi)) for span in spans], dtype=object) @ np.abs(
            tensor.linear.weights
        )
        whole = [abs(offset / tensor.scale) + int(most) for offset, most in zip(tensor.offsets, largest, strict=True)]
        finest = max((value.denominator for value in whole), default=1)
        if max(whole) * finest > 1 << FLOAT32_BITS:
            self.rounds.append(f"{owner}: its sums take more than {FLOAT32_BITS} bits")

    def quantize(self, layer: Quantize) -> None:
        """Codes of a quantiser."""
        self.count += 1
        name = f"quantize_{self.count}"
        if layer.fixed is not None:
            step, frac = Fraction(1) / Fraction(2) ** layer.fixed.frac, layer.fixed.frac
            lo, hi = layer.fixed.interval.lo, layer.fixed.interval.hi
        else:
            hi = (1 << (layer.bits - layer.signed)) - 1
            lo = -hi - 1 if layer.signed else 0
            step, frac = self._threshold(layer, name) / (hi + layer.signed), 0
            if _is_power(step):
                frac = step.denominator.bit_length() - step.numerator.bit_length()
        self._settle(name, step, Grid(frac, lo, hi))
        if not _is_power(step):
            self.rounds.append(f"layer {name!r}: its step {float(step):.6g} is no power of two")

    def _threshold(self, layer: Quantize, name: str) -> Fraction:
        found = self.tensors.get(str(layer.threshold))
        self.used.add(str(layer.threshold))
        if found is None or found.size != 1 or not np.isfinite(found.astype(np.float64)).all() or not found.any():
            raise UnsupportedModelError(
                f"layer {name!r}: its threshold {layer.threshold!r} is no single finite number of the file"
            )
        return abs(Fraction(float(found.reshape(()))))

    def _settle(self, name: str, step: Fraction, grid: Grid) -> None:
        """Write the values in units of ``step``, rounded half to even to the codes of ``grid``."""
        tensor = self.tensor
        limited = Grid(grid.frac, max(grid.lo, 0), grid.hi) if tensor.relu else grid
        size = self.builder[tensor.node].size if tensor.linear is None else tensor.linear.size
        marks = (AddBias(name, np.zeros(size, dtype=np.float32)),)
        signal = Signal((tensor.node,), (size,), tensor.linear, marks)
        reach, _ = reach_under(self.builder, signal)
        lines = [_line(tensor.scale / step, offset / step) for offset in tensor.offsets]
        plain = Grid(0, limited.lo, limited.hi)
        if sum(quantised_steps(line, span, plain) for line, span in zip(lines, reach, strict=True)) > MAX_STEPS:
            raise UnsupportedModelError(f"layer {name!r}: more than {MAX_STEPS} steps; allowed is a coarser type")
        runs = [quantised_runs(line, span, plain) for line, span in zip(lines, reach, strict=True)]
        plans = fits_and_tables(self.builder, signal, runs, limited, table=True)
        if not plans:
            raise UnsupportedModelError(f"layer {name!r}: its steps are too many for tables; allowed is a coarser type")
        node = tensor.node
        for item in min(plans, key=lambda plan: plan.cost).nodes:
            node = self.builder.add(replace(item, inputs=(node,)))
        self.tensor = _Tensor(node, step, None, [Fraction(0)] * size)

    def finish(self, output: FixedPoint | None) -> None:
        """The output: codes of the last quantiser, or of the declared type, or of one that is fine and wide enough."""
        tensor = self.tensor
        if tensor.linear is None and not tensor.relu and output is None:
            return
        if output is None:
            output = self._chosen_output()
            self.chosen.append(f"output {output}, as the description declares none")
        self._settle(
            "output",
            Fraction(1) / Fraction(2) ** output.frac,
            Grid(output.frac, output.interval.lo, output.interval.hi),
        )

    def _chosen_output(self) -> FixedPoint:
        """As fine as one step of the sums, and wide enough for all of them."""
        tensor = self.tensor
        spans = self.builder.preview(tensor.linear) if tensor.linear else self.builder.reach(tensor.node)
        most = max(
            max(abs(span.lo), abs(span.hi)) * tensor.scale + abs(offset)
            for span, offset in zip(spans, tensor.offsets, strict=True)
        )
        frac = max(0, -(int(tensor.scale * (1 << 40)).bit_length() - 41))
        return FixedPoint(signed=True, width=int(most).bit_length() + 1 + frac, frac=frac)


def _line(slope: Fraction, offset: Fraction) -> Line:
    unit = np.lcm.reduce(np.array([slope.denominator, offset.denominator], dtype=object))
    return Line(int(slope * unit), int(offset * unit), int(unit))


def _is_power(value: Fraction) -> bool:
    return value > 0 and all(part & (part - 1) == 0 for part in (value.numerator, value.denominator))
