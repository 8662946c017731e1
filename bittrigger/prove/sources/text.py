"""The emitted SystemVerilog held against a grammar so small that no two tools can read it differently.

A module is wires, registers, assignments, functions of one expression, instances and loops over these, and nothing else: no
second driver of a bit, no bit without one, no ``inout``, no reference into another module, no ``initial``, no directive but
``default_nettype``, no comment that a tool obeys, no ``x`` and no ``z``. The grammar knows nothing of the emitter; what it does
not know is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bittrigger.prove.claims import Unproven

Ports = Mapping[str, tuple[str, int]]
"""Direction (``input`` or ``output``) and width of each port; width 0 where it is a parameter's."""

_MEMORY: Ports = {
    **dict.fromkeys(("clk", "write"), ("input", 1)),
    **dict.fromkeys(("row", "data", "place"), ("input", 0)),
    "q": ("output", 0),
}

LIBRARY: Mapping[str, tuple[Ports, frozenset[str]]] = {
    "bittrigger_adder3": (
        {"a": ("input", 0), "b": ("input", 0), "c": ("input", 0), "sum": ("output", 0)},
        frozenset({"WIDTH", "NEGATE"}),
    ),
    "bittrigger_adder2_carry": (
        {"a": ("input", 0), "b": ("input", 0), "sum": ("output", 0)},
        frozenset({"WIDTH", "A", "B", "SIGNED", "NEGATE"}),
    ),
    "bittrigger_adder3_carry": (
        {"a": ("input", 0), "b": ("input", 0), "c": ("input", 0), "sum": ("output", 0)},
        frozenset({"WIDTH", "A", "B", "C", "SIGNED", "NEGATE"}),
    ),
    "bittrigger_clip": (
        {"code": ("input", 0), "zero": ("input", 0), "over": ("input", 0), "clipped": ("output", 0)},
        frozenset({"WIDTH", "OVER"}),
    ),
    "bittrigger_weigh2": (
        {"a": ("input", 0), "b": ("input", 0), "weights": ("input", 0), "sum": ("output", 0)},
        frozenset({"WIDTH", "X", "SIGNED"}),
    ),
    "bittrigger_digit": (
        {"a": ("input", 0), "b": ("input", 0), "carry": ("input", 1), "sum": ("output", 0), "above": ("output", 1)},
        frozenset({"WIDTH", "INVERT"}),
    ),
    "bittrigger_pick": (
        {"choices": ("input", 8), "index": ("input", 3), "chosen": ("output", 1)},
        frozenset({"INVERT"}),
    ),
    **dict.fromkeys(("bittrigger_memory", "bittrigger_memory_block"), (_MEMORY, frozenset({"WIDTH", "PLACES"}))),
}
"""Ports and parameters of the modules of the firmware library."""

_NAME = r"[A-Za-z_]\w*"
_RANGE = r"(?:\[ *(?P<high>\d+):0\])?"
_NUMBER = r"\d+\*(?=[a-z(])|\d+'s?d\d+|\d+'s?b[01]+(?![\w?])|\d+'(?=\()|\d+\b"
_TOKEN = rf"\s|{_NUMBER}|{_NAME}|\$(?:un)?signed\b|>>>|<<<|[-+~!&|^?:<>=()\[\]{{}},]"
_EXPRESSION = re.compile(f"(?:{_TOKEN})+")
_WORD = re.compile(rf"(?<![\w$']){_NAME}")
_COMMENT = re.compile(r"//([^\n]*)")
_OBEYED = re.compile(
    r"\s*(?:synthesis|synopsys|pragma|verilator|xilinx|cadence|ambit|exemplar|altera|rtl_synthesis|translate_\w+|coverage)\s+\w",
    re.IGNORECASE,
)
_FILE = re.compile(
    rf"\s*`default_nettype none\s+module ({_NAME}) \(([^();]*)\);(.*)\bendmodule\s+`default_nettype wire\s*", re.DOTALL
)
_PORT = re.compile(rf"\s*(input|output) +wire +{_RANGE} *(?P<name>{_NAME})\s*")
_FUNCTION = (
    rf"function automatic logic (?:signed )?\[ *\d+:0\] (?P<function>{_NAME})"
    rf"\(input logic (?:signed )?\[ *\d+:0\] code\);\s+(?P=function) =(?P<body>[^;]*);\s*endfunction"
)
_INSTANCE = rf"(?P<type>{_NAME}) +(?:#\((?P<parameters>[^;]*?)\) )?(?P<instance>u_\w+) \((?P<pins>[^;]*)\);"
_HEADER = (
    rf"for \(genvar (?P<{{0}}>{_NAME}) = 0; (?P={{0}}) < (?P<{{0}}_end>\d+); (?P={{0}}) = (?P={{0}}) \+ 1\) "
    rf"begin : {_NAME}\s"
)
_LOOP = (
    rf"(?P<loop>{_HEADER.format('outer')}\s*(?P<body_of_loop>"
    rf"{_NAME} u_\w+ \([^;]*\);|{_HEADER.format('inner')}\s*assign [^;]*;\s*end)\s*end\b)"
)
_STATEMENT = re.compile(
    "|".join(
        (
            rf"(?P<kind>wire|reg)\b *(?:signed)? *{_RANGE} *(?P<name>{_NAME})(?: =(?P<value>[^;]*))?;",
            r"assign (?P<target>[^=;]*)=(?P<source>[^;]*);",
            r"always_ff @\(posedge clk\) begin(?P<block>.*?)\bend\b",
            _FUNCTION,
            _LOOP,
            _INSTANCE,
        )
    ),
    re.DOTALL,
)
_NEXT = re.compile(rf"\s*(?P<name>{_NAME}) <=(?P<value>[^;]*);")
_RESET = re.compile(
    rf"\s*if \((?P<reset>rst|clear)\) (?P<name>{_NAME}) <= \d+'d0;\s*else (?P=name) <=(?P<value>[^;]*);\s*"
)
_LOAD = re.compile(rf"\s*if \(load\) (?P<name>{_NAME}) <=(?P<loaded>[^;]*);\s*else (?P=name) <=(?P<value>[^;]*);\s*")
_PARAMETER = re.compile(r"\s*\.(\w+)\((?:\d+'b[01]+|\d+)\)\s*")
_PIN = re.compile(r"\s*\.(\w+)\((.*?)\)\s*(?:,(?=\s*\.)|$)", re.DOTALL)
_PLACE = re.compile(rf"\s*({_NAME})(?:\[(\d+)(?::(\d+))?\])?\s*")
_TERM = rf"(?:\d+\*{_NAME}|\d+)"
_STEPPED = re.compile(rf"\s*({_NAME})\[({_TERM}(?: \+ {_TERM})*) \+: (\d+)\]\s*")


@dataclass
class _Net:
    """A wire, register or port; bit ``k`` of ``driven`` says whether its bit ``k`` has a driver."""

    kind: str
    width: int
    driven: int = 0


@dataclass
class _Scope:
    """What a module has declared so far."""

    module: str
    nets: dict[str, _Net] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    instances: set[str] = field(default_factory=set)
    turns: dict[str, int] = field(default_factory=dict)
    """The variables of the loops around, with their counts."""

    def refuse(self, what: str) -> Unproven:
        return Unproven(f"module {self.module}: {' '.join(what.split())[:160]}")

    def declare(self, name: str, kind: str, high: str | None) -> None:
        if name in self.nets or name in self.functions:
            raise self.refuse(f"{name} is declared twice")
        self.nets[name] = _Net(kind, int(high or 0) + 1)

    def read(self, expression: str, also: frozenset[str] = frozenset()) -> None:
        """Check that ``expression`` is one, of what is declared."""
        if not _EXPRESSION.fullmatch(expression):
            raise self.refuse(f"{expression} is no expression of this language")
        for word in set(_WORD.findall(expression)) - also:
            if word not in self.nets and word not in self.functions and word not in self.turns:
                raise self.refuse(f"{word} is not declared before it is read")

    def drive(self, place: str, kinds: tuple[str, ...]) -> None:
        """Give the bits of ``place`` their driver, in a loop those of every turn."""
        stepped, match = _STEPPED.fullmatch(place), _PLACE.fullmatch(place)
        found = stepped or match
        net = self.nets.get(found[1]) if found else None
        if found is None or net is None or net.kind not in kinds or (self.turns and match):
            raise self.refuse(f"{place} cannot be driven here")
        if stepped:
            size = int(stepped[3])
            spans = [(low, low + size - 1) for low in self._lows(stepped[2])]
        elif found[2] is None:
            spans = [(0, net.width - 1)]
        else:
            spans = [(int(found[3] or found[2]), int(found[2]))]
        for low, high in spans:
            if not 0 <= low <= high < net.width:
                raise self.refuse(f"{place} is out of range")
            bits = (1 << high + 1) - (1 << low)
            if net.driven & bits:
                raise self.refuse(f"{place} has two drivers")
            net.driven |= bits

    def _lows(self, index: str) -> list[int]:
        """The values of ``index`` in all turns of the loops around it."""
        terms = [term.split("*") for term in index.split(" + ")]
        lows = [sum(int(term[0]) for term in terms if len(term) == 1)]
        for variable, count in self.turns.items():
            factor = sum(int(term[0]) for term in terms if term[1:] == [variable])
            lows = [low + factor * turn for low in lows for turn in range(count)]
        return lows


def check_texts(texts: Mapping[str, str], names: frozenset[str]) -> str:
    """Hold the emitted modules against the grammar.

    Args:
        texts: the text of each file, by the name of the module that it ought to hold.
        names: the modules that may be instantiated, besides those of the library.

    Raises:
        Unproven: naming the module and the first thing that it must not hold.
    """
    heads = {name: _head(name, text) for name, text in texts.items()}
    ports = {name: {port: (way, width) for port, way, width in head[0]} for name, head in heads.items()}
    bits = 0
    for name, (head, body) in heads.items():
        scope = _Scope(name)
        for port, way, width in head:
            scope.declare(port, way, str(width - 1))
            if way == "input":
                scope.nets[port].driven = (1 << width) - 1
        known = {child: (ports[child], frozenset[str]()) for child in names & ports.keys() - {name}}
        _check_body(scope, body, {**LIBRARY, **known})
        bits += sum(net.width for net in scope.nets.values())
    return f"{len(texts)} modules, {bits} bits of nets, each with one driver"


def _head(name: str, text: str) -> tuple[list[tuple[str, str, int]], str]:
    """The ports of a module, in order, and its body without comments."""
    scope = _Scope(name)
    if not text.isascii():
        raise scope.refuse("a character that is not ASCII")
    for comment in _COMMENT.findall(text):
        if _OBEYED.match(comment):
            raise scope.refuse(f"a comment that tools obey: {comment}")
    match = _FILE.fullmatch(_COMMENT.sub("", text))
    if match is None or match[1] != name:
        raise scope.refuse("the file is not this one module between its two `default_nettype")
    ports = []
    for part in match[2].split(","):
        port = _PORT.fullmatch(part)
        if port is None:
            raise scope.refuse(f"port {part} is neither an input wire nor an output wire")
        ports.append((port["name"], port[1], int(port["high"] or 0) + 1))
    return ports, match[3]


def _check_body(scope: _Scope, body: str, modules: Mapping[str, tuple[Ports, frozenset[str]]]) -> None:
    place, end = 0, len(body.rstrip())
    blank = re.compile(r"\s*")
    while (place := blank.match(body, place).end()) < end:  # type: ignore[union-attr] # it matches everything
        match = _STATEMENT.match(body, place)
        if match is None:
            raise scope.refuse(f"not of this language: {body[place : place + 80]}")
        place = match.end()
        _check_statement(scope, match, modules)
    for name, net in scope.nets.items():
        if net.driven != (1 << net.width) - 1:
            raise scope.refuse(f"a bit of {name} has no driver")


def _check_statement(scope: _Scope, match: re.Match[str], modules: Mapping[str, tuple[Ports, frozenset[str]]]) -> None:
    if match["kind"]:
        if match["value"] is not None:
            scope.read(match["value"])
        scope.declare(match["name"], match["kind"], match["high"])
        if match["value"] is not None:
            scope.drive(match["name"], ("wire",))
    elif match["target"]:
        scope.read(match["source"])
        scope.drive(match["target"], ("wire", "output"))
    elif match["block"] is not None:
        _check_block(scope, match["block"])
    elif match["function"]:
        scope.read(match["body"], frozenset({"code"}))
        if match["function"] in scope.functions or match["function"] in scope.nets:
            raise scope.refuse(f"{match['function']} is declared twice")
        scope.functions.add(match["function"])
    elif match["loop"]:
        _check_loop(scope, match, modules)
    else:
        _check_instance(scope, match, modules)


def _check_block(scope: _Scope, block: str) -> None:
    if "clk" not in scope.nets:
        raise scope.refuse("a register without clk")
    reset = _RESET.fullmatch(block)
    if reset:
        scope.read(reset["reset"])
        scope.read(reset["value"])
        scope.drive(reset["name"], ("reg",))
        return
    load = _LOAD.fullmatch(block)
    if load:
        for expression in ("load", load["loaded"], load["value"]):
            scope.read(expression)
        scope.drive(load["name"], ("reg",))
        return
    place = 0
    while match := _NEXT.match(block, place):
        scope.read(match["value"])
        scope.drive(match["name"], ("reg",))
        place = match.end()
    if block[place:].strip():
        raise scope.refuse(f"not the next value of a register: {block[place : place + 80]}")


def _check_loop(scope: _Scope, match: re.Match[str], modules: Mapping[str, tuple[Ports, frozenset[str]]]) -> None:
    counts = {match[name]: int(match[f"{name}_end"]) for name in ("outer", "inner") if match[name]}
    if counts.keys() & (scope.nets.keys() | scope.functions) or (match["inner"] and len(counts) < 2):
        raise scope.refuse(f"{', '.join(counts)} is declared twice")
    body = match["body_of_loop"]
    if match["inner"]:
        body = body[body.index("assign ") :].removesuffix("end").rstrip()
    inner = _STATEMENT.fullmatch(body)
    if inner is None or not (inner["target"] or inner["instance"]):
        raise scope.refuse(f"not of this language: {body[:80]}")
    scope.turns = counts
    _check_statement(scope, inner, modules)
    scope.turns = {}


def _check_instance(scope: _Scope, match: re.Match[str], modules: Mapping[str, tuple[Ports, frozenset[str]]]) -> None:
    kind, instance = match["type"], match["instance"]
    if kind not in modules:
        raise scope.refuse(f"{kind} is no module of the design or of the library")
    if instance in scope.instances:
        raise scope.refuse(f"{instance} is declared twice")
    scope.instances.add(instance)
    ports, parameters = modules[kind]
    given = [_PARAMETER.fullmatch(part) for part in (match["parameters"] or "").split(",") if part.strip()]
    if any(item is None or item[1] not in parameters for item in given):
        raise scope.refuse(f"{instance}: parameters {match['parameters']}")
    found: list[str] = []
    place, text = 0, match["pins"]
    while pin := _PIN.match(text, place):
        found.append(pin[1])
        place = pin.end()
        direction, _ = ports.get(pin[1], ("", 0))
        if direction == "output":
            scope.drive(pin[2], ("wire", "output"))
        elif direction == "input":
            scope.read(pin[2])
        else:
            raise scope.refuse(f"{instance} has no port {pin[1]}")
    if text[place:].strip() or sorted(found) != sorted(ports):
        raise scope.refuse(f"{instance}: pins {text}; expected {', '.join(ports)}")
