"""Networks of one theme each: matrices step by step, sums in turns, products, shared layers, outputs, the ideal grade."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from fuzz import quantizers, windows
from fuzz.grow import Grower, Tensor, between, drawn, layer
from fuzz.spec import Spec

FIRST = 9_200_000
"""Seeds from here on are such networks; those below stay what they were."""

VHDL = 0.1
"""Share of networks that are also written, and proven, in VHDL."""

ONE_SCALE = ("ternary()", "ternary(alpha=1)", "stochastic_ternary()", "binary(alpha=1)", "quantized_bits(2,1,alpha=1)")
"""Kernels whose weights are 0 or one number, which is what is multiplied step by step."""

CALM = {"weights": "normal", "spread": 1.0}


def generate_in_time(seed: int) -> Spec:
    """The network of ``seed``."""
    random = Random(f"in time {seed}")  # noqa: S311 - reproducible, not secret
    grower = Grower(random, hostile=random.random() < 0.05)
    themes = [_step_by_step, _in_turns, _products, _shared, _many_outputs, _ideal, _folded_windows]
    theme = random.choices(themes, [20, 15, 15, 12, 10, 14, 14])[0]
    intervals = theme(grower)
    nodes, outputs = tuple(grower.nodes), grower.unread()
    if theme is _many_outputs or random.random() < 0.1:
        inner = [k for k, node in enumerate(nodes) if node.kind != "input"]
        outputs += random.sample(inner, min(len(inner), random.randint(1, 3)))
        random.shuffle(outputs)
    return Spec(
        seed,
        f"net_{seed}",
        nodes,
        tuple(dict.fromkeys(outputs)),
        suffix=random.choice(["h5", "keras"]),
        clock_mhz=random.choice([360.0, 240.0, 480.0, 160.0]),
        ii=random.choice(intervals),
        require="ideal" if theme is _ideal else "exact",
        hdl="vhdl" if random.random() < VHDL else "verilog",
    )


def _port(grower: Grower, *shape: int, most: int = 8) -> Tensor:
    source = grower.add("input", (), shape, 32, shape=list(shape))
    text, bits = quantizers.input_quantizer(grower.random)
    while bits > most:
        text, bits = quantizers.input_quantizer(grower.random)
    return grower.add("qactivation", (source,), shape, bits, quantizer=text)


def _dense(grower: Grower, source: Tensor, units: int, kernel: str) -> Tensor:
    """A layer of weights on the last axis."""
    random = grower.random
    bias = quantizers.bias_quantizer(random) if random.random() < 0.6 else None
    options = {"units": units, "kernel": kernel, "use_bias": random.random() < 0.7, "bias": bias} | CALM
    shape = (*source.shape[:-1], units)
    return grower.add("qdense", (source,), shape, source.bits + source.shape[-1].bit_length() + 1, **options)


def _step_by_step(grower: Grower) -> list[int]:
    """Layers of one scale and long intervals: lanes that accumulate, and followers column by column."""
    random = grower.random
    tensor = _port(grower, random.randint(3, 28))
    for _ in range(random.randint(1, 3)):
        tensor = _dense(grower, tensor, random.randint(2, 24), random.choice(ONE_SCALE))
        if random.random() < 0.25:
            tensor = between(grower, tensor)
        tensor = grower.quantised(tensor)
    if random.random() < 0.6:
        _dense(grower, tensor, random.randint(1, 8), random.choice(ONE_SCALE))
    return [5, 8, 11, 14, 18, 23, 30, 41, 60, 100]


def _in_turns(grower: Grower) -> list[int]:
    """Layers on each position, and a sum over all of them."""
    random = grower.random
    positions = random.choice([4, 4, 6, 8, 8, 9, 10, 12, 16])
    tensor = _port(grower, positions, random.randint(1, 4))
    for _ in range(random.randint(1, 2)):
        tensor = grower.quantised(_dense(grower, tensor, random.randint(2, 6), random.choice(ONE_SCALE)))
    if random.random() < 0.4:
        tensor = _dense(grower, tensor, random.randint(2, 5), quantizers.kernel_quantizer(random, 8)[0])
    kind = random.choices(["globalaverage", "globalmax"], [85, 15])[0]
    tensor = grower.quantised(grower.add(kind, (tensor,), tensor.shape[-1:], tensor.bits + 4))
    if random.random() < 0.7:
        layer(grower, tensor, last=True, units=random.randint(1, 6))
    return [2, 3, 4, 5, 6, 8, 10, 12, 16, 24]


def _products(grower: Grower) -> list[int]:
    """Gates, squares and products of products, of vectors or at each position."""
    random = grower.random
    shape = (random.randint(2, 6),) if random.random() < 0.6 else (random.randint(2, 5), random.randint(1, 3))
    source = _port(grower, *shape)
    units = random.randint(1, 4)
    factors = [
        grower.quantised(_dense(grower, source, units, quantizers.kernel_quantizer(random, 8)[0])) for _ in range(2)
    ]
    if random.random() < 0.25:
        factors[1] = factors[0]
    if random.random() < 0.2 and source.shape[-1] == units:
        factors[0] = source
    for _ in range(random.choice([1, 1, 2])):
        bits = factors[0].bits + factors[1].bits
        made = grower.add("multiply", tuple(factors), factors[0].shape, bits)
        factors = [grower.quantised(made) if bits > 10 or random.random() < 0.5 else made, factors[1]]
    if random.random() < 0.6:
        layer(grower, grower.flat(factors[0]), last=True, units=random.randint(1, 4))
    return [1, 1, 2, 3, 5, 8]


def _shared(grower: Grower) -> list[int]:
    """One layer, and perhaps its quantiser, on two inputs, and what compares the two results."""
    random = grower.random
    shape = (random.randint(2, 8),) if random.random() < 0.7 else (random.randint(2, 5), random.randint(1, 3))
    sources = [_port(grower, *shape)]
    again = random.random() < 0.5
    sources.append(grower.quantised(sources[0]) if again else _port(grower, *shape))
    first = _dense(grower, sources[0], random.randint(1, 8), quantizers.kernel_quantizer(random, 8)[0])
    both = [first, _called_again(grower, first, sources[1])]
    if random.random() < 0.5:
        step = grower.quantised(both[0])
        both = [step, _called_again(grower, step, both[1])]
    else:
        both = [grower.quantised(tensor) for tensor in both]
    kind = random.choice(["add", "subtract", "maximum", "concatenate", "multiply"])
    shape = both[0].shape if kind != "concatenate" else (*both[0].shape[:-1], 2 * both[0].shape[-1])
    made = grower.add(kind, tuple(both), shape, 2 * max(tensor.bits for tensor in both) + 1)
    made = grower.quantised(made) if random.random() < 0.6 else made
    if random.random() < 0.5:
        layer(grower, grower.flat(made), last=True, units=random.randint(1, 4))
    return [1, 1, 2, 3, 4, 6, 12]


def _called_again(grower: Grower, first: Tensor, source: Tensor) -> Tensor:
    """The layer of ``first`` on ``source``, which is as wide as what it read before."""
    node = grower.nodes[first.place]
    return grower.add(node.kind, (source,), first.shape, first.bits, **node.options | {"shared": first.place})


def _many_outputs(grower: Grower) -> list[int]:
    """A tree; which of its tensors are outputs is drawn."""
    random = grower.random
    tensors = [_port(grower, random.randint(2, 10))]
    for _ in range(random.randint(2, 5)):
        made = layer(grower, random.choice(tensors), last=False, units=random.randint(1, 8))
        made = between(grower, made) if random.random() < 0.3 else made
        tensors.append(grower.quantised(made))
    return [1, 1, 2, 4, 9, 20]


def _ideal(grower: Grower) -> list[int]:
    """What float32 itself rounds: wide sums, scales and means that are no powers of two, functions that wide codes read."""
    random = grower.random
    sets = random.random() < 0.35
    tensor = _port(
        grower, *((random.choice([3, 5, 6, 10]), random.randint(1, 3)) if sets else (random.randint(2, 10),))
    )
    for _ in range(random.randint(1, 2)):
        bits = random.randint(2, 12)
        kernel = f"quantized_bits({bits},{random.randint(0, 2)},{random.randint(0, 1)},alpha=1)"
        tensor = _dense(grower, tensor, random.randint(1, 6), kernel)
        tensor = replace(tensor, bits=tensor.bits + bits)
        for _ in range(random.choice([0, 1, 1, 2])):
            tensor = between(grower, tensor)
        if random.random() < 0.8:
            tensor = grower.quantised(tensor)
    if sets and random.random() < 0.8:
        tensor = grower.add("globalaverage", (tensor,), tensor.shape[-1:], tensor.bits + 4)
        tensor = grower.quantised(tensor) if random.random() < 0.8 else tensor
    if random.random() < 0.5:
        tensor = layer(grower, grower.flat(tensor), last=False, units=random.randint(1, 4))
        if random.random() < 0.5:
            grower.after(tensor, "batchnorm", **drawn(random))
    return [1, 1, 1, 2, 4]


def _folded_windows(grower: Grower) -> list[int]:
    """Windows, poolings and wires, at intervals of any length."""
    tensor = windows.port(grower)
    for _ in range(grower.random.randint(1, 4)):
        tensor = windows.stage(grower, tensor)
    windows.end(grower, tensor)
    return [1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 16, 25, 36, 64]
