"""A control computer's way to the numbers of a design: AXI4-Lite and IPbus, every answer, whatever the clocks and who waits."""

import json
import re

import jsonschema
import numpy as np
import pytest
from commands import refuses, said
from controlled_designs import ALL, BUSES, Model, Run, bench_of, play, vhdl_bench_of
from designs import build_of
from designs import graph as ternary_graph

from bittrigger.build.folder import load_build
from bittrigger.build.weights import write_weights
from bittrigger.build.wrapping import check_wrappers
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.errors import ConfigError, ToolError
from bittrigger.ir.graph import evaluate
from bittrigger.ir.held.bus import writes
from bittrigger.ir.held.control_map import (
    REGISTERS,
    UNITS,
    accesses_text,
    live_address,
    load_accesses,
    window_bits,
    words_crc,
    written_address,
)
from bittrigger.ir.ports import input_fields, output_fields, pack
from bittrigger.passes.hold import Holding
from bittrigger.passes.simplify import simplify
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import other_numbers, random_codes
from bittrigger.system.resources import folder as folder_of

STATUS = REGISTERS["status"]
CLOCKS = ((2000, 2000), (2000, 2300), (2000, 31250), (3000, 1100))


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A design that holds weights and biases."""
    graph = simplify(ternary_graph((7, 5, 3)), held=Holding(weights=True, bias=False))
    return build_of(create_pipeline(graph, Settings(effort="fast")), tmp_path_factory.mktemp("control") / "build")


@pytest.fixture(scope="module", params=sorted(BUSES))
def desk(request, build, tmp_path_factory):
    """The bus, and a model of the design behind it."""
    return request.param, bench_of(build, request.param, tmp_path_factory.mktemp(request.param))


def loading(graph, bus, label):
    """The accesses that load what ``graph`` holds, on ``bus``."""
    unit = UNITS[BUSES[bus]]
    return [[int(a.write), unit * a.address, a.data, ALL] for a in load_accesses(graph, label)]


def settled(bus):
    """Wait until nothing is busy: an access that has to wait, and the status behind it."""
    return [[0, UNITS[BUSES[bus]] * REGISTERS["applied"], 0, ALL], [0, UNITS[BUSES[bus]] * STATUS, 0, ALL]]


def compare(model, accesses, answers):
    """Every answer is that of ``model``."""
    for number, (access, (refused, data, _)) in enumerate(zip(accesses, answers, strict=True)):
        wanted = model.access(*access)
        if access[0] or wanted[1] is None:  # a word that was never written reads as anything
            wanted = (wanted[0], data if not wanted[0] else 0)
        assert (refused, data) == wanted, f"access {number}, {access}: {(refused, data)}, due {wanted}"


def anything(graph, bus, count, seed):
    """Accesses of every kind, sound and not, and what waits for a command before the status is looked at."""
    rng, unit, size = np.random.default_rng(seed), UNITS[BUSES[bus]], 1 << window_bits(graph)
    words, found = len(writes(graph)) - 1, []
    for _ in range(count):
        write = int(rng.random() < 0.6)
        offset = int(rng.integers(1, words + 1)) if rng.random() < 0.8 else int(rng.integers(size))
        window = int(rng.choice([0, 1, 1, 1, 2, 3]))
        if window == 0:
            offset = int(rng.integers(28))
        address = unit * (window * size + offset)
        strobes = ALL
        if bus == "axi_lite" and rng.random() < 0.1:
            strobes = int(rng.integers(16))
        elif bus == "axi_lite" and rng.random() < 0.1:
            address += int(rng.integers(4))
        data = int(rng.choice([0, 1, 1, int(rng.integers(1 << 32))]))
        found += [[write, address, data, strobes], *settled(bus)]
    return found


@pytest.mark.parametrize("clocks", CLOCKS)
def test_every_answer_is_that_of_the_map(build, desk, clocks):
    bus, sim = desk
    graph, model = build.graph, Model(build.graph, bus)
    others = [other_numbers(graph, seed) for seed in (1, 2)]
    unit = UNITS[BUSES[bus]]
    wrong = [unit * REGISTERS["apply_if"], words_crc(others[1]) ^ 1, ALL]
    back = [[0, unit * at(graph, k), 0, ALL] for at in (written_address, live_address) for k in range(1, 12)]
    accesses = [
        [*loading(graph, bus, 7), *back],
        [*loading(others[0], bus, 8), *back],
        [
            *loading(others[1], bus, 9)[:-4],
            [1, *wrong],
            *settled(bus),
            *back,
        ],  # refused: what counts is still the other
        anything(graph, bus, 150, 3),
    ]
    runs = [Run(some, stall, seed) for seed, (some, stall) in enumerate(zip(accesses, (0, 0.6, 0, 0.3), strict=True))]
    found = play(sim, build, bus, runs, clk_ps=clocks[0], bus_ps=clocks[1])
    for run, (answers, _) in zip(runs, found, strict=True):
        compare(model, run.accesses, answers)
    assert model.registers[REGISTERS["applied"]] >= 2
    assert model.registers[REGISTERS["refusals"]] >= 1


def test_numbers_change_between_two_events(build, desk):
    bus, sim = desk
    graph = build.graph
    sets = [graph, other_numbers(graph, 1), other_numbers(graph, 2)]
    codes = random_codes(graph, 300, 1)
    outputs = [evaluate(one, codes) for one in sets]
    apart = [k for k in range(len(codes)) if len({tuple(found[k]) for found in outputs}) == len(sets)]
    assert len(apart) > 20
    codes = codes[apart]
    words = [int.from_bytes(row.tobytes(), "little") for row in pack(codes, input_fields(graph))]
    due = [
        [int.from_bytes(row.tobytes(), "little") for row in pack(evaluate(one, codes), output_fields(graph))]
        for one in sets
    ]
    runs = [Run(loading(one, bus, k), 0.2, k, events=k > 0) for k, one in enumerate([*sets, graph])]
    for bus_ps in (2000, 7300):
        found = play(sim, build, bus, runs, events=words, bus_ps=bus_ps)
        for before, after, (_, events) in zip((0, 1, 2), (1, 2, 0), found[1:], strict=True):
            met = [{which for which in range(3) if due[which][k] == word} for k, word in events]
            switch = next(k for k, which in enumerate(met) if which != {before})
            assert set.union(*met[:switch]) == {before}
            assert set.union(*met[switch:]) == {after}


def test_reads_beside_writes(build, tmp_path):
    sim, unit = bench_of(build, "axi_lite", tmp_path), 4
    graph = build.graph
    load = loading(graph, "axi_lite", 5)
    stores = [access for access in load if access[0]][:-2]
    reads = [access for access in load if not access[0]][:11] * 2
    mixed = [access for pair in zip(stores, reads, strict=False) for access in pair]
    back = [[0, unit * written_address(graph, k + 1), 0, ALL] for k in range(len(stores))]
    runs = [Run(mixed, stall, seed, parallel=True) for seed, stall in enumerate((0, 0.5))]
    for run, (answers, _) in zip(runs, play(sim, build, "axi_lite", [*runs, Run(back)]), strict=False):
        for (write, _, data, _), (refused, read, _) in zip(run.accesses, answers, strict=True):
            assert not refused
            assert write or read == data
    *_, (answers, _) = play(sim, build, "axi_lite", [*runs, Run(back)])
    kept = {access[1]: access[2] for access in mixed if access[0]}
    for (_, address, _, _), (refused, read, _) in zip(back, answers, strict=True):
        assert not refused
        assert address not in kept or read == kept[address]


def test_a_master_that_gives_up_or_is_reset_harms_nobody(build, desk):
    bus, sim = desk
    graph, model = build.graph, Model(build.graph, bus)
    unit = UNITS[BUSES[bus]]
    load = loading(graph, bus, 3)
    if bus == "ipbus":
        impatient = [[0, unit * live_address(graph, 1), 0, patience] for patience in range(16, 30)]
        load = [access for k, one in enumerate(load) for access in ([one, impatient[k % 14]] if k % 3 == 0 else [one])]
    slow = {"clk_ps": 9000, "bus_ps": 1000}
    runs = [Run(load, 0.1, 1), Run(loading(graph, bus, 4), 0, 2, reset=True)]
    found = play(sim, build, bus, runs, **slow)
    for run, (answers, _) in zip(runs, found, strict=True):
        kept = [(a, f) for a, f in zip(run.accesses, answers, strict=True) if f[0] != 2 and a[3] == ALL]
        compare(model, [a for a, _ in kept], [f for _, f in kept])
    assert bus != "ipbus" or any(answer[0] == 2 for answer in found[0][0])


BROKEN = {
    "a partial write is taken": ("axi_lite", "axi_lite", "w_whole <= &s_axi_wstrb;", "w_whole <= |s_axi_wstrb;"),
    "an address between words": ("axi_lite", "axi_lite", "ar_address[1:0] == 2'b00;", "1'b1;"),
    "nobody waits for rready": (
        "axi_lite",
        "axi_lite",
        "if (s_axi_rready) s_axi_rvalid <= 1'b0;",
        "s_axi_rvalid <= 1'b0;",
    ),
    "beyond the last word": ("ipbus", "control", "offset <= WINDOW_BITS'(WORDS);", "1'b1;"),
    "another polynomial": ("ipbus", "control", "32'hedb88320", "32'hedb88321"),
    "a wrong sum is applied": ("ipbus", "control", "!conditional || ~sum == wanted", "1'b1"),
    "what counts is not copied": ("ipbus", "control", "walks_2 && state == COPY", "walks_2 && state == SETTLE"),
    "an access while busy": (
        "ipbus",
        "control",
        "opens && state == READY && !settings_busy",
        "opens && state != FETCH",
    ),
    "an answer too early": ("ipbus", "cross", "done <= asks && answered[1];", "done <= asks && !done;"),
    "a request too early": ("ipbus", "cross", "!asks && !answered[1] && !done", "!asks && !done"),
    "a stale answer": ("ipbus", "ipbus", "(waits && !ipb_strobe) || ", ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_slave_is_found(build, name, tmp_path):
    bus, stem, *change = BROKEN[name]
    broken = (bus, bench_of(build, bus, tmp_path, (f"bittrigger_{stem}", *change)))

    def judge():
        test_every_answer_is_that_of_the_map(build, broken, (2000, 2300))
        test_a_master_that_gives_up_or_is_reset_harms_nobody(build, broken)

    with pytest.raises((AssertionError, ToolError)):
        judge()


def accesses_of(path, base):
    """The accesses in a file, as any control computer would read them."""
    found = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            verb, address, data = re.fullmatch(r"(read|write) (0x[0-9a-f]{8}) (0x[0-9a-f]{8})", line).groups()
            found.append((verb == "write", int(address, 16) - base, int(data, 16)))
    return found


def test_a_file_is_played_into_the_design(build, desk, tmp_path):
    bus, sim = desk
    other = other_numbers(build.graph, 9)
    write_weights(tmp_path / "other.txt", other)
    base = 0x44A00000
    words = ("--bus", BUSES[bus], "--base", hex(base), "--label", "0x20261130")
    said("weights", tmp_path / "other.txt", build.folder, "--writes", tmp_path / "bus.txt", *words)
    played = accesses_of(tmp_path / "bus.txt", base)
    assert accesses_text(other, BUSES[bus], base=base, label=0x20261130) == (tmp_path / "bus.txt").read_text()
    codes = random_codes(build.graph, 50, 2)
    events = [int.from_bytes(row.tobytes(), "little") for row in pack(codes, input_fields(build.graph))]
    run = Run([[int(write), address, data, ALL] for write, address, data in played])
    (answers, _), (_, found) = play(sim, build, bus, [run, Run([], events=True)], events=events, bus_ps=3100)
    for (write, address, data), (refused, read, _) in zip(played, answers, strict=True):
        assert not refused, address
        assert write or read == data
    due = [int.from_bytes(row.tobytes(), "little") for row in pack(evaluate(other, codes), output_fields(other))]
    assert found
    assert all(word == due[k] for k, word in found)


@pytest.mark.parametrize("bus", sorted(BUSES))
def test_vhdl_answers_the_same(build, bus, tmp_path):
    made = build_of(build.pipeline, tmp_path / "build", hdl="vhdl")
    slave = (bus, vhdl_bench_of(made, bus, tmp_path / "bench"))
    test_every_answer_is_that_of_the_map(made, slave, (2000, 2300))
    test_numbers_change_between_two_events(made, slave)
    test_a_master_that_gives_up_or_is_reset_harms_nobody(made, slave)


def test_a_slave_belongs_to_the_build(build, tmp_path):
    schema = json.loads((folder_of("schemas") / "wrap-1.json").read_text())
    for name in BUSES.values():
        assert "words, and registers" in said("wrap", build.folder, "-i", name, "--json", tmp_path / "wrap.json")
        jsonschema.validate(json.loads((tmp_path / "wrap.json").read_text()), schema)
    assert check_wrappers(load_build(build.folder)) == 20
    text = (build.folder / "wrap/axi-lite/example_axi_lite.sv").read_text()
    assert f"{len(writes(build.graph)) - 1} words at the addresses of example_settings" in text
    assert "wrap/ipbus/example_ipbus.sv" in (build.folder / "SHA256SUMS").read_text()
    plain = build_of(create_pipeline(ternary_graph((7, 5, 3)), Settings(effort="fast")), tmp_path / "plain")
    refuses(ConfigError, "holds nothing in registers that a bus could write", "wrap", plain.folder, "-i", "ipbus")


REFUSED = {
    "nothing to write": ((), "give --output, --writes, or both"),
    "an unknown bus": (("--writes", "w.txt", "--bus", "can"), "--bus 'can'; allowed are axi-lite, ipbus"),
    "what is there": (("--writes", __file__), "--overwrite"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_order_is_refused(build, name):
    words, match = REFUSED[name]
    refuses(ConfigError, match, "weights", "x", build.folder, *words)


@pytest.mark.parametrize("bus", sorted(BUSES))
def test_columns_that_take_turns_are_written_the_same_way(bus, tmp_path):
    graph = simplify(ternary_graph((12, 10, 4)), held=Holding(weights=True, bias=False))
    folded = build_of(create_pipeline(graph, Settings(effort="fast", ii=5)), tmp_path / "build")
    assert any(module.is_folded for module in folded.pipeline.held)
    slave = (bus, bench_of(folded, bus, tmp_path))
    test_every_answer_is_that_of_the_map(folded, slave, (2000, 2300))
    test_numbers_change_between_two_events(folded, slave)
