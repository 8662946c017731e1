"""What there is to prove about the synthesised netlist."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.equivalence import BEFORE, answers, pose, prove_equal
from bittrigger.prove.circuits.stages import prove_latency
from bittrigger.prove.claims import Unproven
from bittrigger.prove.sources.rtl import Rtl
from bittrigger.prove.sources.setting import Setting
from bittrigger.prove.tasks.task import Task
from bittrigger.prove.top.wiring import prove_valid, prove_wiring

_LIBRARY = {
    "bittrigger_weigh2": "the sum of two weighed operands in primitives equals the behavioural one",
    "bittrigger_adder3": "the three-input adder in primitives equals a + b + c",
    "bittrigger_adder2_carry": "the two-input adder whose top bit is a carry, in primitives, equals a + b",
    "bittrigger_adder3_carry": "the three-input adder whose top bit is a carry, in primitives, equals a + b + c",
    "bittrigger_clip": "the limiter in primitives equals the behavioural one",
    "bittrigger_pick": "the multiplexer in primitives picks the bit that is named",
    "bittrigger_digit": "the digit of a sum in primitives equals a + b + carry",
}


def netlist_tasks(setting: Setting, primitive: Rtl) -> Iterator[Task]:
    """Every module, the top and the library in primitives."""
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
