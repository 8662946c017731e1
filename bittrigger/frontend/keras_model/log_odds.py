"""Log odds in the place of logits, on request: what a trigger cuts on, as a model of its own that is converted like any other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.frontend.keras_model.copies import copy_of
from bittrigger.frontend.keras_model.reference import keras_outputs, without_endings
from bittrigger.ir.fixed import FloatArray

CORRECTION_BITS = 5
"""Of ``log(1 + exp(-|a - b|))``, which lies between 0 and 0.694: rounded to 1/32."""

_SPEC = re.compile(r"\d{1,4}(?:\+\d{1,4})*/\d{1,4}(?:\+\d{1,4})*")


@dataclass(frozen=True)
class LogOdds:
    """``log(p(signal) / p(against))``, each side the sum of the probabilities of its classes."""

    signal: tuple[int, ...]
    against: tuple[int, ...]

    def __str__(self) -> str:
        return "/".join("+".join(map(str, side)) for side in (self.signal, self.against))


def parse_log_odds(text: str) -> tuple[LogOdds, ...]:
    """The log odds that ``text`` asks for, such as ``4/0+1`` or ``4/0+1,2/0+1``; classes count from 0.

    Raises:
        ConfigError: if it is written otherwise, or a class stands twice in one of them.
    """
    found = []
    for part in text.split(","):
        if not _SPEC.fullmatch(part.strip()):
            raise ConfigError(
                f"log odds {part.strip()[:60]!r}; expected classes that count from 0, with + between them, a / and the "
                "classes against them, such as 4/0+1; several with commas between"
            )
        signal, against = (tuple(map(int, side.split("+"))) for side in part.strip().split("/"))
        if len({*signal, *against}) < len(signal) + len(against):
            raise ConfigError(f"log odds {part.strip()!r}: a class stands twice; expected each once at most")
        found.append(LogOdds(signal, against))
    return tuple(found)


def with_log_odds(model: Any, text: str) -> Any:
    """A copy of ``model`` that gives the log odds of ``text`` in the place of its logits, an output each.

    Of one class against one they are the difference of their logits. More classes on a side are taken together two by two, as
    ``max(a, b) + log(1 + exp(-|a - b|))``, the last term rounded to `CORRECTION_BITS` bits. A softmax at the output is left out.

    Raises:
        ConfigError: if ``text`` is no such request, or names a class that the model lacks.
        UnsupportedModelError: if the model has no output of two classes or more.
    """
    import tensorflow as tf

    wanted = parse_log_odds(text)
    with without_endings(copy_of(model), remove=True) as bare:
        made = copy_of(bare)
    if len(made.outputs) != 1 or len(made.outputs[0].shape) != 2 or made.outputs[0].shape[1] < 2:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in made.outputs)
        raise UnsupportedModelError(
            f"model {model.name!r}: --log-odds {text}, and its outputs are {shapes}; allowed is one output of two logits or "
            "more, (None, classes); leave --log-odds out"
        )
    logits = made.outputs[0]
    classes = int(logits.shape[1])
    for odds in wanted:
        if (largest := max(*odds.signal, *odds.against)) >= classes:
            raise ConfigError(
                f"log odds {odds}: class {largest} of a model of {classes}; allowed are 0 to {classes - 1}"
            )
    kernel, terms = [[0.0] * len(wanted) for _ in range(classes)], [logits]
    for column, odds in enumerate(wanted):
        for sign, side in ((1.0, odds.signal), (-1.0, odds.against)):
            if len(side) == 1:
                kernel[side[0]][column] = sign
                continue
            found = _together(logits, side, f"odds_{column}_{'signal' if sign > 0 else 'against'}")
            terms += found
            kernel += [[sign if other == column else 0.0 for other in range(len(wanted))] for _ in found]
    joined = terms[0] if len(terms) == 1 else tf.keras.layers.Concatenate(name="odds_terms")(terms)
    return tf.keras.Model(made.inputs, _times(joined, np.array(kernel, np.float32), "log_odds"), name=model.name)


def _together(logits: Any, side: tuple[int, ...], name: str) -> list[Any]:
    """Tensors `(n, 1)` whose sum is the logarithm of the sum of the exponentials of the logits of ``side``."""
    import tensorflow as tf

    from bittrigger.layers import BitActivation, StaticQuantizer

    layers = tf.keras.layers
    rows = np.eye(int(logits.shape[1]), dtype=np.float32)
    pick = [_times(logits, rows[:, which, np.newaxis], f"{name}_{which}") for which in side]
    total, correction = pick[0], None
    for i, other in enumerate(pick[1:]):
        if correction is not None:
            total = layers.Add(name=f"{name}_sum_{i}")([total, correction])
        low = layers.Minimum(name=f"{name}_low_{i}")([total, other])
        total = layers.Maximum(name=f"{name}_high_{i}")([total, other])
        apart = layers.Subtract(name=f"{name}_apart_{i}")([low, total])
        smooth = layers.Activation("softplus", name=f"{name}_softplus_{i}")(apart)
        rounding = StaticQuantizer(bits=CORRECTION_BITS, signed=False, integer=0)
        correction = BitActivation(rounding, name=f"{name}_correction_{i}")(smooth)
    return [total, correction]


def _times(tensor: Any, kernel: Any, name: str) -> Any:
    """``tensor`` times ``kernel``, of -1, 0 and 1."""
    import tensorflow as tf

    layer = tf.keras.layers.Dense(kernel.shape[1], use_bias=False, kernel_initializer="zeros", name=name)
    product = layer(tensor)
    layer.set_weights([kernel])
    return product


def odds_text(model: Any, changed: Any, text: str, inputs: FloatArray | None) -> str:
    """What the outputs are, and how far they are from the exact log odds of the model's logits, in a sentence.

    Args:
        inputs: real events `(events, n_inputs)`, or None.
    """
    said = f"the outputs are the log odds {text} of the classes, differences of logits (--log-odds)"
    if all(len(odds.signal) == len(odds.against) == 1 for odds in parse_log_odds(text)):
        return said
    said += f", with corrections of {CORRECTION_BITS} bits where classes are taken together"
    if inputs is None:
        return f"{said}; how far they are from exact ones is told with --inputs"
    values = inputs.astype(np.float32)
    with without_endings(model, remove=True) as bare:
        logits = keras_outputs(bare, values)
    found = keras_outputs(changed, values)
    exact = np.stack(
        [
            _together_exactly(logits, odds.signal) - _together_exactly(logits, odds.against)
            for odds in parse_log_odds(text)
        ],
        axis=1,
    )
    return (
        f"{said}; on {len(values):,} events they are within {np.abs(found - exact).max(initial=0.0):.3g} of exact ones"
    )


def _together_exactly(logits: FloatArray, side: tuple[int, ...]) -> FloatArray:
    return np.asarray(np.logaddexp.reduce(logits[:, list(side)], axis=1))
