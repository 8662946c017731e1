"""Dense layers, convolutions and normalisations of a project, product by product as their C++ casts them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.hls4ml_project.accumulate import accumulated, products_on_grid
from bittrigger.frontend.hls4ml_project.hls_types import HlsType, convert_codes
from bittrigger.frontend.hls4ml_project.project import Call, Config
from bittrigger.frontend.hls4ml_project.walk import MAX_WIDE, Signal, Walk
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Linear, frozen_array
from bittrigger.ir.nodes.wire import ZERO

Mask = npt.NDArray[np.bool_]

MAX_ELEMENTS = 1 << 24
"""Most elements of all windows of a layer, and of a matrix."""


def dense(walk: Walk, call: Call) -> None:
    """``nnet::dense``."""
    walk.check_counts(call, (3,), (4,))
    config = walk.config(call.parameters[2], walk.owner(call))
    source = walk.read(call.arguments[0], walk.owner(call))
    _kernel(walk, call, config, source, walk.number(config, "n_in"), walk.number(config, "n_out"), 1)


def convolution_1d(walk: Walk, call: Call) -> None:
    """``nnet::conv_1d_cl`` and its pointwise form, channels last."""
    walk.check_counts(call, (3,), (4,))
    config = walk.config(call.parameters[2], walk.owner(call))
    number = {key: walk.number(config, key) for key in ("in_width", "n_chan", "filt_width", "out_width", "n_filt")}
    _check_size(walk, call, number["out_width"], number["filt_width"], number["n_chan"])
    starts = np.arange(number["out_width"]) * walk.number(config, "stride_width", 1) - walk.number(
        config, "pad_left", 0
    )
    places = starts[:, None] + np.arange(number["filt_width"]) * walk.number(config, "dilation", 1)
    windows = _elements(places[:, :, None], places < 0, places >= number["in_width"], number["n_chan"])
    _windows(walk, call, config, windows.reshape(number["out_width"], -1), number["n_filt"])


def convolution_2d(walk: Walk, call: Call) -> None:
    """``nnet::conv_2d_cl`` and its pointwise form, channels last."""
    walk.check_counts(call, (3,), (4,))
    config = walk.config(call.parameters[2], walk.owner(call))
    keys = ("in_height", "in_width", "n_chan", "filt_height", "filt_width", "out_height", "out_width", "n_filt")
    number = {key: walk.number(config, key) for key in keys}
    _check_size(
        walk, call, *(number[key] for key in ("out_height", "out_width", "filt_height", "filt_width", "n_chan"))
    )
    rows = np.arange(number["out_height"]) * walk.number(config, "stride_height", 1) - walk.number(config, "pad_top", 0)
    columns = np.arange(number["out_width"]) * walk.number(config, "stride_width", 1) - walk.number(
        config, "pad_left", 0
    )
    row = (rows[:, None, None, None] + np.arange(number["filt_height"])[:, None]) + 0 * columns[None, :, None, None]
    column = columns[None, :, None, None] + np.arange(number["filt_width"]) + 0 * row
    row = row + 0 * column
    below = (row < 0) | (column < 0)
    beyond = (row >= number["in_height"]) | (column >= number["in_width"])
    places = row * number["in_width"] + column
    windows = _elements(places[..., None], below, beyond, number["n_chan"])
    _windows(walk, call, config, windows.reshape(number["out_height"] * number["out_width"], -1), number["n_filt"])


def _check_size(walk: Walk, call: Call, *sizes: int) -> None:
    """Raise ``UnsupportedModelError`` unless the windows have at least one element, and no more than fit the memory."""
    if min(sizes) < 1 or math.prod(sizes) > MAX_ELEMENTS:
        raise UnsupportedModelError(
            f"{walk.owner(call)}: windows of {' x '.join(map(str, sizes))} elements; allowed are 1 to {MAX_ELEMENTS}"
        )


def _elements(places: IntArray, below: Mask, beyond: Mask, channels: int) -> IntArray:
    """The elements of each window: all channels of each place, and zeros where it lies outside."""
    elements = places * channels + np.arange(channels)
    return np.where((below | beyond)[..., None], ZERO, elements)


def _windows(walk: Walk, call: Call, config: Config, windows: IntArray, n_out: int) -> None:
    source = walk.read(call.arguments[0], walk.owner(call))
    size = walk.builder[source.node].size
    if windows.max() >= size:
        raise UnsupportedModelError(f"{walk.owner(call)}: its windows reach element {windows.max()} of {size}")
    gathered = walk.builder.wire(f"{call.arguments[1]}_windows", (source.node,), windows)
    inner = walk.config(config.values.get("mult_config", config.name), walk.owner(call))
    merged = Config(config.name, config.kind, inner.values | config.values)
    _kernel(walk, call, merged, Signal(gathered, source.type), windows.shape[1], n_out, windows.shape[0])


def _kernel(  # noqa: PLR0917
    walk: Walk, call: Call, config: Config, source: Signal, n_in: int, n_out: int, copies: int
) -> None:
    owner = walk.owner(call)
    if walk.builder[source.node].size != n_in * copies or not 0 < n_in * n_out <= MAX_ELEMENTS:
        raise UnsupportedModelError(
            f"{owner}: it reads {walk.builder[source.node].size} elements; expected {n_in * copies}"
        )
    weight_type, accumulator = walk.type_of(config, "weight_t"), walk.type_of(config, "accum_t")
    bias_type, result = walk.type_of(config, "bias_t"), walk.project.type(call.parameters[1], owner)
    weights = walk.constants(call.arguments[2], weight_type, n_in * n_out, owner)
    strategy = config.values.get("strategy", "latency")
    if strategy not in ("latency", "resource"):
        raise UnsupportedModelError(
            f"{owner}: strategy {strategy!r}; allowed are latency and resource; convert with one of them"
        )
    # The resource strategy reads the transposed matrix.
    matrix = weights.reshape(n_in, n_out) if strategy == "latency" else weights.reshape(n_out, n_in).T
    matrix, frac = _factors(walk, call, config, matrix, weight_type, source)
    bias = walk.constants(call.arguments[3], bias_type, n_out, owner)
    bias = convert_codes(bias, bias_type.frac, accumulator)
    name = call.arguments[1]
    terms = products_on_grid(walk, name, source, matrix, frac, accumulator, copies)
    sums = accumulated(walk, name, terms, bias, accumulator)
    walk.write(call, name, walk.assign(name, sums, result), result)


def _factors(  # noqa: PLR0917
    walk: Walk, call: Call, config: Config, matrix: IntArray, kind: HlsType, source: Signal
) -> tuple[IntArray, int]:
    """The integers that the products multiply with, and their fractional bits."""
    product = config.values.get("product", "mult")
    narrow = source.type.fixed.width == 1 and not source.type.fixed.signed
    if product == "mult":
        return matrix, kind.frac
    if product == "weight_binary" and not narrow:
        return np.where(matrix == 0, -1, 1), 0
    if product == "weight_ternary":
        return np.where(matrix == 0, 0, np.where(matrix == -(1 << kind.frac), -1, 1)), 0
    raise UnsupportedModelError(
        f"{walk.owner(call)}: product {product!r} of {source.type.fixed}; allowed are mult, weight_binary and weight_ternary"
    )


def normalize(walk: Walk, call: Call) -> None:
    """``nnet::normalize``: a product and a bias for each element, or for each channel."""
    walk.check_counts(call, (3,), (4,))
    owner = walk.owner(call)
    config = walk.config(call.parameters[2], owner)
    source = walk.read(call.arguments[0], owner)
    size = walk.builder[source.node].size
    scale_type, bias_type = walk.type_of(config, "scale_t"), walk.type_of(config, "bias_t")
    text = config.values.get("n_filt", "-1")
    channels = size if text == "-1" else walk.number(config, "n_filt")
    if not 0 < channels <= MAX_WIDE or size % channels:
        raise UnsupportedModelError(f"{owner}: {size} elements of {channels} channels")
    scale = walk.constants(call.arguments[2], scale_type, channels, owner)
    bias = walk.constants(call.arguments[3], bias_type, channels, owner)
    result = walk.project.type(call.parameters[1], owner)
    frac = max(source.type.frac + scale_type.frac, bias_type.frac)
    weights = np.diag(scale << (frac - source.type.frac - scale_type.frac))
    offsets = frozen_array(bias << (frac - bias_type.frac))
    name = call.arguments[1]
    sums = walk.builder.add(Linear(name, (source.node,), frozen_array(weights), offsets, frac, size // channels))
    walk.write(call, name, walk.assign(name, sums, result), result)
