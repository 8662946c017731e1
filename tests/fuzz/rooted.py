"""Networks with a softmax, with vectors divided by their length, or with steps: what is built of squares, powers and states."""

from __future__ import annotations

from random import Random

from fuzz.grow import Grower, Tensor, layer
from fuzz.in_time import CALM, _dense, _port
from fuzz.spec import Options, Spec

FIRST = 9_600_000
"""Seeds from here on are such networks."""


def generate_rooted(seed: int) -> Spec:
    """The network of ``seed``."""
    random = Random(f"rooted {seed}")  # noqa: S311 - reproducible, not secret
    grower = Grower(random, hostile=random.random() < 0.05)
    theme = random.choice([_softmax, _length, _recurrent, _recurrent])
    tensor = theme(grower)
    if random.random() < 0.5:
        layer(grower, grower.flat(tensor), last=True, units=random.randint(1, 4))
    nodes = tuple(grower.nodes)
    read = {place for node in nodes for place in node.inputs}
    return Spec(
        seed,
        f"net_{seed}",
        nodes,
        tuple(place for place in range(len(nodes)) if place not in read),
        suffix=random.choice(["h5", "keras"]),
        clock_mhz=random.choice([360.0, 240.0, 160.0]),
        ii=random.choice([1, 1, 1, 2, 4]),
        require="ideal",
    )


def _vectors(grower: Grower, most: int) -> Tensor:
    """Few narrow codes, of one position or of several."""
    random = grower.random
    shape = (random.randint(1, 6),) if random.random() < 0.6 else (random.randint(2, 4), random.randint(1, 4))
    made = _dense(grower, _port(grower, *shape), random.randint(1, 5), random.choice(["ternary()", "binary(alpha=1)"]))
    bits = random.randint(2, most)
    text = f"quantized_bits({bits},{random.randint(0, bits)},{random.randint(0, 1)},alpha=1)"
    return grower.add("qactivation", (made,), made.shape, bits, quantizer=text)


def _closed(grower: Grower, tensor: Tensor, texts: list[str]) -> Tensor:
    return grower.add("qactivation", (tensor,), tensor.shape, 6, quantizer=grower.random.choice(texts))


def _softmax(grower: Grower) -> Tensor:
    source = _vectors(grower, 6)
    made = grower.add("softmax", (source,), source.shape, 8)
    return _closed(grower, made, ["quantized_relu(6,0)", "quantized_bits(5,0,alpha=1)", "quantized_relu(4,1)"])


def _length(grower: Grower) -> Tensor:
    random = grower.random
    source = _vectors(grower, 5)
    options: Options = CALM if random.random() < 0.7 else {}
    kind = random.choice(["layernorm", "unitnorm"])
    made = grower.add(kind, (source,), source.shape, 8, **(options if kind == "layernorm" else {}))
    return _closed(
        grower, made, ["quantized_relu(4,2)", "quantized_bits(4,1,alpha=1)", "quantized_bits(3,0,1,alpha=1)"]
    )


def _recurrent(grower: Grower) -> Tensor:
    random = grower.random
    steps, units = random.randint(1, 4), random.randint(1, 4)
    source = _port(grower, steps, random.randint(1, 4), most=6)
    sequences = random.random() < 0.4
    options = {
        "cell": random.choice(["QSimpleRNN", "QLSTM", "QGRU"]),
        "units": units,
        "sequences": sequences,
        "backwards": random.random() < 0.3,
        "kernel": random.choice(["ternary(alpha=1)", "quantized_bits(3,1,alpha=1)"]),
        "state": random.choice([None, "quantized_bits(5,1,alpha=1)", "quantized_bits(4,0,1,alpha=1)"]),
        "function": random.choice(["quantized_tanh(4)", "quantized_bits(4,1,alpha=1)", "quantized_tanh(6)"]),
        "gate": random.choice(["quantized_sigmoid(4)", "hard_sigmoid", "quantized_relu(3,0)"]),
        "reset_after": random.random() < 0.5,
    }
    shape = (steps, units) if sequences else (units,)
    made = grower.add("recurrent", (source,), shape, 8, **options | CALM)
    return grower.quantised(made) if random.random() < 0.6 else made
