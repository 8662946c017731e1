"""Proof that modules are made for the ranges that come, and that their turns are over in time."""

from __future__ import annotations

from bittrigger.ir.fixed import Interval
from bittrigger.ir.graph import Input
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.ir.routes import Route, followed, route
from bittrigger.prove.claims import Unproven
from bittrigger.prove.modules.columns import column_spans


def check_ranges(pipeline: Pipeline) -> None:
    """Check that each module is made for the ranges that its operand codes have in every copy."""
    made: dict[str, Module] = {module.node.name: module for module in pipeline.modules}
    for module in pipeline.modules:
        spans = [span for name in module.node.inputs for span in _spans(pipeline, made, name)]
        size = len(module.source)
        for k, span in enumerate(spans):
            if span.lo not in module.source[k % size] or span.hi not in module.source[k % size]:
                raise Unproven(f"module {module.name} is made for other ranges than its operands take")


def check_times(pipeline: Pipeline) -> None:
    """Check that results of what takes turns are read when they are there, and that an event is through before the next one.

    Nothing else ties the stages of such a module to its registers.
    """
    made: dict[str, Module] = {module.node.name: module for module in pipeline.modules}
    for module in pipeline.modules:
        before, plan = made.get(module.node.inputs[0]), module.engine or module.serial
        found: tuple[int, ...] = (module.stop - module.start, module.lanes, module.pace)
        due: tuple[int, ...] = (module.cycles, module.lanes, module.pace)
        turns = module.phases * module.pace
        if plan:
            due, turns = (plan.period + plan.delay, plan.lanes, plan.period), plan.groups * plan.period
        elif module.tally:
            due, turns = (module.tally.turns, module.lanes, module.pace), module.tally.turns
            if before is None or (before.lanes, before.phases, before.pace) != (module.tally.lanes, turns, 1):
                raise Unproven(f"module {module.name} adds up other turns than those that come")
        elif module.is_fed:
            found, due = (*found, module.copies), (0, module.lanes, 1, module.columns)
        elif module.is_folded and not module.queue and isinstance(pipeline.graph[module.node.inputs[0]], Wire):
            _check_followed(pipeline, made, module)
        elif module.is_folded and not module.queue and before is not None:
            several = max(before.copies // module.copies, 1)
            found = (*found[:1], several * module.lanes, module.pace, several * module.copies)
            due = (module.cycles, before.lanes, before.pace, before.copies)
        if found != due or module.phases != -(-module.copies // (module.lanes or module.copies)):
            raise Unproven(
                f"module {module.name} is there {found[0]} cycles after its start; it takes {due[0]}, or other turns"
            )
        if (module.is_folded or module.tally) and turns > pipeline.ii:
            raise Unproven(f"module {module.name} takes {turns} cycles for an event; one may come every {pipeline.ii}")


def _check_followed(pipeline: Pipeline, made: dict[str, Module], module: Module) -> None:
    """Check that what ``module`` reads through a wire comes copy by copy, in turns like its own."""
    names = followed(pipeline.graph, module.node)
    turns = (module.lanes, module.pace, module.copies)
    if not names or any((made[name].lanes, made[name].pace, made[name].copies) != turns for name in names):
        raise Unproven(f"module {module.name} follows layers whose copies come in other turns")


def _results(module: Module) -> tuple[Interval, ...]:
    """The ranges of all results of a module."""
    return column_spans(module) if module.engine or module.tally or module.serial else module.result * module.copies


def _spans(pipeline: Pipeline, made: dict[str, Module], name: str) -> list[Interval]:
    """The ranges of the codes of a node, wires followed."""
    found: Route = route(pipeline.graph, (name,))
    ranges: dict[str, tuple[Interval, ...]] = {}
    for source in found.nodes:
        node = pipeline.graph[source]
        ranges[source] = (node.interval,) * node.size if isinstance(node, Input) else _results(made[source])
    return [
        Interval(0, 0) if source == ZERO else ranges[found.nodes[source]][index]
        for source, index in zip(found.sources.tolist(), found.elements.tolist(), strict=True)
    ]
