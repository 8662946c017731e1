"""What a requantiser is charged with is what its netlist has: LUTs one behind the other, and carry chains where there are any."""

import itertools

import pytest
from designs import build_of, rounding_forms

from bittrigger.device.delay_model import DelayModel
from bittrigger.device.requantizer_delay import requantizer_delay_ns
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Requantize
from bittrigger.prove import Verdict, prove
from bittrigger.schedule.schedule import Schedule
from bittrigger.synth.count import CARRIES, topological
from bittrigger.synth.netlist import read_netlist

LEVEL = DelayModel(register_ns=0.0, adder_ns=2.0, three_input_ns=3.0, logic_ns=1.0, compare_ns=2.0)
"""A LUT is one level, and a carry chain with the LUT in front of it two, as the report counts levels."""

LIMITS = ((0, 255), (-128, 127))
WIDTHS = (6, 9, 12, 20)


def design(cases):
    """A requantiser for each case, all of them in one stage."""
    nodes, names = [], []
    for k, (span, shift, (rounding, offset), limits) in enumerate(cases):
        port = Input(f"x{k}", 1, FixedPoint(span.signed, span.width, 0), span)
        nodes += [port, Requantize(f"r{k}", (port.name,), 1, shift, rounding, *limits, 0, offset)]
        names.append(f"r{k}")
    return Schedule(20.0).apply(Graph("limits", tuple(nodes), tuple(names)), {})


def levels(netlist):
    """LUTs and carry chains on the longest path; a multiplexer of a slice lies beside its LUTs."""
    level = {}
    for cell in topological(netlist.cells):
        before = max((level.get(net, 0) for bits in cell.inputs.values() for net in bits), default=0)
        own = before + (not cell.type.startswith("MUXF"))
        if cell.type in CARRIES:
            chain = level.get(cell.inputs["CI"][0], 0)
            rest = [level.get(net, 0) for pin, bits in cell.inputs.items() if pin != "CI" for net in bits]
            own = max(chain, 1 + max(rest))
        level.update(dict.fromkeys((net for bits in cell.outputs.values() for net in bits), own))
    return max(level.values(), default=0)


def cases(shift):
    for width, form, limits in itertools.product(WIDTHS, rounding_forms(shift), LIMITS):
        half = 1 << (width - 1)
        yield Interval(-half, half - 1), shift, form, limits
    yield Interval(0, 4095), shift, (Rounding.RND_CONV, -(1 << shift >> 1)), (0, 255)
    yield Interval(0, 63), shift, (Rounding.TRN, 0), (0, 5)


@pytest.mark.parametrize("shift", [0, 3, 6])
def test_no_netlist_has_more_levels_than_are_charged(tmp_path, shift):
    pipeline = design(list(cases(shift)))
    build = build_of(pipeline, tmp_path, synth=True)
    late = {}
    for module in pipeline.modules:
        found = levels(read_netlist(module.name, [build.folder / "synth" / f"{module.name}.json"]))
        charged = requantizer_delay_ns(module.node, module.source, LEVEL)
        if found > charged:
            late[str((module.node, module.source))] = (found, charged)
    assert late == {}
    assert [claim for claim in prove(build, netlist=False).claims if claim.verdict is not Verdict.PROVEN] == []
