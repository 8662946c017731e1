"""Static timing: delays of one cell by hand, paths that are none, a placement that overlaps nothing, and figures of a design."""

import json
import re

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from designs import build_of, mlp, solved

from bittrigger.cli import cli
from bittrigger.device import delays
from bittrigger.synth.exchange import exchanged
from bittrigger.synth.netlist import HIGH, LOW, Cell, Netlist, read_netlist
from bittrigger.synth.placement import FILL, LUTS, Placement, Placer, _clusters
from bittrigger.synth.sta import analyse
from bittrigger.synth.yosys import netlist_files

D, Q, A, B, O5, O6, END, SUM = range(2, 10)


def register(name, d, q):
    return Cell(name, "FDRE", {"INIT": "0"}, {"C": (LOW,), "CE": (HIGH,), "R": (LOW,), "D": (d,)}, {"Q": (q,)})


def netlist(*cells, outputs=()):
    return Netlist("t", {}, {"y": tuple(outputs)}, tuple(cells), 20, {})


def test_a_register_behind_a_register():
    timing = analyse(netlist(register("u_a.a", D, Q), register("u_a.b", Q, A)), 100.0, {})
    (path,) = timing.paths
    wire = delays.wire_ps(0, 0) + delays.FF_PIN
    assert path.delay_ps == delays.CLOCK_TO_Q + wire + delays.SETUP
    assert (path.module, path.end, path.levels) == ("u_a", "u_a.b", 0)
    assert path.slack_ps == 10_000 - 35 - path.delay_ps
    assert path.logic_ps + path.wire_ps == path.delay_ps


def test_the_last_signal_gets_the_fastest_pin():
    lut = Cell("u_a.l", "LUT2", {"INIT": "1000"}, {"I0": (Q,), "I1": (B,)}, {"O": (O6,)})
    early = Cell("u_a.e", "LUT1", {"INIT": "10"}, {"I0": (Q,)}, {"O": (B,)})
    timing = analyse(netlist(register("u_a.a", D, Q), early, lut, register("u_a.z", O6, END)), 100.0, {})
    steps = timing.paths[0].steps
    assert [step.type for step in steps] == ["FDRE", "LUT1", "LUT2"]
    assert [step.cell_ps for step in steps[1:]] == [delays.LUT_O6[0]] * 2


def test_a_path_that_a_table_does_not_have_is_none():
    """O5 does not read I3, so that nothing comes from there."""
    table = "1" * 32 + "1010" * 8
    pins = {"I0": (Q,), "I1": (LOW,), "I2": (LOW,), "I3": (B,), "I4": (LOW,), "I5": (HIGH,)}
    lut = Cell("u_a.l", "LUT6_2", {"INIT": table}, pins, {"O5": (O5,), "O6": (O6,)})
    slow = [
        Cell(f"u_a.s{k}", "LUT1", {"INIT": "10"}, {"I0": (Q if k == 0 else 10 + k,)}, {"O": (11 + k,)})
        for k in range(4)
    ]
    last = Cell("u_a.b", "LUT1", {"INIT": "10"}, {"I0": (14,)}, {"O": (B,)})
    timing = analyse(netlist(register("u_a.a", D, Q), *slow, last, lut, register("u_a.z", O5, END)), 100.0, {})
    assert [step.cell for step in timing.paths[0].steps] == ["u_a.a", "u_a.l"]


def test_a_carry_chain_is_one_level():
    zeros = (LOW,) * 8

    def block(name, ci, s, low):
        outputs = {"O": tuple(range(low, low + 8)), "CO": tuple(range(low + 10, low + 18))}
        return Cell(name, "CARRY8", {}, {"CI": (ci,), "S": s, "DI": zeros}, outputs)

    first, second = block("u_a.c0", LOW, (Q, *zeros[1:]), 20), block("u_a.c1", 37, zeros, 40)
    timing = analyse(netlist(register("u_a.a", D, Q), first, second, register("u_a.z", 47, END)), 100.0, {})
    steps = timing.paths[0].steps
    assert [step.type for step in steps] == ["FDRE", "CARRY8", "CARRY8"]
    assert steps[1].cell_ps == delays.S_TO_CO[0][7]
    assert (steps[2].wire_ps, steps[2].cell_ps) == (delays.CASCADE, delays.CI_TO_O[7])
    assert timing.paths[0].levels == 1


def test_the_lut_of_a_bit_inverts_in_front_of_its_carry_chain():
    """An inverter there is no LUT of its own, so that it costs a path nothing beside one without it."""
    pins = {"CI": (LOW,), "CYINIT": (LOW,), "DI": (Q, LOW, LOW, LOW)}
    outputs = {"O": tuple(range(20, 24)), "CO": tuple(range(30, 34))}

    def slowest(net, *cells):
        block = Cell("u_a.c", "CARRY4", {}, pins | {"S": (net, LOW, LOW, LOW)}, outputs)
        (path,) = analyse(netlist(register("u_a.a", D, Q), *cells, block, register("u_a.z", 23, END)), 100.0, {}).paths
        return path

    inverted, plain = slowest(A, Cell("u_a.i", "INV", {}, {"I": (Q,)}, {"O": (A,)})), slowest(Q)
    assert [step.type for step in inverted.steps] == [step.type for step in plain.steps] == ["FDRE", "CARRY4"]
    assert inverted.delay_ps == plain.delay_ps


def test_wires_grow_with_their_length():
    assert delays.wire_ps(0, 0) == 43.0
    costs = [delays.wire_ps(4 * k, 12 * k) for k in range(30)]
    assert costs == sorted(costs)
    assert delays.wire_ps(-3, 4) == delays.wire_ps(3, -4)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_of(solved([16, 24, 8], seed=3), tmp_path_factory.mktemp("sta"), synth=True)


def flat(build):
    return read_netlist(build.graph.name, netlist_files(build.pipeline, build.folder / "synth"))


def test_no_slice_is_overfull(built):
    design = flat(built)
    placement = Placer(design, [0] * len(design.cells)).place()
    group, heights, area = _clusters(design)
    used = {}
    for number in range(len(heights)):
        member = int(np.flatnonzero(group == number)[0])
        used.setdefault(int(placement.column[member]), []).append(area[number])
    assert max(sum(parts) for parts in used.values()) <= 2 * placement.rows * LUTS * FILL + max(area)
    assert placement.row.max() < placement.rows


def test_a_group_far_from_what_it_reads_changes_places_with_one_of_its_shape():
    """Group 1 lies far from group 0; 2 beside it has another shape; 3 is of the same, and nothing hangs on it."""
    where = np.array([0, 50, 1, 2]), np.array([0, 60, 0, 1])
    placement = Placement(*where, np.arange(4), 51, 61)
    kinds, rests = np.array([0, 1, 2, 1]), {(0, 1): 900.0}
    moved = exchanged(placement, kinds, rests, 1000.0)
    assert moved.column.tolist() == [0, 2, 1, 50]
    assert moved.row.tolist() == [0, 1, 0, 60]
    far = 900.0 + delays.wire_ps(50, 60)
    assert exchanged(placement, kinds, rests, far).column.tolist() == placement.column.tolist()
    assert exchanged(placement, kinds, rests | {(3, 2): 990.0}, 1000.0).column.tolist() == placement.column.tolist()


def test_what_is_converted_for_a_clock_meets_it(built):
    stages = {f"u_{module.label}": module.stop for module in built.pipeline.modules}
    assert analyse(flat(built), built.settings.clock_mhz, stages).slack_ps >= 0


def test_exchanges_help_a_clock_that_is_not_met(built, monkeypatch):
    design, stages = flat(built), {f"u_{module.label}": module.stop for module in built.pipeline.modules}
    placer, placed = Placer(design, [0] * len(design.cells)), []
    first = Placer.place
    monkeypatch.setattr(Placer, "place", lambda self: placed.append(first(self)) or placed[-1])
    slow = analyse(design, 100.0, stages)
    fast = analyse(design, 700.0, stages)
    assert len(placed) == 2
    assert fast.slack_ps < 0 < slow.slack_ps
    assert fast.paths[0].delay_ps < slow.paths[0].delay_ps
    assert len(placer.kinds) == placed[0].cluster.max() + 1


def test_an_analysis_is_the_same_every_time(built):
    one, other = (analyse(flat(built), 360.0, {}) for _ in range(2))
    assert one == other
    assert {path.module for path in one.paths} >= {"u_bitlinear_dense_0", "u_bitlinear_dense_1"}


def test_more_logic_between_registers_takes_longer(tmp_path):
    slow = build_of(mlp([16, 24, 8], clock_mhz=100.0), tmp_path / "slow", synth=True)
    fast = build_of(mlp([16, 24, 8], clock_mhz=480.0), tmp_path / "fast", synth=True)
    one, other = (analyse(flat(build), 360.0, {}) for build in (slow, fast))
    assert one.paths[0].levels > other.paths[0].levels
    assert one.slack_ps < other.slack_ps


def test_the_verb_judges_and_writes(built, tmp_path, root):
    done = CliRunner().invoke(
        cli, ["timing", str(built.folder), "--clock-mhz", "200", "--json", str(tmp_path / "t.json")]
    )
    assert done.exit_code == 0, done.output
    assert "An estimate; only routed figures are a sign-off" in " ".join(done.output.split())
    data = json.loads((tmp_path / "t.json").read_text())
    jsonschema.validate(data, json.loads((root / "schemas" / "timing-1.json").read_text()))
    assert data["slack_ns"] == min(path["slack_ns"] for path in data["paths"])
    bad = CliRunner().invoke(cli, ["timing", str(built.folder), "--clock-mhz", "900", "--check"])
    assert bad.exit_code == 1
    assert re.search(
        r"the netlist meets \d+ MHz; lower the clock to that, or convert for 900 MHz with --period-margin-ns 0",
        str(bad.exception),
    )


def test_a_build_without_a_netlist_is_refused(tmp_path):
    build_of(solved([4, 3, 2]), tmp_path)
    done = CliRunner().invoke(cli, ["timing", str(tmp_path)])
    assert done.exit_code != 0
    assert "convert without --no-synth" in str(done.exception)
