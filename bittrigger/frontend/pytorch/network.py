"""A described network as a graph of ONNX' operators, with the tensors of its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.pytorch.account import left_out
from bittrigger.frontend.pytorch.description import FORMS, bits_of, quantize_of
from bittrigger.frontend.pytorch.lines import (
    FUNCTIONS,
    KERNELS,
    MERGES,
    NORMALISATIONS,
    POOLINGS,
    REDUCTIONS,
    Line,
    Network,
    whole,
    yes_or_no,
)
from bittrigger.frontend.pytorch.tensors import Array
from bittrigger.frontend.pytorch.weights import quantized_kernel
from bittrigger.frontend.pytorch.writer import Writer
from bittrigger.frontend.qonnx.file import OnnxModel
from bittrigger.ir.fixed import FixedPoint

PORT = "x"

_NORMALISED = {"layernorm": "LayerNormalization", "rmsnorm": "RMSNormalization"}


def written(tensors: dict[str, Array], network: Network) -> tuple[OnnxModel, tuple[str, ...]]:
    """The graph, and what the report says of the file.

    Raises:
        UnsupportedModelError: if a line reads what is not there, or does not fit.
    """
    walk = _Walk(tensors)
    try:
        model = walk.model(network)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise UnsupportedModelError(
            f"PyTorch description: {str(error)[:300]}; allowed are lines as in docs/front-ends.md"
        ) from error
    layers = [str(line.value) for line in network.lines if line.kind in (*KERNELS, *NORMALISATIONS)]
    return model, left_out(tensors, walk.used, layers)


@dataclass(eq=False)
class _Walk:
    """The state of one reading.

    Attributes:
        made: what lines with a name made.
        used: tensors of the file that were read.
    """

    tensors: dict[str, Array]
    writer: Writer = field(default_factory=Writer)
    made: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def model(self, network: Network) -> OnnxModel:
        """The whole network."""
        self.writer.inputs[PORT] = (1, *(network.shape or self._features(network)))
        last = self.made[PORT] = self._typed("port", PORT, network.input)
        for line in network.lines:
            if line.of is not None and line.of not in self.made:
                raise ValueError(f"{line.kind} reads {line.of!r}, which no line before it is called")
            last = self._line(line, last if line.of is None else self.made[line.of])
            if line.label is not None:
                if line.label in self.made:
                    raise ValueError(f"two lines are called {line.label!r}")
                self.made[line.label] = last
        if network.output is not None:
            last = self._typed("output", last, network.output)
        return self.writer.model((last,))

    def _features(self, network: Network) -> tuple[int, ...]:
        """The values of an event, as the first layer reads them."""
        first = network.lines[0]
        if first.kind != "linear":
            raise ValueError("its shape is not said; write input: {type: fixed<8,4>, shape: [16, 20]}")
        return (self._tensor(first, "weight").shape[-1],)

    def _tensor(self, line: Line, name: str, default: Array | None = None) -> Array:
        own = f"{line.value}.{name}"
        self.used.add(own)
        found = self.tensors.get(own, default)
        if found is None or not np.isfinite(found.astype(np.float64)).all():
            names = ", ".join(sorted(self.tensors)[:8])
            raise ValueError(f"layer {str(line.value)!r}: there is no finite {own}; the file holds {names}")
        return found

    def _typed(self, owner: str, source: str, kind: FixedPoint) -> str:
        return self.writer.quant(owner, source, kind.interval.lo, kind.interval.hi, 2.0**-kind.frac)

    def _line(self, line: Line, source: str) -> str:
        for kinds, work in (
            (("linear",), self._linear),
            (("conv1d", "conv2d"), self._convolution),
            (("quantize",), self._quantized),
            (NORMALISATIONS, self._normalised),
            (POOLINGS, self._pooled),
            (MERGES, self._merged),
        ):
            if line.kind in kinds:
                return work(line, source)
        if line.kind == "hardsigmoid":
            return self._hard_sigmoid(line, source)
        kind, options = _operator(line)
        return self.writer.one(line.owner, kind, source, **options)

    def _hard_sigmoid(self, line: Line, source: str) -> str:
        """As PyTorch writes it, since the sixth of ONNX' own is a float32."""
        moved = self.writer.one(f"{line.owner}/Add", "Add", source, self.writer.constant(3.0))
        limited = self.writer.one(f"{line.owner}/Clip", "Clip", moved, min=0.0, max=6.0)
        return self.writer.one(line.owner, "Div", limited, self.writer.constant(6.0))

    def _linear(self, line: Line, source: str) -> str:
        made = self.writer.one(line.owner, "MatMul", source, self._kernel(line, turned=True))
        bias = self._bias(line)
        return made if bias is None else self.writer.one(f"{line.owner}.bias", "Add", made, bias)

    def _normalised(self, line: Line, source: str) -> str:
        epsilon = float(line.options.get("eps", 1e-5))
        weight = self._tensor(line, "weight", self.tensors.get(f"{line.value}.running_mean", np.zeros(0)) * 0 + 1)
        arrays = [weight]
        if line.kind == "batchnorm":
            self.used.add(f"{line.value}.num_batches_tracked")
            arrays += [self._tensor(line, "bias", weight * 0)]
            arrays += [self._tensor(line, name) for name in ("running_mean", "running_var")]
            parts = [self.writer.constant(_single(line.owner, array)) for array in arrays]
            return self.writer.one(line.owner, "BatchNormalization", source, *parts, epsilon=epsilon)
        if line.kind == "layernorm" and f"{line.value}.bias" in self.tensors:
            arrays.append(self._tensor(line, "bias"))
        parts = [self.writer.constant(_single(line.owner, array)) for array in arrays]
        return self.writer.one(line.owner, _NORMALISED[line.kind], source, *parts, axis=-1, epsilon=epsilon)

    def _kernel(self, line: Line, *, turned: bool = False) -> str:
        """The kernel, as its class quantises it; of a linear layer its matrix turned."""
        weight, form = self._tensor(line, "weight"), line.options.get("weights", "float")
        if form not in FORMS:
            raise ValueError(f"{str(form)[:40]!r} of layer {line.value!r}; allowed weights are {', '.join(FORMS)}")
        rank = {"linear": 2, "conv1d": 3, "conv2d": 4}[line.kind]
        if weight.ndim != rank:
            raise ValueError(f"layer {line.value!r}: its weight has the shape {weight.shape}; expected {rank} axes")
        if form == "float":
            return self.writer.constant(_single(f"{line.value}.weight", weight.T if turned else weight))
        codes, scale = quantized_kernel(weight, form, bits_of(line.options.get("bits", 8)), f"layer {line.value!r}")
        step = np.float32(float(scale))
        lo, hi = int(codes.min()), int(codes.max())
        width = max(hi, -lo - 1, 1).bit_length()
        values = self.writer.constant((codes.T if turned else codes) * step)
        return self.writer.quant(f"{line.owner}.weight", values, -(1 << width), (1 << width) - 1, float(step))

    def _bias(self, line: Line) -> str | None:
        own = f"{line.value}.bias"
        return self.writer.constant(_single(own, self._tensor(line, "bias"))) if own in self.tensors else None

    def _convolution(self, line: Line, source: str) -> str:
        rank = int(line.kind[4])
        size = list(self._tensor(line, "weight").shape[2:])
        options: dict[str, Any] = {
            "kernel_shape": size,
            "strides": _each(line, "stride", rank, 1),
            "pads": _each(line, "padding", rank, 0) * 2,
            "dilations": _each(line, "dilation", rank, 1),
            "group": whole(line.options.get("groups", 1), "groups", least=1),
        }
        bias = self._bias(line)
        reads = [source, self._kernel(line), *([] if bias is None else [bias])]
        return self.writer.one(line.owner, "Conv", *reads, **options)

    def _pooled(self, line: Line, source: str) -> str:
        rank = int(line.kind[-2])
        size = _numbers(line.value, line.kind, rank, least=1)
        strides = _numbers(line.options.get("stride", size), "stride", rank, least=1)
        pads = _each(line, "padding", rank, 0) * 2
        more = {"count_include_pad": 1} if line.kind.startswith("avg") else {}
        kind = POOLINGS[line.kind]
        return self.writer.one(line.owner, kind, source, kernel_shape=size, strides=strides, pads=pads, **more)

    def _merged(self, line: Line, source: str) -> str:
        names = line.value if isinstance(line.value, list) else [line.value]
        missing = [name for name in names if name not in self.made]
        if missing or not names:
            raise ValueError(
                f"{line.kind} reads {str(missing[:1])[1:-1] or 'nothing'}, which no line before it is called"
            )
        others = [self.made[name] for name in names]
        if line.kind == "concat":
            axis = whole(line.options.get("axis", 1), "axis", least=1)
            return self.writer.one(line.owner, "Concat", source, *others, axis=axis)
        for other in others:
            source = self.writer.one(line.owner, MERGES[line.kind], source, other)
        return source

    def _quantized(self, line: Line, source: str) -> str:
        kind = quantize_of(line.value)
        if kind.fixed is not None:
            return self._typed(line.owner, source, kind.fixed)
        self.used.add(str(kind.threshold))
        found = self.tensors.get(str(kind.threshold))
        if found is None or found.size != 1 or not np.isfinite(found).all() or not found.any():
            raise ValueError(f"{line.owner}: its threshold {kind.threshold!r} is no single finite number of the file")
        hi = (1 << (kind.bits - kind.signed)) - 1
        step = abs(Fraction(float(found.reshape(())))) / (hi + kind.signed)
        return self.writer.quant(line.owner, source, -hi - 1 if kind.signed else 0, hi, float(step))


def _single(owner: str, values: Array) -> Array:
    """Numbers as float32, if that changes none."""
    single = values.astype(np.float32)
    if not np.array_equal(single.astype(values.dtype), values):
        raise ValueError(f"{owner}: numbers of {values.dtype} that no float32 holds; save the module with .float()")
    return single


def _operator(line: Line) -> tuple[str, dict[str, Any]]:
    """An operator of one operand without numbers of the file, and its attributes."""
    match line.kind:
        case "flatten":
            return "Flatten", {}
        case "transpose":
            return "Transpose", {"perm": [whole(n, "axis") for n in line.value]}
        case "reshape":
            return "Reshape", {"shape": [0, *(whole(n, "size", least=1) for n in line.value)]}
        case kind if kind in REDUCTIONS:
            axes = line.value if isinstance(line.value, list) else [line.value]
            axes = [whole(axis, "axis", least=1) for axis in axes]
            return REDUCTIONS[kind], {
                "axes": axes,
                "keepdims": int(yes_or_no(line.options.get("keepdim", False), "keepdim")),
            }
        case kind:
            name, options = FUNCTIONS[kind]
            return name, dict(options)


def _each(line: Line, name: str, rank: int, default: int) -> list[int]:
    return _numbers(line.options.get(name, default), name, rank, least=default)


def _numbers(value: Any, what: str, rank: int, *, least: int) -> list[int]:
    listed = value if isinstance(value, list) else [value] * rank
    if len(listed) != rank:
        raise ValueError(f"{what} {str(value)[:40]}; allowed are one number, or {rank}")
    return [whole(n, what, least=least) for n in listed]
