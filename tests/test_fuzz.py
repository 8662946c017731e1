"""Random networks through Keras and every executor; the shrinker; the corpus of what once failed; damaged files.

The networks of 64 fixed seeds, with ``--hypothesis-profile nightly`` of 200, all go through Keras, the oracle, C-simulation, the
emulator and Verilated RTL; every third is synthesised and simulated as a netlist, and every sixtieth also runs through the
executors of the command line, RTL under cocotb included. ``make fuzz N=5000`` runs more.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from fuzz.campaign import Campaign, read_records, run_campaign, summary
from fuzz.case import Plan
from fuzz.check import run_batch
from fuzz.generate import generate
from fuzz.readers import TARGETS, Reader, check_many, check_one
from fuzz.shrink import plan_for, reduce_while, shrink
from fuzz.spec import Node, Spec, digest, from_json, load, save, to_json
from rich.console import Console

from bittrigger.emit import emulator as emulator_package
from bittrigger.ir.held.bus import writes
from bittrigger.simulate.simulators import harness

pytestmark = pytest.mark.filterwarnings("ignore")

FIRST = 1200
SEEDS, NIGHTLY_SEEDS = 64, 200
GATES_EVERY, PRODUCT_EVERY = 3, 60
CORPUS = sorted((Path(__file__).parent / "fuzz" / "corpus").glob("*.json"))


@pytest.fixture(scope="module")
def seeds(pytestconfig):
    """Those of the networks that all executors run."""
    nightly = pytestconfig.getoption("--hypothesis-profile") == "nightly"
    return range(FIRST, FIRST + (NIGHTLY_SEEDS if nightly else SEEDS))


@pytest.fixture(scope="module")
def campaign(tmp_path_factory, seeds):
    """The records of the fixed seeds, and the folder that they lie in."""
    folder = tmp_path_factory.mktemp("fuzz")
    plan = Plan(gates_every=GATES_EVERY, product_every=PRODUCT_EVERY)
    records = run_campaign(Campaign(seeds, folder, plan, jobs=1), Console(file=io.StringIO()))  # TensorFlow starts once
    return records, folder


def test_every_network_is_equal_on_every_bit_or_refused(campaign, seeds):
    records, _ = campaign
    assert sorted(record["seed"] for record in records) == list(seeds)
    wrong = [record for record in records if record["outcome"] not in ("equal", "refused", "unbuildable")]
    assert not wrong, "\n".join(f"seed {r['seed']}: {r['outcome']} {r['where']}: {r['detail']}" for r in wrong)


def test_networks_of_positions_and_of_intervals(tmp_path):
    """Those of seeds from 8,000,000 on: windows, poolings, wires, extrema, copies, folded in time."""
    specs = [generate(seed) for seed in range(8_000_000, 8_000_012)]
    assert {spec.ii for spec in specs} > {1}
    records = run_batch(specs, tmp_path, Plan(gates_every=6, product_every=0))
    wrong = [record for record in records if record.outcome not in ("equal", "refused")]
    assert not wrong, wrong
    equal = [record for record in records if record.outcome == "equal"]
    assert len(equal) > 6
    assert all({"csim", "emulator", "rtl", "proof"} <= set(record.executors) for record in equal)
    assert any("folded" in record.words for record in equal)


def test_networks_of_long_intervals_and_of_rarer_kinds(tmp_path):
    """Those of seeds from 9,200,000 on: step by step, sums in turns, products, shared layers, outputs, ideal, VHDL."""
    specs = [generate(seed) for seed in range(9_200_000, 9_200_400)]
    some = {spec.seed: spec for spec in specs if spec.hdl == "vhdl" or "shared" in str(spec.nodes)}
    words = {word for spec in specs for word in spec.words()}
    assert {"multiply", "shared qdense", "qconv", "globalaverage"} <= words
    assert max(spec.ii for spec in specs) == 100
    assert max(len(spec.outputs) for spec in specs) > 3
    records = run_batch(list(some.values())[:10], tmp_path, Plan(gates_every=0, product_every=0))
    wrong = [record for record in records if record.outcome not in ("equal", "refused")]
    assert not wrong, wrong
    assert sum(record.outcome == "equal" for record in records) > 5
    assert any("vhdl" in record.words and "proof" in record.executors for record in records)


def test_networks_whose_codes_wrap_around(tmp_path):
    """Those of seeds from 9,700,000 on: the low bits of sums, means, products and windows; two of these outputs are constants."""
    specs = [generate(seed) for seed in range(9_700_000, 9_700_300)]
    words = {word for spec in specs for word in spec.words()}
    assert {"overflow WRAP", "overflow SAT_SYM", "globalaverage", "multiply", "qconv", "dense", "qdense"} <= words
    assert {spec.ii for spec in specs} > {1, 20}
    records = run_batch([*specs[:6], generate(9_700_015)], tmp_path, Plan(gates_every=5, product_every=0))
    wrong = [record for record in records if record.outcome not in ("equal", "refused")]
    assert not wrong, wrong
    assert sum("overflow WRAP" in record.words and "proof" in record.executors for record in records) > 3


HELD = 9_300_027
"""A network that holds weights, at an interval."""


def test_networks_of_words_and_of_held_numbers(tmp_path):
    """Those of seeds from 9,300,000 on: positions that come word by word, weights and biases in registers, and both."""
    specs = [generate(seed) for seed in range(9_300_000, 9_300_200)]
    groups = {(spec.port, spec.reloadable, spec.tunable): spec for spec in reversed(specs) if spec.hdl == "verilog"}
    assert len(groups) == 7
    assert {spec.ii for spec in specs if spec.reloadable} > {1, 2, 5}
    kinds = [
        ("whole", "weights", "bias"),
        ("whole", None, "bias"),
        ("stream", None, None),
        ("stream", "weights", "bias"),
    ]
    chosen = [groups[kind] for kind in kinds]
    records = run_batch([*chosen, generate(HELD)], tmp_path, Plan(gates_every=0, product_every=0))
    wrong = [record for record in records if record.outcome not in ("equal", "refused")]
    assert not wrong, wrong
    ran = Counter(name for record in records for name in record.executors)
    assert ran["rtl-fast"] == ran["keras"] == ran["csim"] > 3
    assert ran["swapped"] > 2
    words = {word for record in records for word in record.words}
    assert {"word by word", "weights held", "biases held", "folded"} <= words


def test_numbers_that_are_not_taken_are_seen(tmp_path, monkeypatch):
    """A bus that writes what was converted, whatever it is told: the RTL then holds other numbers than the oracle."""
    first = {}
    monkeypatch.setattr(harness, "writes", lambda graph: first.setdefault(graph.name, writes(graph)))
    (record,) = run_batch([generate(HELD)], tmp_path, Plan(natives=(), gates_every=0, product_every=0))
    assert record.kind == ("mismatch", "swapped")


def test_the_networks_test_something(campaign, seeds):
    """Most convert, every executor ran on all that it was meant to, and each kind of layer and quantiser occurs."""
    records, _ = campaign
    outcomes = Counter(record["outcome"] for record in records)
    assert outcomes["equal"] > 0.7 * len(seeds)
    assert outcomes["unbuildable"] < 0.05 * len(seeds)
    assert 0 < outcomes["refused"] < 0.25 * len(seeds)
    ran = Counter(name for record in records for name in record["executors"])
    assert ran["keras"] == ran["oracle"] == ran["csim"] == ran["emulator"] == ran["rtl"] == outcomes["equal"]
    assert ran["gates"] == sum(r["outcome"] == "equal" and r["seed"] % GATES_EVERY == 0 for r in records) > 15
    assert (
        ran["product rtl"]
        == ran["product gates"]
        == sum(r["outcome"] == "equal" and r["seed"] % PRODUCT_EVERY == 0 for r in records)
    )
    words = {word for record in records for word in record["words"]}
    kinds = {"input", "qactivation", "qdense", "batchnorm", "relu", "leaky", "activation", "flatten", "dropout"}
    kinds |= {"reshape", "concatenate", "add", "subtract"}
    kinds |= {
        f"quantizer {name}" for name in ("quantized_bits", "quantized_relu", "quantized_tanh", "ternary", "binary")
    }
    kinds |= {
        f"kernel {name}" for name in ("ternary", "binary", "quantized_bits", "quantized_po2", "stochastic_ternary")
    }
    assert kinds <= words


def test_a_campaign_goes_on_where_it_was(campaign, seeds, monkeypatch):
    """What is recorded is not run again, and a line that was cut off is dropped."""
    records, folder = campaign
    with (folder / "records.jsonl").open("a") as stream:
        stream.write('{"seed": 7')
    monkeypatch.setattr(
        "fuzz.campaign._work", lambda batches, *_: (_ for _ in ()).throw(AssertionError) if batches else None
    )
    again = run_campaign(Campaign(seeds, folder, Plan()), Console(file=io.StringIO()))
    assert again == records == read_records(folder / "records.jsonl")
    assert "equal on every bit" in _printed(summary(records))


def _printed(tables):
    stream = io.StringIO()
    for table in tables:
        Console(file=stream, width=120).print(table)
    return stream.getvalue()


@pytest.mark.skipif(not CORPUS, reason="nothing has failed yet")
def test_what_once_failed_does_not_fail_again(tmp_path):
    specs = [replace(load(path), name=f"corpus_{place}") for place, path in enumerate(CORPUS)]
    records = run_batch(specs, tmp_path / "batch", Plan(product_every=0))
    wrong = {path.name: r.detail for path, r in zip(CORPUS, records, strict=True) if r.failed}
    assert not wrong


def test_a_network_is_the_same_from_its_seed_and_from_json(tmp_path):
    for seed in range(300):
        spec = generate(seed)
        assert from_json(to_json(spec)) == spec == generate(seed)
    save(spec, tmp_path / "spec.json", "a reason")
    assert load(tmp_path / "spec.json") == spec
    assert json.loads((tmp_path / "spec.json").read_text())["why"] == "a reason"
    assert len({digest(generate(seed)) for seed in range(300)}) == 300


def test_the_shrinker_keeps_the_failure_and_nothing_else():
    """A made-up failure, a subtraction of anything: what is left is the subtraction and the least that feeds it."""
    spec = next(
        s for s in map(generate, range(1000)) if any(n.kind == "subtract" for n in s.nodes) and len(s.nodes) > 12
    )
    small = reduce_while(spec, lambda s: any(node.kind == "subtract" for node in s.nodes))
    assert [node.kind for node in small.nodes if node.kind != "input"] == ["subtract"]
    assert all(node.options["shape"] == [1] for node in small.nodes if node.kind == "input")
    assert small.suffix == "h5"


def test_a_broken_emitter_is_found_and_shrunk(tmp_path, monkeypatch):
    """The emulator's subtractions become additions; the campaign's check sees it and leaves a network of one layer."""
    emit = emulator_package.emit_emulator

    def broken(pipeline, folder, **options):
        files = emit(pipeline, folder, **options)
        for path in files:
            if path.suffix == ".cpp" and "linear" in path.name:
                path.write_text(path.read_text().replace(" - ", " + "))
        return files

    monkeypatch.setattr(emulator_package, "emit_emulator", broken)
    plan = Plan(natives=("emulator",), gates_every=0, product_every=0, proves=False)
    records = run_batch([generate(seed) for seed in range(6)], tmp_path / "batch", plan)
    found = next(record for record in records if record.failed)
    assert found.kind == ("mismatch", "emulator")
    assert plan_for(found) == plan
    small = shrink(generate(found.seed), found, tmp_path, tries=30)
    assert len(small.nodes) <= 5
    assert sum(node.options.get("units", 0) for node in small.nodes) <= 4
    monkeypatch.undo()
    assert run_batch([small], tmp_path / "batch", plan)[0].outcome == "equal"


def test_a_network_that_keras_cannot_build_is_no_failure(tmp_path):
    nodes = (Node("input", "x", (), {"shape": [2]}), Node("flatten", "not a scope name", (0,)))
    record = run_batch([Spec(0, "net", nodes, (1,))], tmp_path / "batch", Plan(product_every=0))[0]
    assert (record.outcome, record.failed) == ("unbuildable", False)


READERS = 12
"""Damaged files of each kind."""


def test_a_damaged_file_is_refused_or_harmless(tmp_path):
    """Never a traceback, a hang, a dead process, a file left behind, or memory out of proportion."""
    verdicts = list(check_many(tmp_path, READERS))
    wrong = [f"{v.target} seed {v.seed}: {v.wrong}" for v in verdicts if v.wrong]
    assert not wrong, "\n".join(wrong)
    refused = Counter(v.target for v in verdicts if v.refused)
    assert set(refused) == set(TARGETS)
    assert sum(refused.values()) > len(verdicts) / 3


def test_a_reader_that_crashes_is_seen(tmp_path, monkeypatch):
    """The verdict goes red for a traceback and for a file that stays."""
    answers = iter([{"exit": None, "error": "", "trace": "Traceback", "grown_mb": 0.0}])
    reader = Reader()
    monkeypatch.setattr(reader, "run", lambda _: next(answers))
    assert check_one(reader, tmp_path, tmp_path / "case", "matrix", 0).wrong == "Traceback"

    def leaves_a_file(_arguments):
        (tmp_path / "case" / "stale").write_text("")
        return {"exit": 1, "error": "error: no", "trace": "", "grown_mb": 0.0}

    monkeypatch.setattr(reader, "run", leaves_a_file)
    assert check_one(reader, tmp_path, tmp_path / "case", "matrix", 0).wrong == "left behind or gone: ['stale']"


def test_a_reader_that_dies_or_hangs_is_seen(monkeypatch):
    monkeypatch.setattr("fuzz.readers.TIMEOUT_S", 0.01)
    reader = Reader()
    assert reader.run(["budgets"])["trace"] in ("took too long", "the process died")
    reader.close()
