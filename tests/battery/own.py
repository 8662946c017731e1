"""Layers of ``bittrigger.layers``."""

from __future__ import annotations

from battery.parts import Case, Cases, function, of, tf
from bittrigger.layers import (
    AttentionSettings,
    BitActivation,
    BitLinear,
    BitTable,
    DynamicQuantizer,
    SoftmaxSettings,
    StaticQuantizer,
    bit_attention,
    bit_softmax,
)

CODES = StaticQuantizer(bits=5, signed=False, integer=2)
WEIGHTS = StaticQuantizer(bits=6, signed=False, integer=0)


def softmax(scores):
    return BitActivation(WEIGHTS)(bit_softmax(scores))


def attention(**settings) -> Case:
    """A block on three tokens."""
    return function((3, 4), lambda x: bit_attention(x, 4, AttentionSettings(**settings)))


OWN_CASES: Cases = {
    "BitLinear": of((8,), lambda: BitLinear(4, input_quantizer=8)),
    "BitActivation": of((8,), lambda: BitActivation(CODES)),
    "BitLinear, DynamicQuantizer": of(
        (8,),
        lambda: BitLinear(4, input_quantizer=DynamicQuantizer(6), use_bias=False),
        tf.keras.layers.Flatten,
    ),
    "BitTable, decay": of((8,), lambda: BitTable("decay", CODES, WEIGHTS, factor=0.5)),
    "BitTable, reciprocal": of((8,), lambda: BitTable("reciprocal", CODES, WEIGHTS)),
    "bit_softmax": function((3, 4), softmax),
    "bit_attention": attention(),
    "bit_attention, softmax": attention(weight_bits=6, softmax=SoftmaxSettings()),
    "bit_attention, softmax, two heads": attention(heads=2, weight_bits=6, softmax=SoftmaxSettings()),
}
