"""The Keras model of a ``Spec``. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bittrigger.frontend.keras_model.hgq import hgq_layers
from bittrigger.frontend.keras_model.quiet import mend_qkeras, quiet_tensorflow, without_autograph
from fuzz.spec import Node, Options, Spec

with quiet_tensorflow():
    import qkeras
    import tensorflow as tf
    from qkeras import QActivation, QBatchNormalization, QConv1D, QConv2D, QDense, QDepthwiseConv2D

    from bittrigger.layers import BitActivation, BitConv1D, BitConv2D, BitLinear, DynamicQuantizer

    QUANTIZERS: dict[str, Any] = {}
    qkeras.utils._add_supported_quantized_objects(QUANTIZERS)

mend_qkeras()

layers = tf.keras.layers
Array = np.ndarray[Any, Any]


def _qdense(options: Options, name: str) -> Any:
    return QDense(
        options["units"],
        kernel_quantizer=options["kernel"],
        bias_quantizer=options.get("bias"),
        use_bias=options.get("use_bias", True),
        activation=options.get("activation"),
        name=name,
    )


def _qconv1d(options: Options, name: str) -> Any:
    return QConv1D(
        options["units"],
        1,
        kernel_quantizer=options["kernel"],
        bias_quantizer=options.get("bias"),
        use_bias=options.get("use_bias", True),
        activation=options.get("activation"),
        name=name,
    )


def _bit_layer(kind: Any, *sizes: int) -> Callable[[Options, str], Any]:
    return lambda o, name: kind(
        o["units"],
        *sizes,
        input_quantizer=o.get("input"),
        kernel_quantizer=o["kernel"],
        use_bias=o.get("use_bias", True),
        bias_quantizer=o.get("bias") or "quantized_bits(12,3,alpha=1)",
        name=name,
    )


def _dense(options: Options, name: str) -> Any:
    return layers.Dense(
        options["units"], use_bias=options.get("use_bias", True), activation=options.get("activation"), name=name
    )


def _normalisation(kind: Any) -> Callable[[Options, str], Any]:
    return lambda o, name: kind(
        scale=o.get("scale", True), center=o.get("center", True), epsilon=o.get("epsilon", 1e-3), name=name
    )


def _by_rank(one: Any, two: Any, options: Options) -> Any:
    """The class for sequences or the one for images."""
    return one if len(options["size"]) == 1 else two


def _plain(values: list[int]) -> int | tuple[int, ...]:
    return values[0] if len(values) == 1 else tuple(values)


def _pooling(options: Options) -> Options:
    return {"pool_size": _plain(options["size"]), "strides": _plain(options["strides"]), "padding": options["padding"]}


def _convolution(options: Options) -> Options:
    pooled = _pooling(options)
    found = {"kernel_size": pooled.pop("pool_size"), "dilation_rate": _plain(options["dilation"]), **pooled}
    return found | ({"groups": options["groups"]} if options.get("groups", 1) > 1 else {})


def _quantised(options: Options) -> Options:
    return {
        "kernel_quantizer": options["kernel"],
        "bias_quantizer": options.get("bias"),
        "use_bias": options.get("use_bias", True),
    }


def _own(options: Options) -> Options:
    return {
        "input_quantizer": options.get("input"),
        "kernel_quantizer": options["kernel"],
        "use_bias": options.get("use_bias", True),
        "bias_quantizer": "quantized_bits(12,3,alpha=1)",
    }


def _around(one: Any, two: Any, options: Options, name: str) -> Any:
    """Padding, cropping or up-sampling of each axis."""
    values = [tuple(value) if isinstance(value, list) else value for value in options["around"]]
    return one(values[0], name=name) if len(values) == 1 else two(tuple(values), name=name)


@dataclass(frozen=True)
class _Global:
    """A global pooling, made once the rank of what it reads is known."""

    kind: str
    name: str
    weights: tuple[()] = ()

    def __call__(self, tensor: Any) -> Any:
        """The pooled tensor."""
        return getattr(layers, f"Global{self.kind}Pooling{len(tensor.shape) - 2}D")(name=self.name)(tensor)


@dataclass(frozen=True)
class _Fixed:
    """A quantiser of HGQ's proxy models, made once the shape of what it reads is known; its types are drawn."""

    options: Options
    name: str
    weights: tuple[()] = ()

    def __call__(self, tensor: Any) -> Any:
        """The quantised tensor."""
        own, shape = self.options, tuple(int(n) for n in tensor.shape[1:])
        many = {"one": 0, "channels": 1, "each": len(shape)}[own["types"]]
        typed = (1, *(1,) * (len(shape) - many), *shape[len(shape) - many :])
        layer = hgq_layers()["FixedPointQuantizer"](typed, own["rounding"], own["overflow"], name=self.name)
        draw, several = np.random.default_rng(own["draw"]), int(many > 0)
        bits = np.maximum(own["bits"] - several * draw.integers(0, 3, typed), 0)
        signed = draw.integers(0, 2, typed) * (bits > 1)
        integers = np.minimum(own["integers"] + several * draw.integers(-1, 2, typed), bits + 2) * (bits > 0)
        quantised = layer(tensor)
        layer.set_weights([signed, bits, integers])
        return quantised


def _recurrent(options: Options, name: str) -> Any:
    gates = {} if options["cell"] == "QSimpleRNN" else {"recurrent_activation": options["gate"]}
    if options["cell"] == "QGRU":
        gates["reset_after"] = options["reset_after"]
    return getattr(qkeras, options["cell"])(
        options["units"],
        activation=options["function"],
        kernel_quantizer=options["kernel"],
        recurrent_quantizer=options["kernel"],
        bias_quantizer="quantized_bits(4,1,alpha=1)",
        state_quantizer=options["state"],
        return_sequences=options["sequences"],
        go_backwards=options["backwards"],
        name=name,
        **gates,
    )


LAYERS: dict[str, Callable[[Options, str], Any]] = {
    "qdense": _qdense,
    "dense": _dense,
    "qconv1d": _qconv1d,
    "bitlinear": _bit_layer(BitLinear),
    "bitconv1d": _bit_layer(BitConv1D, 1),
    "bitactivation": lambda o, name: BitActivation(o["input"], name=name),
    "mean": lambda _, name: layers.GlobalAveragePooling1D(name=name),
    "qactivation": lambda o, name: QActivation(o["quantizer"], name=name),
    "dynamic": lambda o, name: BitActivation(DynamicQuantizer(o["bits"], o["signed"], *o["bounds"]), name=name),
    "activation": lambda o, name: layers.Activation(o["function"], name=name),
    "relu": lambda o, name: layers.ReLU(*o.get("arguments", []), name=name),
    "leaky": lambda o, name: layers.LeakyReLU(o["alpha"], name=name),
    "batchnorm": _normalisation(layers.BatchNormalization),
    "qbatchnorm": _normalisation(QBatchNormalization),
    "flatten": lambda _, name: layers.Flatten(name=name),
    "reshape": lambda o, name: layers.Reshape(tuple(o["shape"]), name=name),
    "dropout": lambda _, name: layers.Dropout(0.5, name=name),
    "concatenate": lambda o, name: layers.Concatenate(axis=o.get("axis", -1), name=name),
    "add": lambda _, name: layers.Add(name=name),
    "subtract": lambda _, name: layers.Subtract(name=name),
    "maximum": lambda _, name: layers.Maximum(name=name),
    "minimum": lambda _, name: layers.Minimum(name=name),
    "multiply": lambda _, name: layers.Multiply(name=name),
    "qconv": lambda o, name: _by_rank(QConv1D, QConv2D, o)(o["filters"], **_convolution(o), **_quantised(o), name=name),
    "bitconv": lambda o, name: _by_rank(BitConv1D, BitConv2D, o)(o["filters"], **_convolution(o), **_own(o), name=name),
    "qdepthwise": lambda o, name: QDepthwiseConv2D(
        **_convolution(o),
        depth_multiplier=o["multiplier"],
        depthwise_quantizer=o["kernel"],
        bias_quantizer=o.get("bias"),
        use_bias=o.get("use_bias", True),
        name=name,
    ),
    "maxpool": lambda o, name: _by_rank(layers.MaxPooling1D, layers.MaxPooling2D, o)(**_pooling(o), name=name),
    "averagepool": lambda o, name: _by_rank(layers.AveragePooling1D, layers.AveragePooling2D, o)(
        **_pooling(o), name=name
    ),
    "pad": lambda o, name: _around(layers.ZeroPadding1D, layers.ZeroPadding2D, o, name),
    "crop": lambda o, name: _around(layers.Cropping1D, layers.Cropping2D, o, name),
    "upsample": lambda o, name: _around(layers.UpSampling1D, layers.UpSampling2D, o, name),
    "permute": lambda o, name: layers.Permute(tuple(o["dims"]), name=name),
    "repeat": lambda o, name: layers.RepeatVector(o.get("n", 2), name=name),
    "globalmax": lambda _, name: _Global("Max", name),
    "globalaverage": lambda _, name: _Global("Average", name),
    "fixed": _Fixed,
    # rarely or never converted
    "softmax": lambda _, name: layers.Softmax(name=name),
    "average": lambda _, name: layers.Average(name=name),
    "elu": lambda _, name: layers.ELU(name=name),
    "prelu": lambda _, name: layers.PReLU(name=name),
    "layernorm": lambda _, name: layers.LayerNormalization(name=name),
    "unitnorm": lambda _, name: layers.UnitNormalization(name=name),
    "recurrent": _recurrent,
    "lambda": lambda _, name: layers.Lambda(lambda x: x + 1, name=name),
}
"""How each kind of layer but ``input`` is made."""


def create_model(spec: Spec) -> Any:
    """The Keras model of ``spec``, with its weights.

    Raises:
        Exception: whatever Keras raises where it cannot build such a model.
    """
    with quiet_tensorflow(), without_autograph():
        made: list[Any] = []
        for node in spec.nodes:
            made.append(made[node.options["shared"]] if "shared" in node.options else _layer(node))
        if spec.sequential and spec.is_chain:
            first = layers.InputLayer(tuple(spec.nodes[0].options["shape"]), name=spec.nodes[0].name)
            model = tf.keras.Sequential([first, *made[1:]], name="net")
        else:
            model = _functional(spec, made)
    generator = np.random.default_rng(spec.seed)
    for node, layer in zip(spec.nodes, made, strict=True):
        if layer is not None and layer.weights and "shared" not in node.options:
            layer.set_weights([_weights(node, weight.name, tuple(weight.shape), generator) for weight in layer.weights])
    return model


def _layer(node: Node) -> Any:
    return None if node.kind == "input" else LAYERS[node.kind](node.options, node.name)


def _functional(spec: Spec, made: list[Any]) -> Any:
    tensors: list[Any] = []
    for node, layer in zip(spec.nodes, made, strict=True):
        if layer is None:
            tensors.append(tf.keras.Input(tuple(node.options["shape"]), name=node.name))
            continue
        read = [tensors[place] for place in node.inputs]
        tensor = layer(read if len(read) > 1 else read[0], **node.options.get("call", {}))
        for _ in range(node.options.get("calls", 1) - 1):
            tensor = layer(tensor)
        tensors.append(tensor)
    ports = [tensor for node, tensor in zip(spec.nodes, tensors, strict=True) if node.kind == "input"]
    outputs = [tensors[place] for place in spec.outputs]
    return tf.keras.Model(ports, outputs if len(outputs) > 1 else outputs[0], name="net")


def _weights(node: Node, name: str, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Random weights of the kind that ``node`` asks for; a kernel is never zero by chance."""
    kind, scale = node.options.get("weights", "normal"), float(node.options.get("spread", 1.0))
    drawn = generator.normal(0, scale, size=shape)
    if "variance" in name:
        extreme = kind in ("extreme", "huge")
        return 10 ** generator.uniform(-9 if extreme else -2, 4 if extreme else 0.6, size=shape)
    if "range_log2" in name or "width_bits" in name:
        return np.asarray(generator.uniform(0, 5))
    drawn = _shaped(kind, drawn, generator)
    if len(shape) == 2 and kind in ("rows", "columns", "sparse"):
        _thin(drawn, kind, generator)
    if len(shape) == 2 and "kept" in node.options:  # the shrinker has left only the last few
        drawn.reshape(-1)[: -node.options["kept"]] = 0
    return drawn


def _shaped(kind: str, drawn: Array, generator: np.random.Generator) -> Array:
    """``drawn`` with the property that ``kind`` names."""
    match kind:
        case "ties":
            return np.round(drawn * 8) / 8
        case "huge":
            return drawn * 10.0 ** generator.integers(3, 7)
        case "extreme":
            return drawn * 10.0 ** generator.integers(-4, 4, size=drawn.shape)
        case "tiny":
            return np.where(generator.random(drawn.shape) < 0.3, drawn * 1e-40, drawn)
        case "zeros":
            return np.zeros(drawn.shape) * np.where(drawn < 0, -1.0, 1.0)
        case "nan":
            drawn[..., 0] = np.nan
    return drawn


def _thin(kernel: Array, kind: str, generator: np.random.Generator) -> None:
    """Empty rows and columns, repeated and opposite columns, or few weights at all; one large weight stays."""
    rows, columns = kernel.shape
    keep = kernel[-1, -1] + np.copysign(1.0, kernel[-1, -1])
    match kind:
        case "rows":
            kernel[generator.random(rows) < 0.4] = 0
        case "columns":
            kernel[:, generator.random(columns) < 0.3] = 0
            kernel[:, 0] = kernel[:, -1] * generator.choice([1, -1])
        case _:
            kernel[generator.random(kernel.shape) < 0.8] = 0
    kernel[-1, -1] = keep
