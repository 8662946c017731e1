"""What there is to prove about a design as a whole: registers and their bus, guard, top, and its VHDL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from bittrigger.ir.held.bus import Place
from bittrigger.ir.held.memory import placed
from bittrigger.prove.circuits.same import prove_same
from bittrigger.prove.sources.rtl import Rtl
from bittrigger.prove.sources.setting import Setting
from bittrigger.prove.tasks.task import Task
from bittrigger.prove.top.guard import prove_guard
from bittrigger.prove.top.held import prove_column, prove_settings
from bittrigger.prove.top.load import prove_loader
from bittrigger.prove.top.wiring import prove_valid, prove_wiring
from bittrigger.synth.netlist import Netlist


def settings_tasks(setting: Setting, name: str) -> Iterator[Task]:
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


def guard_tasks(setting: Setting, name: str) -> Iterator[Task]:
    """The guard of the interval."""
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


def top_tasks(setting: Setting) -> Iterator[Task]:
    """Wiring and valid chain of the top."""
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


def vhdl_tasks(setting: Setting, vhdl: Rtl) -> Iterator[Task]:
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
    fed = {module.feed_name for module in setting.pipeline.modules if module.is_fed}  # memories; see fed_tasks
    for name in sorted(setting.rtl.design - {top, bus} - fed):
        yield Task(name, "vhdl", "the VHDL equals the Verilog, register for register", method, partial(equal, name))
    statement = "the top connects the same bits, in the same cycles"
    yield Task(top, "vhdl", statement, "tracing every bit of what GHDL reads", wired)
