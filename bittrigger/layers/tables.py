"""A function of a code as a table of codes: an exponential, a reciprocal. Importing this module imports TensorFlow."""

from __future__ import annotations

import decimal
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal, assert_never, get_args

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from bittrigger.errors import ConfigError
from bittrigger.layers.activations import (
    MAX_INTEGER,
    QuantizedInput,
    StaticQuantizer,
    quantizer_of,
    range_log2_of,
    step_of,
)
from bittrigger.layers.keras_types import Option, Tensor

__all__ = ["BitTable", "TableFunction", "table_codes"]

TableFunction = Literal["decay", "reciprocal"]
"""`exp(-factor * x)`, and `factor / x`."""

MAX_TABLE_BITS = 10
"""Of a code that a table is read at."""

MAX_FACTOR = 1024.0

_CONTEXT = decimal.Context(prec=50, rounding=decimal.ROUND_HALF_EVEN)


@lru_cache(maxsize=1024)
def table_codes(
    function: TableFunction, factor: float, bits: int, integer: int, result: StaticQuantizer
) -> tuple[int, ...]:
    """Return the codes of a function at all codes of an unsigned quantizer, each rounded half to even and limited.

    They are computed in rational numbers, or in decimal ones of 50 digits, so that they are the same everywhere. The reciprocal
    of 0 is the highest code.

    Args:
        function: what is tabulated.
        factor: of the function, above 0.
        bits: of the codes that the table is read at; their step is `2**(integer - bits)`.
        integer: log2 of their range.
        result: the grid of the results.
    """
    places = result.bits - result.signed - result.integer
    return tuple(
        min(
            max(
                _entry(function, factor, Fraction(code) * Fraction(2) ** (integer - bits), places, result.hi), result.lo
            ),
            result.hi,
        )
        for code in range(1 << bits)
    )


def _entry(function: TableFunction, factor: float, value: Fraction, places: int, highest: int) -> int:
    """The nearest whole number of `2**-places` to the function at `value`, half to even."""
    match function:
        case "decay":
            argument = _CONTEXT.divide(Decimal(value.numerator), Decimal(-value.denominator))
            power = _CONTEXT.exp(_CONTEXT.multiply(Decimal(factor), argument))
            return int(
                _CONTEXT.to_integral_value(_CONTEXT.multiply(power, _CONTEXT.power(Decimal(2), Decimal(places))))
            )
        case "reciprocal":
            return highest if value == 0 else round(Fraction(factor) / value * Fraction(2) ** places)
        case _:
            assert_never(function)


@tf.keras.utils.register_keras_serializable(package="bittrigger")
class BitTable(QuantizedInput, tf.keras.layers.Layer):  # type: ignore[misc]
    """A function of each value, rounded before to an unsigned code and behind to another one: in firmware a table.

    Keras reads the same table, so that its float32 is exact. The gradient is that of the function, straight through both
    roundings, and 0 where the code before is limited.

    Args:
        function: "decay" for `exp(-factor * x)`, "reciprocal" for `factor / x`, whose value at 0 is the highest code.
        quantizer: of the values, an unsigned `StaticQuantizer` of at most 10 bits, or a number of bits; `calibrate`
            sets its range.
        result: of the results, a `StaticQuantizer`, or a dictionary of its settings; its range is what it is set to.
        factor: above 0, at most 1,024.

    Raises:
        ConfigError: an option is none of these.
    """

    input_quantizer: StaticQuantizer

    def __init__(
        self,
        function: TableFunction,
        quantizer: StaticQuantizer | int | dict[str, Any],
        result: StaticQuantizer | dict[str, Any],
        factor: float = 1.0,
        **kwargs: Option,
    ) -> None:
        super().__init__(**kwargs)
        if function not in get_args(TableFunction):
            allowed = ", ".join(map(repr, get_args(TableFunction)))
            raise ConfigError(f"BitTable {self.name!r}: function {function!r}; allowed are {allowed}")
        number = isinstance(factor, int | float) and not isinstance(factor, bool)
        if not number or not 0 < factor <= MAX_FACTOR:
            raise ConfigError(
                f"BitTable {self.name!r}: factor {factor!r}; allowed are numbers above 0, at most {MAX_FACTOR:g}"
            )
        if isinstance(quantizer, int) and not isinstance(quantizer, bool):
            quantizer = StaticQuantizer(bits=quantizer, signed=False)
        self.function, self.factor = function, float(factor)
        self.input_quantizer = self._checked("quantizer", quantizer_of(quantizer))
        self.result = self._checked("result", quantizer_of(result))
        if self.input_quantizer.signed or self.input_quantizer.bits > MAX_TABLE_BITS:
            raise ConfigError(
                f"BitTable {self.name!r}: quantizer {self.input_quantizer}; allowed are unsigned ones of 2 to {MAX_TABLE_BITS} "
                "bits, each code of which has an entry"
            )
        if self.result.learned:
            raise ConfigError(
                f"BitTable {self.name!r}: result {self.result}; allowed is learned=False, as its range stands"
            )

    def _checked(self, what: str, settings: object) -> StaticQuantizer:
        if not isinstance(settings, StaticQuantizer) or settings.learned_bits:
            raise ConfigError(
                f"BitTable {self.name!r}: {what} {settings}; allowed is a StaticQuantizer without learned_bits"
            )
        return settings

    def build(self, input_shape: Option) -> None:
        """Create the weight that holds the range of the quantizer."""
        self.add_range(self)
        super().build(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Return the entries, same shape."""
        settings = self.input_quantizer
        values = self.quantize_input(inputs)
        step = tf.stop_gradient(step_of(self.range_log2, settings))
        integer = tf.cast(tf.round(tf.clip_by_value(self.range_log2, 0.0, float(MAX_INTEGER))), tf.int32)
        codes = tf.cast(tf.stop_gradient(values) / step, tf.int32)
        entries = tf.gather(tf.constant(self._all_values()), codes + integer * (1 << settings.bits))
        smooth = self._smooth(values, step)
        # Exactly the entries: the bracket is zero.
        return tf.stop_gradient(entries) + (smooth - tf.stop_gradient(smooth))

    def _smooth(self, values: Tensor, step: Tensor) -> Tensor:
        """The function in float32, for its gradient; finite at 0."""
        if self.function == "decay":
            return tf.exp(-self.factor * values)
        return self.factor / tf.maximum(values, step / 2)

    def _all_values(self) -> npt.NDArray[np.float32]:
        """The tables of all ranges that the quantizer may have, one behind the other."""
        return np.concatenate([self._values(integer) for integer in range(MAX_INTEGER + 1)])

    def _values(self, integer: int) -> npt.NDArray[np.float32]:
        codes = table_codes(self.function, self.factor, self.input_quantizer.bits, integer, self.result)
        return np.ldexp(np.array(codes, dtype=np.float32), self.result.integer - self.result.bits + self.result.signed)

    def values_now(self) -> npt.NDArray[np.float32]:
        """Return the results at all codes of the quantizer as it is now, `(2**bits,)`, exact."""
        now = self.input_quantizer.integer if self.range_log2 is None else range_log2_of(self.range_log2)
        return self._values(now)

    def get_config(self) -> dict[str, Any]:
        """Return the options for Keras' serialisation."""
        own = {"function": self.function, "quantizer": self.input_config(), "result": asdict(self.result)}
        return {**super().get_config(), **own, "factor": self.factor}
