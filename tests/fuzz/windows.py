"""Networks of positions: windows, poolings, wires, extrema, layers that repeat; and events that come at intervals."""

from __future__ import annotations

import math
from random import Random

from fuzz import quantizers
from fuzz.grow import Grower, Tensor, between, drawn, layer
from fuzz.spec import Options, Spec

FIRST = 8_000_000
"""Seeds from here on are such networks; those below stay what they were."""

MAX_CODES = 120
"""Most codes of a tensor, so that a network is compiled in a second."""


def generate_windows(seed: int) -> Spec:
    """The network of ``seed``."""
    random = Random(f"windows {seed}")  # noqa: S311 - reproducible, not secret
    grower = Grower(random, hostile=random.random() < 0.1)
    tensor = port(grower)
    for _ in range(random.choices([1, 2, 3, 4], [20, 40, 30, 10])[0]):
        tensor = stage(grower, tensor)
    if len(tensor.shape) > 1 or random.random() < 0.5:
        tensor = end(grower, tensor)
    outputs = grower.outputs()
    return Spec(
        seed,
        f"net_{seed}",
        tuple(grower.nodes),
        outputs,
        suffix=random.choice(["h5", "keras"]),
        clock_mhz=random.choice([360.0, 240.0, 480.0]),
        ii=random.choice([1, 1, 2, 3, 4, 6, 9]),
    )


def port(grower: Grower) -> Tensor:
    """A sequence, an image, or a vector that is repeated."""
    random = grower.random
    kind = random.choices(["sequence", "image", "repeated"], [45, 45, 10])[0]
    if kind == "sequence":
        shape: tuple[int, ...] = (random.randint(3, 9), random.randint(1, 3))
    elif kind == "image":
        shape = (random.randint(2, 5), random.randint(2, 5), random.randint(1, 2))
    else:
        shape = (random.randint(2, 5),)
    source = grower.add("input", (), shape, 32, shape=list(shape))
    text, bits = quantizers.input_quantizer(random)
    made = grower.add("qactivation", (source,), shape, bits, quantizer=text)
    if kind == "repeated":
        times = random.randint(2, 5)
        made = grower.add("repeat", (made,), (times, *shape), bits, n=times)
    return made


def stage(grower: Grower, source: Tensor) -> Tensor:  # noqa: PLR0911 - one return a kind
    """One layer on positions, and often its quantiser; a vector gets a layer of weights."""
    random = grower.random
    if len(source.shape) == 1:
        return grower.quantised(layer(grower, source, last=False, units=random.randint(1, 6)))
    if random.random() < 0.15:
        return _merge(grower, source)
    kinds = ["conv", "depthwise", "max", "average", "pad", "crop", "upsample", "permute", "each"]
    kind = random.choices(kinds, [34, 10, 16, 10, 6, 6, 5, 5, 8])[0]
    match kind:
        case "conv":
            return _convolution(grower, source)
        case "depthwise" if len(source.shape) == 3:
            return _depthwise(grower, source)
        case "max" | "average":
            return _pooling(grower, source, kind)
        case "pad" | "crop" | "upsample" | "permute":
            return _wire(grower, source, kind)
        case _:
            return _each(grower, source)


def _room(grower: Grower, source: Tensor, taps: int) -> tuple[str, int]:
    return quantizers.kernel_quantizer(grower.random, 22 - source.bits - max(taps - 1, 1).bit_length())


def _window(random: Random, axes: int, *, causal: bool) -> Options:
    size = [random.randint(1, 3) for _ in range(axes)]
    wide = random.random() < 0.25
    return {
        "size": size,
        "strides": [1] * axes if wide else [random.choice([1, 1, 1, 2])] * axes,
        "dilation": [random.randint(1, 2)] * axes if wide else [1] * axes,
        "padding": random.choice(["valid", "same", "same", *(["causal"] if causal else [])]),
    }


def _outputs(source: Tensor, window: Options) -> tuple[int, ...]:
    """The positions that a window gives along each axis; 0 or less where it does not fit."""
    lengths = []
    for n, size, stride, dilation in zip(
        source.shape[:-1], window["size"], window["strides"], window["dilation"], strict=True
    ):
        reach = dilation * (size - 1) + 1
        lengths.append(-(-n // stride) if window["padding"] != "valid" else (n - reach) // stride + 1)
    return tuple(lengths)


def _fits(shape: tuple[int, ...]) -> bool:
    return min(shape) > 0 and math.prod(shape) <= MAX_CODES


def _weights(grower: Grower, kernel: str) -> Options:
    random = grower.random
    bias = quantizers.bias_quantizer(random) if random.random() < 0.7 else None
    return {"kernel": kernel, "use_bias": random.random() < 0.7, "bias": bias} | drawn(random)


def _convolution(grower: Grower, source: Tensor) -> Tensor:
    random, axes = grower.random, len(source.shape) - 1
    window = _window(random, axes, causal=axes == 1)
    channels = source.shape[-1]
    groups = channels if channels > 1 and random.random() < 0.15 and axes == 1 else 1
    filters = groups * random.randint(1, 3)
    shape = (*_outputs(source, window), filters)
    if not _fits(shape):
        return grower.quantised(source)
    taps = math.prod(window["size"]) * channels // groups
    if random.random() < 0.2 and groups == 1:
        options = {
            "filters": filters,
            "kernel": random.choice(["ternary", "binary"]),
            "use_bias": random.random() < 0.5,
        }
        options |= {"input": random.choice([None, quantizers.static_quantizer(random)]), "weights": "normal"}
        made = grower.add("bitconv", (source,), shape, source.bits + taps.bit_length(), **(options | window))
        return grower.quantised(made) if random.random() < 0.7 else made
    text, bits = _room(grower, source, taps)
    options = {"filters": filters, "groups": groups} | window | _weights(grower, text)
    made = grower.add("qconv", (source,), shape, source.bits + bits + taps.bit_length(), **options)
    made = between(grower, made) if random.random() < 0.35 else made
    return grower.quantised(made)


def _depthwise(grower: Grower, source: Tensor) -> Tensor:
    random = grower.random
    window, multiplier = _window(random, 2, causal=False), random.choice([1, 1, 2])
    shape = (*_outputs(source, window), source.shape[-1] * multiplier)
    if not _fits(shape):
        return grower.quantised(source)
    taps = math.prod(window["size"])
    text, bits = _room(grower, source, taps)
    options = {"multiplier": multiplier} | window | _weights(grower, text)
    made = grower.add("qdepthwise", (source,), shape, source.bits + bits + taps.bit_length(), **options)
    return grower.quantised(made)


def _pooling(grower: Grower, source: Tensor, kind: str) -> Tensor:
    random, axes = grower.random, len(source.shape) - 1
    size = [random.randint(1, min(3, n)) for n in source.shape[:-1]]
    window: Options = {
        "size": size,
        "strides": random.choice([size, [1] * axes]),
        "dilation": [1] * axes,
        "padding": random.choice(["valid", "same"]),
    }
    shape = (*_outputs(source, window), source.shape[-1])
    made = grower.add(f"{kind}pool", (source,), shape, source.bits + (4 if kind == "average" else 0), **window)
    return grower.quantised(made) if kind == "average" or random.random() < 0.3 else made


def _wire(grower: Grower, source: Tensor, kind: str) -> Tensor:
    random, (*axes, channels) = grower.random, source.shape
    match kind:
        case "pad":
            around = [[random.randint(0, 2), random.randint(0, 1)] for _ in axes]
            shape = tuple(n + sum(pair) for n, pair in zip(axes, around, strict=True))
        case "crop":
            around = [[random.randint(0, min(1, n - 1)), 0] for n in axes]
            shape = tuple(n - sum(pair) for n, pair in zip(axes, around, strict=True))
        case "upsample":
            around = [random.randint(1, 2) for _ in axes]
            shape = tuple(n * times for n, times in zip(axes, around, strict=True))
        case _:
            around = random.sample(range(1, len(source.shape) + 1), len(source.shape))
            shape = tuple(source.shape[axis - 1] for axis in around)
            return grower.add("permute", (source,), shape, source.bits, dims=around)
    if not _fits((*shape, channels)):
        return source
    return grower.add(kind, (source,), (*shape, channels), source.bits, around=around)


def _each(grower: Grower, source: Tensor) -> Tensor:
    """A layer on the last axis, at each position."""
    units = grower.random.randint(1, 4)
    text, bits = _room(grower, source, source.shape[-1])
    options = {"units": units} | _weights(grower, text)
    shape = (*source.shape[:-1], units)
    made = grower.add("qdense", (source,), shape, source.bits + bits + source.shape[-1].bit_length(), **options)
    return grower.quantised(made)


def _merge(grower: Grower, source: Tensor) -> Tensor:
    """Two layers of one shape, or a layer and what it reads: joined along an axis, added, or the larger of both."""
    random = grower.random
    both = [_each(grower, source)]
    units = both[0].shape[-1]
    if source.shape[-1] == units and random.random() < 0.5:
        both.append(source)
    else:
        text, bits = _room(grower, source, source.shape[-1])
        options = {"units": units} | _weights(grower, text)
        both.append(grower.quantised(grower.add("qdense", (source,), both[0].shape, source.bits + bits, **options)))
    bits, kind = max(tensor.bits for tensor in both) + 1, random.choice(["join", "join", "add", "maximum", "minimum"])
    if kind != "join":
        made = grower.add(kind, tuple(both), both[0].shape, bits)
        return grower.quantised(made) if random.random() < 0.5 else made
    axis = random.randrange(len(source.shape))
    shape = tuple(n * (2 if k == axis else 1) for k, n in enumerate(both[0].shape))
    return grower.add("concatenate", tuple(both), shape, bits, axis=axis + 1) if _fits(shape) else both[0]


def end(grower: Grower, source: Tensor) -> Tensor:
    """A vector, and perhaps a last layer."""
    random = grower.random
    if len(source.shape) > 1:
        kind = random.choices(["flatten", "globalmax", "globalaverage", "none"], [45, 25, 15, 15])[0]
        if kind == "none":
            return source
        if kind == "flatten":
            source = grower.flat(source)
        else:
            source = grower.add(kind, (source,), source.shape[-1:], source.bits + 3)
            source = grower.quantised(source) if kind == "globalaverage" else source
    return layer(grower, source, last=True, units=random.randint(1, 5)) if random.random() < 0.7 else source
