"""How a random network grows: tensors, and the layers that are put on them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from fuzz import quantizers
from fuzz.spec import Node, Options

NAMES = (
    "bias_net", "kernel", "gamma", "moving_mean", "signal", "module", "wire", "reg", "int", "class", "template", "namespace",
    "a/b", "a.b", "a-b", "a_b", "A_B", "a__b", "1st", "x" * 90, "clk", "rst", "in_valid", "a\\b", "a>b", "..", "../up",
    "out_data", "y", "x", "s0", "codes", "block", "valid", "Port_x", "main", "std", "ap_int", "bitlinear_a", "net", "q_in",
    "requantize", "input_1", "output", "end", "begin", "con", "dense_relu", "a_linear", "N_INPUTS", "LANES_16", "Word16",
    "u_a", "stage", "generate", "Lookup", "in", "out", "events", "reset", "part_0", "Block", "x_in", "y_out", "x_input_t",
)  # fmt: skip
"""Names of layers that have a meaning somewhere, or look alike once they are identifiers."""


BRANCHES = 0.06
"""Share of blocks that are two quantised branches, added."""

OURS = 0.1
"""Share of blocks that are layers of ours."""


@dataclass(frozen=True)
class Tensor:
    """A tensor while a network grows: where it is, its shape, and about how many bits its values have."""

    place: int
    shape: tuple[int, ...]
    bits: int

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size


@dataclass
class Grower:
    """Adds layers, each named once."""

    random: Random
    hostile: bool
    nodes: list[Node] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def name(self, kind: str) -> str:
        plain = f"{kind}_{len(self.nodes)}"
        name = self.random.choice(NAMES) if self.hostile and self.random.random() < 0.6 else plain
        name = plain if name in self.taken else name
        self.taken.add(name)
        return name

    def add(
        self, kind: str, read: tuple[Tensor, ...], shape: tuple[int, ...], bits: int, /, **options: object
    ) -> Tensor:
        self.nodes.append(Node(kind, self.name(kind), tuple(t.place for t in read), dict(options)))
        return Tensor(len(self.nodes) - 1, shape, bits)

    def after(self, source: Tensor, kind: str, /, **options: object) -> Tensor:
        return self.add(kind, (source,), source.shape, source.bits, **options)

    def quantised(self, source: Tensor) -> Tensor:
        text, bits = quantizers.activation_quantizer(self.random)
        return self.add("qactivation", (source,), source.shape, bits, quantizer=text)

    def flat(self, source: Tensor) -> Tensor:
        return source if len(source.shape) == 1 else self.add("flatten", (source,), (source.size,), source.bits)

    def unread(self) -> list[int]:
        """The places of the layers that no other reads."""
        read = {place for node in self.nodes for place in node.inputs}
        return [place for place in range(len(self.nodes)) if place not in read]

    def outputs(self) -> tuple[int, ...]:
        """Those that nobody reads, and one time in ten one more, in the middle."""
        outputs = self.unread()
        if self.random.random() < 0.1:
            inner = [k for k, node in enumerate(self.nodes) if node.kind == "qactivation"]
            outputs.insert(0, self.random.choice(inner))
        return tuple(dict.fromkeys(outputs))


def draw_width(random: Random, most: int = 64) -> int:
    widths = [random.randint(1, 6), random.randint(4, 12), random.randint(12, 24), 40]
    return min(most, random.choices(widths, [55, 33, 11, 1])[0])


def port(grower: Grower) -> Tensor:
    random = grower.random
    width = draw_width(random)
    shape = (width, random.randint(1, 3)) if random.random() < 0.1 else (width,)
    source = grower.add("input", (), shape, 32, shape=list(shape))
    text, bits = quantizers.input_quantizer(random)
    early = random.random() < 0.5
    source = grower.flat(source) if early else source
    return grower.flat(grower.add("qactivation", (source,), source.shape, bits, quantizer=text))


def merge(grower: Grower, first: Tensor, second: Tensor) -> Tensor:
    if grower.random.random() < 0.1:  # with itself
        second = first
    if first.shape != second.shape or grower.random.random() < 0.5:
        first, second = grower.flat(first), grower.flat(second)
    bits = max(first.bits, second.bits) + 2
    if first is second and grower.random.random() < 0.3:
        return grower.quantised(grower.add("multiply", (first, first), first.shape, 2 * bits))
    if first.shape == second.shape and (len(first.shape) > 1 or grower.random.random() < 0.7):
        kind = grower.random.choice(["add", "add", "add", "subtract", "subtract", "maximum", "minimum"])
        made = grower.add(kind, (first, second), first.shape, bits)
        return grower.quantised(made) if grower.random.random() < 0.3 else made
    return grower.add("concatenate", (first, second), (first.size + second.size,), bits)


def layer(
    grower: Grower, source: Tensor, *, last: bool, activation: str | None = None, units: int | None = None
) -> Tensor:
    """A quantised layer of weights; ``last`` leaves no float bias."""
    random = grower.random
    units = units or draw_width(random, 24)
    growth = max(source.size - 1, 1).bit_length()
    text, bits = quantizers.kernel_quantizer(random, 22 - source.bits - growth)
    use_bias = random.random() < 0.75
    bias = quantizers.bias_quantizer(random) if last or random.random() < 0.7 else None
    options: Options = {"units": units, "kernel": text, "bias": bias, "use_bias": use_bias} | drawn(random)
    if activation is not None:
        options["activation"] = activation
    return grower.add("qdense", (source,), (units,), source.bits + bits + growth, **options)


def drawn(random: Random) -> Options:
    kinds = ["normal", "ties", "rows", "columns", "sparse", "tiny", "extreme", "huge"]
    kind = random.choices(kinds, [42, 15, 10, 12, 8, 7, 3, 3])[0]
    return {"weights": kind, "spread": random.choice([0.3, 1.0, 1.0, 2.0, 0.7])}


def block(grower: Grower, source: Tensor) -> Tensor:
    """A layer, what stands between it and its quantiser, the quantiser, and perhaps a change of shape."""
    random = grower.random
    source = grower.flat(source)
    if random.random() < OURS:
        return bit_layer(grower, source)
    if random.random() < BRANCHES:
        return _branches(grower, source)
    if random.random() < 0.12:
        text, bits = quantizers.activation_quantizer(random)
        return replace(layer(grower, source, last=False, activation=text), bits=bits)
    made = layer(grower, source, last=False)
    for _ in range(random.choices([0, 1, 2], [45, 45, 10])[0]):
        made = between(grower, made)
    made = grower.quantised(made)
    if random.random() < 0.1:
        made = grower.after(made, "dropout")
    if made.size % 2 == 0 and random.random() < 0.05:
        made = grower.add("reshape", (made,), (made.size // 2, 2), made.bits, shape=[made.size // 2, 2])
    return made


def _branches(grower: Grower, source: Tensor) -> Tensor:
    """Two layers of one width and their quantisers, or one and the source itself where that fits, added or subtracted."""
    random = grower.random
    units = source.size if random.random() < 0.3 else draw_width(random, 12)
    both = [source] if units == source.size and random.random() < 0.5 else []
    while len(both) < 2:
        made = layer(grower, source, last=False, units=units)
        made = between(grower, made) if random.random() < 0.5 else made
        both.append(grower.quantised(made))
    bits = max(tensor.bits for tensor in both) + 2
    made = grower.add(random.choice(["add", "add", "subtract"]), tuple(both), both[0].shape, bits)
    return grower.quantised(made) if random.random() < 0.7 else made


def bit_layer(grower: Grower, source: Tensor) -> Tensor:
    """A layer of ours with a quantiser of its own, static, dynamic or none, and perhaps one behind it."""
    random = grower.random
    units, growth = draw_width(random, 16), max(source.shape[-1] - 1, 1).bit_length()
    settings = [None, quantizers.static_quantizer(random), quantizers.dynamic_quantizer(random)]
    chosen = random.choices(settings, [15, 45, 40])[0]
    options: Options = {"units": units, "kernel": random.choice(["ternary", "ternary", "binary"]), "input": chosen}
    options |= {"use_bias": random.random() < 0.5, "weights": "normal", "spread": random.choice([0.3, 1.0, 2.0])}
    if random.random() < 0.5:
        options["bias"] = quantizers.bits_text(random, random.choice([4, 6, 8]), alpha="1")
    kind = "bitconv1d" if len(source.shape) > 1 and random.random() < 0.5 else "bitlinear"
    made = grower.add(kind, (source,), (*source.shape[:-1], units), source.bits + growth, **options)
    match random.randrange(4):
        case 0:
            return grower.after(made, "bitactivation", input=quantizers.static_quantizer(random))
        case 1:
            return grower.after(made, "bitactivation", input=quantizers.dynamic_quantizer(random))
        case 2:
            return grower.quantised(made)
        case _:
            return made


def between(grower: Grower, source: Tensor) -> Tensor:
    random = grower.random
    kind = random.choices(["batchnorm", "qbatchnorm", "relu", "leaky", "activation"], [45, 5, 20, 10, 20])[0]
    match kind:
        case "batchnorm" | "qbatchnorm":
            flags = {"scale": random.random() < 0.85, "center": random.random() < 0.85}
            epsilon = random.choice([1e-3, 1e-3, 1e-5, 1e-1])
            return grower.after(source, kind, epsilon=epsilon, **flags, **drawn(random))
        case "relu":
            return grower.after(source, kind, arguments=random.choice([[], [], [1.5], [6.0, 0.125], [3.5, 0.25, 0.5]]))
        case "leaky":
            return grower.after(source, kind, alpha=random.choice([0.3, 0.25, 0.125, 0.1]))
        case _:
            return grower.after(source, kind, function=random.choice(["relu", "tanh", "hard_sigmoid", "linear"]))
