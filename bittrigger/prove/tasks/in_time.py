"""What there is to prove about modules that take their operands in turns: queues, engines, digits, sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from bittrigger.ir.forms.queue import least_distance
from bittrigger.ir.forms.tally import Tally
from bittrigger.ir.held.memory import in_memory
from bittrigger.ir.pipeline import Module, Pipeline, queued_codes
from bittrigger.prove.modules.engine import prove_feed, prove_lane, prove_plan
from bittrigger.prove.modules.fed import prove_columns
from bittrigger.prove.modules.serial import prove_digits, prove_serial
from bittrigger.prove.modules.tally import prove_sum, prove_sums
from bittrigger.prove.sources.setting import Setting
from bittrigger.prove.tasks.task import Task
from bittrigger.prove.top.queue import prove_queue
from bittrigger.synth.netlist import Netlist


def _queue_tasks(setting: Setting, module: Module) -> Iterator[Task]:
    name, width = module.queue_name, setting.vectors.operands(module)[0].element.width
    within = least_distance(module.choosing, module.phases, setting.pipeline.ii)
    statement = (
        f"each copy reads its operand in its cycle, if no event is let in within {within} cycles of the one before"
    )
    method = "induction over the cycles, on symbols"
    for kind, read in setting.sides:
        yield Task(name, kind, statement, method, partial(_prove_queue, setting.pipeline, module, width, read))


def _prove_queue(pipeline: Pipeline, module: Module, width: int, read: Callable[[str], Netlist]) -> str:
    due = queued_codes(pipeline.graph, module)[1]
    distance = least_distance(module.choosing, module.phases, pipeline.ii)
    return prove_queue(module, due, width, distance, read(module.queue_name))


def engine_tasks(setting: Setting, module: Module) -> Iterator[Task]:
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


def fed_tasks(setting: Setting, module: Module) -> Iterator[Task]:
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


def serial_tasks(setting: Setting, module: Module) -> Iterator[Task]:
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


def tally_tasks(setting: Setting, module: Module, tally: Tally) -> Iterator[Task]:
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
