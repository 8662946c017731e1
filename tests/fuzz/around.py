"""Networks whose codes wrap around: quantisers that keep the low bits of what does not fit, as HGQ's proxy models have them."""

from __future__ import annotations

from random import Random

from fuzz import windows
from fuzz.grow import Grower, Tensor
from fuzz.in_time import VHDL
from fuzz.spec import Options, Spec

FIRST = 9_700_000
"""Seeds from here on are such networks."""

ROUNDINGS = ("TRN", "TRN", "RND", "RND", "RND_CONV", "TRN_ZERO", "RND_ZERO", "RND_MIN_INF", "RND_INF")
OVERFLOWS = ("WRAP", "WRAP", "WRAP", "WRAP", "SAT", "SAT_SYM")


def generate_around(seed: int) -> Spec:
    """The network of ``seed``."""
    random = Random(f"around {seed}")  # noqa: S311 - reproducible, not secret
    grower = Grower(random, hostile=random.random() < 0.05)
    theme = random.choice([_vector, _vector, _set, _set, _windows, _product])
    tensor = theme(grower)
    for _ in range(random.choice([0, 1, 1, 2])):
        tensor = _fixed(grower, _dense(grower, grower.flat(tensor), 6), 6)
    return Spec(
        seed,
        f"net_{seed}",
        tuple(grower.nodes),
        tuple(grower.unread()),
        suffix=random.choice(["h5", "keras"]),
        clock_mhz=random.choice([360.0, 240.0, 480.0]),
        ii=random.choice([1, 1, 1, 2, 4, 9, 20]),
        require=random.choice(["exact", "ideal"]),
        hdl="vhdl" if random.random() < VHDL else "verilog",
    )


def _fixed(grower: Grower, source: Tensor, most: int) -> Tensor:
    """A quantiser with one type for all codes, one a channel, or one for each."""
    random = grower.random
    bits = random.randint(2, most)
    options: Options = {
        "rounding": random.choice(ROUNDINGS),
        "overflow": random.choice(OVERFLOWS),
        "types": random.choice(["one", "one", "channels", "each"]),
        "bits": bits,
        "integers": random.randint(-1, bits),
        "draw": random.randrange(1 << 16),
    }
    return grower.add("fixed", (source,), source.shape, bits, **options)


def _port(grower: Grower, *shape: int) -> Tensor:
    return _fixed(grower, grower.add("input", (), shape, 32, shape=list(shape)), 8)


def _dense(grower: Grower, source: Tensor, most: int) -> Tensor:
    """A layer of weights on the last axis: ternary, or of eighths, as HGQ leaves them in a layer of Keras."""
    random, units = grower.random, grower.random.randint(1, most)
    shape, bits = (*source.shape[:-1], units), source.bits + source.shape[-1].bit_length()
    if random.random() < 0.5:
        kernel = random.choice(["ternary(alpha=1)", "quantized_bits(4,1,alpha=1)"])
        bias = "quantized_bits(6,2,alpha=1)"
        return grower.add("qdense", (source,), shape, bits + 3, units=units, kernel=kernel, bias=bias, spread=1.0)
    activation = random.choice([None, None, "relu"])
    return grower.add("dense", (source,), shape, bits + 4, units=units, activation=activation, weights="ties")


def _vector(grower: Grower) -> Tensor:
    """Layers, each with its quantiser; perhaps two that read the codes of one, and one branch added to another."""
    random = grower.random
    tensor = _port(grower, random.randint(1, 12))
    for _ in range(random.randint(1, 2)):
        tensor = _fixed(grower, _dense(grower, tensor, 8), 7)
    if random.random() < 0.4:
        other = _fixed(grower, tensor, 6)
        tensor = grower.add(random.choice(["add", "subtract"]), (tensor, other), tensor.shape, tensor.bits + 2)
    return tensor


def _set(grower: Grower) -> Tensor:
    """One matrix at each constituent, whose types may differ there, and a sum or a mean over them."""
    random = grower.random
    tensor = _port(grower, random.choice([2, 4, 4, 8]), random.randint(1, 3))
    for _ in range(random.randint(1, 2)):
        tensor = _fixed(grower, _dense(grower, tensor, 4), 6)
    if random.random() < 0.7:
        made = grower.add("globalaverage", (tensor,), tensor.shape[-1:], tensor.bits + 3)
        return _fixed(grower, made, 6)
    return tensor


def _windows(grower: Grower) -> Tensor:
    """A convolution or a pooling between quantisers."""
    tensor = _fixed(grower, windows.port(grower), 6)
    for _ in range(grower.random.randint(1, 2)):
        tensor = _fixed(grower, windows.stage(grower, tensor), 6)
    return tensor


def _product(grower: Grower) -> Tensor:
    """Two signals multiplied, and what their product keeps."""
    random = grower.random
    source = _port(grower, random.randint(2, 6))
    units = random.randint(1, 4)
    factors = []
    for _ in range(2):
        made = grower.add("dense", (source,), (units,), source.bits + 7, units=units, weights="ties")
        factors.append(_fixed(grower, made, 5))
    return _fixed(grower, grower.add("multiply", tuple(factors), (units,), 10), 6)
