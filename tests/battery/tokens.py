"""A dynamic quantiser of `bittrigger.layers` on each token of a set."""

from __future__ import annotations

from battery.parts import BITS, RELU, Cases, L, act, function, of, tf
from bittrigger.layers import AttentionSettings, BitActivation, BitConv1D, BitLinear, DynamicQuantizer, bit_attention

SIGNED, UNSIGNED = DynamicQuantizer(4), DynamicQuantizer(4, signed=False)
BOUNDED = DynamicQuantizer(4, least=-1, most=2)
TOKENS = (5, 4)


def linear(quantizer=SIGNED, units=3, **options):
    return BitLinear(units, input_quantizer=quantizer, use_bias=False, **options)


def attention(**settings):
    return lambda x: bit_attention(x, 3, AttentionSettings(key_units=2, value_units=2, code_bits=3, **settings))


def several_means(x):
    """What has no end: a mean of sums whose scales add up without bounds."""
    for _ in range(4):
        x = linear(DynamicQuantizer(8), 32)(x)
    return tf.reduce_mean(x, axis=1)


TOKEN_CASES: Cases = {
    "BitLinear": of(TOKENS, linear),
    "BitLinear, unsigned": of(TOKENS, lambda: linear(UNSIGNED)),
    "BitLinear, bias, bounds": of(TOKENS, lambda: BitLinear(3, input_quantizer=BOUNDED)),
    "BitActivation": of(TOKENS, lambda: BitActivation(SIGNED)),
    "BitConv1D": of(TOKENS, lambda: BitConv1D(3, 2, input_quantizer=SIGNED, use_bias=False)),
    "a static quantiser behind": of(TOKENS, linear, lambda: act(RELU)),
    "a dynamic one behind": of(TOKENS, linear, lambda: linear(UNSIGNED)),
    "mean over four tokens": of((4, 4), linear, L.GlobalAveragePooling1D),
    "mean over five tokens": of(TOKENS, linear, L.GlobalAveragePooling1D, lambda: act(BITS)),
    "sum over tokens": function(TOKENS, lambda x: tf.reduce_sum(linear()(x), axis=1)),
    "largest of all tokens": function(TOKENS, lambda x: tf.reduce_max(linear()(x), axis=1)),
    "Flatten behind": of(TOKENS, linear, L.Flatten, lambda: linear(None)),
    "tokens of tokens": of((2, 3, 4), linear, lambda: linear(UNSIGNED)),
    "mean of sums without bounds": function((4, 4), several_means),
    "attention, taken_quantizer": function(TOKENS, attention(taken_quantizer=SIGNED)),
    "attention, code_quantizer": function(TOKENS, attention(code_quantizer=BOUNDED)),
}
