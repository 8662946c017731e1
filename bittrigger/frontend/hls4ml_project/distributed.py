"""Layers that hls4ml wrote as adders (``Strategy=distributed_arithmetic``): read back as the matrix that the adders compute.

Every intermediate variable is followed as an exact linear form of the inputs, and must hold it without rounding or overflow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.hls4ml_project.hls_types import HlsType, code_of, parse_type
from bittrigger.frontend.hls4ml_project.project import Call, functions, plain, split
from bittrigger.frontend.hls4ml_project.source import listed, preprocessed, read_text, tokens
from bittrigger.frontend.hls4ml_project.walk import MAX_WIDE, Walk
from bittrigger.ir.fixed import IntArray, Interval
from bittrigger.ir.graph import Linear, frozen_array

FUNCTION = re.compile(r"dense_da_\w+")

_GRID = 60
"""Fractional bits on which forms are held."""

MAX_STATEMENTS = 1 << 17
"""Most statements of a function."""

MAX_WORK = 1 << 27
"""Most statements of a function times its inputs."""


@dataclass(frozen=True, eq=False)
class _Form:
    """``(codes @ terms + constant) * 2**-_GRID``, in Python's integers."""

    terms: IntArray
    constant: int

    def scaled(self, places: int) -> _Form:
        """The form times ``2**places``."""
        if places >= 0:
            return _Form(self.terms << places, self.constant << places)
        if any(int(term) & ((1 << -places) - 1) for term in (*self.terms, self.constant)):
            raise ValueError("it leaves the grid")
        return _Form(self.terms >> -places, self.constant >> -places)


def dense(walk: Walk, call: Call) -> None:
    """A function ``dense_da_...``.

    Raises:
        UnsupportedModelError: if it is not there, or a statement of it is not known or not exact.
    """
    owner = walk.owner(call)
    walk.check_counts(call, (2,), (2,))
    source = walk.read(call.arguments[0], owner)
    spans = [span.interval for span in walk.builder.reach(source.node)]
    size = walk.project.variables[call.arguments[1]].size if call.arguments[1] in walk.project.variables else 0
    forms: dict[str, _Form] = {}
    outputs: dict[int, _Form] = {}
    name, result, body = _function(walk, call.function, owner)
    if len(spans) > MAX_WIDE or len(spans) * len(body) > MAX_WORK:
        raise UnsupportedModelError(
            f"{owner}: {len(body)} statements on {len(spans)} inputs; allowed are {MAX_WIDE} inputs, and {MAX_WORK} in all"
        )
    unit = 1 << (_GRID - source.type.frac) if source.type.frac <= _GRID else 0
    eye = np.eye(len(spans), dtype=object) * unit
    for index in range(len(spans)):
        forms[f"{name}[{index}]"] = _Form(eye[index], 0)
    for words in body:
        try:
            _read(words, forms, outputs, spans, result)
        except (ValueError, KeyError, IndexError) as error:
            text = plain(words)[:100]
            raise UnsupportedModelError(f"{owner}: statement {text!r} is not known or not exact: {error}") from error
    if sorted(outputs) != list(range(size)):
        raise UnsupportedModelError(f"{owner}: it writes {len(outputs)} outputs; expected {size}")
    node = _linear(walk, call.arguments[1], source.node, [outputs[index] for index in range(size)])
    kind = walk.project.type(call.parameters[1], owner)
    walk.write(call, call.arguments[1], walk.assign(call.arguments[1], node, kind), kind)


def _function(walk: Walk, wanted: str, owner: str) -> tuple[str, str, list[list[str]]]:
    """The names of its input and output arrays, and its statements."""
    home = walk.project.folder
    for path in (*listed(home, "*.h"), *listed(home / "nnet_utils", "nnet_code_gen*.h")):
        for name, arguments, body in functions(tokens(preprocessed(read_text(path), path.name)[0])):
            names = [part[part.index("[") - 1] for part in split(arguments, ",") if "[" in part]
            statements = split(body, ";")
            if name == wanted and len(names) == 2 and len(statements) <= MAX_STATEMENTS:
                return names[0], names[1], statements
    raise UnsupportedModelError(f"{owner}: no function of that name in nnet_utils/nnet_code_gen.h")


def _read(
    words: list[str], forms: dict[str, _Form], outputs: dict[int, _Form], spans: list[Interval], result: str
) -> None:
    """One statement: a variable with its type, or an output.

    Raises:
        ValueError, KeyError, IndexError: if it is none of these.
    """
    at = words.index("=")
    target, value = words[:at], words[at + 1 :]
    if target[0] == result:
        outputs[int(target[2])] = _sum(value, forms, spans)
        return
    form = _sum(value, forms, spans)
    _check_fits(form, parse_type(plain(target[:-1]), target[-1]), spans)
    forms[target[-1]] = form


def _sum(words: list[str], forms: dict[str, _Form], spans: list[Interval]) -> _Form:
    terms, constant = np.zeros(len(spans), dtype=object), 0
    for sign, term in _terms(words):
        form = _term(term, forms, len(spans))
        terms, constant = terms + sign * form.terms, constant + sign * form.constant
    return _Form(terms, constant)


def _terms(words: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The signed terms of a sum."""
    term: list[str] = []
    sign, depth = 1, 0
    for word in words:
        depth += (word in ("(", "[", "<")) - (word in (")", "]", ">"))
        if word in ("+", "-") and not depth:
            if term:
                yield sign, term
            elif word == "+":
                raise ValueError("a sign")
            sign, term = (-1 if word == "-" else 1), []
        else:
            term.append(word)
    yield sign, term


def _term(words: list[str], forms: dict[str, _Form], size: int) -> _Form:
    """A variable, ``bit_shift<n>(variable)``, or a constant of a type."""
    text = plain(words)
    if match := re.fullmatch(r"bit_shift<(-?\d{1,3})>\((\w+(?:\[\d+\])?)\)", text):
        return forms[match[2]].scaled(int(match[1]))
    if match := re.fullmatch(r"(ap_\w+<[\w,-]+>)\((-?[\d.e+-]+)\)", text):
        kind = parse_type(match[1], "constant")
        value = float(match[2])
        if Fraction(code_of(value, kind)) / Fraction(2) ** kind.frac != Fraction(value) or kind.frac > _GRID:
            raise ValueError(f"{value} is none of its type")
        return _Form(np.zeros(size, dtype=object), code_of(value, kind) << (_GRID - kind.frac))
    return forms[text]


def _check_fits(form: _Form, kind: HlsType, spans: list[Interval]) -> None:
    if kind.frac > _GRID:
        raise ValueError("its type is too fine")
    step = 1 << (_GRID - kind.frac)
    values = [int(term) for term in form.terms]
    if any(value % step for value in (*values, form.constant)):
        raise ValueError("its type rounds it")
    ends = [(value * span.lo, value * span.hi) for value, span in zip(values, spans, strict=True)]
    least = (form.constant + sum(min(pair) for pair in ends)) // step
    most = (form.constant + sum(max(pair) for pair in ends)) // step
    if least not in kind.fixed.interval or most not in kind.fixed.interval:
        raise ValueError("its type cannot hold it")


def _linear(walk: Walk, name: str, source: str, outputs: list[_Form]) -> str:
    """The node of the outputs, on the coarsest grid that holds them all."""
    numbers = [int(value) for form in outputs for value in (*form.terms, form.constant) if value]
    spare = min(((value & -value).bit_length() - 1 for value in numbers), default=_GRID)
    weights = np.array([[int(term) >> spare for term in form.terms] for form in outputs], dtype=np.int64).T
    bias = np.array([form.constant >> spare for form in outputs], dtype=np.int64)
    return walk.builder.add(Linear(name, (source,), frozen_array(weights), frozen_array(bias), _GRID - spare))
