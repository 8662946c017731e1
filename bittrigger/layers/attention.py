"""Attention between the tokens of an event whose Keras float32 is exact: ternary maps, products of codes, ReLU or a softmax.

Functions that put layers together, so that what they make is saved, converted and proven as these are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bittrigger.layers.activations import BitActivation, InputQuantizer, StaticQuantizer
from bittrigger.layers.bit_linear import BitLinear
from bittrigger.layers.quantizers import absmean_ternary
from bittrigger.layers.tables import BitTable

if TYPE_CHECKING:
    from bittrigger.layers.keras_types import Tensor

__all__ = ["AttentionSettings", "PairSettings", "SoftmaxSettings", "bit_attention", "bit_softmax"]


@dataclass(frozen=True)
class SoftmaxSettings:
    """Widths of a softmax in integers, see `bit_softmax`.

    Attributes:
        score_bits: of a score, signed, and of how far it lies below the largest one of its row, unsigned.
        power_bits: of the exponential of that, unsigned: 1 becomes `2**power_bits - 1` steps.
        sum_bits: of the sum of a row of exponentials, at most 10.
        reciprocal_bits: of the reciprocal of that sum, unsigned.
    """

    score_bits: int = 5
    power_bits: int = 5
    sum_bits: int = 8
    reciprocal_bits: int = 6


@dataclass(frozen=True)
class PairSettings:
    """Widths of what a pair of tokens adds to its score.

    Attributes:
        units: ternary sums of the features of a token whose differences are taken.
        code_bits: of such a sum, signed; a difference has one bit more.
        bits: of what is above zero of a difference, unsigned, before the ternary map to the bias of a head.
    """

    units: int = 4
    code_bits: int = 5
    bits: int = 4


@dataclass(frozen=True)
class AttentionSettings:
    """Widths of an attention block; ranges of all codes are powers of two that `calibrate` sets.

    Attributes:
        heads: blocks side by side, each with queries, keys and values of its own.
        key_units: of the queries and keys of a head.
        value_units: of the values of a head.
        code_bits: of queries, keys and values.
        weight_bits: of an attention weight, unsigned; with a softmax weights are below 1, and `n` tokens need at least
            `log2(n) + 1` bits, or equal weights round to 0.
        threshold_factor: of the ternary kernels, see `absmean_ternary`.
        softmax: widths of a softmax over the tokens; None for a ReLU in its place.
        code_quantizer: of queries, keys and values in the place of a static one of `code_bits`; a `DynamicQuantizer` gives each
            token its own scale, and its codes are multiplied back before they meet those of other tokens: bound it by `least`
            and `most`, or the products are as wide as the scales reach.
        taken_quantizer: of what the heads give, in front of the output map, in the place of a static one of `code_bits + 2`.
        pairs: widths of the bias of a pair, where the block gets features for that.
    """

    heads: int = 1
    key_units: int = 4
    value_units: int = 8
    code_bits: int = 4
    weight_bits: int = 3
    threshold_factor: float = 0.7
    softmax: SoftmaxSettings | None = None
    code_quantizer: InputQuantizer | None = None
    taken_quantizer: InputQuantizer | None = None
    pairs: PairSettings = PairSettings()


def bit_attention(
    tensor: Tensor,
    units: int,
    settings: AttentionSettings | None = None,
    *,
    pairs: Tensor | None = None,
    present: Tensor | None = None,
    name: str = "attention",
) -> Tensor:
    """Return `(events, tokens, units)` of `tensor`, `(events, tokens, features)`, whose values are codes of a quantizer.

    `q`, `k` and `v` of a head are ternary maps of the tokens, rounded. A token takes from each other one, and from itself, its
    `v` times a weight, a function of `q . k` rounded to few unsigned codes, which saturate. That is `relu(q . k)`: neither
    division nor exponential stands in firmware, and a token that resembles none takes nothing; or a softmax of
    `q . k / sqrt(key_units)` over the tokens, by tables. What the heads give is rounded and mapped to `units`. With a ReLU
    sums over tokens are not divided by their number: the range of the next quantizer does that.

    With `pairs` a score is `q . k` and a bias that is learned from differences of features of both tokens, such as angles:
    ternary sums of the features of each token, their differences, what is above zero of each, a ternary sum of that for each
    head. As sums come before differences, no pair has a matrix of its own but the last one.

    With `present` a token that is 0 there is taken by none, and a softmax is one over those that are there.

    Args:
        tensor: the tokens.
        units: of the result.
        settings: the widths.
        pairs: `(events, tokens, features)`, codes of a quantizer as `tensor`; None for no bias.
        present: `(events, tokens, 1)`, 0 or 1, codes of an unsigned quantizer of one bit; None where all tokens are always there.
        name: what the names of all layers begin with.

    Source: biases of pairs, H. Qu et al., Particle Transformer, arXiv:2202.03772.
    ReLU in the place of the softmax, M. Wortsman et al., arXiv:2309.08586.
    """
    import tensorflow as tf

    chosen = settings or AttentionSettings()

    def linear(count: int, what: str, quantizer: InputQuantizer | None = None) -> Any:  # noqa: ANN401 - a layer
        kernel = absmean_ternary(chosen.threshold_factor)
        return BitLinear(count, input_quantizer=quantizer, kernel_quantizer=kernel, name=f"{name}_{what}")

    def codes(source: Tensor, what: str) -> Tensor:
        quantizer = chosen.code_quantizer or StaticQuantizer(bits=chosen.code_bits, signed=True)
        return BitActivation(quantizer, name=f"{name}_{what}_codes")(source)

    above = None if pairs is None else _differences(linear(chosen.pairs.units, "pairs")(pairs), chosen.pairs, name)
    taken = []
    for head in range(chosen.heads):
        sizes = {"q": chosen.key_units, "k": chosen.key_units, "v": chosen.value_units}
        maps = {what: codes(linear(size, f"{what}{head}")(tensor), f"{what}{head}") for what, size in sizes.items()}
        if present is not None and chosen.softmax is None:
            maps["v"] = tf.keras.layers.Multiply(name=f"{name}_v{head}_present")([maps["v"], present])
        scores = tf.keras.layers.Dot(axes=(2, 2), name=f"{name}_scores{head}")([maps["q"], maps["k"]])
        if above is not None:
            bias = tf.keras.layers.Reshape(scores.shape[1:], name=f"{name}_bias{head}")(linear(1, f"pair{head}")(above))
            scores = tf.keras.layers.Add(name=f"{name}_biased{head}")([scores, bias])
        weights = _weights(scores, chosen, present, name, head)
        taken.append(tf.keras.layers.Dot(axes=(2, 1), name=f"{name}_taken{head}")([weights, maps["v"]]))
    joined = taken[0] if len(taken) == 1 else tf.keras.layers.Concatenate(name=f"{name}_heads")(taken)
    taken_quantizer = chosen.taken_quantizer or StaticQuantizer(bits=chosen.code_bits + 2, signed=True)
    return linear(units, "out", taken_quantizer)(joined)


def _differences(sums: Tensor, chosen: PairSettings, name: str) -> Tensor:
    """What is above zero of the sums of a token less those of each other one, `(events, tokens, tokens, units)`."""
    import tensorflow as tf

    layers, (tokens, units) = tf.keras.layers, sums.shape[1:]
    codes = BitActivation(StaticQuantizer(bits=chosen.code_bits, signed=True), name=f"{name}_pairs_codes")(sums)
    own = layers.Reshape((tokens, 1, units), name=f"{name}_pairs_own")(codes)
    other = layers.Reshape((1, tokens, units), name=f"{name}_pairs_other")(codes)
    differences = layers.Subtract(name=f"{name}_differences")([own, other])
    return BitActivation(StaticQuantizer(bits=chosen.bits, signed=False), name=f"{name}_differences_relu")(differences)


def _weights(scores: Tensor, chosen: AttentionSettings, present: Tensor | None, name: str, head: int) -> Tensor:
    """What a head makes of its scores, `(events, tokens, tokens)`."""
    rounding = StaticQuantizer(bits=chosen.weight_bits, signed=False, integer=2 if chosen.softmax is None else 0)
    if chosen.softmax is not None:
        even = chosen.key_units**-0.5
        scores = bit_softmax(scores, chosen.softmax, factor=even, present=present, name=f"{name}_softmax{head}")
    return BitActivation(rounding, name=f"{name}_weights{head}")(scores)


def bit_softmax(
    scores: Tensor,
    settings: SoftmaxSettings | None = None,
    *,
    factor: float = 1.0,
    present: Tensor | None = None,
    name: str = "softmax",
) -> Tensor:
    """Return the softmax of `factor * scores` along the last axis, in integers: products yet to be rounded to weights.

    Scores are rounded; how far each lies below the largest of its row is rounded again and becomes `exp(-factor * x)` by a
    table; the sum of a row becomes its reciprocal by another table; what is returned are their exact products, `(events, ...,
    tokens)`, each of `power_bits + reciprocal_bits` bits. Those of a row add up to 1 but for roundings. Behind it belongs a
    `BitActivation(StaticQuantizer(bits, signed=False, integer=0))`.

    Args:
        scores: `(events, ..., tokens)`.
        settings: the widths.
        factor: what scores are multiplied by, above 0; it costs nothing.
        present: `(events, tokens, 1)`, codes of one bit worth 1: the power of a token that is 0 is 0.
        name: what the names of all layers begin with.
    """
    import tensorflow as tf

    chosen, layers = settings or SoftmaxSettings(), tf.keras.layers
    rounded = BitActivation(StaticQuantizer(bits=chosen.score_bits, signed=True), name=f"{name}_scores")(scores)
    tokens, there = int(scores.shape[-1]), None
    if present is not None:
        there = layers.Reshape((*(1,) * (len(scores.shape) - 2), tokens), name=f"{name}_present")(present)
    greatest = _greatest(rounded, there, name)
    below = layers.Subtract(name=f"{name}_below")([greatest, rounded])
    unsigned = StaticQuantizer(bits=chosen.score_bits, signed=False, integer=3)
    one = StaticQuantizer(bits=chosen.power_bits, signed=False, integer=0)
    powers = BitTable("decay", unsigned, one, factor=factor, name=f"{name}_powers")(below)
    if there is not None:
        powers = layers.Multiply(name=f"{name}_powers_present")([powers, there])
    sums = StaticQuantizer(bits=chosen.sum_bits, signed=False, integer=(tokens - 1).bit_length())
    inverse = StaticQuantizer(bits=chosen.reciprocal_bits, signed=False, integer=0)
    total = tf.reduce_sum(powers, axis=-1, keepdims=True)
    reciprocal = BitTable("reciprocal", sums, inverse, name=f"{name}_reciprocal")(total)
    return layers.Multiply(name=f"{name}_products")([powers, reciprocal])


def _greatest(scores: Tensor, there: Tensor | None, name: str) -> Tensor:
    """The largest score of a row, of tokens that are there, `(events, ..., 1)`."""
    import tensorflow as tf

    if there is None:
        return tf.reduce_max(scores, axis=-1, keepdims=True)
    layers, least = tf.keras.layers, tf.reduce_min(scores, axis=-1, keepdims=True)
    above = layers.Subtract(name=f"{name}_above")([scores, least])
    of_those = tf.reduce_max(layers.Multiply(name=f"{name}_above_present")([above, there]), axis=-1, keepdims=True)
    return layers.Add(name=f"{name}_greatest")([of_those, least])
