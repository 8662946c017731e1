"""Modules of the emitted SystemVerilog as VHDL entities: the statements, one for one, in the same order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bittrigger.emit.vhdl.expression import alone, assigned, scalar, table
from bittrigger.emit.vhdl.names import spelled
from bittrigger.emit.vhdl.syntax import Names
from bittrigger.emit.vhdl.terms import Shape
from bittrigger.errors import InternalError

_NAME = r"[A-Za-z_]\w*"
_TYPE = r"(?P<signed>signed)? *(?:\[ *(?P<high>\d+):0\])?"
_HEAD = re.compile(
    rf"`default_nettype none\s+module (?P<name>{_NAME}) \((?P<ports>[^;]*)\);\n(?P<body>.*)endmodule", re.DOTALL
)
_PORT = re.compile(rf"(?P<way>input|output) +wire +(?:\[ *(?P<high>\d+):0\])? *(?P<name>{_NAME})")
_STATEMENT = re.compile(
    "|".join(
        (
            r"(?P<blank>\n[ \t]*(?=\n))",
            r"//(?P<comment>[^\n]*)",
            rf"(?P<kind>wire|reg)\b *{_TYPE} *(?P<name>{_NAME})(?: =(?P<value>[^;]*))?;",
            r"assign (?P<target>[^=;]*?) *=(?P<source>[^;]*);",
            r"always_ff @\(posedge clk\) begin(?P<block>.*?)\bend\b",
            rf"function automatic logic (?P<out_signed>signed )?\[ *(?P<out_high>\d+):0\] (?P<function>{_NAME})"
            r"\(input logic (?P<in_signed>signed )?\[ *(?P<in_high>\d+):0\] code\);"
            r"\s+(?P=function) =(?P<body>[^;]*);\s*endfunction",
            rf"for \(genvar (?P<loop>{_NAME}) = 0; (?P=loop) < (?P<turns>\d+); (?P=loop) = (?P=loop) \+ 1\) "
            rf"begin : (?P<label>{_NAME})",
            r"(?P<end>end)\b",
            rf"(?P<entity>{_NAME}) +(?:#\((?P<parameters>[^;]*?)\) )?(?P<instance>u_\w+) \((?P<pins>[^;]*)\);",
        )
    ),
    re.DOTALL,
)
_BLANK = re.compile(r"\n[ \t]*\n")
_PIN = re.compile(r"\s*\.(\w+)\((.*?)\)\s*(?:,(?=\s*\.)|$)", re.DOTALL)
_PARAMETER = re.compile(r"\.(\w+)\((?:(\d+)'b([01]+)|(\d+))\)")
_NEXT = re.compile(rf"\s*(?:if \((?P<when>{_NAME})\) )?(?P<name>{_NAME}) <=(?P<value>[^;]*);")
_OTHERWISE = re.compile(rf"\s*else (?P<name>{_NAME}) <=(?P<value>[^;]*);")
_PLACE = re.compile(rf"(?P<name>{_NAME})(?:\[(?P<select>[^\]]*)\])?")

GENERICS: Mapping[str, Mapping[str, str]] = {
    "bittrigger_adder3": {"WIDTH": "WIDTH", "NEGATE": "NEGATE"},
    "bittrigger_clip": {"WIDTH": "WIDTH", "OVER": "OVERS"},
    "bittrigger_weigh2": {name: name for name in ("WIDTH", "X", "SIGNED")},
    "bittrigger_digit": {"WIDTH": "WIDTH", "INVERT": "INVERT"},
    "bittrigger_pick": {"INVERT": "INVERT"},
    **{name: {"WIDTH": "WIDTH", "PLACES": "PLACES"} for name in ("bittrigger_memory", "bittrigger_memory_block")},
    **{
        f"bittrigger_adder{count}_carry": {
            "WIDTH": "WIDTH",
            **{letter: f"WIDTH_{letter}" for letter in "ABC"[:count]},
            "SIGNED": "SIGNED",
            "NEGATE": "NEGATE",
        }
        for count in (2, 3)
    },
}
"""How VHDL, to which ``a`` and ``A`` are one name, calls the parameters of the firmware library."""

SCALARS: Mapping[str, frozenset[str]] = {
    "bittrigger_clip": frozenset({"zero"}),
    "bittrigger_digit": frozenset({"carry", "above"}),
    "bittrigger_pick": frozenset({"chosen"}),
    **dict.fromkeys(("bittrigger_memory", "bittrigger_memory_block"), frozenset({"clk", "write"})),
}
"""The ports of the firmware library that are one bit whatever the parameters are."""


@dataclass(frozen=True)
class _Port:
    way: str
    name: str
    width: int | None
    """None for a single bit."""


@dataclass(frozen=True)
class _Head:
    name: str
    ports: tuple[_Port, ...]
    comment: str
    body: str


def translate(texts: Mapping[str, str], top: str) -> dict[str, str]:
    """The VHDL of every module, those that are instantiated before those that do it.

    Args:
        texts: the SystemVerilog, by the name of the module.

    Raises:
        InternalError: naming the module and what is not of the emitted language.
    """
    heads = {name: _head(name, text) for name, text in texts.items()}
    written = {name: _Entity(heads[name], heads).text() for name in heads}
    return {name: written[name] for name in (*(other for other in written if other != top), top)}


def _head(name: str, text: str) -> _Head:
    match = _HEAD.search(text)
    if match is None or match["name"] != name:
        raise InternalError(f"module {name}: not one module between its two `default_nettype")
    ports = []
    for part in match["ports"].split(","):
        port = _PORT.fullmatch(part.strip())
        if port is None:
            raise InternalError(f"module {name}: port {part.strip()}")
        ports.append(_Port(port["way"], port["name"], None if port["high"] is None else int(port["high"]) + 1))
    return _Head(name, tuple(ports), text[: match.start()], match["body"])


@dataclass
class _Entity:
    """Writes one module."""

    head: _Head
    heads: Mapping[str, _Head]
    nets: dict[str, Shape] = field(default_factory=dict)
    functions: dict[str, tuple[Shape, Shape]] = field(default_factory=dict)
    loops: list[str] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scalars = frozenset(port.name for port in self.head.ports if port.width is None)
        self.nets |= {port.name: Shape(port.width or 1, signed=False) for port in self.head.ports}

    @property
    def names(self) -> Names:
        return Names(self.nets, spelled, self.scalars, self.functions, frozenset(self.loops))

    def text(self) -> str:
        """The file."""
        place, body = 0, self.head.body
        while place < len(body):
            if body[place].isspace() and not _BLANK.match(body, place):
                place += 1
                continue
            match = _STATEMENT.match(body, place)
            if match is None:
                raise InternalError(f"module {self.head.name}: {body[place : place + 120]!r} cannot be written in VHDL")
            self._statement(match)
            place = match.end()
        name = spelled(self.head.name)
        comment = "".join(f"--{line.removeprefix('//')}\n" for line in self.head.comment.splitlines())
        ports = ";\n".join(
            f"        {spelled(port.name)} : {'in' if port.way == 'input' else 'out'} {_type(port.width)}"
            for port in self.head.ports
        )
        return (
            f"{comment}library ieee;\nuse ieee.std_logic_1164.all;\nuse work.bittrigger_logic.all;\n\n"
            f"entity {name} is\n    port (\n{ports}\n    );\nend entity;\n\n"
            f"architecture rtl of {name} is\n{_joined(self.declared)}begin\n{_joined(self.lines)}end architecture;\n"
        )

    def _write(self, *lines: str) -> None:
        pad = "    " * (1 + len(self.loops))
        self.lines += [f"{pad}{line}" if line else "" for line in lines]

    def _statement(self, match: re.Match[str]) -> None:
        if match["blank"]:
            if self.lines and self.lines[-1]:
                self.lines.append("")
        elif match["comment"] is not None:
            self._write(f"--{match['comment']}")
        elif match["loop"] or match["end"]:
            self._loop(match)
        elif match["kind"]:
            self._declare(match["name"], match["high"], signed=bool(match["signed"]), value=match["value"])
        elif match["target"]:
            self._assign(match["target"], match["source"])
        elif match["block"]:
            self._registers(match["block"])
        elif match["function"]:
            self._function(match)
        else:
            self._instance(match)

    def _loop(self, match: re.Match[str]) -> None:
        if match["loop"]:
            self._write(f"{spelled(match['label'])} : for {match['loop']} in 0 to {int(match['turns']) - 1} generate")
            self.loops.append(match["loop"])
            return
        if not self.loops:
            raise InternalError(f"module {self.head.name}: an end too many")
        self.loops.pop()
        self._write("end generate;")

    def _declare(self, name: str, high: str | None, *, signed: bool, value: str | None) -> None:
        if name == "unused":  # for the linters of Verilog: what is read by nothing
            self.lines.pop()
            return
        self.nets[name] = Shape(int(high or 0) + 1, signed)
        self.declared.append(f"    signal {spelled(name)} : {_type(self.nets[name].width)};")
        if value is not None:
            pieces = table(value, self.nets[name])
            self._write(*(f"{spelled(name)}({high} downto {low}) <= {text};" for high, low, text in pieces))
            if not pieces:
                self._write(f"{spelled(name)} <= {assigned(value, self.nets[name], self.names)};")

    def _place(self, text: str) -> tuple[str, Shape]:
        """What is driven, and its shape."""
        match = _PLACE.fullmatch(text.strip())
        if match is None or match["name"] not in self.nets:
            raise InternalError(f"module {self.head.name}: {text} cannot be driven")
        name, shape = match["name"], self.nets[match["name"]]
        if match["select"] is None:
            return spelled(name), shape
        select = match["select"].replace("*", " * ")
        if "+:" in select:
            low, size = (part.strip() for part in select.split("+:"))
            high = str(int(low) + int(size) - 1) if low.isdigit() else f"{low} + {int(size) - 1}"
            return f"{spelled(name)}({high} downto {low})", Shape(int(size), signed=False)
        high, _, low = select.partition(":")
        return f"{spelled(name)}({high} downto {low or high})", Shape(int(high) - int(low or high) + 1, signed=False)

    def _assign(self, target: str, source: str) -> None:
        if target.strip() in self.scalars:
            self._write(f"{spelled(target.strip())} <= {scalar(source, self.names)};")
            return
        place, shape = self._place(target)
        self._write(f"{place} <= {assigned(source, shape, self.names)};")

    def _registers(self, block: str) -> None:
        lines, place = [], 0
        while match := _NEXT.match(block, place):
            place, other = match.end(), _OTHERWISE.match(block, match.end())
            if bool(match["when"]) != bool(other) or (other and other["name"] != match["name"]):
                raise InternalError(f"module {self.head.name}: registers {block.strip()[:120]!r}")
            text = self._next(match["name"], match["value"])
            if other:
                lines.append(f"if {scalar(match['when'], self.names)} = '1' then")
                lines += [f"    {text}", "else", f"    {self._next(other['name'], other['value'])}", "end if;"]
                place = other.end()
            else:
                lines.append(text)
        if block[place:].strip():
            raise InternalError(f"module {self.head.name}: registers {block[place:].strip()[:120]!r}")
        inner = [f"        {line}" for line in lines]
        self._write("process (clk)", "begin", "    if rising_edge(clk) then", *inner, "    end if;", "end process;")

    def _next(self, name: str, value: str) -> str:
        return f"{spelled(name)} <= {assigned(value, self.nets[name], self.names)};"

    def _function(self, match: re.Match[str]) -> None:
        takes = Shape(int(match["in_high"]) + 1, bool(match["in_signed"]))
        gives = Shape(int(match["out_high"]) + 1, bool(match["out_signed"]))
        name = match["function"]
        value = assigned(match["body"], gives, Names({"code": takes}, spelled))
        self.functions[name] = takes, gives
        self.declared += [
            f"    function {spelled(name)}(code : std_logic_vector({takes.width - 1} downto 0)) return std_logic_vector is",
            "    begin",
            f"        return {value};",
            "    end function;",
        ]

    def _instance(self, match: re.Match[str]) -> None:
        kind, label = match["entity"], match["instance"]
        generics = ", ".join(_generic(kind, *part) for part in _PARAMETER.findall(match["parameters"] or ""))
        shown = f" generic map ({generics})" if generics else ""
        pins = ", ".join(f"{spelled(port)} => {self._pin(kind, label, port, text)}" for port, text in self._pins(match))
        self._write(f"{spelled(label)} : entity work.{spelled(kind)}{shown}", f"    port map ({pins});")

    def _pins(self, match: re.Match[str]) -> Iterator[tuple[str, str]]:
        place, text = 0, match["pins"]
        while pin := _PIN.match(text, place):
            place = pin.end()
            yield pin[1], pin[2].strip()
        if text[place:].strip():
            raise InternalError(f"module {self.head.name}: pins {text[place:].strip()[:120]!r}")

    def _pin(self, kind: str, label: str, port: str, text: str) -> str:
        """The actual of a port: a name, or a signal of its own for what is more than that."""
        head = self.heads.get(kind)
        ports = {other.name: other for other in head.ports} if head else {}
        one = ports[port].width is None if head else port in SCALARS.get(kind, frozenset())
        if one and _PLACE.fullmatch(text):
            return scalar(text, self.names)
        if not one and _PLACE.fullmatch(text) and text not in self.scalars:
            return self._place(text)[0]
        if self.loops:
            raise InternalError(f"module {self.head.name}: {label} reads an expression in a loop: {text}")
        return self._own(f"{label.removeprefix('u_')}_{port}", text, one=one)

    def _own(self, name: str, text: str, *, one: bool) -> str:
        """A signal of its own that carries an expression to a port."""
        while name in self.nets:
            name += "_in"
        width, value = alone(text, self.names)
        self.declared.append(f"    signal {spelled(name)} : {_type(width)};")
        self._write(f"{spelled(name)} <= {value};")
        return f"{spelled(name)}(0)" if one else spelled(name)


def _generic(kind: str, name: str, size: str, flags: str, number: str) -> str:
    spelling = GENERICS[kind][name]
    return f'{spelling} => "{flags.zfill(int(size))}"' if flags else f"{spelling} => {number}"


def _type(width: int | None) -> str:
    return "std_logic" if width is None else f"std_logic_vector({width - 1} downto 0)"


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
