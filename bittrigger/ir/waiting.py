"""When codes of a pipeline are read, and how long they wait until then: in one register, or in one after the other."""

from __future__ import annotations

from bittrigger.ir.pipeline import Pipeline
from bittrigger.ir.routes import followed, read_by


def last_reads(pipeline: Pipeline) -> dict[str, int]:
    """The last stage in which the codes of each port or operation are read, wires followed; those that leave: the latency."""
    last: dict[str, int] = {}
    for module in pipeline.modules:
        if module.reads is not None:
            for name in read_by(pipeline.graph, module.node.inputs):
                last[name] = max(module.reads, last.get(name, 0))
    return last | dict.fromkeys(read_by(pipeline.graph, pipeline.graph.outputs), pipeline.latency_cycles)


def waits_in_place(pipeline: Pipeline, name: str, last: int) -> bool:
    """Whether the codes of ``name``, which are read until stage ``last``, stay in a register until the next event comes there.

    That takes fewer registers where they wait for more than a cycle, and events are more than one apart.
    """
    return pipeline.ii > 1 and last - pipeline.source_stage(name) > 1


def registers_until(pipeline: Pipeline, name: str, stage: int, last: int) -> int:
    """Which of the registers behind the codes of ``name`` is read in ``stage``; 0 for none.

    Each one takes what the one before it holds, a cycle later, or where codes wait in place ``ii`` cycles later: the last
    cycle in which that one holds them.
    """
    delay = stage - pipeline.source_stage(name)
    return -(-delay // pipeline.ii) if waits_in_place(pipeline, name, last) else delay


def stream_delays(pipeline: Pipeline) -> dict[str, int]:
    """How many registers the results of each folded module pass, copy by copy, until all are there or the next one reads them.

    An input that comes in words is as a folded module is.
    """
    together, modules = last_reads(pipeline), {module.node.name: module for module in pipeline.modules}
    delays = {
        name: module.phases - 1 if name in together and module.pace == 1 else 0
        for name, module in modules.items()
        if module.is_folded
    }
    for port in pipeline.arrival.ports if pipeline.arrival else ():
        delays[port] = pipeline.arriving if port in together else 0
    for module in pipeline.modules:
        if module.reads is None:
            for before in followed(pipeline.graph, module.node) or module.node.inputs[:1]:
                delays[before] = max(delays[before], module.start - pipeline.first_stage(before))
    return delays


def loads(pipeline: Pipeline) -> set[int]:
    """The stages in which something is told that an event is there: queues, feeds, sums over positions, registers that hold."""
    held = held_turns(pipeline)
    fed = (module for module in pipeline.modules if module.queue or module.engine or module.serial or module.is_fed)
    found = {module.told for module in fed if module.told is not None}
    found |= {module.start for module in pipeline.modules if module.tally}
    for name, last in last_reads(pipeline).items():
        if waits_in_place(pipeline, name, last):
            found |= set(range(pipeline.source_stage(name), last, pipeline.ii))
    return found | {
        module.stop + k * module.pace for module in pipeline.modules for k in range(held.get(module.node.name, 0))
    }


def held_turns(pipeline: Pipeline) -> dict[str, int]:
    """How many turns of each folded module are held until all are there: all but the last, where they are cycles apart."""
    together = last_reads(pipeline)
    return {
        module.node.name: module.phases - 1
        for module in pipeline.modules
        if module.is_folded and module.pace > 1 and module.node.name in together
    }
