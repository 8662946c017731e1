"""The README's commands, executed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from one_process import call


def commands(root) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (root / "README.md").read_text(), flags=re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def run(arguments, folder):
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_readme_names_the_commands_that_are_tested(root):
    found = commands(root)
    assert found[:3] == ["make demo", "make test", "pip install '.[keras]'"]
    assert all(command.startswith("bittrigger ") for command in found[3:])


@pytest.mark.skipif(shutil.which("make") is None, reason="make demo needs make")
def test_make_demo(root):
    binaries = Path(sys.executable).parent
    text = run(["make", "-o", ".venv/installed", "demo", f"BIN={binaries}"], root)
    assert "cms-phase2-correlator-layer2" in text
    assert "PASS" in text.upper()


def test_the_commands_of_use(root, jet_tagger, tmp_path):
    shutil.copy(jet_tagger / "model.h5", tmp_path / "model.h5")
    runs = [command.split()[1:] for command in commands(root)[3:]]
    for words, done in zip(runs, call(*runs, cwd=tmp_path), strict=True):
        assert done.code == 0, f"{words}: {done.out}{done.err}"


def test_every_make_target_is_named_where_a_contributor_looks(root):
    targets = re.search(r"^\.PHONY: (.*)$", (root / "Makefile").read_text(), re.MULTILINE)[1].split()
    text = (root / "CONTRIBUTING.md").read_text()
    assert [name for name in targets if f"`make {name}" not in text and name not in ("demo", "clean")] == []


def test_the_readme_lists_every_model_and_cites_bithep(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    cards = sorted(path.parent.name for path in (root / "models").glob("*/card.md"))
    assert len(cards) >= 8
    assert not [name for name in cards if f"[{name}](models/{name}/card.md)" not in readme]
    assert all(word in readme for word in ("Krause", "arXiv:2504.03387", "SciPost Phys. 20 (2026) 038"))


def test_the_table_of_the_papers_systems_names_each_of_them(root):
    table = (root / "docs" / "bithep.md").read_text(encoding="utf-8")
    systems = ("BitLinear", "P-DAT-Bit", "SMEFTNet-Bit", "CaloINN", "CaloDREAM")
    assert all(f"\n| {system}" in table for system in systems)
    head = next(line for line in table.splitlines() if line.startswith("| system"))
    assert [cell.strip() for cell in head.strip("|").split("|")] == [
        "system",
        "exists",
        "faithful",
        "measured on",
        "ternary layers lose here",
        "there",
    ]
