"""Networks whose positions come word by word, and networks that hold weights or biases in registers; or both."""

from __future__ import annotations

from random import Random

from fuzz import quantizers
from fuzz.grow import Grower, Tensor, between, layer
from fuzz.in_time import (
    ONE_SCALE,
    VHDL,
    _dense,
    _in_turns,
    _many_outputs,
    _port,
    _products,
    _shared,
    _step_by_step,
)
from fuzz.spec import Spec

FIRST = 9_300_000
"""Seeds from here on are such networks; those below stay what they were."""

HELD = {("weights", None): 45, (None, "bias"): 25, ("weights", "bias"): 30}
"""What ``--reloadable`` and ``--tunable`` are, and how often."""


def generate_held(seed: int) -> Spec:
    """The network of ``seed``."""
    random = Random(f"held {seed}")  # noqa: S311 - reproducible, not secret
    grower = Grower(random, hostile=random.random() < 0.05)
    stream = random.random() < 0.55
    held = not stream or random.random() < 0.5
    reloadable, tunable = random.choices(list(HELD), list(HELD.values()))[0] if held else (None, None)
    if stream:
        intervals = _words(grower)
    else:
        themes = [_chain, _step_by_step, _in_turns, _shared, _products, _many_outputs]
        own = random.choices(themes, [40, 15, 15, 10, 10, 10])[0](grower)
        intervals = [1, 1, 2, 3, *own]
    outputs = grower.outputs()
    return Spec(
        seed,
        f"net_{seed}",
        tuple(grower.nodes),
        outputs,
        suffix=random.choice(["h5", "keras"]),
        clock_mhz=random.choice([360.0, 240.0, 480.0, 160.0]),
        ii=random.choice(intervals),
        hdl="vhdl" if random.random() < VHDL else "verilog",
        port="stream" if stream else "whole",
        reloadable=reloadable,
        tunable=tunable,
    )


def _kernel(grower: Grower) -> str:
    """Mostly of one scale, which is what registers hold."""
    random = grower.random
    return random.choice(ONE_SCALE) if random.random() < 0.75 else quantizers.kernel_quantizer(random, 8)[0]


def _chain(grower: Grower) -> list[int]:
    """Layers of a vector, with what may stand between them."""
    random = grower.random
    tensor = _port(grower, random.randint(1, 14))
    for _ in range(random.randint(1, 3)):
        tensor = _dense(grower, tensor, random.randint(1, 9), _kernel(grower))
        tensor = between(grower, tensor) if random.random() < 0.2 else tensor
        tensor = grower.quantised(tensor)
    if random.random() < 0.6:
        _dense(grower, tensor, random.randint(1, 4), _kernel(grower))
    return [2, 4, 5, 7, 12]


def _words(grower: Grower) -> list[int]:
    """One or two ports of positions, a chain on each, perhaps a port that comes whole, and what gathers the positions."""
    random = grower.random
    positions, units = random.choice([2, 3, 4, 5, 6, 7, 8, 9, 10, 12]), random.randint(1, 4)
    made = _each(grower, positions, units)
    if random.random() < 0.25:
        both = (made, _each(grower, positions, units))
        kind = random.choice(["add", "subtract", "maximum", "minimum", "concatenate"])
        shape = made.shape if kind != "concatenate" else (positions, 2 * units)
        made = grower.add(kind, both, shape, max(tensor.bits for tensor in both) + 1)
    kind = random.choices(["globalaverage", "globalmax", "flatten", "none"], [40, 15, 30, 15])[0]
    if kind == "flatten":
        made = grower.flat(made)
    elif kind != "none":
        made = grower.quantised(grower.add(kind, (made,), made.shape[-1:], made.bits + 4))
    if len(made.shape) == 1:
        made = _beside(grower, made) if random.random() < 0.3 else made
        if random.random() < 0.7:
            tensor = _dense(grower, made, random.randint(1, 6), _kernel(grower))
            if random.random() < 0.4:
                layer(grower, grower.quantised(tensor), last=True, units=random.randint(1, 3))
    return [2, 2, 3, 4, 5, 6, 8, 9, 12, 16]


def _each(grower: Grower, positions: int, units: int) -> Tensor:
    """A port of positions, and layers on each of them, the last one of ``units``."""
    random = grower.random
    tensor = _port(grower, positions, random.randint(1, 4))
    for last in random.choice([(True,), (False, True)]):
        tensor = _dense(grower, tensor, units if last else random.randint(1, 5), _kernel(grower))
        tensor = between(grower, tensor) if random.random() < 0.2 else tensor
        tensor = grower.quantised(tensor)
    return tensor


def _beside(grower: Grower, made: Tensor) -> Tensor:
    """``made`` and a port of a vector, which comes with the first word."""
    vector = _port(grower, grower.random.randint(1, 4))
    return grower.add("concatenate", (made, vector), (made.size + vector.size,), max(made.bits, vector.bits))
