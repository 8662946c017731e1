"""What there is to prove about a build: one task a claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bittrigger.ir.forms.tally import Tally
from bittrigger.ir.graph import Linear
from bittrigger.ir.held.bus import Place
from bittrigger.ir.held.memory import in_memory, placed
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, Scaling, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.pipeline import Module, Pipeline, queued_codes
from bittrigger.prove.circuits.equivalence import BEFORE, answers, pose, prove_equal
from bittrigger.prove.circuits.same import prove_same
from bittrigger.prove.circuits.stages import prove_latency
from bittrigger.prove.claims import Claim, Unproven, attempt
from bittrigger.prove.modules.elementwise import MAX_CODES, prove_channel, prove_wide_channel
from bittrigger.prove.modules.engine import prove_feed, prove_lane, prove_plan
from bittrigger.prove.modules.fed import prove_columns
from bittrigger.prove.modules.held import prove_reader
from bittrigger.prove.modules.linear import prove_matrix, prove_verilog, prove_widths
from bittrigger.prove.modules.product import MAX_BITS, prove_product
from bittrigger.prove.modules.scaling import prove_scaling
from bittrigger.prove.modules.serial import prove_digits, prove_serial
from bittrigger.prove.modules.tally import prove_sum, prove_sums
from bittrigger.prove.sources.rtl import Rtl
from bittrigger.prove.sources.setting import Setting
from bittrigger.prove.top.guard import prove_guard
from bittrigger.prove.top.held import prove_column, prove_settings
from bittrigger.prove.top.load import prove_loader
from bittrigger.prove.top.queue import prove_queue
from bittrigger.prove.top.wiring import prove_valid, prove_wiring
from bittrigger.synth.netlist import Netlist


@dataclass(frozen=True)
class Task:
    """A claim that is yet to be decided."""

    subject: str
    kind: str
    statement: str
    method: str
    proof: Callable[[], str]

    def run(self) -> Claim:
        """Decide it."""
        return attempt(self.subject, self.kind, self.statement, self.method, self.proof)


def tasks(setting: Setting) -> Iterator[Task]:
    """Every claim, the longest proofs first."""
    if setting.primitive is not None:
        yield from _netlist_tasks(setting, setting.primitive)
    for module in setting.pipeline.modules:
        if module.engine:
            yield from _engine_tasks(setting, module)
        elif module.serial:
            yield from _serial_tasks(setting, module)
        elif module.tally:
            yield from _tally_tasks(setting, module, module.tally)
        else:
            yield from _module_tasks(setting, module)
        yield from _fed_tasks(setting, module)
    if setting.pipeline.settings_name is not None:
        yield from _settings_tasks(setting, setting.pipeline.settings_name)
    if setting.pipeline.guard_name is not None:
        yield from _guard_tasks(setting, setting.pipeline.guard_name)
    yield from _top_tasks(setting)
    if setting.vhdl is not None:
        yield from _vhdl_tasks(setting, setting.vhdl)


def _module_tasks(setting: Setting, module: Module) -> Iterator[Task]:
    name = module.name
    if isinstance(module.node, Linear) and module.adders is not None:
        yield Task(
            name,
            "weights",
            "the adder graph computes the matrix and the bias",
            "linear forms",
            partial(prove_matrix, module.node, module.adders),
        )
        yield Task(
            name,
            "widths",
            "no value of the adder graph leaves its width",
            "intervals of linear forms",
            partial(prove_widths, module.adders),
        )
        yield Task(
            name,
            "verilog",
            "each wire of the Verilog is its adder, and each result its column of the matrix",
            "linear forms of the Verilog as Yosys reads it",
            lambda: prove_verilog(module, setting.vectors, setting.verilog(module)),
        )
    elif isinstance(module.node, Weigh | Hold):
        yield Task(
            name,
            "verilog",
            "each result of the Verilog is what the node defines, whatever the registers hold",
            "SAT against a circuit written from the definition, weights and biases being inputs",
            lambda: prove_reader(module, setting.vectors, setting.verilog(module), setting.scratch()),
        )
    elif isinstance(module.node, Product):
        yield Task(
            name,
            "verilog",
            "the result of the Verilog is the product of its operand codes",
            f"every pair of codes; beyond {MAX_BITS} bits SAT against Booth's rows",
            lambda: prove_product(module, setting.vectors, setting.verilog(module), setting.scratch()),
        )
    elif isinstance(module.node, Extremum | MagnitudeOr | ShiftDown | ShiftUp):
        yield Task(
            name,
            "verilog",
            "each result of the Verilog is what the node defines, with every exponent that comes",
            "SAT against a circuit written from the definition",
            partial(_prove_scaling, setting, module, module.node),
        )
    else:
        yield Task(
            name,
            "verilog",
            "each channel of the Verilog is what the node defines",
            f"every code; SAT for channels of more than {MAX_CODES} codes",
            partial(_prove_channels, setting, module),
        )
    yield Task(
        name,
        "latency",
        f"every path has {module.cycles} registers, without reset, enable or feedback",
        "induction over the cells",
        lambda: prove_latency(setting.verilog(module), module.cycles),
    )


def _prove_channels(setting: Setting, module: Module) -> str:
    netlist = setting.verilog(module)
    codes = wide = known = 0
    for channel, span in enumerate(module.source):
        if span.hi - span.lo < MAX_CODES:
            codes += prove_channel(module, setting.vectors, netlist, channel)
        else:
            known += prove_wide_channel(module, setting.vectors, netlist, channel, setting.scratch())
            wide += 1
    by_sat = f", {wide} channels by SAT" if wide else ""
    return f"{len(module.source)} channels, {codes} codes{by_sat}" + (f"{BEFORE}: {known} of them" if known else "")


def _prove_scaling(setting: Setting, module: Module, node: Scaling | Extremum) -> str:
    return prove_scaling(module, node, setting.vectors, setting.verilog(module), setting.scratch())


def _queue_tasks(setting: Setting, module: Module) -> Iterator[Task]:
    name, width = module.queue_name, setting.vectors.operands(module)[0].element.width
    statement = f"each copy reads its operand in its cycle, if no event is let in within {module.phases} cycles of the one before"
    method = "induction over the cycles, on symbols"
    for kind, read in setting.sides:
        yield Task(name, kind, statement, method, partial(_prove_queue, setting.pipeline, module, width, read))


def _prove_queue(pipeline: Pipeline, module: Module, width: int, read: Callable[[str], Netlist]) -> str:
    return prove_queue(module, queued_codes(pipeline.graph, module)[1], width, read(module.queue_name))


def _engine_tasks(setting: Setting, module: Module) -> Iterator[Task]:
    """A matrix that is multiplied step by step."""
    name, vectors = module.name, setting.vectors
    yield Task(
        name,
        "weights",
        "what is handed out adds up to the matrix and the bias, and no result leaves its width",
        "linear forms",
        partial(prove_plan, module, vectors),
    )
    lane = "in every cycle a lane is cleared, or adds what it is handed out, whatever it holds"
    feed = f"each cycle hands out what is due, where no event is let in within {module.phases * module.pace} cycles"
    for kind, read in setting.sides:
        yield Task(
            name,
            kind,
            lane,
            "SAT against a circuit written from the definition",
            partial(_prove_lane, setting, module, read),
        )
        yield Task(
            module.feed_name,
            kind,
            feed,
            "induction over the cycles, on symbols",
            partial(_prove_feed, setting, module, read),
        )


def _prove_lane(setting: Setting, module: Module, read: Callable[[str], Netlist]) -> str:
    return prove_lane(module, setting.vectors, read(module.name), setting.scratch())


def _prove_feed(setting: Setting, module: Module, read: Callable[[str], Netlist]) -> str:
    return prove_feed(module, setting.vectors, read(module.feed_name))


def _fed_tasks(setting: Setting, module: Module) -> Iterator[Task]:
    """What copies that take turns are fed with by a queue, or columns whose weights are held."""
    if module.queue:
        yield from _queue_tasks(setting, module)
    if not module.is_fed:
        return
    statement = (
        "each turn gets the codes of its event, and what memory held for its columns in the cycle before, in the bank that came "
        f"with them, where no event is let in within {module.phases} cycles; a bit takes its bit of the bus where its word is hit"
    )
    method = "induction over the cycles, on symbols; a memory keeps what was written last"
    for kind, read in _fed_sides(setting):
        yield Task(module.feed_name, kind, statement, method, partial(_prove_columns, setting, module, read))


def _fed_sides(setting: Setting) -> list[tuple[str, Callable[[str], Netlist]]]:
    """What is read of the design, memories included: the VHDL as well."""
    return [*setting.sides, *([("vhdl", setting.vhdl.module)] if setting.vhdl is not None else [])]


def _prove_columns(setting: Setting, module: Module, read: Callable[[str], Netlist]) -> str:
    (place,) = (place for place, other in in_memory(setting.pipeline) if other is module)
    return prove_columns(place, module, setting.vectors, read(module.feed_name))


def _serial_tasks(setting: Setting, module: Module) -> Iterator[Task]:
    """A matrix that is multiplied digit by digit."""
    name, vectors = module.name, setting.vectors
    statement = "the digits add up to the matrix and the bias, and no result leaves its width"
    yield Task(name, "weights", statement, "linear forms", partial(prove_digits, module, vectors))
    cycles = module.phases * module.pace
    statement = f"each result is there in its cycle, whatever was before, if no event is let in within {cycles} cycles"
    method = "the cycles of an event, unrolled, by SAT against the sums of the adder graph"
    for kind, read in setting.sides:
        yield Task(name, kind, statement, method, partial(_prove_serial, setting, module, read))


def _prove_serial(setting: Setting, module: Module, read: Callable[[str], Netlist]) -> str:
    return prove_serial(module, setting.vectors, read(module.name), setting.scratch())


def _tally_tasks(setting: Setting, module: Module, tally: Tally) -> Iterator[Task]:
    """A sum over positions that come some at a time."""
    name, vectors = module.name, setting.vectors
    statement = "the turns add up to the matrix and the bias, and no result leaves its width"
    yield Task(name, "weights", statement, "linear forms", partial(prove_sums, module, vectors, tally))
    for kind, read in setting.sides:
        statement = "in every cycle a sum adds what comes, or starts with it, whatever it holds"
        method = "SAT against a circuit written from the definition"
        yield Task(name, kind, statement, method, partial(_prove_sum, setting, module, tally, read))


def _prove_sum(setting: Setting, module: Module, tally: Tally, read: Callable[[str], Netlist]) -> str:
    return prove_sum(module, setting.vectors, tally, read(module.name), setting.scratch())


def _settings_tasks(setting: Setting, name: str) -> Iterator[Task]:
    """The registers of what is held, and the bus that writes them."""
    column = "a bit takes its bit of the bus where its word is hit, counts from the edge on at which turn is high, and else stays"
    bus = (
        "each write hits its word and no other, a command switches each layer in its stage, and busy is high until then"
    )
    for kind, read in setting.sides:
        for place, module in placed(setting.pipeline):
            if module.is_fed:
                continue
            proof = partial(_prove_column, place, module.held_name, read)
            yield Task(module.held_name, kind, column, "tracing every bit", proof)
        if setting.pipeline.loader_name is not None:
            yield _loader_task(setting, setting.pipeline.loader_name, kind, read)
        method = "tracing, and SAT against a circuit written from the definition, from every state"
        yield Task(name, kind, bus, method, partial(_prove_settings, setting, name, read))


def _loader_task(setting: Setting, name: str, kind: str, read: Callable[[str], Netlist]) -> Task:
    """What follows a load of what lies in memory."""
    statement = (
        "each word goes to its memory, to the row of its turn in the bank that does not count; a command counts where all words "
        "have come in their order, and the other bank counts for each layer from its stage on"
    )
    method = (
        "SAT against a circuit written from the definition, from every state, which is followed through a load; tracing"
    )
    return Task(name, kind, statement, method, partial(_prove_loader, setting, name, read))


def _prove_loader(setting: Setting, name: str, read: Callable[[str], Netlist]) -> str:
    return prove_loader(setting.pipeline, read(name), setting.scratch())


def _prove_column(place: Place, name: str, read: Callable[[str], Netlist]) -> str:
    return prove_column(place, read(name))


def _prove_settings(setting: Setting, name: str, read: Callable[[str], Netlist]) -> str:
    return prove_settings(setting.pipeline, read(name), setting.scratch())


def _guard_tasks(setting: Setting, name: str) -> Iterator[Task]:
    ii, arrival = setting.pipeline.ii, setting.pipeline.arrival
    words = arrival.words if arrival else 1
    statement = (
        f"an event is let in where none was in the {ii - 1} cycles before, and else dropped and reported a cycle later"
    )
    if arrival:
        statement += f"; one that lacks a word of {words} is given up, and every word that is not taken is reported"
    method = "every state that can be reached after a reset"
    for kind, read in setting.sides:
        yield Task(name, kind, statement, method, partial(_prove_guard, (ii, words), name, read))


def _prove_guard(pace: tuple[int, int], name: str, read: Callable[[str], Netlist]) -> str:
    return prove_guard(*pace, read(name))


def _top_tasks(setting: Setting) -> Iterator[Task]:
    name, latency = setting.pipeline.graph.name, setting.pipeline.latency_cycles
    guarded, arriving = setting.pipeline.guard_name is not None, setting.pipeline.arriving
    enters = "after an event was let in" if guarded else "later"
    if arriving:
        enters += f", {latency - arriving} after its last word"
    yield Task(
        name,
        "verilog",
        "each module reads the codes of its operands, in its cycle",
        "tracing every bit",
        lambda: prove_wiring(setting.pipeline, setting.rtl.module(name)),
    )
    yield Task(
        name,
        "latency",
        f"{'out_valid is high' if guarded else 'out_valid is in_valid'} {latency} cycles "
        f"{enters}, for every pattern of gaps, unless reset in between",
        "tracing the valid chain",
        lambda: prove_valid(setting.pipeline, setting.rtl.module(name)),
    )


def _vhdl_tasks(setting: Setting, vhdl: Rtl) -> Iterator[Task]:
    """The VHDL, module by module, held against the Verilog of which all else is proven."""

    def equal(name: str) -> str:
        return prove_same(setting.rtl.module(name), vhdl.module(name), setting.scratch())

    def wired() -> str:
        found = vhdl.module(top)
        return f"{prove_wiring(setting.pipeline, found)}; valid chain: {prove_valid(setting.pipeline, found)}"

    top = setting.pipeline.graph.name
    method = "SAT sweeping (ABC) of what GHDL reads, from every state of the registers"
    bus = setting.pipeline.settings_name
    if bus is not None:
        statement = "the bus of the settings in VHDL does what that in Verilog does"
        yield Task(bus, "vhdl", statement, "as for the Verilog", lambda: _prove_settings(setting, bus, vhdl.module))
    fed = {module.feed_name for module in setting.pipeline.modules if module.is_fed}  # memories; see _fed_tasks
    for name in sorted(setting.rtl.design - {top, bus} - fed):
        yield Task(name, "vhdl", "the VHDL equals the Verilog, register for register", method, partial(equal, name))
    statement = "the top connects the same bits, in the same cycles"
    yield Task(top, "vhdl", statement, "tracing every bit of what GHDL reads", wired)


_LIBRARY = {
    "bittrigger_weigh2": "the sum of two weighed operands in primitives equals the behavioural one",
    "bittrigger_adder3": "the three-input adder in primitives equals a + b + c",
    "bittrigger_adder2_carry": "the two-input adder whose top bit is a carry, in primitives, equals a + b",
    "bittrigger_adder3_carry": "the three-input adder whose top bit is a carry, in primitives, equals a + b + c",
    "bittrigger_clip": "the limiter in primitives equals the behavioural one",
    "bittrigger_pick": "the multiplexer in primitives picks the bit that is named",
    "bittrigger_digit": "the digit of a sum in primitives equals a + b + carry",
}


def _netlist_tasks(setting: Setting, primitive: Rtl) -> Iterator[Task]:
    method = "SAT sweeping (ABC), registers proven in step"

    def equal(module: Module) -> str:
        gates = setting.netlist(module.name)
        prove_latency(gates, module.cycles)
        return prove_equal(primitive.module(module.name), gates, setting.scratch())

    unrolled = [module for module in setting.pipeline.modules if not (module.engine or module.tally or module.serial)]
    by_size = sorted(unrolled, key=lambda m: len(m.adders.adders) if m.adders else 0, reverse=True)
    for module in by_size:
        yield Task(module.name, "netlist", "the synthesised netlist equals the Verilog", method, partial(equal, module))
    yield Task(
        setting.pipeline.graph.name,
        "netlist",
        "the netlist of the top connects the same bits, in the same cycles",
        "tracing every bit",
        lambda: _prove_top_netlist(setting),
    )
    library = setting.rtl.library()
    for stem, statement in _LIBRARY.items():
        forms = [name for name in library if stem in name]
        if forms:
            yield Task(
                stem,
                "netlist",
                f"{statement}, in each of the {len(forms)} forms that occur",
                "SAT sweeping (ABC)",
                partial(_prove_library, setting, primitive, forms),
            )


def _prove_top_netlist(setting: Setting) -> str:
    gates = setting.netlist(setting.pipeline.graph.name)
    wiring = prove_wiring(setting.pipeline, gates, pruned=True)
    return f"{wiring}; valid chain: {prove_valid(setting.pipeline, gates)}"


def _prove_library(setting: Setting, primitive: Rtl, library: list[str]) -> str:
    work = setting.scratch()
    questions = [work / str(number) for number in range(len(library))]
    for name, question in zip(library, questions, strict=True):
        question.mkdir()
        try:
            pose(setting.rtl.module(name), primitive.module(name), question)
        except Unproven as failure:
            raise Unproven(f"{name}: {failure}", refuted=failure.refuted) from failure
    found = answers(questions, work)
    for name, answer in zip(library, found, strict=True):
        if isinstance(answer, Unproven):
            raise Unproven(f"{name}: {answer}", refuted=answer.refuted)
    known = sum(answer is True for answer in found)
    return f"{len(library)} forms" + (f"{BEFORE}: {known} of them" if known else "")
