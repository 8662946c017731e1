"""Sums of products of two tensors, by the letters of an equation, as a product of matrices between transpositions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bittrigger.frontend.keras_file.hgq_2.layers import several
from bittrigger.frontend.keras_file.hgq_2.net import Net, Tensor, operator
from bittrigger.frontend.keras_file.hgq_2.parts import Part, Stage

Json = Any
Sizes = tuple[int, ...]
"""Of a tensor, without the batch."""


def einsum(part: Part) -> list[Json]:
    """A QEinsum."""
    net = Net(part)
    given, shapes = net.given(at_least=2), part.input_shape
    fronts = several(part) if part.config.get("enable_iq") else []
    part.own(0)
    if len(given) != 2 or len(shapes) != 2 or len(fronts) not in (0, 2):
        raise part.refused(f"QEinsum of {len(given)} tensors", "allowed are two; use one QEinsum after the other")
    read = [net.add(front, tensor) for front, tensor in zip(fronts, given, strict=True)] if fronts else given
    if part.config.get("enable_oq"):
        raise part.refused("QEinsum with enable_oq=True, which HGQ2 cannot build", "allowed is False; build it so")
    product(net, str(part.config.get("equation")), (read[0], read[1]), [sizes(shape) for shape in shapes])
    return net.finished()


def sizes(shape: Json) -> Sizes:
    """The sizes of a tensor, without the batch.

    Raises:
        ValueError: if one is open.
    """
    if not isinstance(shape, list) or len(shape) < 2 or not all(type(n) is int and n > 0 for n in shape[1:]):
        raise ValueError(f"a tensor has the shape {str(shape)[:60]}")
    return tuple(shape[1:])


def product(net: Net, equation: str, read: tuple[Tensor, Tensor], shapes: Sequence[Sizes]) -> Tensor:
    """The tensor that ``equation`` makes of two, of ``shapes``.

    Raises:
        ValueError: if a letter stands where it cannot.
    """
    given, _, result = equation.replace(" ", "").partition("->")
    left, _, right = given.partition(",")
    size = _letters((left, right), result, shapes)
    both = [letter for letter in left[1:] if letter in right and letter in result]
    summed = [letter for letter in left[1:] if letter in right and letter not in result]
    own = [[letter for letter in term[1:] if letter in result and letter not in both] for term in (left, right)]
    factors = []
    for tensor, term, groups in ((read[0], left, (both, own[0], summed)), (read[1], right, (both, summed, own[1]))):
        order = [letter for group in groups for letter in group]
        alone = [letter for letter in term[1:] if letter not in order]
        made, letters = tensor, term[1:]
        if alone:
            made = net.add(
                operator("math.reduce_sum", axis=[term.index(letter) for letter in alone], keepdims=False), made
            )
            letters = "".join(letter for letter in letters if letter in order)
        made = net.chain(made, *_moved(letters, order))
        factors.append(net.add(_reshaped([math.prod(size[letter] for letter in group) for group in groups]), made))
    made = net.add(operator("linalg.matmul"), *factors, named="b")
    order = both + own[0] + own[1]
    made = net.add(_reshaped([size[letter] for letter in order] or [1]), made)
    return net.chain(made, *_moved("".join(order), list(result[1:])))


def _letters(terms: tuple[str, str], result: str, shapes: Sequence[Sizes]) -> dict[str, int]:
    """The size of each letter; the first of all is the batch."""
    size: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        if not term.isalpha() or len(set(term)) != len(term) or len(term) != len(shape) + 1:
            raise ValueError(f"a tensor of the shape {shape} is {term[:20]!r} in the equation")
        for letter, count in zip(term[1:], shape, strict=True):
            if size.setdefault(letter, count) != count:
                raise ValueError(f"{letter!r} stands for {size[letter]} and for {count}")
    batch = terms[0][0]
    known = set(size) if batch not in size else set()
    if (
        len({batch, terms[1][0], result[:1]}) != 1
        or not set() < set(result[1:]) <= known
        or len(set(result)) != len(result)
    ):
        raise ValueError(
            f"the result is {result[:20]!r} of {terms[0][:20]!r} and {terms[1][:20]!r}; the first letter is the batch"
        )
    return size


def _moved(letters: str, order: list[str]) -> list[Stage]:
    """A transposition from one order of letters to another, where they differ."""
    if list(letters) == order:
        return []
    return [operator("transpose", perm=[0, *(1 + letters.index(letter) for letter in order)])]


def _reshaped(shape: list[int]) -> Stage:
    return ("Reshape", {"target_shape": shape}, [])
