"""Quantisers that hls4ml wrote as code of their own: each element assigned to a type of its own (HGQ and HGQ2 models)."""

from __future__ import annotations

import re

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.hls4ml_project.hls_types import HlsType, parse_type
from bittrigger.frontend.hls4ml_project.project import Call, functions, plain, split
from bittrigger.frontend.hls4ml_project.source import listed, preprocessed, read_text, tokens
from bittrigger.frontend.hls4ml_project.walk import Walk
from bittrigger.ir.nodes.wire import ZERO

_STATEMENT = re.compile(r"(\w+)\[(\d+)\]=(?:(ap_[\w<>,-]+)\((\w+)\[(\d+)\]\)|0(?:\.0*)?)")


def is_written_out(walk: Walk, call: Call) -> bool:
    """Whether the project has a function of that name in its generated code."""
    return _body(walk, call.function) is not None


def cast_each(walk: Walk, call: Call) -> None:
    """A function whose statements are ``out[i] = type(inp[j])``, or ``out[i] = 0``.

    Raises:
        UnsupportedModelError: if it holds another statement, or leaves an element out.
    """
    owner = walk.owner(call)
    walk.check_counts(call, (2,), (2,))
    source = walk.read(call.arguments[0], owner)
    result = walk.project.type(call.parameters[1], owner)
    size = walk.project.variables[call.arguments[1]].size if call.arguments[1] in walk.project.variables else 0
    groups: dict[HlsType, list[tuple[int, int]]] = {}
    written: list[int] = []
    for words in _body(walk, call.function) or []:
        match = _STATEMENT.fullmatch(plain(words))
        if match is None:
            raise UnsupportedModelError(
                f"{owner}: statement {plain(words)[:80]!r} is not known; allowed are casts of one element"
            )
        written.append(int(match[2]))
        if match[3] is not None:
            groups.setdefault(parse_type(match[3], owner), []).append((int(match[2]), int(match[5])))
    if sorted(written) != list(range(size)) or any(
        j >= walk.builder[source.node].size for g in groups.values() for _, j in g
    ):
        raise UnsupportedModelError(
            f"{owner}: it writes {len(written)} elements of {size}, or reads beyond its operand"
        )
    walk.write(call, call.arguments[1], _joined(walk, call.arguments[1], source.node, groups, result), result)


def _joined(walk: Walk, name: str, source: str, groups: dict[HlsType, list[tuple[int, int]]], result: HlsType) -> str:
    size = walk.project.variables[name].size
    parts: list[str] = []
    places = np.full(size, ZERO, dtype=np.int64)
    start = 0
    for kind, pairs in groups.items():
        outputs, inputs = np.array(pairs).T
        picked = walk.builder.wire(f"{name}_part", (source,), inputs)
        part = walk.assign(name, walk.assign(name, picked, kind), result)
        parts.append(part if part not in parts else walk.copy(part))
        places[outputs] = start + np.arange(len(outputs))
        start += len(outputs)
    return walk.builder.wire(name, parts, places)


def _body(walk: Walk, wanted: str) -> list[list[str]] | None:
    for path in listed(walk.project.folder / "nnet_utils", "nnet_code_gen*.h"):
        for name, _, body in functions(tokens(preprocessed(read_text(path), path.name)[0])):
            if name == wanted:
                return split(body, ";")
    return None
