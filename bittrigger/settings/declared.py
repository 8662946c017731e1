"""Types that make another model of the one that is given: of its weights, and of what its layers deliver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bittrigger.errors import ConfigError, excerpt
from bittrigger.settings.allowed import MAX_LAYER_BITS, MAX_WEIGHT_BITS

EVERY = "*"
"""In the place of a layer: every one whose kernel no quantiser types."""

SUMS = ".sums"
"""Behind the name of a layer: what it delivers before its activation."""

CELL = ".cell"
"""Behind the name of a recurrent layer: what is within it, its gates, activations and states."""

DEPTHWISE = ".depthwise"
"""Behind the name of a separable convolution: what its depthwise kernel gives to its pointwise one."""


@dataclass(frozen=True)
class Declared:
    """What was declared; fields as those of ``Settings``."""

    head_bits: int | None = None
    weight_precision: Mapping[str, str] = field(default_factory=dict)
    layer_precision: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_any(self) -> bool:
        """Whether anything was."""
        return self.head_bits is not None or bool(self.weight_precision) or bool(self.layer_precision)


def check_types(name: str, types: Mapping[str, str]) -> None:
    """Refuse what is no type of layers.

    Args:
        name: of the setting.

    Raises:
        ConfigError: if there is one.
    """
    from bittrigger.ir.casts import parse_cast
    from bittrigger.ir.fixed import Overflow

    least, most = (1, MAX_WEIGHT_BITS) if name == "weight_precision" else (2, MAX_LAYER_BITS)
    for layer, text in types.items():
        if not isinstance(layer, str) or not isinstance(text, str):
            raise ConfigError(
                f"setting {name!r} holds {excerpt(layer)}: {excerpt(text)}; allowed are layer names with types"
            )
        kind = parse_cast(text)
        if not least <= kind.fixed.width <= most:
            raise ConfigError(
                f"setting {name!r} gives {excerpt(layer)} the type {text}; allowed are {least} to {most} bits"
            )
        if kind.overflow is Overflow.SAT_ZERO:
            raise ConfigError(
                f"setting {name!r} gives {excerpt(layer)} the type {text}, with which values beyond it become 0; allowed are "
                "WRAP, SAT and SAT_SYM"
            )
