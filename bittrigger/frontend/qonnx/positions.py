"""Operators that move values, and those that take several positions together: poolings and reductions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from bittrigger.frontend import attributes
from bittrigger.frontend.qonnx.constants import axes_of, check_size, real, slice_of, whole
from bittrigger.frontend.qonnx.file import MAX_AXES, OnnxNode
from bittrigger.frontend.qonnx.linear import relabelled
from bittrigger.frontend.qonnx.tensors import Array, Constant, Shape, Tensor, Walk, refused
from bittrigger.frontend.qonnx.windows import pads_of, steps_of, window_places
from bittrigger.ir.nodes.wire import ZERO

REDUCTIONS = {
    "ReduceSum": "sum_over",
    "ReduceMean": "mean_over",
    "ReduceMax": "max_over",
    "ReduceMin": "min_over",
    "GlobalAveragePool": "mean_over",
    "GlobalMaxPool": "max_over",
}
MOVING = ("Identity", "Dropout", "DebugMarker", "Cast", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze")
PICKING = ("Slice", "Gather", "Split", "Pad", "Concat")


def _constant(walk: Walk, node: OnnxNode, place: int, name: str = "") -> list[int]:
    """Whole numbers of an input, or, as older versions have it, of an attribute; empty where there are none."""
    if place < len(node.inputs) and node.inputs[place]:
        value = walk.values[node.inputs[place]]
        if not isinstance(value, Constant) or value.values.dtype.kind not in "iu" or value.values.size > 64:
            raise refused(node, f"its input {place} is no constant of a few whole numbers", "allowed are fixed shapes")
        return [int(n) for n in value.values.ravel()]
    return axes_of(node, name) if name else []


def _axis(node: OnnxNode, tensor: Tensor, axis: int) -> int:
    """An axis of ONNX, which counts the batch, as one without it."""
    rank = len(tensor.shape)
    found = axis - 1 if axis >= 0 else axis + rank
    if not 0 <= found < rank:
        raise refused(node, f"axis {axis} of {rank + 1}", "allowed are axes behind that of the batch")
    return found


def moving(walk: Walk, node: OnnxNode) -> Tensor:
    """The same values in the same order, counted otherwise; or axes in another order, which moves nothing."""
    source = walk.operand(node)
    match node.kind:
        case "Transpose":
            axes = axes_of(node, "perm")
            if sorted(axes) != list(range(len(source.shape) + 1)) or axes[0]:
                raise refused(node, f"perm {axes[:8]}", "allowed are orders that leave the batch in front")
            return relabelled(source, tuple(axis - 1 for axis in axes[1:]))
        case "Identity" | "Dropout" | "DebugMarker":
            trains = walk.values[node.inputs[2]] if len(node.inputs) > 2 and node.inputs[2] else None
            if trains is not None and not (isinstance(trains, Constant) and not trains.values.any()):
                raise refused(node, "it draws at random, as in training", "allowed are trained models")
            return source
        case "Cast":
            if whole(node, "to", 1) not in (1, 11):
                raise refused(node, "it casts values to whole numbers", "allowed are float and double; use a Quant")
            return source
    shape = _new_shape(walk, node, source)
    if math.prod(shape) != math.prod(source.shape) or not shape:
        raise refused(node, f"shape {source.shape} becomes {shape}", "allowed are shapes of as many values an event")
    if len(shape) > MAX_AXES:
        raise refused(node, f"{len(shape)} axes", f"allowed are {MAX_AXES}")
    source = walk.ordered(node, source)
    made = replace(source, shape=shape, order=tuple(range(len(shape))))
    return walk.made(node, "reshape", [source], made)


def _new_shape(walk: Walk, node: OnnxNode, source: Tensor) -> Shape:  # noqa: C901 - one case a kind
    rank = len(source.shape)
    match node.kind:
        case "Flatten":
            axis = whole(node, "axis", 1)
            axis += rank + 1 if axis < 0 else 0
            if axis not in (0, 1):
                raise refused(node, f"axis {axis}", "allowed is 1")
            return (math.prod(source.shape),)
        case "Squeeze":
            wanted = {_axis(node, source, axis) for axis in _constant(walk, node, 1, "axes")}
            if any(source.shape[axis] != 1 for axis in wanted):
                raise refused(node, f"axes {sorted(wanted)} of {source.shape}", "allowed are axes of one element")
            return tuple(n for k, n in enumerate(source.shape) if k not in wanted and (wanted or n != 1))
        case "Unsqueeze":
            axes = _constant(walk, node, 1, "axes")
            whole_rank = rank + 1 + len(axes)
            places = sorted(axis % whole_rank for axis in axes)
            if not axes or places[0] == 0 or len(set(places)) < len(places):
                raise refused(node, f"axes {axes[:8]}", "allowed are axes behind that of the batch")
            shape = list(source.shape)
            for place in places:
                shape.insert(place - 1, 1)
            return tuple(shape)
    target = _constant(walk, node, 1, "shape")
    if whole(node, "allowzero", 0) and 0 in target:
        raise refused(node, "allowzero is 1, and an axis has no elements", "allowed are tensors with values")
    if not target or target[0] not in (0, 1, -1, walk.batch):
        raise refused(node, f"shape {target[:8]}", "allowed are shapes that leave the batch in front")
    rest = [source.shape[k] if n == 0 and k < rank else n for k, n in enumerate(target[1:])]
    if rest.count(-1) == 1:
        known = -math.prod(rest)
        rest[rest.index(-1)] = math.prod(source.shape) // known if known > 0 else 0
    return tuple(rest)


def picked(walk: Walk, node: OnnxNode) -> tuple[Tensor, ...]:  # noqa: C901 - one case a kind
    """Some of the values, or zeros around them, found by moving their numbers."""
    source = walk.operand(node)
    rows: list[Array] = []
    numbers = source.numbers
    match node.kind:
        case "Slice":
            rows = [numbers[_slices(walk, node, source)]]
        case "Gather":
            axis = _axis(node, source, whole(node, "axis", 0))
            places = walk.values[node.inputs[1]]
            if not isinstance(places, Constant) or places.values.ndim > 1 or places.values.dtype.kind != "i":
                raise refused(node, "its indices are no constant list", "allowed are fixed indices")
            try:
                rows = [np.take(numbers, places.values, axis=axis)]
            except IndexError as error:
                raise refused(node, str(error)[:100], "allowed are indices that are there") from error
        case "Split":
            axis = _axis(node, source, whole(node, "axis", 0))
            parts = _constant(walk, node, 1, "split") or even(node, source.shape[axis])
            if "num_outputs" not in node.attributes and len(node.inputs) < 2 and source.shape[axis] % len(node.outputs):
                raise refused(node, f"{len(node.outputs)} parts of {source.shape[axis]}", "allowed are equal ones")
            if sum(parts) != source.shape[axis] or min(parts) < 1 or len(parts) != len(node.outputs):
                raise refused(node, f"parts {parts[:8]}", "allowed are parts that make the whole")
            rows = np.split(numbers, np.cumsum(parts)[:-1], axis=axis)
        case "Pad":
            rows = [_padded(walk, node, source)]
    if any(0 in row.shape or not row.ndim for row in rows):
        raise refused(node, "nothing is left", "allowed is one value and more")
    made = []
    for row in rows:
        like = replace(source, shape=row.shape, order=tuple(range(row.ndim)))
        made.append(walk.made(node, "wire", [source], like, **{attributes.INDICES: row}))
    return tuple(made)


def even(node: OnnxNode, size: int) -> list[int]:
    """As many equal parts as a node has outputs, the last of them perhaps smaller."""
    return [-(-size // len(node.outputs))] * (len(node.outputs) - 1) + [
        size - -(-size // len(node.outputs)) * (len(node.outputs) - 1)
    ]


def _slices(walk: Walk, node: OnnxNode, source: Tensor) -> tuple[slice, ...]:
    starts, ends = _constant(walk, node, 1, "starts"), _constant(walk, node, 2, "ends")
    axes = _constant(walk, node, 3, "axes") or list(range(len(starts)))
    steps = _constant(walk, node, 4) or [1] * len(starts)
    if len({len(starts), len(ends), len(axes), len(steps)}) > 1 or 0 in steps:
        raise refused(node, "starts, ends, axes and steps of different lengths", "allowed are valid slices")
    found = [slice(None)] * len(source.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if axis in (0, -1 - len(source.shape)) and start == 0 and end >= walk.batch and step == 1:
            continue  # the batch
        place = _axis(node, source, axis)
        found[place] = slice_of(start, end, step, source.shape[place])
    return tuple(found)


def _padded(walk: Walk, node: OnnxNode, source: Tensor) -> Array:
    pads = _constant(walk, node, 1, "pads")
    rank = len(source.shape) + 1
    filling = walk.values[node.inputs[2]] if len(node.inputs) > 2 and node.inputs[2] else None
    mode = str(node.attributes.get("mode", "constant"))
    zero = filling is None or (isinstance(filling, Constant) and not filling.values.any())
    zero = (zero and not real(node, "value", 0.0)) or mode != "constant"
    if len(node.inputs) > 3 and node.inputs[3]:
        raise refused(node, "it names axes", "allowed are pads of all axes")
    if len(pads) != 2 * rank or pads[0] or pads[rank] or mode not in PADDINGS or not zero or min(pads) < 0:
        raise refused(
            node,
            f"mode {mode[:20]!r}, pads {pads[:10]}",
            "allowed are zeros and neighbours around the values of an event",
        )
    widths = list(zip(pads[1:rank], pads[rank + 1 :], strict=True))
    most = [4096 if mode != "reflect" else n - 1 for n in source.shape]
    if any(max(pair) > limit for pair, limit in zip(widths, most, strict=True)):
        raise refused(node, f"pads of {max(pads)}", f"allowed are {min(most)}")
    if math.prod(n + a + b for n, (a, b) in zip(source.shape, widths, strict=True)) > 1 << 24:
        raise refused(node, "too many zeros", "allowed are 16,777,216 values")
    return padded(source.numbers, widths, mode, ZERO)


PADDINGS = ("constant", "edge", "reflect")


def padded(values: Array, widths: list[tuple[int, int]], mode: str, filling: int) -> Array:
    """An array with values around it: ``filling``, those at its edges, or those that a mirror there shows."""
    match mode:
        case "edge":
            return np.pad(values, widths, mode="edge")
        case "reflect":
            return np.pad(values, widths, mode="reflect")
        case _:
            return np.pad(values, widths, constant_values=filling)


def resized(walk: Walk, node: OnnxNode) -> Tensor:
    """Each value several times, as its neighbours are the nearest."""
    source = walk.operand(node)
    places = source.numbers[np.ix_(*_enlarged(walk, node, source))]
    like = replace(source, shape=places.shape, order=tuple(range(places.ndim)))
    return walk.made(node, "wire", [source], like, **{attributes.INDICES: places})


def _enlarged(walk: Walk, node: OnnxNode, source: Tensor) -> list[Array]:
    """For each axis the place of each value of a Resize to the nearest, by whole factors."""
    shape = (walk.batch, *source.shape)
    policy = str(node.attributes.get("keep_aspect_ratio_policy", "stretch"))
    if "axes" in node.attributes or policy != "stretch":
        raise refused(
            node, f"it names axes, or keeps a ratio ({policy[:20]})", "allowed are factors or sizes of all axes"
        )
    given = [walk.values[name] if name else None for name in node.inputs[1:]]
    scales, sizes = (given[place] if len(given) > place else None for place in (1, 2))
    if any(part is not None and not isinstance(part, Constant) for part in (scales, sizes)):
        raise refused(node, "its sizes are no constants", "allowed are fixed sizes")
    if isinstance(sizes, Constant) and sizes.values.size:
        factors = [int(size) / n for size, n in zip(sizes.values.ravel(), shape, strict=True)]
    else:
        factors = [float(factor) for factor in scales.values.ravel()] if isinstance(scales, Constant) else []
    mode, nearest, grid = (str(node.attributes.get(key, default)) for key, default in _RESIZE.items())
    whole_ones = all(factor == int(factor) and 1 <= factor <= MAX_FACTOR for factor in factors)
    if len(factors) != len(shape) or factors[0] != 1 or not whole_ones or whole(node, "antialias", 0):
        raise refused(
            node, f"factors {factors[:8]}", f"allowed are whole ones to {MAX_FACTOR}, for each axis but the batch"
        )
    if mode != "nearest" or nearest not in NEAREST or grid not in ("half_pixel", "asymmetric"):
        raise refused(node, f"{mode[:20]}, {nearest[:20]}, {grid[:20]}", "allowed is nearest, half_pixel or asymmetric")
    if math.prod(n * int(factor) for n, factor in zip(shape, factors, strict=True)) > 1 << 24:
        raise refused(node, "too many values", "allowed are 16,777,216")
    return [_nearest(n, int(factor), nearest, grid) for n, factor in zip(source.shape, factors[1:], strict=True)]


_RESIZE = {
    "mode": "nearest",
    "nearest_mode": "round_prefer_floor",
    "coordinate_transformation_mode": "half_pixel",
}
NEAREST: dict[str, Callable[[Fraction], int]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round_prefer_floor": lambda x: math.ceil(x - Fraction(1, 2)),
    "round_prefer_ceil": lambda x: math.floor(x + Fraction(1, 2)),
}
"""Which of two neighbours a Resize takes."""

MAX_FACTOR = 64


def _nearest(size: int, factor: int, mode: str, grid: str) -> Array:
    """The place of each of ``size * factor`` values."""
    shift = Fraction(1, 2) if grid == "half_pixel" else Fraction(0)
    found = [NEAREST[mode]((k + shift) / factor - shift) for k in range(size * factor)]
    return np.clip(np.array(found, dtype=np.int64), 0, size - 1)


def concatenated(walk: Walk, node: OnnxNode) -> Tensor:
    """Tensors side by side along an axis."""
    tensors = [value for name in node.inputs if isinstance(value := walk.values[name], Tensor)]
    if len(tensors) < len(node.inputs):
        raise refused(node, "it joins values of the event and constants", "allowed are the former; use Pad for zeros")
    axis = _axis(node, tensors[0], whole(node, "axis", 1))
    shapes = [(*t.shape[:axis], *t.shape[axis + 1 :]) for t in tensors]
    if len(set(shapes)) > 1 or len({len(t.shape) for t in tensors}) > 1:
        raise refused(
            node, f"shapes {[t.shape for t in tensors][:4]}", "allowed are ones that differ along its axis alone"
        )
    if len({None if t.scale is None else float(t.scale) for t in tensors}) > 1:
        tensors = [walk.plain(node, tensor) for tensor in tensors]
    if len({t.order for t in tensors}) > 1:
        tensors = [walk.ordered(node, tensor) for tensor in tensors]
    shape = (*tensors[0].shape[:axis], sum(t.shape[axis] for t in tensors), *tensors[0].shape[axis + 1 :])
    like = replace(tensors[0], shape=shape)
    return walk.made(node, "concatenate", tensors, like, **{attributes.AXIS: like.order.index(axis) - len(like.order)})


def reduced(walk: Walk, node: OnnxNode) -> Tensor:
    """A sum, mean, maximum or minimum along some axes."""
    source = walk.operand(node)
    kind = REDUCTIONS[node.kind]
    everywhere = node.kind.startswith("Global")
    given = list(range(2, len(source.shape) + 1)) if everywhere else _constant(walk, node, 1, "axes")
    axes = sorted({_axis(node, source, axis) for axis in given})
    if not axes:
        raise refused(node, "it names no axes", "allowed are axes behind that of the batch")
    kept = [k for k in range(len(source.shape)) if k not in axes]
    keeps = everywhere or bool(whole(node, "keepdims", 1))
    shape = tuple(1 if k in axes else n for k, n in enumerate(source.shape) if keeps or k in kept) or (1,)
    count = math.prod(source.shape[axis] for axis in axes)
    terms = source.numbers.transpose((*kept, *axes)).reshape(-1, count)
    facts = {attributes.TERMS: terms, **division(walk, node, kind, count)}
    return walk.made(node, kind, [source], replace(source, shape=shape, order=tuple(range(len(shape)))), **facts)


def division(walk: Walk, node: OnnxNode, kind: str, count: int) -> dict[str, str]:
    """What a layer says of a mean over a number that is no power of two."""
    if kind not in ("mean_over", "average", "average_of") or not count & (count - 1):
        return {}
    fact = f"layer {walk.name(node)!r}: a mean over {count}, which programs divide or multiply for in float32"
    return {attributes.IDEAL: f"{fact}; allowed is exact arithmetic; leave out --require exact"}


def pooling(walk: Walk, node: OnnxNode, source: Tensor) -> Tensor:
    """A MaxPool or AveragePool on `(channels, positions…)`."""
    positions = source.shape[1:]
    size = tuple(axes_of(node, "kernel_shape"))
    if len(size) != len(positions) or min(size, default=0) < 1:
        raise refused(node, f"kernel_shape {size[:8]} on {positions}", "allowed is one number for each axis")
    places = window_places(node, positions, size)
    average = node.kind == "AveragePool"
    if average and (places == ZERO).any() and whole(node, "count_include_pad", 0):
        return pooling(walk, *_with_zeros(walk, node, source, size))
    if ((places == ZERO).all(axis=-1)).any():
        raise refused(node, "a window lies in the padding alone", "allowed are smaller pads")
    last = (*range(1, len(source.shape)), 0)
    source = walk.ordered(node, source, last)
    made = replace(source, shape=(source.shape[0], *places.shape[:-1]))
    kind = "average" if average else "maxpooling"
    ragged = 3 if (places == ZERO).any() else places.shape[-1]
    facts = {attributes.INDICES: places, **division(walk, node, kind, ragged)}
    return walk.made(node, kind, [source], made, **facts)


def _with_zeros(walk: Walk, node: OnnxNode, source: Tensor, size: Shape) -> tuple[OnnxNode, Tensor]:
    """A pooling without padding, and its operand with zeros around it, which count."""
    count = len(size)
    pads = pads_of(node, source.shape[1:], size, *steps_of(node, count))
    around = np.pad(source.numbers, [(0, 0), *zip(pads[:count], pads[count:], strict=True)], constant_values=ZERO)
    like = replace(source, shape=around.shape, order=tuple(range(around.ndim)))
    padded = walk.made(node, "wire", [source], like, **{attributes.INDICES: around})
    return replace(node, attributes={k: v for k, v in node.attributes.items() if k not in ("pads", "auto_pad")}), padded


def product(walk: Walk, node: OnnxNode) -> Tensor:
    """A MatMul of two tensors of the event."""
    left, right = (walk.values[name] for name in node.inputs[:2])
    if not isinstance(left, Tensor) or not isinstance(right, Tensor):
        raise refused(node, "no product of two tensors", "allowed are values of the event")
    lead = left.shape[:-2]
    if len(left.shape) < 2 or right.shape[:-2] != lead or left.shape[-1] != right.shape[-2]:
        raise refused(node, f"factors of shape {left.shape} and {right.shape}", "allowed are matrices that fit")
    a, b = left.numbers, right.numbers.swapaxes(-1, -2)
    check_size([*a.shape, b.shape[-2], 2])
    pairs = np.stack(np.broadcast_arrays(a[..., :, None, :], b[..., None, :, :]), axis=-1)
    shape = (*lead, a.shape[-2], b.shape[-2])
    made = Tensor("", shape, tuple(range(len(shape))))
    scales = [tensor.scale for tensor in (left, right) if tensor.scale is not None]
    facts = {attributes.TERMS: pairs.reshape(-1, pairs.shape[-2], 2)}
    made = walk.made(node, "contract", [left, right], made, **facts)
    for scale in scales:
        made = walk.affine(node, made, scale, 0.0, f"a factor comes in steps of {float(scale):.6g}, no power of two")
    return made
