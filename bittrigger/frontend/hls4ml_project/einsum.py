"""Transpositions, and ``einsum_dense``: a dense layer along some axes, at every position of the others."""

from __future__ import annotations

import math

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.hls4ml_project.accumulate import accumulated, products_on_grid
from bittrigger.frontend.hls4ml_project.hls_types import convert_codes
from bittrigger.frontend.hls4ml_project.kernels import MAX_ELEMENTS
from bittrigger.frontend.hls4ml_project.project import Call, Config
from bittrigger.frontend.hls4ml_project.walk import Signal, Walk
from bittrigger.ir.fixed import IntArray

MAX_AXES = 16


def transpose(walk: Walk, call: Call) -> None:
    """``nnet::transpose``: elements in another order."""
    walk.check_counts(call, (3,), (2,))
    owner = walk.owner(call)
    source = walk.read(call.arguments[0], owner)
    places = _places(walk, owner, call.parameters[2], walk.builder[source.node].size)
    kind = walk.project.type(call.parameters[1], owner)
    name = call.arguments[1]
    wired = walk.builder.wire(name, (source.node,), places)
    walk.write(call, name, walk.assign(name, wired, kind), kind)


def einsum_dense(walk: Walk, call: Call) -> None:
    """``nnet::einsum_dense`` with the strategy latency: codes brought in order, dense layers, and results in another order."""
    owner = walk.owner(call)
    if len(call.arguments) == 3:
        raise UnsupportedModelError(
            f"{owner}: strategy distributed_arithmetic; allowed is latency; convert with Strategy latency"
        )
    walk.check_counts(call, (3,), (4,))
    config = walk.config(call.parameters[2], owner)
    inner = walk.config(config.values.get("dense_conf", ""), owner)
    sizes = [walk.number(config, key) for key in ("n_free_data", "n_free_kernel", "n_contract", "n_inplace")]
    data, columns, rows, same = sizes
    if min(sizes) < 1 or math.prod(sizes) > MAX_ELEMENTS:
        raise UnsupportedModelError(f"{owner}: sizes {sizes}; allowed are 1 to {MAX_ELEMENTS} products")
    source = walk.read(call.arguments[0], owner)
    if walk.builder[source.node].size != data * rows * same:
        raise UnsupportedModelError(
            f"{owner}: it reads {walk.builder[source.node].size} elements; expected {data * rows * same}"
        )
    name = call.arguments[1]
    order = _places(walk, owner, config.values.get("tpose_inp_conf", ""), data * rows * same)
    weights, biases = (
        walk.constants(argument, walk.type_of(inner, kind), count, owner).reshape(same, -1)
        for argument, kind, count in (
            (call.arguments[2], "weight_t", columns * rows * same),
            (call.arguments[3], "bias_t", data * columns * same),
        )
    )
    parts = []
    for taken, matrix, bias in zip(order.reshape(same, data, rows), weights, biases, strict=True):
        gathered = walk.builder.wire(f"{name}_operand", (source.node,), taken)
        kernels = matrix.reshape(rows, columns), bias.reshape(data, columns)
        parts.append(_dense(walk, call, inner, Signal(gathered, source.type), kernels))
    kind = walk.project.type(call.parameters[1], owner)
    joined = walk.builder.joined(f"{name}_results", parts)
    back = _places(walk, owner, config.values.get("tpose_out_conf", ""), data * columns * same)
    walk.write(call, name, walk.builder.wire(name, (joined,), back), kind)


def _dense(walk: Walk, call: Call, config: Config, source: Signal, kernels: tuple[IntArray, IntArray]) -> str:
    """One matrix at several positions, and a bias at each of them, `(positions, columns)`; one copy where it is the same."""
    matrix, biases = kernels
    owner, name = walk.owner(call), f"{call.arguments[1]}_sums"
    weight, accumulator = walk.type_of(config, "weight_t"), walk.type_of(config, "accum_t")
    bias_type = walk.type_of(config, "bias_t")
    if config.values.get("product", "mult") != "mult" or config.values.get("strategy", "latency") != "latency":
        raise UnsupportedModelError(f"{owner}: another product or strategy; allowed are mult and latency")
    copies = len(biases)
    if (biases != biases[0]).any():
        if matrix.size * copies**2 > MAX_ELEMENTS:
            raise UnsupportedModelError(
                f"{owner}: a bias of its own at each of {copies} positions; allowed is one for all"
            )
        matrix, biases, copies = np.kron(np.eye(copies, dtype=np.int64), matrix), biases.reshape(1, -1), 1
    bias = convert_codes(biases[0], bias_type.frac, accumulator)
    terms = products_on_grid(walk, name, source, matrix, weight.frac, accumulator, copies)
    return walk.assign(
        name, accumulated(walk, name, terms, bias, accumulator), walk.project.type(call.parameters[1], owner)
    )


def _places(walk: Walk, owner: str, name: str, size: int) -> IntArray:
    """For each element of a transposed array the number of the one that it is."""
    config = walk.config(name, owner)
    shape, strides = (_numbers(walk, owner, f"{config.name}_{what}") for what in ("to_shape", "perm_strides"))
    if (
        len(shape) != len(strides)
        or math.prod(shape) != size
        or min(shape, default=1) < 1
        or min(strides, default=0) < 0
    ):
        raise UnsupportedModelError(f"{owner}: {name} has a shape of {math.prod(shape)} elements; expected {size}")
    places = np.zeros(shape, dtype=np.int64)
    for axis, (count, stride) in enumerate(zip(shape, strides, strict=True)):
        places += (np.arange(count) * stride).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    if places.max(initial=0) >= size:
        raise UnsupportedModelError(f"{owner}: {name} reads element {places.max()} of {size}")
    return places.ravel()


def _numbers(walk: Walk, owner: str, name: str) -> list[int]:
    """A small array of whole numbers."""
    found = walk.project.weights.get(name)
    if (
        found is None
        or not 0 < len(found) <= MAX_AXES
        or not all(text.isdecimal() and len(text) < 10 for text in found)
    ):
        raise UnsupportedModelError(f"{owner}: parameters.h has no array {name!r} of up to {MAX_AXES} whole numbers")
    return [int(text) for text in found]
