"""Answers of the SAT solver that are kept: only of the very same question, and only if nothing has touched them."""

import json

import pytest
from designs import build_of, solved

from bittrigger.cli.package import raise_unless_proven
from bittrigger.cli.shared.evidence import ELSEWHERE, proof_lines
from bittrigger.errors import ProofError
from bittrigger.prove import prove, save_proof
from bittrigger.prove.circuits import equivalence
from bittrigger.prove.circuits.aig import Aig
from bittrigger.prove.circuits.equivalence import answers, decide
from bittrigger.prove.claims import Unproven


def question(folder, *, equal=True, size=4):
    """Whether a sum is its mirror image, or something else."""
    folder.mkdir()
    for name in ("gold", "gate"):
        aig = Aig(2 * size)
        a, b = [aig.input(k) for k in range(size)], [aig.input(size + k) for k in range(size)]
        total = aig.add(a, b) if name == "gold" else aig.add(b, a, 0 if equal else 1)
        aig.write(folder / f"{name}.aig", total)
    return folder


@pytest.fixture
def cache(empty_cache):
    return empty_cache / "proofs"


@pytest.fixture
def runs(monkeypatch):
    """How often ABC was started."""
    started, run_tool = [], equivalence.run_tool
    monkeypatch.setattr(
        equivalence, "run_tool", lambda *args, **options: (started.append(1), run_tool(*args, **options))[1]
    )
    return started


@pytest.mark.usefixtures("cache")
def test_the_same_question_is_asked_once(tmp_path, runs):
    work = question(tmp_path / "a")
    assert [decide(work), decide(work), decide(question(tmp_path / "b"))] == [False, True, True]
    assert len(runs) == 1
    assert not decide(question(tmp_path / "wider", size=5))
    assert len(runs) == 2


def test_many_questions_take_one_process_and_each_has_its_answer(tmp_path, cache, runs):
    works = [question(tmp_path / str(k), equal=k != 2, size=3 + k) for k in range(4)]
    for known in (False, True):
        found = answers(works, tmp_path)
        assert [found[k] for k in (0, 1, 3)] == [known] * 3
        assert isinstance(found[2], Unproven)
        assert found[2].refuted
    assert len(runs) == 2
    assert len(list(cache.iterdir())) == 3, "a refutation is not kept"


def test_a_solver_that_says_nothing_proves_nothing(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(equivalence, "run_tool", lambda *_, **__: "Networks are equivalent.\n")  # of which question?
    with pytest.raises(Unproven, match="ABC could not tell") as failure:
        decide(question(tmp_path / "a"))
    assert not failure.value.refuted
    assert not cache.exists()


def test_a_poisoned_proof_is_not_believed(tmp_path, cache, runs):
    """Damaged, cut short, or the true answer to another question: the solver is asked again."""
    good, wrong = question(tmp_path / "good"), question(tmp_path / "wrong", equal=False)
    assert not decide(good)
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    for damaged in (whole[:-1], whole[:40] + b"x" + whole[41:], b"", b"equal"):
        entry.write_bytes(damaged)
        assert not decide(good)
        assert entry.read_bytes() == whole
    (cache / equivalence._key(wrong)).write_bytes(whole)
    with pytest.raises(Unproven, match="an input exists for which they differ"):
        decide(wrong)
    assert len(runs) == 6


@pytest.mark.usefixtures("cache")
def test_another_version_of_the_solver_is_asked_again(tmp_path, monkeypatch):
    work = question(tmp_path / "a")
    assert not decide(work)
    monkeypatch.setattr(equivalence, "version", lambda _: "another")
    assert not decide(work)


def test_a_proof_that_came_with_its_build_is_called_one(tmp_path, monkeypatch):
    """Whoever sends a build may write a proof.json with the right hashes; nothing here has proven it."""
    monkeypatch.setenv("BITTRIGGER_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "build"
    build = build_of(solved((5, 4, 3)), folder)
    save_proof(prove(build, netlist=False, jobs=1), folder / "proof.json")
    assert ELSEWHERE not in proof_lines(build)[0].detail
    proof = json.loads((folder / "proof.json").read_text())
    forged = {
        "no claims": proof | {"claims": []},
        "a claim less": proof | {"claims": proof["claims"][:-1]},
        "a refuted claim": proof | {"claims": [{**proof["claims"][0], "verdict": "refuted"}, *proof["claims"][1:]]},
        "the netlist, too": proof | {"covers": ["rtl", "synth"]},
    }
    for name, data in forged.items():
        (folder / "proof.json").write_text(json.dumps(data))
        head = proof_lines(build)[0]
        assert ELSEWHERE in head.detail, name
        assert head.mark == ("no" if name in ("no claims", "a refuted claim") else "yes"), name
        with pytest.raises(ProofError, match="it is not proven; run `bittrigger prove"):
            raise_unless_proven(build)
