"""The examples of docs/training.md, executed from the model to the firmware."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from one_process import call


@pytest.mark.parametrize(
    ("number", "build", "training"), [(0, "tagger/build", "tagger"), (1, "build/mixed", "mixed.h5.run/training")]
)
def test_an_example_trains_and_converts(root: Path, tmp_path: Path, number: int, build: str, training: str) -> None:
    text = (root / "docs" / "training.md").read_text()
    examples = re.findall(r"```python\n(.*?)```\n+```sh\n(.*?)```", text, flags=re.DOTALL)
    assert len(examples) == 2
    script, commands = examples[number]
    (tmp_path / "benchmarks").symlink_to(root / "benchmarks")
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, timeout=600)
    runs = [line.split()[1:] for line in commands.splitlines()]
    runs[-1].append("--no-synth")
    for words, done in zip(runs, call(*runs, cwd=tmp_path), strict=True):
        assert done.code == 0, done.out + done.err
        if "sensitivity" in words:
            check_table(text, done.out)
    assert (tmp_path / build / "report.json").is_file()
    assert "best epoch" in (tmp_path / training / "card.md").read_text()


def check_table(page: str, printed: str) -> None:
    """The page's table is what is printed; where this machine trains to other accuracies, its LUTs are others too."""

    def rows(text: str, bar: str) -> list[list[str]]:
        cells = [[cell.strip() for cell in line.split(bar)[1:-1]] for line in text.splitlines() if line.startswith(bar)]
        return [row for row in cells if len(row) == 7 and "±" in row[3]]

    wanted, found = rows(page, "|"), rows(printed, "│")
    assert [row[:2] for row in sorted(found)] == [row[:2] for row in sorted(wanted)]
    if [row[2] for row in found] == [row[2] for row in wanted]:
        assert found == wanted, "\n".join(map(str, found))
