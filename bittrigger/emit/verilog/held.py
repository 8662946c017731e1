"""Verilog of what is held: the modules that read held numbers, the registers of a column, and the bus that writes them."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.emit.render import render
from bittrigger.emit.verilog.operand_buses import INSTANCE, own_part
from bittrigger.emit.verilog.views import vector
from bittrigger.errors import InternalError
from bittrigger.ir.fixed import Interval
from bittrigger.ir.held.bus import APPLY, Place, address_bits, column_ports, places, reader_ports
from bittrigger.ir.held.memory import in_memory, loader_ports, memory_ports, placed, settings_ports
from bittrigger.ir.layout import Bus, BusLayout
from bittrigger.ir.nodes.held import TERMS, Hold, Weigh
from bittrigger.ir.pipeline import Module, Pipeline, held_node


@dataclass(frozen=True)
class _Code:
    """An operand code: its bits, how many, and whether they are two's complement."""

    text: str
    width: int
    signed: bool

    def grown(self, width: int) -> str:
        """The code in ``width`` bits, which are no fewer."""
        more = width - self.width
        if not more:
            return self.text
        return f"{{{{{more}{{{_top(self.text)}}}}}, {self.text}}}" if self.signed else f"{{{more}'d0, {self.text}}}"


@dataclass(frozen=True)
class _Sum:
    """An instance of ``bittrigger_weigh2``."""

    width: int
    parameters: str
    a: str
    b: str
    weights: str


@dataclass(frozen=True)
class _Layer:
    """The registers of a node in the module of the settings."""

    node: str
    module: str
    text: str
    first: int
    words: int
    columns: int
    connections: tuple[tuple[str, str], ...]


def _top(text: str) -> str:
    """The highest bit of a part-select."""
    return text.partition(":")[0] + "]" if ":" in text else text


def held_ports(pipeline: Pipeline) -> list[tuple[str, int]]:
    """The buses that the module of the settings drives, and their widths."""
    _, driven = settings_ports(pipeline)
    return [(port, width) for port, width in driven.items() if port != "busy"]


def scalars(pipeline: Pipeline) -> frozenset[str]:
    """The ports of one bit that tell which half of the memories counts."""
    return frozenset(f"{place.node.name}_bank" for place, _ in in_memory(pipeline))


def held_pins(module: Module) -> list[tuple[str, str]]:
    """The connections of an instance of ``module`` to what is held."""
    node, several = held_node(module), module.columns > 1
    return [
        (port, f"{node.name}_{port}{own_part(width, several=several)}") for port, width in reader_ports(node).items()
    ]


def reader_text(vectors: BusLayout, module: Module, mark: str) -> str:
    """The Verilog of a module that reads held numbers: a column of a ``Weigh``, a copy of a ``Hold``."""
    node, result = held_node(module), vectors.result(module)
    buses = vectors.operands(module)
    ports = [(bus.name, bus.width) for bus in buses] + list(reader_ports(node).items())
    common = {
        "mark": mark,
        "name": module.name,
        "layer": node.name,
        "format": ", ".join(bus.format for bus in buses),
        "result": result,
        "bits": node.bits,
        "stage": module.stop,
        "columns": int(node.bias.size),
        "ports": ports,
        "digits": len(str(max(result.width, *(width for _, width in ports)) - 1)),
    }
    if isinstance(node, Weigh):
        codes = [_code(*at, span) for at, span in zip(vectors.places(module), module.source, strict=True)]
        unread = sum(code.width for code in codes) < sum(bus.width for bus in buses)
        sums = [_sum(module, node, codes, pair) for pair in range(node.pairs)]
        signals = [(f"s{k}", made.width) for k, made in enumerate(sums)] + [("b0", node.bits)]
        results = [_cast(name, width, result) for name, width in signals]
        return render("weigh.sv.j2", **common, sums=sums, results=results, unread=buses if unread else [])
    return render("hold.sv.j2", **common, **_held_codes(vectors, module, node, result))


def _code(bus: Bus, index: int, span: Interval) -> _Code:
    """The bits of a code that its range needs, of an element of ``bus``, which holds every code of it."""
    width = min(max(span.width, 1), bus.element.width)
    return _Code(bus.name + bus.bits(index, width), width, span.signed)


def _cast(name: str, width: int, result: Bus) -> str:
    """A signal as an element of ``result``, which holds every code of it."""
    own = result.element.width
    return name if width == own else f"{own}'({name})" if width < own else f"{name}[{own - 1}:0]"


def _sum(module: Module, node: Weigh, codes: list[_Code], pair: int) -> _Sum:
    width, first = module.result[pair].width, TERMS * pair
    terms = codes[first : first + TERMS]
    signed = any(code.signed for code in terms)
    own = max(code.width + (signed and not code.signed) for code in terms)
    texts = [code.grown(own) for code in terms]
    if own > width:
        raise InternalError(f"module {module.name!r}: a code of {own} bits in a sum of {width}")
    last = 2 * int(node.weights.shape[0])
    chosen = f"weights[{2 * first + 3}:{2 * first}]"
    if len(terms) < TERMS:
        texts.append(f"{own}'d0")
        chosen = f"{{2'd0, weights[{last - 1}:{last - 2}]}}"
    parameters = f".WIDTH({width}), .X({own}), .SIGNED(1'b{int(signed)})"
    return _Sum(width, parameters, texts[0], texts[1], chosen)


def _held_codes(vectors: BusLayout, module: Module, node: Hold, result: Bus) -> dict[str, object]:
    """The operand codes and the biases of a ``Hold``, each as a wire."""
    wires, results, own = [], [], result.element.width
    for k, ((bus, index), span) in enumerate(zip(vectors.places(module), module.source, strict=False)):
        width = min(bus.element.width, own)
        wires.append(
            {
                "type": vector(width, signed=bus.element.signed),
                "name": f"x{k}",
                "value": bus.name + bus.bits(index, width),
            }
        )
        results.append(_cast(f"x{k}", width, result))
        if span.width > own:
            raise InternalError(f"module {module.name!r}: a code of {span.width} bits in one of {own}")
    for k in range(int(node.bias.size)):
        value = f"bias[{node.bits * (k + 1) - 1}:{node.bits * k}]"
        wires.append({"type": vector(node.bits, signed=True), "name": f"b{k}", "value": value})
        results.append(_cast(f"b{k}", node.bits, result))
    unread = [bus.name for bus in vectors.operands(module) if bus.element.width > own]
    return {"wires": wires, "results": results, "unread": unread}


def registers_text(place: Place, module: Module, mark: str) -> str:
    """The Verilog of the registers of one column."""
    node, (_, driven) = place.node, column_ports(place)
    weights = driven.get("weights", 0)
    return render(
        "held.sv.j2",
        mark=mark,
        name=module.held_name,
        layer=node.name,
        columns=place.columns,
        words=place.word_bits,
        weights=weights,
        bits=node.bits,
        digits=len(str(max(31, weights - 1))),
    )


def settings_text(pipeline: Pipeline, mark: str) -> str:
    """The Verilog of the bus, and of all registers of what does not lie in memory."""
    ports, memory = held_ports(pipeline), in_memory(pipeline)
    own = {port for place, module in memory for port in memory_ports(place, module)}
    state = {port: width for port, width in loader_ports(pipeline)[1].items() if port not in own} if memory else {}
    following = [(port, port if port in own else f"load_{port}") for port in (*own, *state)]
    return render(
        "settings.sv.j2",
        mark=mark,
        name=pipeline.settings_name,
        design=pipeline.graph.name,
        apply=APPLY,
        turns=pipeline.switching,
        rows=[_Row(f"{APPLY}", "bit 0: all that was written counts from now on"), *map(_row, places(pipeline.graph))],
        address_bits=address_bits(pipeline.graph),
        ports=ports,
        scalars=scalars(pipeline),
        digits=len(str(max(width for _, width in ports) - 1)),
        layers=[_layer(place, module) for place, module in placed(pipeline) if not module.is_fed],
        loader=pipeline.loader_name,
        following=sorted(following),
        state=sorted(state.items()),
        p=INSTANCE,
    )


@dataclass(frozen=True)
class _Row:
    """A line of the table of addresses."""

    addresses: str
    text: str


def _row(place: Place) -> _Row:
    node = place.node
    rows = f"{place.stride - 1} of weights, 16 each, and " if isinstance(node, Weigh) else ""
    text = f"{node.name}: {place.columns} columns of {place.stride} words: {rows}the bias in {node.bits} bits"
    return _Row(f"{place.first}-{place.first + place.words - 1}", text)


def _layer(place: Place, module: Module) -> _Layer:
    node, (_, driven) = place.node, column_ports(place)

    def part(width: int) -> str:
        return own_part(width, several=place.columns > 1)

    connections = [
        ("clk", "clk"),
        ("turn", f"turn[{module.start}]"),
        ("hits", f"hits_{node.name}{part(place.stride)}"),
        ("data", "word"),
        *((port, f"{node.name}_{port}{part(width)}") for port, width in driven.items()),
    ]
    text = f"{node.name}, which is read in stage {module.start}"
    return _Layer(node.name, module.held_name, text, place.first, place.words, place.columns, tuple(connections))
