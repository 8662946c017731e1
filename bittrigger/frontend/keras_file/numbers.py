"""The numbers in the configuration of a Keras model: those that would fill the memory or mean nothing are refused."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from bittrigger.errors import UnsupportedModelError

Json = Any

MAX_BITS = 64
"""Most bits of a quantiser, and most of them before or behind the point."""

MAX_NUMBER = 1e30
"""Largest number in a quantiser; float32 holds 3e38."""

_COUNTS = frozenset(["bits", "integer", "number_of_unrolls", "iters"])
_NUMBERS = frozenset([*_COUNTS, "alpha", "threshold", "max_value", "negative_slope", "temperature", "qnoise_factor"])
_TEXTS = frozenset(["auto", "auto_po2"])
_NUMBER = re.compile(r"(?<![A-Za-z_0-9.])[0-9.][0-9A-Za-z.+\-]*")


def check_quantizer(where: str, owner: str, kind: str, config: Json) -> None:
    """Refuse a quantiser whose settings are no numbers, or absurd.

    Args:
        where: the file, for messages.
        owner: what the quantiser belongs to, for messages.
        kind: its class.
        config: its settings.

    Raises:
        UnsupportedModelError: if one of them is a list, not finite or out of all range.
    """
    if not isinstance(config, Mapping):
        raise _refused(where, owner, kind, "settings", config)
    for key, value in config.items():
        if key not in ("name", "trainable", "dtype") and not _is_sound(key, value):
            raise _refused(where, owner, kind, key, value)


def _is_sound(key: str, value: Json) -> bool:
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, str):
        return key != "alpha" or value in _TEXTS
    if isinstance(value, int | float):
        if key in _COUNTS:
            return abs(value) <= MAX_BITS and value == value // 1
        return math.isfinite(value) and abs(value) <= MAX_NUMBER
    return key not in _NUMBERS


def check_call_numbers(where: str, owner: str, kind: str, text: str) -> None:
    """Refuse numbers out of all range in the arguments of ``quantized_bits(8,3,alpha=1)``.

    Raises:
        UnsupportedModelError: if there is one.
    """
    for word in _NUMBER.findall(text):
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        counts = "alpha" not in text and "." not in word and "e" not in word.lower()
        if not math.isfinite(value) or abs(value) > (2**16 if counts else MAX_NUMBER):
            raise _refused(where, owner, kind, "argument", word)


def _refused(where: str, owner: str, kind: str, key: str, found: Json) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"model file {where}: {owner}: {kind} has the {key} {str(found)[:40]!r}; allowed are numbers, of at most {MAX_BITS} "
        "bits, and alpha one number, None, 'auto' or 'auto_po2'; build the model with others and train again"
    )
