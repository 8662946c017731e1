"""Networks on sets of constituents: layers that treat each alike, and the mean."""

from __future__ import annotations

from fuzz import quantizers
from fuzz.grow import Grower, Tensor, between, bit_layer, drawn, merge
from fuzz.spec import Options


def grow_set(grower: Grower) -> Tensor:
    """A port of some constituents, layers that treat each alike, and perhaps their mean."""
    random = grower.random
    shape = (random.choice([2, 2, 4, 8]), random.randint(1, 4))
    source = grower.add("input", (), shape, 32, shape=list(shape))
    text, bits = quantizers.input_quantizer(random)
    made = grower.add("qactivation", (source,), shape, bits, quantizer=text)
    if random.random() < 0.2:  # the mean first, and what is left cut into positions again
        made = grower.add("mean", (made,), shape[1:], made.bits + 2)
        made = grower.add("reshape", (made,), (shape[1], 1), made.bits, shape=[shape[1], 1])
        made = merge(grower, made, made) if random.random() < 0.5 else made
    for _ in range(random.choice([1, 1, 2])):
        if len(made.shape) == 1:
            return made
        made = _of_each(grower, made)
        if random.random() < 0.15:
            made = merge(grower, made, made)
    end = random.choice(["mean", "mean", "flatten", "none"])
    if end == "mean" and len(made.shape) > 1:
        return grower.add("mean", (made,), made.shape[1:], made.bits + 3)
    return made if end == "none" else grower.flat(made)


def _of_each(grower: Grower, source: Tensor) -> Tensor:
    """A layer on each constituent and its quantiser."""
    random = grower.random
    if random.random() < 0.3:
        return bit_layer(grower, source)
    units, growth = random.randint(1, 6), max(source.shape[-1] - 1, 1).bit_length()
    text, bits = quantizers.kernel_quantizer(random, 22 - source.bits - growth)
    options: Options = {"units": units, "kernel": text, "use_bias": random.random() < 0.6} | drawn(random)
    options["bias"] = quantizers.bias_quantizer(random) if random.random() < 0.7 else None
    made = grower.add(
        random.choice(["qdense", "qconv1d"]), (source,), (*source.shape[:-1], units), source.bits + bits, **options
    )
    if random.random() < 0.4:
        made = between(grower, made)
    return grower.quantised(made)
