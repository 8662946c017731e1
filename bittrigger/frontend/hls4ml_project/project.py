"""What a project says: types, sizes, weights, and the calls of its top function in order."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.hls4ml_project.hls_types import HlsType, parse_type
from bittrigger.frontend.hls4ml_project.source import listed, preprocessed, read_text, tokens

MAX_SIZE = 1 << 20
"""Most elements of an array."""

MAX_STEPS = 2000
"""Most names and numbers of which an expression consists, those that its names stand for included."""

MAX_NUMBER = 1 << 30
"""Largest size or number of a layer."""

_ARRAY = re.compile(r"\b(\w++)\s*+\[[^\]\n]{0,400}\]\s*=\s*\{([^{}]*)\}")  # no position is looked at twice
_CLOSING = {"(": ")", "{": "}", "[": "]", "<": ">"}


@dataclass(frozen=True)
class Config:
    """A ``struct`` of ``parameters.h``: its constants, types and functions, as text without spaces."""

    name: str
    kind: str
    values: dict[str, str]


@dataclass(frozen=True)
class Variable:
    """An array of the top function; ``spelled`` is its type in C++."""

    name: str
    type: HlsType
    size: int
    spelled: str


@dataclass(frozen=True)
class Call:
    """``nnet::function<parameters>(arguments)``."""

    function: str
    parameters: tuple[str, ...]
    arguments: tuple[str, ...]


@dataclass
class Project:
    """A project, parsed.

    Attributes:
        folder: where ``defines.h`` lies.
        name: of the top function.
        source: the file that defines it.
        ports: its arguments, in order; those that no call writes are inputs.
        variables: the arrays that hold values between calls.
        calls: in order.
        aliases: names that stand for another array.
        weights: number literals of each constant array.
    """

    folder: Path
    name: str = ""
    source: Path = Path()
    types: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    configs: dict[str, Config] = field(default_factory=dict)
    weights: dict[str, list[str]] = field(default_factory=dict)
    ports: list[Variable] = field(default_factory=list)
    variables: dict[str, Variable] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def type(self, name: str, owner: str) -> HlsType:
        """The type of that name, or that is spelled so.

        Raises:
            UnsupportedModelError: if there is none.
        """
        return parse_type(self.spelled(name), owner)

    def spelled(self, name: str) -> str:
        """What a name of a type stands for."""
        for _ in range(10):
            if name not in self.types:
                break
            name = self.types[name]
        return name

    def number(self, text: str, owner: str, local: dict[str, str] | None = None) -> int:
        """The value of an integer expression of names, products and sums.

        Raises:
            UnsupportedModelError: if it is another expression, or too large.
        """
        value = self._value(text, local or {}, 0, iter(range(MAX_STEPS)))
        if value is None or abs(value) > MAX_NUMBER:
            raise UnsupportedModelError(
                f"hls4ml project: {owner}: {text[:80]!r} is no number; allowed are names, products and sums of integers"
            )
        return value

    def _value(self, text: str, local: dict[str, str], depth: int, room: Iterator[int]) -> int | None:
        text = text.strip().lstrip("(").rstrip(")") if text.count("(") == text.count(")") <= 1 else text
        if depth > 10 or len(text) > 400 or next(room, None) is None:
            return None
        for sign, combine in (("+", sum), ("*", math.prod)):
            if sign in text:
                parts = [self._value(part, local, depth + 1, room) for part in text.split(sign)]
                return None if None in parts else int(combine(part for part in parts if part is not None))
        if re.fullmatch(r"-?\d{1,12}[uUlL]*", text):
            return int(text.rstrip("uUlL"))
        known = local.get(text) or self.constants.get(text)
        return {"true": 1, "false": 0}.get(text) if known is None else self._value(known, local, depth + 1, room)


def read_project(folder: Path, top: str | None = None) -> Project:
    """The project in ``folder``, which holds ``firmware/`` or its files themselves.

    Args:
        top: name of the top function; by default the only one that calls ``nnet``.

    Raises:
        UnsupportedModelError: if it is no project of hls4ml, or something in it is not known.
    """
    home = folder / "firmware" if (folder / "firmware").is_dir() else folder
    headers = [home / "defines.h", home / "parameters.h"]
    missing = [path.name for path in headers if not path.is_file()]
    if missing:
        raise UnsupportedModelError(
            f"hls4ml project: {folder} holds no {missing[0]}; expected a folder that hls4ml has written, or its firmware/ with "
            "defines.h, parameters.h, weights and the .cpp of the top function"
        )
    project = Project(home)
    try:
        for header in headers:
            _read_header(project, header)
        for path in [headers[1], *listed(home, "*weights*.h"), *listed(home / "weights", "*.h")]:
            _read_arrays(project, path)
        _read_top(project, top)
    except (ValueError, LookupError, RecursionError) as error:
        raise UnsupportedModelError(
            f"hls4ml project: {folder}: it is damaged, or not as hls4ml writes it ({str(error)[:200]}); copy it again"
        ) from error
    return project


def plain(words: list[str]) -> str:
    """Tokens as text without spaces and namespaces."""
    kept: list[str] = []
    for word in words:
        if word == "::" and kept:
            kept.pop()
        elif word != "::":
            kept.append(word)
    return "".join(kept)


def _read_header(project: Project, path: Path) -> None:
    text, names = preprocessed(read_text(path), path.name)
    project.constants |= names
    words = tokens(text)
    at = 0
    while at < len(words):
        if words[at] == "struct" and "{" in words[at : at + 12]:
            at = _read_struct(project, words, at)
        elif words[at] in ("typedef", "static", "constexpr", "const"):
            end = _next(words, ";", at, path.name)
            _note(words[at:end], project.types, project.constants)
            at = end
        else:
            at += 1


def _read_struct(project: Project, words: list[str], at: int) -> int:
    opening = words.index("{", at)
    closing = matching(words, opening)
    values: dict[str, str] = {}
    start = opening + 1
    while start < closing:
        end = _next(words, ";", start, words[at + 1])
        if start < end:
            _note(words[start:end], values, values)
        start = end + 1
    name = words[at + 1]
    project.configs[name] = Config(name, words[opening - 1], values)
    return closing


def _note(words: list[str], types: dict[str, str], constants: dict[str, str]) -> None:
    """A typedef, a constant, or a template alias."""
    if words[0] == "typedef" and len(words) > 2:
        types[words[-1]] = plain(words[1:-1])
    elif words[0] == "template" and "using" in words[:-1]:
        at = words.index("using")
        constants[words[at + 1]] = plain(words[at + 3 :]).split("<")[0]
    elif "=" in words[1:]:
        at = words.index("=")
        constants[words[at - 1]] = plain(words[at + 1 :])


def _next(words: list[str], sign: str, at: int, where: str) -> int:
    try:
        return words.index(sign, at)
    except ValueError as error:
        raise UnsupportedModelError(f"hls4ml project: {where}: it is cut off; copy it again") from error


def matching(words: list[str], opening: int) -> int:
    """The place of the bracket that closes the one at ``opening``.

    Raises:
        UnsupportedModelError: if there is none.
    """
    depth, this = 0, words[opening]
    if this not in _CLOSING:
        raise UnsupportedModelError(
            f"hls4ml project: {this[:80]!r} stands where a bracket opens; copy the project again"
        )
    for at in range(opening, len(words)):
        depth += (words[at] == this) - (words[at] == _CLOSING[this])
        if not depth:
            return at
    raise UnsupportedModelError(f"hls4ml project: a {this!r} is not closed; copy the project again")


def _read_arrays(project: Project, path: Path) -> None:
    text, _ = preprocessed(read_text(path), path.name)
    for match in _ARRAY.finditer(text):
        project.weights[match[1]] = [item.strip() for item in match[2].split(",") if item.strip()]


def _read_top(project: Project, wanted: str | None) -> None:
    found: dict[str, tuple[Path, list[str], list[str]]] = {}
    for path in listed(project.folder, "*.cpp"):
        words = tokens(preprocessed(read_text(path), path.name)[0])
        for name, arguments, body in functions(words):
            if any(pair == ("nnet", "::") or pair[0].startswith("dense_da_") for pair in itertools.pairwise(body)):
                found[name] = (path, arguments, body)
    if (wanted is None and len(found) != 1) or (wanted is not None and wanted not in found):
        raise UnsupportedModelError(
            f"hls4ml project: {project.folder} has {'no function ' + repr(wanted) if wanted else str(len(found)) + ' functions'} "
            f"that calls nnet ({', '.join(sorted(found)[:8]) or 'none'}); expected one; name it with --top"
        )
    project.name = wanted or next(iter(found))
    project.source, arguments, body = found[project.name]
    for item in split(arguments, ","):
        if "[" in item:
            variable = _variable(project, item)
            project.ports.append(variable)
            project.variables[variable.name] = variable
    for statement in split(body, ";"):
        _read_statement(project, statement)


def functions(words: list[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Name, arguments and body of each ``void`` function."""
    at = 0
    while at < len(words) - 3:
        if words[at] != "void" or "(" not in words[at + 1 : at + 6]:
            at += 1
            continue
        opening = words.index("(", at)
        closing = matching(words, opening)
        at = closing + 1
        if words[closing + 1 : closing + 2] == ["{"]:
            end = matching(words, closing + 1)
            yield words[opening - 1], words[opening + 1 : closing], words[closing + 2 : end]
            at = end


def split(words: list[str], sign: str, brackets: tuple[str, str] = ("([{", ")]}")) -> list[list[str]]:
    """The parts between the signs that stand in no bracket; empty parts are left out."""
    parts: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += (word in brackets[0]) - (word in brackets[1]) if len(word) == 1 else 0
        if word == sign and not depth:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def _variable(project: Project, words: list[str]) -> Variable:
    """``type name[size]``."""
    at = words.index("[")
    name = words[at - 1]
    size = project.number(plain(words[at + 1 : matching(words, at)]), f"array {name!r}")
    if not 0 < size <= MAX_SIZE or matching(words, at) != len(words) - 1:
        raise UnsupportedModelError(
            f"hls4ml project: array {name!r} of {size} elements; allowed are 1 to {MAX_SIZE}, in one dimension"
        )
    kind = plain(words[: at - 1])
    return Variable(name, project.type(kind, f"array {name!r}"), size, project.spelled(kind))


def _read_statement(project: Project, words: list[str]) -> None:
    text = " ".join(words)
    if words[1:2] == ["::"] and len(words) > 2 and (words[0] == "nnet" or words[2].startswith("dense_da_")):
        project.calls.append(_call(words, text))
    elif words[:2] == ["auto", "&"] and words[3:4] == ["="] and len(words) == 5:
        project.aliases[words[2]] = words[4]
    elif words[-1] == "]" and "=" not in words and "[" in words and "(" not in words:
        variable = _variable(project, words)
        project.variables[variable.name] = variable
    elif not (words[0].startswith("const_size_") or words[0] == "using"):
        raise UnsupportedModelError(
            f"hls4ml project: function {project.name!r}: statement {text[:120]!r} is not known; allowed are arrays and calls of "
            "nnet, as hls4ml writes them"
        )


def _call(words: list[str], text: str) -> Call:
    opening = words.index("(") if "(" in words else len(words) - 1
    closing = matching(words, opening)
    inside = words[3:opening]
    if closing != len(words) - 1 or (inside and (inside[0], inside[-1]) != ("<", ">")):
        raise UnsupportedModelError(f"hls4ml project: call {text[:120]!r} is not known")
    parameters = [plain(part) for part in split(inside[1:-1], ",", ("([{<", ")]}>"))]
    arguments = [plain(part) for part in split(words[opening + 1 : closing], ",")]
    return Call(words[2], tuple(parameters), tuple(arguments))
