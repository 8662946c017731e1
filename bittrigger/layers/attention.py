"""Attention between the tokens of an event whose Keras float32 is exact: ternary maps, products of codes, no softmax.

A function that puts layers together, so that what it makes is saved, converted and proven as these are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bittrigger.layers.activations import BitActivation, StaticQuantizer
from bittrigger.layers.bit_linear import BitLinear
from bittrigger.layers.quantizers import absmean_ternary

if TYPE_CHECKING:
    from bittrigger.layers.keras_types import Tensor

__all__ = ["AttentionSettings", "bit_attention"]


@dataclass(frozen=True)
class AttentionSettings:
    """Widths of an attention block; ranges of all codes are powers of two that `calibrate` sets.

    Attributes:
        heads: blocks side by side, each with queries, keys and values of its own.
        key_units: of the queries and keys of a head.
        value_units: of the values of a head.
        code_bits: of queries, keys and values.
        weight_bits: of an attention weight, unsigned.
        threshold_factor: of the ternary kernels, see `absmean_ternary`.
    """

    heads: int = 1
    key_units: int = 4
    value_units: int = 8
    code_bits: int = 4
    weight_bits: int = 3
    threshold_factor: float = 0.7


def bit_attention(
    tensor: Tensor, units: int, settings: AttentionSettings | None = None, *, name: str = "attention"
) -> Tensor:
    """Return `(events, tokens, units)` of `tensor`, `(events, tokens, features)`, whose values are codes of a quantizer.

    `q`, `k` and `v` of a head are ternary maps of the tokens, rounded. A token takes from each other one, and from itself, its
    `v` times `relu(q . k)`, rounded to few unsigned codes, which saturate: weights without a softmax, so that no division and no
    exponential stand in firmware, and a token that resembles none takes nothing. What the heads give is rounded and mapped
    to `units`. Sums over tokens are not divided by their number: the range of the next quantizer does that.

    Source: ReLU in the place of the softmax, M. Wortsman et al., arXiv:2309.08586.
    """
    import tensorflow as tf

    chosen = settings or AttentionSettings()

    def linear(count: int, what: str, quantizer: StaticQuantizer | None = None) -> Any:  # noqa: ANN401 - a layer
        kernel = absmean_ternary(chosen.threshold_factor)
        return BitLinear(count, input_quantizer=quantizer, kernel_quantizer=kernel, name=f"{name}_{what}")

    def codes(source: Tensor, what: str) -> Tensor:
        return BitActivation(StaticQuantizer(bits=chosen.code_bits, signed=True), name=f"{name}_{what}_codes")(source)

    taken = []
    for head in range(chosen.heads):
        sizes = {"q": chosen.key_units, "k": chosen.key_units, "v": chosen.value_units}
        maps = {what: codes(linear(size, f"{what}{head}")(tensor), f"{what}{head}") for what, size in sizes.items()}
        scores = tf.keras.layers.Dot(axes=(2, 2), name=f"{name}_scores{head}")([maps["q"], maps["k"]])
        relu = StaticQuantizer(bits=chosen.weight_bits, signed=False)
        weights = BitActivation(relu, name=f"{name}_weights{head}")(scores)
        taken.append(tf.keras.layers.Dot(axes=(2, 1), name=f"{name}_taken{head}")([weights, maps["v"]]))
    joined = taken[0] if len(taken) == 1 else tf.keras.layers.Concatenate(name=f"{name}_heads")(taken)
    return linear(units, "out", StaticQuantizer(bits=chosen.code_bits + 2, signed=True))(joined)
