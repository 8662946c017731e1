"""Elementwise functions of a network: how to call each exactly as Keras does, and which codes a quantiser means.

A function is stored on a node as a plain dictionary ``{"module", "class_name", "config"}``; this module turns it back
into the very callable of Keras or QKeras, so that tabulating it is what Keras computes.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.elementwise import onnx
from bittrigger.frontend.elementwise.decided import Exact, exact_of
from bittrigger.frontend.elementwise.grids import Grid, Spec, is_plain, quantizer_grid
from bittrigger.frontend.elementwise.own_functions import GRIDS, OWN
from bittrigger.frontend.elementwise.own_functions import RATIONAL as RATIONAL_OWN
from bittrigger.frontend.elementwise.typed_function import TypedFunction
from bittrigger.frontend.kernels import Float32Array
from bittrigger.ir.casts import Cast, cast_codes, parse_cast
from bittrigger.ir.fixed import FLOAT32_BITS, FixedPoint, FloatArray, decode

SMOOTH_FUNCTIONS = ("sigmoid", "elu", "selu", "softsign", "softplus", "swish", "gelu", "exponential", "mish", "silu")
"""Functions of Keras whose vector and scalar code may differ by a rounding."""

KERAS_FUNCTIONS = ("linear", "relu", "tanh", "hard_sigmoid", *SMOOTH_FUNCTIONS)
KERAS_LAYERS = ("ReLU", "LeakyReLU", "ELU", "ThresholdedReLU")
RATIONAL = ("math.abs", "math.negative", "nn.relu", "nn.relu6", "clip_by_value")
"""Operators of TensorFlow whose results need no more bits than their arguments."""

EVEN = (
    "math.abs",
    "math.negative",
    "math.square",
    "nn.relu",
    "nn.relu6",
    "clip_by_value",
    "math.add",
    "math.subtract",
    "math.multiply",
)
"""Operators of TensorFlow whose result is the same wherever a value stands in its batch."""

SQUARE = "square"
"""What a layer Multiply does to a tensor and itself."""

_SOFTMAX = ("softmax", "log_softmax")

QKERAS_FUNCTIONS = ("hard_sigmoid", "hard_tanh", "smooth_sigmoid", "smooth_tanh", "binary_tanh", "binary_sigmoid")
BIT_TABLE = "BitTable"
"""That of ``bittrigger.layers``."""

STATIC = "StaticQuantizer"
"""That of ``bittrigger.layers``, which keeps to its grid at any distance."""

_WIDEST = {"quantized_bits": (53, "what a float64 holds")}
"""Most bits of quantisers whose definition decides where float32 rounds, and why; the others are functions of a float32."""

MAX_INTEGER = 30
"""Most integer bits of a quantiser: QKeras computes the power of two in 32 bits."""

QUANTIZERS = (
    *("quantized_bits", "quantized_relu", "quantized_tanh", "quantized_sigmoid", "ternary", "binary"),
    *(
        "quantized_ulaw",
        "quantized_po2",
        "quantized_relu_po2",
        "quantized_hswish",
        "stochastic_ternary",
        "stochastic_binary",
    ),
)

ALLOWED = ", ".join((*QUANTIZERS, *KERAS_FUNCTIONS))


@dataclass(frozen=True, eq=False)
class Function:
    """An elementwise float32 function.

    Attributes:
        text: how it is written in a model definition.
        apply: the function on a float32 array of any shape.
        grid: what a quantiser means to deliver; None for other functions.
        plain: whether it is ``clip(round_half_even(x * 2**grid.frac), lo, hi)`` and nothing else.
        is_relu: whether it is ``max(x, 0)``.
        trusted: largest magnitude up to which Keras' result is what the quantiser means. QKeras returns
            ``x + (q(x) - x)``; beyond ``2**24`` steps float32 rounds the bracket, and the result is off the quantiser's own
            grid. ``apply`` returns what Keras gives there too.
        varies: whether TensorFlow's vector and scalar code differ by a rounding, so that its result depends on the
            position of a value in its batch.
        in_double: the function on a float64 array, called while Keras computes in double precision.
        line: slope and offset, if by its definition it rounds and clips ``slope * x + offset`` to its grid and does nothing else.
        rational: whether doubles hold its results without rounding.
        declared: whether it is no function of the model, but the type that was declared for an output.
        slope: below zero, if above it is the identity, below it a line through zero, and nothing else but rounding to its grid,
            if it has one.
        tabulated: whether it is a table by its own definition.
        exact: its values between bounds, where these are known.
        cast: the type to which it assigns, if it does that and nothing else, with modes of its own.
    """

    text: str
    apply: Callable[[Float32Array], Float32Array]
    in_double: Callable[[FloatArray], FloatArray]
    grid: Grid | None = None
    plain: bool = False
    is_relu: bool = False
    trusted: float = math.inf
    varies: bool = False
    line: tuple[float, float] | None = None
    rational: bool = False
    declared: bool = False
    cast: Cast | None = None
    slope: float | None = None
    tabulated: bool = False
    exact: Exact | None = None


def is_softmax(spec: Spec) -> bool:
    """Whether a function of Keras is none of one code."""
    return spec["module"] == "keras" and spec["class_name"] in _SOFTMAX


def function_from_spec(layer: str, spec: Spec) -> Function:
    """The function that ``spec`` describes.

    Args:
        layer: name of the layer, for messages.

    Raises:
        UnsupportedModelError: if it is unknown, random at inference, or depends on more than its argument.
    """
    return replace(_described(layer, spec), exact=exact_of(spec["module"], spec["class_name"], spec["config"]))


def functions_from_spec(layer: str, spec: Spec) -> tuple[Function, ...]:
    """The functions that ``spec`` describes, one behind the other: a typed one is an assignment, a function, an assignment.

    Raises:
        UnsupportedModelError: as ``function_from_spec``.
    """
    if spec["class_name"] != TypedFunction.__name__:
        return (function_from_spec(layer, spec),)
    config = spec["config"]
    named = {"module": "keras", "class_name": config["function"], "config": {}}
    before, behind = (
        () if kind is None else (assigning_to(parse_cast(kind)),) for kind in (config["operand"], config["result"])
    )
    return (*before, *(() if config["function"] == "linear" else (function_from_spec(layer, named),)), *behind)


def _described(layer: str, spec: Spec) -> Function:  # noqa: PLR0911 - one return a kind
    module, name, config = spec["module"], spec["class_name"], spec["config"]
    if module == "qkeras" and name in QUANTIZERS:
        return _quantizer(layer, name, config)
    if module == "hgq":
        return _table(config)
    if module == "bittrigger" and name in (STATIC, BIT_TABLE, *OWN):
        return _own(name, config)
    if module == "onnx":
        return _of_onnx(name, config)
    if module == "qkeras" and name in QKERAS_FUNCTIONS:
        grid = {"binary_tanh": Grid(0, -1, 1), "binary_sigmoid": Grid(0, 0, 1)}.get(name)
        return Function(name, *_calls(_qkeras(name)), grid, rational="smooth" in name or "binary" in name)
    if module == "keras" and name in KERAS_FUNCTIONS:
        function = _keras_function(name)
        is_relu = name == "relu"
        return Function(name, *_calls(function), is_relu=is_relu, varies=name in SMOOTH_FUNCTIONS, rational=is_relu)
    if module == "tensorflow":
        calls, is_relu = _calls(_operator(name, config)), name == "nn.relu"
        slope = _slope_of(name, config)
        varies = name not in EVEN
        return Function(f"tf.{name}", *calls, is_relu=is_relu, varies=varies, rational=name in RATIONAL, slope=slope)
    if module == "keras" and name == SQUARE:
        return Function("square", lambda values: np.multiply(values, values, dtype=np.float32), np.square)
    if module == "keras" and name in KERAS_LAYERS:
        calls, slope = _calls(_keras_layer(name, config)), _slope_of(name, config)
        return Function(f"{name}()", *calls, varies=name == "ELU", rational=name != "ELU", slope=slope)
    raise _unknown(layer, name)


def _unknown(layer: str, name: str) -> UnsupportedModelError:
    hint = {
        "softmax": "it is one of several codes; put it at the output, or behind the layer by itself",
        "bernoulli": "it draws random numbers at inference too; use binary(alpha=1, use_01=True)",
    }.get(name, "replace it by one of these")
    return UnsupportedModelError(
        f"layer {layer!r}: activation {name!r} is not supported; allowed are {ALLOWED}, {', '.join(KERAS_LAYERS)}; {hint}"
    )


def internal_sigmoid() -> str:
    """The function that QKeras takes for its own sigmoid and tanh in this process: ``hard_sigmoid`` unless it was switched."""
    from qkeras import quantizers

    return str(quantizers._sigmoid.__name__)


def _qkeras(name: str) -> Any:
    from qkeras import quantizers

    return getattr(quantizers, name)


def _keras_function(name: str) -> Any:
    import tensorflow as tf

    return getattr(tf.keras.activations, name)


def _keras_layer(name: str, config: Spec) -> Any:
    import tensorflow as tf

    return getattr(tf.keras.layers, name).from_config(dict(config))


def _operator(name: str, config: Spec) -> Any:
    """An operator of TensorFlow with its constants, as a function of its tensor."""
    import tensorflow as tf

    function = tf
    for part in name.split("."):
        function = getattr(function, part)

    def apply(values: Any) -> Any:
        given = [values if place is not None else constant for place, constant in config["arguments"]]
        return function(*given, **config["options"], **dict.fromkeys(config["named"], values))

    return apply


def _calls(
    function: Callable[[Any], Any],
) -> tuple[Callable[[Float32Array], Float32Array], Callable[[FloatArray], FloatArray]]:
    """``function`` of tensors on arrays of single and of double precision."""
    import tensorflow as tf

    def single(values: Float32Array) -> Float32Array:
        return np.asarray(function(tf.constant(values, dtype=tf.float32)), dtype=np.float32)

    def double(values: FloatArray) -> FloatArray:
        try:
            return np.asarray(function(tf.constant(values, dtype=tf.float64)), dtype=np.float64)
        except (TypeError, tf.errors.InvalidArgumentError) as error:
            raise UnsupportedModelError(
                f"function {function}: it computes in float32 alone, and these results lie on no grid of integers; allowed is a "
                "quantised activation behind it; put a QActivation there"
            ) from error

    return single, double


def _trusted_range(name: str, config: Spec, grid: Grid | None) -> float:
    """How far from zero the results of Keras are on the quantiser's own grid."""
    bounded = name == "quantized_relu" and config["negative_slope"] == 0  # it is clipped before it is rounded
    if grid is None or bounded or name in ("quantized_tanh", "quantized_sigmoid"):
        return math.inf
    return math.ldexp(1.0, FLOAT32_BITS - grid.frac)


def _check_settings(layer: str, name: str, config: Spec) -> None:
    """Refuse settings of a quantiser that have no meaning, or another one in QKeras than they seem to have."""
    alpha = config.get("alpha")
    if isinstance(alpha, str):
        raise UnsupportedModelError(
            f"layer {layer!r}: activation {name}(alpha={alpha!r}) takes its scale from the batch that it sees, so that one event "
            "alone has no answer; allowed are numbers and None for alpha; set alpha=1"
        )
    if alpha is not None and not _is_real(alpha):
        raise UnsupportedModelError(
            f"layer {layer!r}: activation {name} has alpha {str(alpha)[:80]}; allowed are None and finite numbers; set alpha=1"
        )
    widest = _WIDEST.get(name, (FLOAT32_BITS, "what a float32 holds"))
    for key, least, most, reason in (
        ("bits", 1, *widest),
        ("integer", 0, MAX_INTEGER, "what QKeras itself can compute"),
        ("symmetric", 0, 1, "no or yes"),
    ):
        value = config.get(key, least)
        if not _is_real(value) or value != int(value) or not least <= value <= most:
            raise UnsupportedModelError(
                f"layer {layer!r}: activation {name} has {key} {str(value)[:80]}; allowed are whole numbers from {least} to "
                f"{most}, {reason}; use other {key}, or scale the values"
            )


def _is_real(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def rebuilt(kind: Any, config: Spec) -> Any:
    """A quantiser of QKeras with the settings ``config``; its own ``from_config`` fails on those that some do not take."""
    taken = inspect.signature(kind.__init__).parameters
    return kind(**{key: value for key, value in config.items() if key in taken})


def _quantizer(layer: str, name: str, config: Spec) -> Function:
    _check_settings(layer, name, config)
    quantizer = rebuilt(_qkeras(name), config)
    text = (
        str(quantizer) if name != "quantized_hswish" else f"{name}({config['bits']},{config['integer']})"
    )  # it has none
    grid = quantizer_grid(name, config)
    varies = name == "quantized_sigmoid" and bool(config.get("use_real_sigmoid"))
    single, double = _calls(quantizer)
    plain, slope = grid is not None and is_plain(name, config), _slope(name, config, grid)
    if grid is not None and (plain or slope is not None):  # QKeras takes float32 for its ReLU, whatever it is given
        double = rounded_to(text, grid, 1.0 if slope is None else slope).in_double
    return Function(
        text,
        single,
        double,
        grid,
        plain=plain,
        trusted=_trusted_range(name, config, grid),
        varies=varies,
        line=(1.0, 0.0) if plain else _line(name, config),
        rational=not varies,
        slope=slope,
    )


def _slope(name: str, config: Spec, grid: Grid | None) -> float | None:
    """The slope below zero of a quantised ReLU that rounds, clips, and does nothing else."""
    bent = name == "quantized_relu" and grid is not None and config["negative_slope"] and not config["use_sigmoid"]
    return float(config["negative_slope"]) if bent and config.get("relu_upper_bound") is None else None


def _line(name: str, config: Spec) -> tuple[float, float] | None:
    """The line that QKeras' own tanh and sigmoid are between their limits."""
    if name not in ("quantized_tanh", "quantized_sigmoid") or internal_sigmoid() != "hard_sigmoid":
        return None
    if config.get("use_real_tanh") or config.get("use_real_sigmoid"):
        return None
    return (1.0, 0.0) if name == "quantized_tanh" else (0.5, 0.5)


def _table(config: Spec) -> Function:
    """A table, read at the code of its operand as an unsigned number."""
    table = np.array(config["table"], dtype=np.float64)

    def double(values: FloatArray) -> FloatArray:
        codes = np.rint(values * config["scale"]).astype(np.int64)
        return np.asarray(table[codes % len(table)])

    return Function("UnaryLUT", _in_single(double), double, rational=True)


def _bit_table(config: Spec) -> Function:
    """A table, read at the nearest code of its operand, half to even, or the limit that is next."""
    table, places = np.array(config["table"], dtype=np.float64), int(config["bits"]) - int(config["integer"])

    def double(values: FloatArray) -> FloatArray:
        codes = np.clip(np.rint(np.ldexp(values, places)), 0, len(table) - 1)
        return np.asarray(table[codes.astype(np.int64)])

    return Function(BIT_TABLE, _in_single(double), double, rational=True, tabulated=True)


def _static_quantizer(config: Spec) -> Function:
    """``clip(round(x / step), lo, hi) * step`` and nothing else: a ``StaticQuantizer`` with its range and width of now."""
    bits, signed, integer = int(config["bits"]), bool(config["signed"]), int(config["integer"])
    magnitude = bits - signed
    grid = Grid(magnitude - integer, -(1 << magnitude) if signed else 0, (1 << magnitude) - 1)
    return rounded_to(f"{STATIC}(bits={bits}, signed={signed}, integer={integer})", grid)


def _slope_of(name: str, config: Spec) -> float | None:
    """The slope below zero of a function that is bent there alone."""
    match name:
        case "LeakyReLU":
            return float(config["alpha"])
        case "ReLU" if config["max_value"] is None and not config["threshold"]:
            return float(config["negative_slope"])
        case "nn.leaky_relu" if config["arguments"] == [[0, None]] and not config["named"]:
            return float(config["options"].get("alpha", 0.2))
    return None


def _own(name: str, config: Spec) -> Function:
    """A layer of ``bittrigger.layers``, or a function that Keras lacks."""
    if name == STATIC:
        return _static_quantizer(config)
    if name == BIT_TABLE:
        return _bit_table(config)
    return Function(name, *_calls(OWN[name]), GRIDS.get(name), rational=name in RATIONAL_OWN)


def _of_onnx(name: str, config: Spec) -> Function:
    """A function of ONNX, or a quantiser of QONNX."""
    given = dict(config)
    if name in ("Quant", "Bipolar"):
        grid = Grid(int(given["frac"]), int(given["lo"]), int(given["hi"]))
        if name == "Quant" and given["rounding"] == "ROUND":
            return rounded_to(f"Quant({grid.lo}..{grid.hi})", grid)

        def quantised(values: FloatArray) -> FloatArray:
            scaled = np.ldexp(values, grid.frac)
            whole = np.where(values >= 0, 1.0, -1.0) if name == "Bipolar" else onnx.rounded(scaled, given["rounding"])
            return np.asarray(np.ldexp(np.clip(whole, grid.lo, grid.hi), -grid.frac), dtype=np.float64)

        return Function(name, _in_single(quantised), quantised, grid, rational=name == "Bipolar")
    if name in onnx.EVEN:
        return Function(
            name,
            lambda values: np.asarray(onnx.even(name, values, given), dtype=np.float32),
            lambda values: np.asarray(onnx.even(name, values, given), dtype=np.float64),
            is_relu=name == "Relu",
            rational=True,
        )
    own = onnx.IN_DOUBLE[name]

    def double(values: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):  # what is not finite is refused where it is tabulated
            return own(values, given)

    return Function(name, _in_single(double), double)


def rounding_to(kind: FixedPoint) -> Function:
    """What delivers values in a declared type: the nearest code, half to even, or the limit that is next."""
    made = rounded_to(f"rounding to {kind}", Grid(kind.frac, kind.interval.lo, kind.interval.hi))
    return replace(made, declared=True)


def assigning_to(kind: Cast) -> Function:
    """What gives values the codes of a type with its own modes."""

    def double(values: FloatArray) -> FloatArray:
        return decode(cast_codes(values, kind), kind.frac)

    grid = Grid(kind.frac, kind.limits.lo, kind.limits.hi)
    return Function(str(kind), _in_single(double), double, grid, rational=True, cast=kind)


def rounded_to(text: str, grid: Grid, slope: float = 1.0) -> Function:
    """What rounds half to even to a grid, saturates, and does nothing else, on a line of another slope below zero."""

    def double(values: FloatArray) -> FloatArray:
        codes = np.clip(np.ldexp(np.where(values < 0, slope * values, values), grid.frac), grid.lo, grid.hi)
        return np.asarray(np.ldexp(np.rint(codes), -grid.frac), dtype=np.float64)

    return Function(text, _in_single(double), double, grid, plain=True, rational=True)


def _in_single(double: Callable[[FloatArray], FloatArray]) -> Callable[[Float32Array], Float32Array]:
    """``double`` on arrays of single precision, of which its results are numbers too."""
    return lambda values: double(values.astype(np.float64)).astype(np.float32)
