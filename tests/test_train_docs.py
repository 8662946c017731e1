"""The examples of docs/training.md, executed from the model to the firmware."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("number", "build", "training"), [(0, "tagger/build", "tagger"), (1, "build/mixed", "mixed.h5.run/training")]
)
def test_an_example_trains_and_converts(root: Path, tmp_path: Path, number: int, build: str, training: str) -> None:
    text = (root / "docs" / "training.md").read_text()
    examples = re.findall(r"```python\n(.*?)```\n+```sh\n(.*?)```", text, flags=re.DOTALL)
    assert len(examples) == 2
    script, commands = examples[number]
    (tmp_path / "benchmarks").symlink_to(root / "benchmarks")
    runs = [[sys.executable, "-c", script]]
    runs += [[sys.executable, "-m", *line.split()] for line in commands.splitlines()]
    runs[-1].append("--no-synth")
    for command in runs:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        if "sensitivity" in command:
            check_table(text, done.stdout)
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
