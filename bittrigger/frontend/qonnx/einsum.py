"""Einsum of two factors: axes are put in order, and the rest is a matrix on the last axis or a product of two tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from bittrigger.frontend.qonnx import linear, positions
from bittrigger.frontend.qonnx.constants import check_size
from bittrigger.frontend.qonnx.file import Array, OnnxNode, unused
from bittrigger.frontend.qonnx.tensors import Constant, Tensor, Value, Walk, refused

_ALLOWED = (
    "allowed are two factors and a result, each letter once in each of them, the batch in front of values of the event"
)


@dataclass(frozen=True)
class _Letters:
    """What each axis is, the batch left out.

    Attributes:
        kept: in both factors and the result.
        summed: in both factors alone.
        left: in the first factor and the result.
        right: in the second factor and the result.
    """

    kept: str
    summed: str
    left: str
    right: str


def einsum(walk: Walk, node: OnnxNode) -> Tensor:
    """An Einsum of a tensor and a constant, or of two tensors."""
    values = [walk.values[name] for name in node.inputs]
    terms, result = spelled(node, [_rank(value) for value in values])
    if isinstance(values[0], Constant):
        values, terms = values[::-1], terms[::-1]
    first, second = values
    if not isinstance(first, Tensor):
        raise refused(node, "it reads constants alone", _ALLOWED)
    batch = terms[0][0]
    both = isinstance(second, Tensor)
    if result[:1] != batch or (terms[1][:1] == batch) is not both or batch in terms[1][both:]:
        raise refused(node, "the batch is not in front of values of the event, or of the result", _ALLOWED)
    letters = _letters(node, terms[0][1:], terms[1][both:], result[1:])
    sizes = dict(zip(terms[0][1:], first.shape, strict=True))
    own = second.shape if isinstance(second, Tensor) else second.values.shape if isinstance(second, Constant) else ()
    for letter, size in zip(terms[1][both:], own, strict=True):
        if sizes.setdefault(letter, size) != size:
            raise refused(node, f"{letter!r} has {sizes[letter]} and {size} values", "allowed are factors that fit")
    if isinstance(second, Tensor):
        made = _of_tensors(walk, node, first, second, (terms, letters, sizes))
        order = letters.kept + letters.left + letters.right
    elif isinstance(second, Constant):
        made = _with_matrix(walk, node, first, second, (terms, letters, sizes))
        order = letters.left + letters.kept + letters.right
    else:
        raise refused(node, "it reads integers of a QuantizeLinear", "allowed is a DequantizeLinear before it")
    made = _reshaped(walk, node, made, [sizes[letter] for letter in order])
    return linear.relabelled(made, tuple(order.index(letter) for letter in result[1:]))


def spelled(node: OnnxNode, ranks: list[int]) -> tuple[list[str], str]:
    """The letters of each factor and of the result, with capitals of their own in the place of an ellipsis.

    Args:
        ranks: how many axes each factor has, batch included.
    """
    equation = str(node.attributes.get("equation", "")).replace(" ", "")
    factors, arrow, result = equation.partition("->")
    terms = factors.split(",")
    if not arrow or len(terms) != len(ranks) or len(equation) > 200:
        raise refused(node, f"its equation is {equation[:60]!r}", _ALLOWED)
    hidden = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    more = max((n for n, term in zip(hidden, terms, strict=True) if "..." in term), default=0)
    names = "".join(sorted(set("ABCDEFGHIJKLMNOPQRSTUVWXYZ") - set(equation)))[: max(more, 0)]
    found = [
        term.replace("...", names[len(names) - n :] if n > 0 else "") for term, n in zip(terms, hidden, strict=True)
    ]
    result = result.replace("...", names)
    alone = all(len(set(term)) == len(term) and term.isalpha() for term in (*found, result))
    if not alone or any(len(term) != rank for term, rank in zip(found, ranks, strict=True)):
        raise refused(node, f"its equation is {equation[:60]!r}", _ALLOWED)
    return found, result


def _rank(value: Value) -> int:
    match value:
        case Tensor():
            return len(value.shape) + 1
        case Constant():
            return value.values.ndim
        case _:
            return -1


def _letters(node: OnnxNode, first: str, second: str, result: str) -> _Letters:
    shared = [letter for letter in first if letter in second]
    found = _Letters(
        "".join(letter for letter in shared if letter in result),
        "".join(letter for letter in shared if letter not in result),
        "".join(letter for letter in first if letter not in second),
        "".join(letter for letter in second if letter not in first),
    )
    if sorted(found.kept + found.left + found.right) != sorted(result):
        raise refused(node, "a letter stands in one factor alone, or in the result alone", _ALLOWED)
    return found


_Spelling = tuple[list[str], _Letters, dict[str, int]]


def _count(sizes: dict[str, int], letters: str) -> int:
    return math.prod(sizes[letter] for letter in letters)


def _with_matrix(walk: Walk, node: OnnxNode, source: Tensor, kernel: Constant, spelling: _Spelling) -> Tensor:
    """A matrix on the axes that are summed; where axes are kept, one for each place, side by side."""
    terms, letters, sizes = spelling
    own = terms[0][1:]
    order = letters.left + letters.kept + letters.summed
    source = linear.relabelled(source, tuple(own.index(letter) for letter in order))
    kept, summed, right = (_count(sizes, part) for part in (letters.kept, letters.summed, letters.right))
    source = _reshaped(walk, node, source, [*(sizes[letter] for letter in letters.left), kept * summed])
    check_size([kept, summed, kept, right])
    places = [terms[1].index(letter) for letter in letters.kept + letters.summed + letters.right]

    def matrix(values: Array, filling: float) -> Array:
        blocks = values.transpose(places).reshape(kept, summed, right)
        whole = np.full((kept, summed, kept, right), filling, dtype=values.dtype)
        whole[np.arange(kept), :, np.arange(kept)] = blocks
        return whole.reshape(kept * summed, kept * right)

    scale = None
    if kernel.scale is not None:  # where places do not meet, any scale will do
        scale = matrix(kernel.scale, 0)
        scale = np.where(scale == 0, scale.max(axis=0, keepdims=True), scale)
    return linear.dense(walk, node, source, Constant(matrix(kernel.values, 0), scale), None)


def _of_tensors(walk: Walk, node: OnnxNode, first: Tensor, second: Tensor, spelling: _Spelling) -> Tensor:
    """Matrices of two tensors, one for each place of the axes that are kept."""
    terms, letters, sizes = spelling
    kept, summed, left, right = (
        _count(sizes, part) for part in (letters.kept, letters.summed, letters.left, letters.right)
    )
    made: list[Value] = []
    for tensor, term, order, shape in (
        (first, terms[0][1:], letters.kept + letters.left + letters.summed, [kept, left, summed]),
        (second, terms[1][1:], letters.kept + letters.summed + letters.right, [kept, summed, right]),
    ):
        turned = linear.relabelled(tensor, tuple(term.index(letter) for letter in order))
        made.append(_reshaped(walk, node, turned, shape))
    names = [unused(f"{node.outputs[0]}#{k}", walk.values, walk.readers) for k in range(2)]
    walk.values |= dict(zip(names, made, strict=True))
    return positions.product(walk, replace(node, kind="MatMul", inputs=tuple(names)))


def _reshaped(walk: Walk, node: OnnxNode, tensor: Tensor, shape: list[int]) -> Tensor:
    """The same values in the order of their axes, counted otherwise."""
    if list(tensor.shape) == shape:
        return tensor
    tensor = walk.ordered(node, tensor)
    like = replace(tensor, shape=tuple(shape), order=tuple(range(len(shape))))
    return walk.made(node, "reshape", [tensor], like)


def computed(node: OnnxNode, x: Array, rest: list[Array]) -> Array:
    """An Einsum in floating point."""
    terms, result = spelled(node, [x.ndim, rest[0].ndim])
    return np.asarray(np.einsum(f"{','.join(terms)}->{result}", x, rest[0]))
