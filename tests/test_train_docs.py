"""The example of docs/training.md, executed from the model to the firmware."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def test_the_example_trains_and_converts(root: Path, tmp_path: Path) -> None:
    text = (root / "docs" / "training.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "models").symlink_to(root / "models")
    runs = [[sys.executable, "-c", example]]
    runs += [[sys.executable, "-m", *line.split()] for line in commands.splitlines()]
    runs[-1].append("--no-synth")
    for command in runs:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "tagger" / "build" / "report.json").is_file()
    assert "best epoch" in (tmp_path / "tagger" / "card.md").read_text()
