"""Types that a user declares for an ONNX graph of floats: constants rounded, and a Quant behind what its nodes compute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.frontend.distance import distance_said
from bittrigger.frontend.elementwise.onnx import EVEN, IN_DOUBLE
from bittrigger.frontend.kernels import common_fraction_bits
from bittrigger.frontend.qonnx.evaluate import evaluate_onnx
from bittrigger.frontend.qonnx.file import Array, Attribute, OnnxModel, OnnxNode, unused
from bittrigger.frontend.qonnx.operators import QONNX
from bittrigger.frontend.qonnx.positions import MOVING, PICKING, REDUCTIONS
from bittrigger.ir.casts import Cast, cast_codes, parse_cast
from bittrigger.ir.fixed import FLOAT32_BITS, FloatArray, Overflow, Rounding, decode
from bittrigger.settings.declared import EVERY, Declared

ROUNDINGS = {
    Rounding.RND_CONV: "ROUND",
    Rounding.TRN: "FLOOR",
    Rounding.TRN_ZERO: "DOWN",
    Rounding.RND_INF: "HALF_UP",
    Rounding.RND_ZERO: "HALF_DOWN",
}
"""What QONNX calls the roundings of ``ap_fixed`` that it has."""

BIAS = ".bias"
"""Behind the name of a node: its bias."""

_KERNELS = ("MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum")
_SUMS = (*_KERNELS, "Add", "BatchNormalization")
_ARITHMETIC = ("Add", "Sub", "Mul", "Div")
_CHOOSING = (*MOVING, *PICKING, "Resize", "MaxPool", "Max", "Min", "Shape", "Constant", "ConstantOfShape", "Split")
_EXTREMES = tuple(name for name, kind in REDUCTIONS.items() if kind in ("max_over", "min_over"))
_QUANTISERS = ("Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold", "QuantizeLinear", "DequantizeLinear")
_ENDINGS = ("Softmax", "LogSoftmax", "Sigmoid")


@dataclass(eq=False)
class _Rewritten:
    """A graph while it is written anew.

    Attributes:
        kinds: what makes each tensor, an operator.
        depends: the tensors that depend on the event, shapes left out.
        readers: the nodes that read each tensor.
    """

    model: OnnxModel
    nodes: list[OnnxNode]
    constants: dict[str, Array]
    kinds: dict[str, str]
    depends: set[str]
    readers: dict[str, list[OnnxNode]]
    said: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, model: OnnxModel) -> _Rewritten:
        """A graph that nothing was declared for."""
        depends = set(model.inputs)
        kinds: dict[str, str] = {}
        readers: dict[str, list[OnnxNode]] = {}
        for node in model.nodes:
            kinds |= dict.fromkeys(node.outputs, node.kind)
            if node.kind != "Shape" and not depends.isdisjoint(node.inputs):
                depends |= set(node.outputs)
            for name in set(node.inputs):
                readers.setdefault(name, []).append(node)
        return cls(model, list(model.nodes), dict(model.constants), kinds, depends, readers)

    def unused(self, name: str) -> str:
        """A name like ``name`` that the file does not have."""
        return unused(name, self.model.constants, self.model.inputs, self.kinds, self.readers)


def as_declared(model: OnnxModel, declared: Declared) -> tuple[OnnxModel, list[str]]:
    """The graph that is built, and what was declared, a sentence each; ``model`` itself where nothing was.

    Raises:
        ConfigError: if a node is none of the graph, or a type is none that a Quant has.
    """
    made = _Rewritten.of(model)
    _check_names(model, declared)
    if declared.weight_precision:
        _round_weights(made, {name: parse_cast(text) for name, text in declared.weight_precision.items()})
    if declared.layer_precision:
        _round_layers(made, {name: parse_cast(text) for name, text in declared.layer_precision.items()})
    return replace(model, nodes=tuple(made.nodes), constants=made.constants), made.said


def _check_names(model: OnnxModel, declared: Declared) -> None:
    names = {node.called for node in model.nodes if node.outputs}
    for option, types, endings in (
        ("--weight-precision", declared.weight_precision, ("", BIAS)),
        ("--layer-precision", declared.layer_precision, ("",)),
    ):
        known = {EVERY, *(name + end for name in names for end in endings)}
        strange = sorted(set(types) - known)
        if strange:
            raise ConfigError(
                f"{option} names {strange[0][:80]!r}, which is no node of the ONNX file; allowed are "
                f"{', '.join(sorted(known)[:8])}"
            )


def _round_weights(made: _Rewritten, types: Mapping[str, Cast]) -> None:
    every = types.get(EVERY)
    rounded = Counter[str]()
    for number, node in enumerate(made.nodes):
        inputs = list(node.inputs)
        for place, own in _float_arrays(made, node):
            kind = types.get(own, types.get(own.removesuffix(BIAS), every))
            if kind is None:
                continue
            values = made.constants[inputs[place]]
            inputs[place] = made.unused(f"{inputs[place]}#{kind}")
            codes = decode(cast_codes(values.astype(np.float64), kind), kind.frac)
            made.constants[inputs[place]] = codes.astype(np.float32)
            rounded[str(kind)] += 1
        made.nodes[number] = replace(node, inputs=tuple(inputs))
    listed = ", ".join(f"{kind} in {count} arrays" for kind, count in sorted(rounded.items())) or "no array"
    made.said.append(f"weights are rounded to {listed} (--weight-precision)")


def _float_arrays(made: _Rewritten, node: OnnxNode) -> Iterator[tuple[int, str]]:
    """The constants of a node that are float kernels and biases: the place among its inputs, and what options call them."""
    own = node.called
    if node.kind in _KERNELS:
        for place, name in enumerate(node.inputs):
            bias = place == 2 and node.kind != "Einsum"
            if name in made.constants and (bias or _is_float(made.constants[name])):
                yield place, own + BIAS if bias else own
    elif node.kind == "Add" and any(made.kinds.get(name) == "MatMul" for name in node.inputs):
        yield from ((place, own) for place, name in enumerate(node.inputs) if name in made.constants)


def _is_float(values: Array) -> bool:
    """Whether a kernel takes as many bits as float32 has, so that it is refused as it is."""
    if values.dtype.kind != "f" or not values.size or not np.isfinite(values).all():
        return False
    return common_fraction_bits(values) + int(np.frexp(np.abs(values).max())[1]) >= FLOAT32_BITS - 1


def _round_layers(made: _Rewritten, types: Mapping[str, Cast]) -> None:
    every = types.get(EVERY)
    nodes, count = list[OnnxNode](), 0
    for node in made.nodes:
        kind = types.get(node.called)
        if kind is None and every is not None and not made.depends.isdisjoint(node.outputs):
            kind = every if _is_rounded(made, node) else None
        if kind is None:
            nodes.append(node)
            continue
        count += 1
        raw = tuple(output and made.unused(f"{output}#raw") for output in node.outputs)
        nodes.append(replace(node, outputs=raw))
        nodes += [_quant(made, one, output, kind) for one, output in zip(raw, node.outputs, strict=True) if output]
    made.nodes = nodes
    shown = ", ".join(sorted({str(kind) for kind in types.values()}))
    made.said.append(f"what {count} nodes deliver is rounded to {shown} (--layer-precision)")


def _is_rounded(made: _Rewritten, node: OnnxNode) -> bool:
    """Whether a type for all nodes is one for this: it computes, and no function or bias of its own follows."""
    output = node.outputs[0]
    if node.kind in (*_CHOOSING, *_EXTREMES, *_QUANTISERS) or node.domain in QONNX:
        return False
    if output in made.model.outputs:
        return node.kind not in _ENDINGS
    following = made.readers.get(output, [])
    if len(following) != 1:
        return True
    (reader,) = following
    apart = reader.kind in IN_DOUBLE and node.kind in _SUMS  # a table wants few codes
    return apart or not (_follows(made, reader) or reader.kind in _QUANTISERS)


def _follows(made: _Rewritten, reader: OnnxNode) -> bool:
    """Whether a node is a function of each value, or arithmetic with constants."""
    if reader.kind in _ENDINGS and reader.outputs[0] in made.model.outputs:
        return False
    if reader.kind in (*EVEN, *IN_DOUBLE, "Neg", "PRelu", "BatchNormalization"):
        return True
    return reader.kind in _ARITHMETIC and not made.depends.issuperset(reader.inputs)


def _quant(made: _Rewritten, source: str, output: str, kind: Cast) -> OnnxNode:
    """A Quant of a type."""
    if kind.rounding not in ROUNDINGS or kind.overflow not in (Overflow.SAT, Overflow.SAT_SYM):
        raise ConfigError(
            f"--layer-precision {kind}: a Quant of ONNX has no {kind.rounding.value} with {kind.overflow.value}; allowed are "
            f"{', '.join(mode.value for mode in ROUNDINGS)} with SAT or SAT_SYM"
        )
    names = [made.unused(f"{output}#{part}") for part in ("scale", "zero", "bits")]
    numbers = (2.0**-kind.frac, 0.0, float(kind.fixed.width))
    made.constants |= {name: np.array(number, dtype=np.float32) for name, number in zip(names, numbers, strict=True)}
    narrow = int(kind.overflow is Overflow.SAT_SYM and kind.fixed.signed)
    options: dict[str, Attribute] = {
        "signed": int(kind.fixed.signed),
        "narrow": narrow,
        "rounding_mode": ROUNDINGS[kind.rounding],
    }
    return OnnxNode(f"{output}_type"[:40], "Quant", QONNX[0], (source, *names), (output,), options)


def distance_text(model: OnnxModel, changed: OnnxModel, inputs: FloatArray | None) -> str:
    """How far the graph that is built is from the one of the file, in a sentence.

    Args:
        inputs: real events `(events, n_inputs)`, or None.
    """
    if inputs is None:
        return "what that costs is told with --inputs"
    with np.errstate(all="ignore"):
        before, after = (evaluate_onnx(one, inputs, np.float32, endings=False) for one in (model, changed))
    return distance_said(before, after, several=len(model.outputs) > 1)
