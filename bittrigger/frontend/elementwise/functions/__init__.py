"""Elementwise functions of a network: how to call each exactly as Keras does, and which codes a quantiser means.

A function is stored on a node as a plain dictionary ``{"module", "class_name", "config"}``; this room turns it back
into the very callable of Keras or QKeras, so that tabulating it is what Keras computes.
"""

from __future__ import annotations

from dataclasses import replace

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.elementwise.decided import exact_of
from bittrigger.frontend.elementwise.functions.function import Function
from bittrigger.frontend.elementwise.functions.keras import KERAS_FUNCTIONS, KERAS_LAYERS, of_keras, of_tensorflow
from bittrigger.frontend.elementwise.functions.onnx import of_onnx
from bittrigger.frontend.elementwise.functions.own import of_ours
from bittrigger.frontend.elementwise.functions.qkeras import QUANTIZERS, of_qkeras
from bittrigger.frontend.elementwise.functions.rounding import assigning_to
from bittrigger.frontend.elementwise.functions.tables import unary_lut
from bittrigger.frontend.elementwise.grids import Spec
from bittrigger.frontend.elementwise.typed_function import TypedFunction
from bittrigger.ir.casts import parse_cast

ALLOWED = ", ".join((*QUANTIZERS, *KERAS_FUNCTIONS))

_SOFTMAX = ("softmax", "log_softmax")


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


def _described(layer: str, spec: Spec) -> Function:
    module, name, config = spec["module"], spec["class_name"], spec["config"]
    found: Function | None = None
    match module:
        case "keras":
            found = of_keras(name, config)
        case "tensorflow":
            found = of_tensorflow(name, config)
        case "qkeras":
            found = of_qkeras(layer, name, config)
        case "hgq":
            found = unary_lut(config)
        case "onnx":
            found = of_onnx(name, config)
        case "bittrigger":
            found = of_ours(name, config)
    if found is None:
        raise _unknown(layer, name)
    return found


def _unknown(layer: str, name: str) -> UnsupportedModelError:
    hint = {
        "softmax": "it is one of several codes; put it at the output, or behind the layer by itself",
        "bernoulli": "it draws random numbers at inference too; use binary(alpha=1, use_01=True)",
    }.get(name, "replace it by one of these")
    return UnsupportedModelError(
        f"layer {layer!r}: activation {name!r} is not supported; allowed are {ALLOWED}, {', '.join(KERAS_LAYERS)}; {hint}"
    )
