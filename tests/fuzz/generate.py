"""A random network from one seed: mostly of what converts, now and then with a piece that must be refused."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from fuzz import quantizers
from fuzz.spec import Node, Options, Spec

WILD = 0.12
"""Share of networks with a piece that is not expected to convert."""

DYNAMIC = 0.15
"""Share of the other networks with a dynamic quantiser."""

NAMES = (
    "bias_net", "kernel", "gamma", "moving_mean", "signal", "module", "wire", "reg", "int", "class", "template", "namespace",
    "a/b", "a.b", "a-b", "a_b", "A_B", "a__b", "1st", "x" * 90, "clk", "rst", "in_valid", "a\\b", "a>b", "..", "../up",
    "out_data", "y", "x", "s0", "codes", "block", "valid", "Port_x", "main", "std", "ap_int", "bitlinear_a", "net", "q_in",
    "requantize", "input_1", "output", "end", "begin", "con", "dense_relu", "a_linear", "N_INPUTS", "LANES_16", "Word16",
    "u_a", "stage", "generate", "Lookup", "in", "out", "events", "reset", "part_0", "Block", "x_in", "y_out", "x_input_t",
)  # fmt: skip
"""Names of layers that have a meaning somewhere, or look alike once they are identifiers."""


@dataclass(frozen=True)
class _Tensor:
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
class _Grower:
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
        self, kind: str, read: tuple[_Tensor, ...], shape: tuple[int, ...], bits: int, /, **options: object
    ) -> _Tensor:
        self.nodes.append(Node(kind, self.name(kind), tuple(t.place for t in read), dict(options)))
        return _Tensor(len(self.nodes) - 1, shape, bits)

    def after(self, source: _Tensor, kind: str, /, **options: object) -> _Tensor:
        return self.add(kind, (source,), source.shape, source.bits, **options)

    def quantised(self, source: _Tensor) -> _Tensor:
        text, bits = quantizers.activation_quantizer(self.random)
        return self.add("qactivation", (source,), source.shape, bits, quantizer=text)

    def flat(self, source: _Tensor) -> _Tensor:
        return source if len(source.shape) == 1 else self.add("flatten", (source,), (source.size,), source.bits)


def generate(seed: int) -> Spec:
    """The network of ``seed``: the same one in every process."""
    random = Random(seed)  # noqa: S311 - reproducible, not secret
    grower = _Grower(random, hostile=random.random() < 0.2)
    tensors = [_port(grower) for _ in range(random.choices([1, 2, 3], [84, 13, 3])[0])]
    while len(tensors) > 1 and random.random() < 0.7:
        tensors = [_merge(grower, tensors[0], tensors[1]), *tensors[2:]]
    for _ in range(random.choices([1, 2, 3, 4], [30, 40, 22, 8])[0]):
        source = tensors[-1] if random.random() < 0.85 else random.choice(tensors)
        made = _block(grower, source)
        if random.random() < 0.15 and len(tensors) > 1:
            made = _merge(grower, made, random.choice(tensors))
        tensors.append(made)
    if random.random() < 0.5:
        tensors.append(_layer(grower, grower.flat(tensors[-1]), last=True))
    nodes = tuple(grower.nodes)
    read = {place for node in nodes for place in node.inputs}
    outputs = [place for place in range(len(nodes)) if place not in read]
    if random.random() < 0.08:  # one more output, in the middle
        outputs.insert(0, random.choice([t.place for t in tensors]))
    spec = Spec(
        seed,
        f"net_{seed}",
        nodes,
        tuple(dict.fromkeys(outputs)),
        sequential=random.random() < 0.3,
        suffix=random.choice(["h5", "h5", "keras"]),
        effort="default" if random.random() < 0.1 else "fast",
        clock_mhz=random.choice([360.0, 360.0, 240.0, 100.0, 480.0]),
    )
    return _wild(random, spec) if random.random() < WILD else _with_dynamic(spec)


def _with_dynamic(spec: Spec) -> Spec:
    """``spec``, now and then with a dynamic quantiser in the place of another one behind a layer of weights."""
    random = Random(f"dynamic {spec.seed}")  # noqa: S311 - its own stream, so that all else stays as it is
    float_scales = [k for k, node in enumerate(spec.nodes) if node.kind in ("batchnorm", "qbatchnorm", "leaky")]
    steps = [
        k
        for k, node in enumerate(spec.nodes)
        if node.kind == "qactivation"
        and spec.nodes[node.inputs[0]].kind == "qdense"
        and (spec.nodes[node.inputs[0]].options["bias"] or not spec.nodes[node.inputs[0]].options["use_bias"])
        and k > max(float_scales, default=0)  # neither in front of a dynamic quantiser nor behind it are these exact
    ]
    if random.random() > DYNAMIC or not steps:
        return spec
    place = random.choice(steps)
    least = random.randint(-3, 1)
    bounds = random.choice([[None, None], [least, least + random.randint(0, 4)]])
    options: Options = {"bits": random.randint(2, 6), "signed": random.random() < 0.5, "bounds": bounds}
    return _changed(spec, place, replace(spec.nodes[place], kind="dynamic", options=options))


def _width(random: Random, most: int = 64) -> int:
    widths = [random.randint(1, 6), random.randint(4, 12), random.randint(12, 24), 40]
    return min(most, random.choices(widths, [55, 33, 11, 1])[0])


def _port(grower: _Grower) -> _Tensor:
    random = grower.random
    width = _width(random)
    shape = (width, random.randint(1, 3)) if random.random() < 0.1 else (width,)
    source = grower.add("input", (), shape, 32, shape=list(shape))
    text, bits = quantizers.input_quantizer(random)
    early = random.random() < 0.5
    source = grower.flat(source) if early else source
    return grower.flat(grower.add("qactivation", (source,), source.shape, bits, quantizer=text))


def _merge(grower: _Grower, first: _Tensor, second: _Tensor) -> _Tensor:
    first, second = grower.flat(first), grower.flat(second)
    bits = max(first.bits, second.bits) + 2
    if first.shape == second.shape and grower.random.random() < 0.7:
        return grower.add(grower.random.choice(["add", "subtract"]), (first, second), first.shape, bits)
    return grower.add("concatenate", (first, second), (first.size + second.size,), bits)


def _layer(grower: _Grower, source: _Tensor, *, last: bool, activation: str | None = None) -> _Tensor:
    """A quantised layer of weights; ``last`` leaves no float bias."""
    random = grower.random
    units = _width(random, 24)
    growth = max(source.size - 1, 1).bit_length()
    text, bits = quantizers.kernel_quantizer(random, 22 - source.bits - growth)
    use_bias = random.random() < 0.75
    bias = quantizers.bias_quantizer(random) if last or random.random() < 0.7 else None
    options: Options = {"units": units, "kernel": text, "bias": bias, "use_bias": use_bias} | _drawn(random)
    if activation is not None:
        options["activation"] = activation
    return grower.add("qdense", (source,), (units,), source.bits + bits + growth, **options)


def _drawn(random: Random) -> Options:
    kind = random.choices(
        ["normal", "ties", "rows", "columns", "sparse", "tiny", "extreme"], [45, 15, 10, 12, 8, 7, 3]
    )[0]
    return {"weights": kind, "spread": random.choice([0.3, 1.0, 1.0, 2.0, 0.7])}


def _block(grower: _Grower, source: _Tensor) -> _Tensor:
    """A layer, what stands between it and its quantiser, the quantiser, and perhaps a change of shape."""
    random = grower.random
    source = grower.flat(source)
    if random.random() < 0.12:
        text, bits = quantizers.activation_quantizer(random)
        return replace(_layer(grower, source, last=False, activation=text), bits=bits)
    made = _layer(grower, source, last=False)
    for _ in range(random.choices([0, 1, 2], [45, 45, 10])[0]):
        made = _between(grower, made)
    made = grower.quantised(made)
    if random.random() < 0.1:
        made = grower.after(made, "dropout")
    if made.size % 2 == 0 and random.random() < 0.05:
        made = grower.add("reshape", (made,), (made.size // 2, 2), made.bits, shape=[made.size // 2, 2])
    return made


def _between(grower: _Grower, source: _Tensor) -> _Tensor:
    random = grower.random
    kind = random.choices(["batchnorm", "qbatchnorm", "relu", "leaky", "activation"], [45, 5, 20, 10, 20])[0]
    match kind:
        case "batchnorm" | "qbatchnorm":
            flags = {"scale": random.random() < 0.85, "center": random.random() < 0.85}
            epsilon = random.choice([1e-3, 1e-3, 1e-5, 1e-1])
            return grower.after(source, kind, epsilon=epsilon, **flags, **_drawn(random))
        case "relu":
            return grower.after(source, kind, arguments=random.choice([[], [], [1.5], [6.0, 0.125], [3.5, 0.25, 0.5]]))
        case "leaky":
            return grower.after(source, kind, alpha=random.choice([0.3, 0.25, 0.125, 0.1]))
        case _:
            return grower.after(source, kind, function=random.choice(["relu", "tanh", "hard_sigmoid", "linear"]))


def _wild(random: Random, spec: Spec) -> Spec:  # noqa: C901, PLR0911, PLR0912 - one return a way to go wrong
    """``spec`` with one thing that converts rarely or never."""
    layers = [k for k, node in enumerate(spec.nodes) if node.kind == "qdense"]
    steps = [k for k, node in enumerate(spec.nodes) if node.kind == "qactivation"]
    dense, step = random.choice(layers), random.choice(steps)
    change: Options
    match random.randrange(12):
        case 0:
            kind = random.choice(["elu", "prelu", "layernorm", "lambda", "repeat", "softmax"])
            return _changed(spec, step, Node(kind, spec.nodes[step].name, spec.nodes[step].inputs))
        case 1:
            last = spec.nodes[spec.outputs[-1]]
            logits = random.random() < 0.7
            end = random.choice([Node("softmax", "end_"), Node("activation", "end_", (), {"function": "sigmoid"})])
            end = replace(end, inputs=(spec.nodes.index(last),))
            return replace(spec, nodes=(*spec.nodes, end), outputs=(*spec.outputs[:-1], len(spec.nodes)), logits=logits)
        case 2:
            precision = random.choice(["fixed<8,4>", "ufixed<6,0>", "fixed<12,2>", "fixed<3,9>", "fixed<16,6>"])
            return replace(spec, input_precision=precision)
        case 3:
            change = {"kernel": random.choice(["ternary(alpha='auto')", "bernoulli()", "quantized_bits(24,0,alpha=1)"])}
            return _changed(spec, dense, spec.nodes[dense].changed(**change))
        case 4:
            change = {"weights": random.choice(["zeros", "nan", "extreme"]), "spread": 100.0}
            return _changed(spec, dense, spec.nodes[dense].changed(**change))
        case 5:
            wrong = ["quantized_bits(4,1,alpha='auto')", "bernoulli()", "quantized_relu(30,2)", "quantized_bits(3,-2)"]
            wrong += [
                "quantized_relu(4,1,0,0.3)",
                "quantized_po2(4)",
                "quantized_bits(4,1,alpha=3.0)",
                "ternary(alpha=0.3)",
            ]
            wrong += ["quantized_sigmoid(4,use_real_sigmoid=True)", "quantized_bits(4,1,alpha=1,qnoise_factor=0.5)"]
            return _changed(spec, step, spec.nodes[step].changed(quantizer=random.choice(wrong)))
        case 6:
            node = spec.nodes[dense]
            kept = {
                "units": node.options["units"],
                "activation": random.choice(["relu", "tanh", "sigmoid", "swish", None]),
            }
            return _changed(spec, dense, replace(node, kind="dense", options=kept | {"weights": "ties"}))
        case 7:
            return _changed(spec, dense, spec.nodes[dense].changed(bias=None, use_bias=True))
        case 8:
            name = random.choice(["input", "x" * 300, "input_1_relu", "a\tb", ""])
            return _changed(spec, dense, replace(spec.nodes[dense], name=name))
        case 9:
            two = [k for k, node in enumerate(spec.nodes) if len(node.inputs) == 2]
            if not two:
                return _changed(spec, dense, spec.nodes[dense].changed(calls=2))
            node = spec.nodes[random.choice(two)]
            other = random.choice(["multiply", "maximum", "average"])
            return _changed(spec, spec.nodes.index(node), replace(node, kind=other))
        case 10:
            text = random.choice(["quantized_relu(4,1)", "softmax", "tanh", "relu", "bernoulli()", "sigmoid"])
            return _changed(spec, dense, spec.nodes[dense].changed(activation=text))
        case _:
            return replace(spec, clock_mhz=random.choice([1.0, 40.0, 700.0]))


def _changed(spec: Spec, place: int, node: Node) -> Spec:
    return replace(spec, nodes=(*spec.nodes[:place], node, *spec.nodes[place + 1 :]))
