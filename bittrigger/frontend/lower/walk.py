"""The state of one lowering: which codes stand behind each tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from bittrigger.errors import Float32RoundsError
from bittrigger.frontend.elementwise.chains import Divide
from bittrigger.frontend.kernels import DECLARED_BITS, check_exact_sums
from bittrigger.frontend.lower.outputs import delivered
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.elementwise import lower_elementwise
from bittrigger.frontend.nodes.positions import positions
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import FLOAT32_BITS, MAX_WIDTH, FixedPoint, FloatArray, IntArray, Rounding, hull
from bittrigger.ir.graph import Intervals, Requantize
from bittrigger.settings import Settings


@dataclass(eq=False)
class Walk:
    """The state of one lowering: the signal behind each tensor name of the ModelGraph."""

    model_graph: Any
    builder: Builder
    settings: Settings
    inputs: FloatArray | None = None
    """Real events for the ports that are still to come, `(events, codes)`."""
    signals: dict[str, Signal] = field(default_factory=dict)
    types: dict[str, FixedPoint] = field(default_factory=dict)
    rounded: dict[str, FixedPoint] = field(default_factory=dict)
    """The declared type of each output tensor that has one."""
    leaving: dict[str, Signal] = field(default_factory=dict)
    """What leaves the design, where it is rounded and other layers read it as it was."""

    @property
    def weight_bits(self) -> int:
        """Bits of weights that are taken for integers."""
        return DECLARED_BITS if self.settings.weight_precision else FLOAT32_BITS - 2

    def keep(self, node: Any, signal: Signal) -> None:
        """Remember what ``node`` delivers, as codes where it leaves the design, as one node where several read it."""
        tensor = node.outputs[0]
        readers = sum(list(other.inputs).count(tensor) for other in self.model_graph.get_layers())
        if tensor in self.model_graph.outputs:
            left, kind = delivered(self.builder, signal, node.name, self.settings.output_precision)
            if kind is not None:
                self.rounded[tensor] = kind
            if kind is not None and readers:
                self.leaving[tensor] = left
                if signal.linear is not None:
                    signal = replace(signal, parts=(self.builder.add(signal.linear),), linear=None)
            else:
                signal = left
        elif readers > 1 and signal.linear is not None:
            signal = replace(signal, parts=(self.builder.add(signal.linear),), linear=None)
        self.signals[tensor] = signal
        self._note_type(tensor)

    def take_inputs(self, size: int) -> FloatArray | None:
        """The events of the next port, of ``size`` codes, if there are any."""
        if self.inputs is None:
            return None
        taken, self.inputs = self.inputs[:, :size], self.inputs[:, size:]
        return taken if taken.shape[1] == size else None

    def _note_type(self, tensor: str) -> None:
        """Remember the type of a tensor that is exact as it stands."""
        signal = self.signals[tensor]
        if signal.steps or signal.exponent is not None or len(signal.parts) != 1:
            return
        if signal.linear is not None:
            spans, frac = self.builder.preview(signal.linear), signal.linear.frac
        else:
            spans, frac = self.builder.operand(signal.parts), self.builder[signal.parts[0]].frac
        whole = hull([span.interval for span in spans])
        if whole.width <= MAX_WIDTH:  # what is wider is refused when the graph is complete
            self.types[tensor] = FixedPoint.holding(whole, frac)

    def operands(self, node: Any, *, scaled: bool = False) -> list[Signal]:
        """The operands of a node as codes; if ``scaled``, they may have an exponent."""
        for tensor in node.inputs:
            self.signals[tensor] = lower_elementwise(self.builder, self.signals[tensor], scaled=scaled)
            self._note_type(tensor)
        return [self.signals[tensor] for tensor in node.inputs]

    def undivided(self, node: Any) -> tuple[Signal, int]:
        """The operand of a layer that is linear, and what its codes are still to be divided by; they may have an exponent.

        A mean over a number that is no power of two lies on no grid, but the layer's sums of it do once they are rounded.
        """
        (tensor,) = node.inputs
        signal = self.signals[tensor]
        divisors = [step.divisor for step in signal.steps if isinstance(step, Divide)]
        if not divisors or len(divisors) < len(signal.steps) or signal.exponent is not None:
            return self.operands(node, scaled=self._has_own_scales(signal))[0], 1
        sums = lower_elementwise(self.builder, replace(signal, steps=()))
        self.signals[tensor] = replace(sums, steps=signal.steps, copies=signal.copies, ideal=signal.ideal)
        divisor = math.prod(divisors)
        self.builder.account.rounds(
            Float32RoundsError(
                f"layer {signal.steps[-1].layer!r}: a mean over {divisor} rounds in float32, and layer {node.name!r} reads it "
                "without a quantiser between; allowed are powers of two; put a QActivation behind the mean, or round it with "
                f"--layer-precision '{signal.steps[-1].layer}=fixed<16,6>'"
            )
        )
        return sums, divisor

    def _has_own_scales(self, signal: Signal) -> bool:
        """Whether all codes of a position have one scale, so that a matrix on them leaves that alone."""
        return signal.exponent is None or positions(signal.shape) % self.builder[signal.exponent].size == 0

    def beyond_float32(self, name: str, weights: IntArray, bias: IntArray, operand: tuple[Intervals, IntArray]) -> bool:
        """Whether float32 cannot hold a sum, so that the ideal grade is taken.

        Args:
            weights: as ``check_exact_sums`` takes them, and the others too.

        Raises:
            Float32RoundsError: if it cannot, and only the exact grade will do.
        """
        try:
            check_exact_sums(name, weights, bias, *operand)
        except Float32RoundsError as refusal:
            self.builder.account.rounds(refusal)
            return True
        return False

    def outputs(self) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...], tuple[FixedPoint | None, ...]]:
        """The nodes that leave the design, each one time and none of them a port; the shapes of the outputs; declared types."""
        names: list[str] = []
        shapes = []
        kinds: list[FixedPoint | None] = []
        for tensor in self.model_graph.outputs:
            signal = self.leaving.get(tensor, self.signals[tensor])
            shapes.append(signal.shape)
            ports = {node.name for node in self.builder.nodes if not node.inputs}
            for part in signal.parts:
                names.append(self._copy(part) if part in ports or part in names else part)
                kinds.append(self.rounded.get(tensor))
        return tuple(names), tuple(shapes), tuple(kinds)

    def _copy(self, part: str) -> str:
        """A node that repeats ``part``, for an output that must not be it."""
        spans = self.builder.reach(part)
        whole = hull([span.interval for span in spans])
        frac = self.builder[part].frac
        return self.builder.add(
            Requantize(f"{part}_copy", (part,), len(spans), 0, Rounding.TRN, whole.lo, whole.hi, frac)
        )
