"""A random network from one seed: mostly of what converts, now and then with a piece that must be refused."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from fuzz import around, held, in_time, rooted, windows
from fuzz.grow import Grower, block, layer, merge, port
from fuzz.sets import grow_set
from fuzz.spec import Node, Options, Spec

WILD = 0.12
"""Share of networks with a piece that is not expected to convert."""

DYNAMIC = 0.15
"""Share of the other networks with a dynamic quantiser."""

SETS = 0.08
"""Share of ports that take a set of constituents."""


OTHERS = (
    (around.FIRST, around.generate_around),
    (rooted.FIRST, rooted.generate_rooted),
    (held.FIRST, held.generate_held),
    (in_time.FIRST, in_time.generate_in_time),
    (windows.FIRST, windows.generate_windows),
)
"""From which seed on a network is of another kind; the highest first."""


def generate(seed: int) -> Spec:
    """The network of ``seed``: the same one in every process."""
    for first, other in OTHERS:
        if seed >= first:
            return other(seed)
    random = Random(seed)  # noqa: S311 - reproducible, not secret
    grower = Grower(random, hostile=random.random() < 0.2)
    ports = random.choices([1, 2, 3], [84, 13, 3])[0]
    tensors = [grow_set(grower) if random.random() < SETS else port(grower) for _ in range(ports)]
    while len(tensors) > 1 and random.random() < 0.7:
        tensors = [merge(grower, tensors[0], tensors[1]), *tensors[2:]]
    for _ in range(random.choices([1, 2, 3, 4], [30, 40, 22, 8])[0]):
        source = tensors[-1] if random.random() < 0.85 else random.choice(tensors)
        made = block(grower, source)
        if random.random() < 0.15 and len(tensors) > 1:
            made = merge(grower, made, random.choice(tensors))
        tensors.append(made)
    if random.random() < 0.5:
        tensors.append(layer(grower, grower.flat(tensors[-1]), last=True))
    nodes, outputs = tuple(grower.nodes), grower.unread()
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
    return spec.with_node(place, replace(spec.nodes[place], kind="dynamic", options=options))


def _wild(random: Random, spec: Spec) -> Spec:  # noqa: C901, PLR0911, PLR0912 - one return a way to go wrong
    """``spec`` with one thing that converts rarely or never."""
    layers = [k for k, node in enumerate(spec.nodes) if node.kind == "qdense"]
    steps = [k for k, node in enumerate(spec.nodes) if node.kind == "qactivation"]
    if not layers or not steps:
        return spec
    dense, step = random.choice(layers), random.choice(steps)
    change: Options
    match random.randrange(12):
        case 0:
            kind = random.choice(["elu", "prelu", "layernorm", "lambda", "repeat", "softmax"])
            return spec.with_node(step, Node(kind, spec.nodes[step].name, spec.nodes[step].inputs))
        case 1:
            last = spec.nodes[spec.outputs[-1]]
            end = random.choice([Node("softmax", "end_"), Node("activation", "end_", (), {"function": "sigmoid"})])
            end = replace(end, inputs=(spec.nodes.index(last),))
            return replace(spec, nodes=(*spec.nodes, end), outputs=(*spec.outputs[:-1], len(spec.nodes)), logits=True)
        case 2:
            precision = random.choice(["fixed<8,4>", "ufixed<6,0>", "fixed<12,2>", "fixed<3,9>", "fixed<16,6>"])
            return replace(spec, input_precision=precision)
        case 3:
            change = {"kernel": random.choice(["ternary(alpha='auto')", "bernoulli()", "quantized_bits(24,0,alpha=1)"])}
            return spec.with_node(dense, spec.nodes[dense].changed(**change))
        case 4:
            change = {"weights": random.choice(["zeros", "nan", "extreme"]), "spread": 100.0}
            return spec.with_node(dense, spec.nodes[dense].changed(**change))
        case 5:
            wrong = ["quantized_bits(4,1,alpha='auto')", "bernoulli()", "quantized_relu(30,2)", "quantized_bits(3,-2)"]
            wrong += [
                "quantized_relu(4,1,0,0.3)",
                "quantized_po2(4)",
                "quantized_bits(4,1,alpha=3.0)",
                "ternary(alpha=0.3)",
            ]
            wrong += ["quantized_sigmoid(4,use_real_sigmoid=True)", "quantized_bits(4,1,alpha=1,qnoise_factor=0.5)"]
            return spec.with_node(step, spec.nodes[step].changed(quantizer=random.choice(wrong)))
        case 6:
            node = spec.nodes[dense]
            kept = {
                "units": node.options["units"],
                "activation": random.choice(["relu", "tanh", "sigmoid", "swish", None]),
            }
            return spec.with_node(dense, replace(node, kind="dense", options=kept | {"weights": "ties"}))
        case 7:
            return spec.with_node(dense, spec.nodes[dense].changed(bias=None, use_bias=True))
        case 8:
            name = random.choice(["input", "x" * 300, "input_1_relu", "a\tb", ""])
            return spec.with_node(dense, replace(spec.nodes[dense], name=name))
        case 9:
            two = [k for k, node in enumerate(spec.nodes) if len(node.inputs) == 2]
            if not two:
                return spec.with_node(dense, spec.nodes[dense].changed(calls=2))
            node = spec.nodes[random.choice(two)]
            other = random.choice(["multiply", "maximum", "average"])
            return spec.with_node(spec.nodes.index(node), replace(node, kind=other))
        case 10:
            text = random.choice(["quantized_relu(4,1)", "softmax", "tanh", "relu", "bernoulli()", "sigmoid"])
            return spec.with_node(dense, spec.nodes[dense].changed(activation=text))
        case _:
            return replace(spec, clock_mhz=random.choice([1.0, 40.0, 700.0]))
