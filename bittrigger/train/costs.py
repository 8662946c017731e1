"""What a model costs per event: floating-point and integer operations, parameters, and the share that is quantised.

How it is counted:

- A dense or convolutional layer does one multiply-accumulate for each weight and output position, zeros included.
- With a float kernel that is two FLOPs, and one for each bias.
- With a quantised kernel of several bits that is two IntOPs; with a ternary or binary kernel it is one, since adding or
  subtracting is all that is left. A scale is one IntOP an output, and nothing if it is a power of two. A bias is one
  IntOP, or a FLOP if it is float.
- A layer that is called several times does its operations at each call; its parameters count once.
- Batch normalisation is two FLOPs an element, layer normalisation seven.
- Attention, dot products, `tf.matmul` and einsum are two FLOPs a multiply-accumulate, see `bittrigger.train.operations`.
- Activations, quantizers, sums and products of elements, pooling, and what only moves values are not counted.
- What is not known is None, and so is each sum that it belongs to.
- The parameters of a layer count as quantised, biases included, if its kernel is quantised. A layer that is made of others is
  looked into; of a class that is not known and has weights of its own it is not known whether they are quantised, unless it says
  `own_weights_are_float = True`.

Quantised parameters are counted as they add up for the architectures of BitHEP, arXiv:2504.03387; the rules for operations
are ours and need not be those of its tables.
Importing this module needs no TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.layers.keras_types import Layer, Model, Quantizer, Tensor
from bittrigger.system.legacy_keras import is_of_keras_2
from bittrigger.train.operations import call_operations, is_elementwise

__all__ = ["LayerCost", "ModelCost", "costs_json", "model_costs"]

_DENSE = ("Dense", "QDense", "BitLinear", "BitHepLinear")
_MATRIX = (*_DENSE, "Conv1D", "Conv2D", "QConv1D", "QConv2D", "BitConv1D", "BitConv2D")
_NORMS = ("BatchNormalization", "QBatchNormalization")
_TERNARY = ("ternary", "stochastic_ternary", "absmean_ternary", "bithep_ternary")
_BINARY = ("binary", "stochastic_binary", "absmean_binary")

FLOAT_BITS = 32.0
TERNARY_BITS = math.log2(3)


@dataclass(frozen=True)
class LayerCost:
    """One layer with weights, or with operations that are counted or not known.

    Attributes:
        name: of the layer.
        kind: its class.
        kernel: the quantizer of its kernel, "float32", or "" if there is no kernel.
        weight_bits: information in one weight of the kernel; log2(3) if it is ternary. None without a kernel.
        parameters: all that training changes or that statistics fill in, without ranges and widths of quantizers.
        quantized_parameters: those of layers whose kernel is quantised; None if that is not known.
        zero_share: share of zeros in the quantised kernel; None if it is float.
        macs: multiply-accumulates an event; None for a class of layer that is not known, like the next two.
        flops: floating-point operations an event.
        int_ops: integer operations an event.
        adder_bits: bits of the adders without sharing, see `bittrigger.layers.adder_cost`; None if it is no bit layer.
    """

    name: str
    kind: str
    kernel: str
    weight_bits: float | None
    parameters: int
    quantized_parameters: int | None
    zero_share: float | None
    macs: int | None
    flops: int | None
    int_ops: int | None
    adder_bits: int | None


@dataclass(frozen=True)
class ModelCost:
    """The layers of a model, and the sums that hold for all of them."""

    name: str
    layers: tuple[LayerCost, ...]

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def quantized_parameters(self) -> int | None:
        """Parameters of layers with a quantised kernel; None if a layer is not known."""
        return _total([layer.quantized_parameters for layer in self.layers])

    @property
    def quantized_share(self) -> float | None:
        """Share of the parameters that is quantised; None if there are none, or a layer is not known."""
        quantized = self.quantized_parameters
        return quantized / self.parameters if self.parameters and quantized is not None else None

    @property
    def flops(self) -> int | None:
        """Floating-point operations an event; None if a layer is not known."""
        return _total([layer.flops for layer in self.layers])

    @property
    def int_ops(self) -> int | None:
        """Integer operations an event; None if a layer is not known."""
        return _total([layer.int_ops for layer in self.layers])

    @property
    def macs(self) -> int | None:
        """Multiply-accumulates an event; None if a layer is not known."""
        return _total([layer.macs for layer in self.layers])


def model_costs(model: Model) -> ModelCost:
    """Return the costs of a built Keras model, layer by layer; layers that work element by element are left out.

    Raises:
        ConfigError: the model is not built, so that its shapes are not known.
    """
    if not model.built:
        raise ConfigError(f"model {model.name!r}: it is not built; expected a model with known shapes; call it once")
    return ModelCost(model.name, tuple(_layer_cost(layer) for layer in _layers(model)))


def costs_json(costs: ModelCost) -> dict[str, object]:
    """Return the costs as plain types for JSON; a number that is not known is None."""
    totals = {name: getattr(costs, name) for name in _TOTALS}
    return {"model": costs.name, **totals, "layers": [asdict(layer) for layer in costs.layers]}


_TOTALS = ("parameters", "quantized_parameters", "quantized_share", "macs", "flops", "int_ops")


def _total(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _layers(model: Model) -> Iterator[Layer]:
    """Each layer that is not elementwise, those of models inside included, each once."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        elif not is_elementwise(layer):
            yield layer


def _layer_cost(layer: Layer) -> LayerCost:
    kind = type(layer).__name__
    parameters = _size(layer.weights)
    shape = _output_shape(layer)
    calls = max(1, len(layer.inbound_nodes))
    if kind in _MATRIX and getattr(layer, "groups", 1) == 1 and getattr(layer, "data_format", "") != "channels_first":
        return _matrix_cost(layer, parameters, None if shape is None else calls * math.prod(shape[1:-1]))
    if kind in _NORMS and shape is not None:
        return LayerCost(layer.name, kind, "", None, parameters, 0, None, 0, 2 * calls * math.prod(shape[1:]), 0, None)
    macs, flops = call_operations(layer) or (None, None)
    int_ops = None if flops is None else 0
    return LayerCost(layer.name, kind, "", None, parameters, _quantized(layer), None, macs, flops, int_ops, None)


def _quantized(layer: Layer) -> int | None:
    """The parameters in a layer, and in the layers it is made of, that belong to a quantised kernel; None if not known."""
    inside = [part for part in (layer, *layer.submodules) if hasattr(part, "weights")]
    quantized: dict[int, Tensor] = {}
    known: set[int] = set()
    for part in inside:
        if type(part).__name__ in _MATRIX:
            known.update(map(id, part.weights))
            if getattr(part, "kernel_quantizer_internal", None) is not None:
                quantized |= {id(weight): weight for weight in part.weights}
        elif is_of_keras_2(type(part)) or getattr(part, "own_weights_are_float", False):
            known.update(map(id, (*part._trainable_weights, *part._non_trainable_weights)))
    return _size(quantized.values()) if all(id(weight) in known for weight in layer.weights) else None


def _size(weights: Iterable[Tensor]) -> int:
    return sum(math.prod(weight.shape) for weight in weights if not _is_of_quantizer(weight))


def _is_of_quantizer(weight: Tensor) -> bool:
    return any(name in weight.name for name in ("range_log2", "width_bits"))


def _output_shape(layer: Layer) -> tuple[int, ...] | None:
    """The shape of the outputs with the batch first; None if Keras does not know it, as in a subclassed model."""
    try:
        shape = layer.output_shape
    except (AttributeError, RuntimeError):
        return None
    return tuple(shape) if None not in shape[1:] else None


def _matrix_cost(layer: Layer, parameters: int, positions: int | None) -> LayerCost:
    """The cost of a layer that multiplies by a kernel at so many positions; None if they are not known."""
    quantizer = getattr(layer, "kernel_quantizer_internal", None)
    float_bias = layer.use_bias and getattr(layer, "bias_quantizer_internal", None) is None
    bits = FLOAT_BITS if quantizer is None else _weight_bits(quantizer)
    per_weight = 1 if bits < 2 else 2
    macs = flops = int_ops = None
    if positions is not None:
        macs = positions * math.prod(layer.kernel.shape)
        outputs = positions * layer.kernel.shape[-1]
        biases = outputs if layer.use_bias else 0
        flops = (biases if float_bias else 0) + (2 * macs if quantizer is None else 0)
        int_ops = (0 if float_bias else biases) + (0 if quantizer is None else per_weight * macs)
        int_ops += outputs if _multiplies(quantizer) else 0
    return LayerCost(
        name=layer.name,
        kind=type(layer).__name__,
        kernel="float32" if quantizer is None else str(quantizer),
        weight_bits=bits,
        parameters=parameters,
        quantized_parameters=0 if quantizer is None else parameters,
        zero_share=None if quantizer is None else float(np.mean(quantizer(layer.kernel).numpy() == 0)),
        macs=macs,
        flops=flops,
        int_ops=int_ops,
        adder_bits=_adder_bits(layer),
    )


def _weight_bits(quantizer: Quantizer) -> float:
    name = type(quantizer).__name__
    if name in _TERNARY:
        return TERNARY_BITS
    return 1.0 if name in _BINARY else float(quantizer.bits)


def _multiplies(quantizer: Quantizer | None) -> bool:
    """Whether the scale of a quantizer is no power of two, so that each output is multiplied by it."""
    alpha = getattr(quantizer, "alpha", None)
    if isinstance(alpha, int | float) and alpha > 0:
        return math.frexp(alpha)[0] != 0.5
    return alpha == "auto" or int(getattr(quantizer, "scale_bits", 1)) > 1


def _adder_bits(layer: Layer) -> int | None:
    if not hasattr(layer, "operand_bits"):
        return None
    from bittrigger.layers.adder_cost import layer_adder_bits

    return layer_adder_bits(layer)
