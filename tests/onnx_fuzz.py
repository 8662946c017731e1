"""One operator of ONNX with random attributes, shapes and versions, against onnxruntime: `python tests/onnx_fuzz.py SEED COUNT`.

Whatever is accepted must give onnxruntime's bits; in the ideal grade its values rounded to the type of the output, up to a step.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime as runtime
from onnx_files import Net

from bittrigger.errors import BittriggerError
from bittrigger.frontend.qonnx.read import read_qonnx
from bittrigger.ir.basis import Grade
from bittrigger.ir.fixed import decode, encode
from bittrigger.ir.graph import evaluate
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import random_codes

PORT = "fixed<6,3>"
EVENTS = 24
WINDOWS = (
    "auto_pad",
    "ceil_mode",
    "count_include_pad",
    "dilations",
    "kernel_shape",
    "pads",
    "storage_order",
    "strides",
)


def pick(r, *values):
    return values[int(r.integers(len(values)))]


def some(r, pairs, chance=0.5):
    """Some of the attributes."""
    return {name: value for name, value in pairs.items() if value is not None and r.random() < chance}


def ints(r, count, lo, hi):
    return [int(n) for n in r.integers(lo, hi + 1, count)]


def number(net, values, dtype="int64"):
    return net.constant(values, dtype)


def small(net, *shape):
    """Numbers on a grid of quarters."""
    return net.constant((net.random.integers(-7, 8, shape) / 4).astype("float32"))


def windows(net, r):
    spatial = len(net.shape) - 1
    found = some(r, {
        "auto_pad": pick(r, "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"),
        "dilations": ints(r, spatial, 1, 2),
        "strides": ints(r, spatial, 1, 3),
        "pads": ints(r, 2 * spatial, 0, 2),
    })  # fmt: skip
    if found.get("auto_pad", "NOTSET") != "NOTSET":
        found.pop("pads", None)
    return found


def conv(net, r):
    groups = pick(r, 1, 1, net.shape[0])
    filters = groups * int(r.integers(1, 3))
    size = ints(r, len(net.shape) - 1, 1, 3)
    options = (
        windows(net, r)
        | some(r, {"kernel_shape": size})
        | ({"group": groups} if groups > 1 or r.random() < 0.3 else {})
    )
    bias = [small(net, filters)] if r.random() < 0.5 else []
    return net.add("Conv", "x", small(net, filters, net.shape[0] // groups, *size), *bias, **options)


def pool(net, r):
    kind = pick(r, "MaxPool", "AveragePool")
    options = windows(net, r) | {"kernel_shape": ints(r, len(net.shape) - 1, 1, 3)}
    if kind == "AveragePool":
        options |= some(r, {"count_include_pad": pick(r, 0, 1)})
        if net.opset < 19:
            options.pop("dilations", None)
    else:
        options |= some(r, {"storage_order": pick(r, 0, 1)})
    return net.add(kind, "x", **options, **some(r, {"ceil_mode": pick(r, 0, 1)}))


def reduce(net, r):
    kind = pick(r, "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin")
    rank = len(net.shape) + 1
    axes = sorted({int(a) for a in r.integers(-rank, rank, int(r.integers(0, 3)))})
    options = some(r, {"keepdims": pick(r, 0, 1)})
    as_input = net.opset >= (13 if kind == "ReduceSum" else 18)
    if as_input:
        options |= some(r, {"noop_with_empty_axes": pick(r, 0, 1)})
        return net.add(kind, "x", *([number(net, axes)] if axes or r.random() < 0.3 else []), **options)
    return net.add(kind, "x", **options, **({"axes": axes} if axes else {}))


def move(net, r):  # noqa: PLR0911 - one return a kind
    rank = len(net.shape) + 1
    size = int(np.prod(net.shape))
    match int(r.integers(7)):
        case 0:
            return net.add(
                "Transpose",
                "x",
                **some(
                    r,
                    {"perm": [int(n) for n in pick(r, r.permutation(rank), [0, *(1 + r.permutation(rank - 1))])]},
                    0.9,
                ),
            )
        case 1:
            shape = pick(
                r,
                [1, -1],
                [0, -1],
                [-1, size],
                [1, size],
                [0, 0, -1],
                [-1, *net.shape],
                [1, *net.shape[::-1]],
                [0, *net.shape[:1], -1],
            )
            return net.add(
                "Reshape", "x", number(net, shape), **(some(r, {"allowzero": pick(r, 0, 1)}) if net.opset >= 14 else {})
            )
        case 2:
            return net.add("Flatten", "x", **some(r, {"axis": int(r.integers(-rank, rank + 1))}, 0.8))
        case 3:
            return net.add(
                "Unsqueeze",
                "x",
                number(net, sorted({int(n) for n in r.integers(-rank - 1, rank + 1, int(r.integers(1, 3)))})),
            )
        case 4:
            axis = pick(r, *range(-rank, rank))
            once = net.add("Unsqueeze", "x", number(net, [axis]))
            return net.add(
                "Squeeze",
                once,
                *([number(net, [pick(r, axis, axis, *range(-rank, rank))])] if r.random() < 0.8 else []),
            )
        case 5:
            parts = int(r.integers(1, 4))
            axis = int(r.integers(-rank, rank))
            length = (1, *net.shape)[axis]
            options = {"num_outputs": parts} if net.opset >= 18 and r.random() < 0.5 else {}
            cuts = (
                [] if options or r.random() < 0.3 else [number(net, [*([1] * (parts - 1)), max(length - parts + 1, 1)])]
            )
            made = net.add("Split", "x", *cuts, outputs=parts, **options, **some(r, {"axis": axis}, 0.9))
            return made if isinstance(made, str) else pick(r, *made)
        case _:
            return net.add(pick(r, "Identity", "Dropout"), "x")


def take(net, r):
    rank = len(net.shape) + 1
    match int(r.integers(4)):
        case 0:
            axis = int(r.integers(-rank, rank))
            length = (1, *net.shape)[axis]
            indices = pick(
                r, int(r.integers(-length, length)), ints(r, 2, -length, length - 1), [ints(r, 2, 0, length - 1)]
            )
            return net.add("Gather", "x", number(net, indices), **some(r, {"axis": axis}, 0.9))
        case 1:
            count = int(r.integers(1, rank))
            axes = [int(a) for a in r.choice(np.arange(rank), count, replace=False)]
            axes = [a - rank if r.random() < 0.3 else a for a in axes]
            parts = [ints(r, count, -4, 3), ints(r, count, -5, 6)]
            rest = [axes] + ([[pick(r, 1, 1, 2, -1, -2) for _ in axes]] if r.random() < 0.7 else [])
            return net.add("Slice", "x", *(number(net, part) for part in (*parts, *rest)))
        case 2:
            widths = [
                0 if k % rank == 0 and r.random() < 0.9 else int(r.integers(-1 if r.random() < 0.2 else 0, 3))
                for k in range(2 * rank)
            ]
            value = [] if r.random() < 0.5 else [number(net, np.float32(pick(r, 0, 0, 1)), "float32")]
            return net.add(
                "Pad",
                "x",
                number(net, widths),
                *value,
                **some(r, {"mode": pick(r, "constant", "constant", "reflect", "edge")}),
            )
        case _:
            factors = [1.0, *(float(pick(r, 1, 2, 3, 0.5, 1.5)) for _ in net.shape)]
            options = some(r, {
                "mode": pick(r, "nearest", "nearest", "nearest", "linear"),
                "nearest_mode": pick(r, "floor", "ceil", "round_prefer_floor", "round_prefer_ceil"),
                "coordinate_transformation_mode": pick(r, "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"),
            })  # fmt: skip
            return net.add("Resize", "x", "", np.float32(factors), **options)


def combine(net, r):
    shape = list(net.shape)
    match int(r.integers(6)):
        case 0:
            other = [n if r.random() < 0.6 else 1 for n in pick(r, shape, [1, *shape], shape[1:] or [1], [])]
            both = ["x", small(net, *other)]
            kind = pick(r, "Add", "Sub", "Mul", "Div", "Max", "Min")
            if kind == "Div":
                both = ["x", net.constant(np.exp2(r.integers(-2, 3, other)).astype("float32"))]
            return net.add(kind, *(both[::-1] if r.random() < 0.4 else both))
        case 1:
            count = int(r.integers(1, 4))
            axis = int(r.integers(-len(shape) - 1, len(shape) + 1))
            return net.add("Concat", *["x"] * count, axis=axis)
        case 2:
            slope = pick(r, shape, [shape[0], *[1] * (len(shape) - 1)], [1], shape[-1:])
            return net.add("PRelu", "x", small(net, *slope))
        case 3:
            ends = [
                number(net, np.float32(v), "float32") if v is not None else ""
                for v in pick(r, (-1, 1), (None, 0.5), (0, None), (1, -1), (-0.25,))
            ]
            return net.add("Clip", "x", *ends)
        case 4:
            other = net.add(pick(r, "Relu", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round"), "x")
            return net.add(pick(r, "Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean"), "x", other)
        case _:
            numbers = [net.constant((r.integers(1, 5, shape[0]) / 2).astype("float32")) for _ in range(4)]
            return net.add("BatchNormalization", "x", *numbers, **some(r, {"epsilon": 1e-3, "momentum": 0.5}))


def product(net, r):
    last = net.shape[-1]
    if len(net.shape) == 1 and r.random() < 0.7:
        turned, width = int(r.integers(2)), int(r.integers(1, 4))
        bias = [small(net, *pick(r, (width,), (1, width), (1,), (1, 1), ()))] if r.random() < 0.6 else []
        options = some(r, {"transA": pick(r, 0, 0, 0, 1), "alpha": pick(r, 1.0, 0.5), "beta": pick(r, 1.0, 2.0)})
        return net.add(
            "Gemm", "x", small(net, *((width, last) if turned else (last, width))), *bias, transB=turned, **options
        )
    if r.random() < 0.3 and len(net.shape) > 1:
        return net.add("MatMul", small(net, 2, net.shape[-2]), "x")
    lead = [net.shape[0]] if len(net.shape) > 2 and r.random() < 0.2 else []
    return net.add("MatMul", "x", small(net, *lead, last, int(r.integers(1, 4))))


KINDS = (conv, conv, pool, pool, reduce, move, move, take, take, combine, combine, product)


def case(seed):
    """The file, the shape of its input, and the operators in it."""
    r = np.random.default_rng([seed, 17])
    build = pick(r, *KINDS)
    rank = pick(r, 2, 3) if build in (conv, pool) else pick(r, 1, 1, 2, 3)
    net = Net(tuple(ints(r, rank, 2, 5)), seed, opset=int(r.integers(13, 23)))
    made = build(net, r)
    return net.finish(made), net.shape, build.__name__


def run(data, shape, events):
    """What onnxruntime makes of the events."""
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    made = [session.run(None, {"x": event.reshape(1, *shape)})[0] for event in events]
    return np.stack([one.ravel() for one in made]).astype(np.float64)


def outcome(seed, folder):
    """What became of a case: ``equal``, ``ideal``, ``refused``, or what is wrong with it."""
    data, shape, kind = case(seed)
    path = Path(folder) / "net.onnx"
    path.write_bytes(data)
    try:
        graph = read_qonnx(path, "net", Settings(input_precision=PORT))
    except BittriggerError as error:
        return kind, "refused", str(error)
    codes = random_codes(graph, EVENTS, seed)
    try:
        wanted = run(data, shape, decode(codes, graph.inputs[0].frac).astype(np.float32))
    except Exception as error:  # noqa: BLE001 - whatever onnxruntime raises
        return kind, "INVALID", str(error)[:300]
    frac = graph[graph.outputs[0]].frac
    found = decode(evaluate(graph, codes), frac)
    if found.shape != wanted.shape:
        return kind, "SHAPE", f"{found.shape} {wanted.shape}"
    if graph.basis.grade is Grade.EXACT:
        return kind, "equal" if np.array_equal(found, wanted) else "WRONG", f"{found[:1]} {wanted[:1]}"
    rounded = graph.basis.rounded[0] if graph.basis.rounded else None
    if rounded is not None:
        wanted = decode(encode(wanted, rounded), rounded.frac)
    near = np.abs(found - wanted).max() <= 2.0**-frac and (found != wanted).mean() < 0.05
    return kind, "ideal" if near else "FAR", f"{np.abs(found - wanted).max()}"


def main():
    first, count = (int(value) for value in sys.argv[1:3])
    logging.disable(logging.WARNING)
    tally = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            kind, what, told = outcome(seed, folder)
            tally[kind, what] += 1
            if what.isupper() or (len(sys.argv) > 3 and what == sys.argv[3]):
                sys.stdout.write(f"{seed} {kind} {what}: {told[:240]}\n")
    for key, number_of in sorted(tally.items()):
        sys.stdout.write(f"{key}: {number_of}\n")


if __name__ == "__main__":
    main()
