"""What can be broken: one token of a Python file or of a template, exchanged for its likeliest mistake."""

from __future__ import annotations

import ast
import io
import itertools
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OPERATORS = {
    "+": "-",
    "-": "+",
    "*": "+",
    "//": "*",
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "==": "!=",
    "!=": "==",
    "<<": ">>",
    ">>": "<<",
    "&": "|",
    "|": "&",
    "^": "|",
}
STRINGS = (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
"""Kinds of tokens that hold text; from Python 3.12 on an f-string is several."""

WORDS = {
    "and": "or",
    "or": "and",
    "not": "",
    "True": "False",
    "False": "True",
    "min": "max",
    "max": "min",
    "any": "all",
}
WORDS |= {
    "in": "not in",
    "break": "continue",
    "first": "last",
    "lo": "hi",
    "hi": "lo",
    "start": "stop",
    "stop": "start",
}

CODE = re.compile(
    r">>>|<<<|<=|>=|==|!=|>>|<<|&&|\|\||[-+<>&|^~?]|\bsigned\b|\bunsigned\b|\bposedge\b|\breg\b|\bif\b|(?<![\w.])\d+\b"
)
"""Tokens of emitted code in a string or a template."""

CODE_MISTAKES = {
    ">>>": ">>",
    "<=": "<",
    ">=": ">",
    "==": "!=",
    "!=": "==",
    ">>": "<<",
    "<<": ">>",
    "&&": "||",
    "||": "&&",
    "+": "-",
    "-": "+",
    "<": "<=",
    ">": ">=",
    "&": "|",
    "|": "&",
    "^": "|",
    "~": "",
    "signed": "",
    "unsigned": "signed",
    "posedge": "negedge",
}


VHDL = re.compile(r"/=|>=|\b(?:and|or|xor|not)\b|[-+<>&](?!=)|(?<![<>/:])=(?!>)|'[01]'|(?<![\w.\"])\d+\b")
"""Tokens of VHDL; ``<=`` is an assignment, which no other token can replace."""

VHDL_MISTAKES = {
    "/=": "=",
    "=": "/=",
    ">=": ">",
    "<": ">=",
    ">": ">=",
    "+": "-",
    "-": "+",
    "and": "or",
    "or": "and",
    "xor": "or",
    "not": "",
    "'0'": "'1'",
    "'1'": "'0'",
}


@dataclass(frozen=True)
class Mutant:
    """One break: ``old`` at ``start`` of the text of ``path`` becomes ``new``."""

    path: str
    line: int
    start: int
    old: str
    new: str

    def apply(self, text: str) -> str:
        """The broken text."""
        return text[: self.start] + self.new + text[self.start + len(self.old) :]

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.old!r} -> {self.new!r}"


def _off_by_one(digits: str) -> str:
    value = int(digits)
    return str(value - 1) if value > 1 else str(1 - value)


def _code_mistake(token: str) -> str | None:
    return _off_by_one(token) if token.isdigit() else CODE_MISTAKES.get(token)


def mutants_of(root: Path, path: Path) -> list[Mutant]:
    """Every mutant of the file ``path`` below ``root``."""
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(root).as_posix()
    found = {".py": _python, ".vhd": _vhdl}.get(path.suffix, _template)(text)
    return [Mutant(name, text.count("\n", 0, start) + 1, start, old, new) for start, old, new in found]


def _template(text: str) -> Iterator[tuple[int, str, str]]:
    offset = 0
    for line in text.splitlines(keepends=True):
        code = re.split(r"//|\{#", line)[0]
        if not code.lstrip().startswith("#"):
            for match in CODE.finditer(code):
                mistake = _code_mistake(match[0])
                if mistake is not None and not _is_markup(code, match):
                    yield offset + match.start(), match[0], mistake
        offset += len(line)


def _vhdl(text: str) -> Iterator[tuple[int, str, str]]:
    offset = 0
    for line in text.splitlines(keepends=True):
        code = line.split("--")[0]
        if not re.match(r"\s*(library|use)\b", code):
            for match in VHDL.finditer(code):
                token = match[0]
                mistake = _off_by_one(token) if token.isdigit() else VHDL_MISTAKES.get(token)
                if mistake is not None:
                    yield offset + match.start(), token, mistake
        offset += len(line)


def _is_markup(line: str, match: re.Match[str]) -> bool:
    """Whether the token belongs to template brackets, an arrow or an include."""
    around = line[max(match.start() - 1, 0) : match.end() + 1]
    return any(mark in around for mark in ("{%", "%}", "{{", "}}", "->", "-%", "%-", "{-", "-}")) or "#include" in line


def _ignored(tree: ast.AST) -> set[tuple[int, int]]:
    """Start positions, ``(line, column)``, of doc strings; and lines of annotations as ``(line, -1)``."""
    spans: set[tuple[int, int]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            spans.add((node.value.lineno, node.value.col_offset))
        notes = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        for note in notes:
            if isinstance(note, ast.AST):
                for part in ast.walk(note):
                    if hasattr(part, "lineno"):
                        spans.add((part.lineno, part.col_offset))
        if isinstance(node, ast.Raise):  # the text of an error
            spans.update(
                (part.lineno, part.col_offset)
                for part in ast.walk(node)
                if isinstance(part, ast.JoinedStr | ast.Constant)
            )
    return spans


def _python(text: str) -> Iterator[tuple[int, str, str]]:
    ignored = _ignored(ast.parse(text))
    lines = [*text.splitlines(keepends=True), ""]
    starts = list(itertools.accumulate((len(line) for line in lines), initial=0))
    previous = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        row, column = token.start
        source = lines[row - 1]
        skip = (row, column) in ignored or re.match(r"\s*(from|import|def|class|@)\b", source) or "->" in source
        if not skip:
            yield from _token(token, starts[row - 1] + column, previous)
        previous = token.string


def _token(token: tokenize.TokenInfo, at: int, previous: str) -> Iterator[tuple[int, str, str]]:
    kind, string = token.type, token.string
    if kind == tokenize.OP and string in OPERATORS and previous not in ("(", "[", ",", "=", "", "*", "return"):
        yield at, string, OPERATORS[string]
    elif kind == tokenize.NAME and string in WORDS and previous not in ("for",):
        if string != "in" or previous in (")", "]") or previous.isidentifier():
            yield at, string, WORDS[string]
    elif kind == tokenize.NUMBER and string.isdigit():
        yield at, string, _off_by_one(string)
    elif kind in STRINGS:
        for match in CODE.finditer(string):
            mistake = _code_mistake(match[0])
            if mistake is not None and match.start() > 0:
                yield at + match.start(), match[0], mistake
