"""The front door for Python, and the page that describes it, executed."""

import re
import subprocess
import sys

import numpy as np
import pytest
from designs import graph

from bittrigger.compile.read import Dump
from bittrigger.design import load, solve
from bittrigger.errors import ConfigError
from bittrigger.passes.simplify import simplify
from bittrigger.settings import Settings

TEXT = """\
graph example
x: input 3 x ap_fixed<8,4>, codes -128..127
dense_0 = linear(x): 3 x 2, weights [[1, 1, 1], [1, 0, 1]], bias [28, -26], frac 4, codes -356..409
relu_0 = requantize(dense_0): 2, code >> 2 rnd_conv, clip 0..63, frac 2, codes 0..63
dense_1 = linear(relu_0): 2 x 1, weights [[0, 0]], bias [-14], frac 4, codes -14..-14
outputs dense_1
"""


def test_the_page_is_executed(root, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (root / "docs" / "python.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 3
    for script in (blocks[0], blocks[1] + blocks[2]):
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "build" / "matrix" / "proof.json").is_file()
    assert (tmp_path / "build" / "hls4ml" / "rtl").is_dir()


def test_the_front_door_is_light():
    code = (
        "import sys; from bittrigger import Settings, convert, load, solve\n"
        "sys.exit(str({'tensorflow', 'hls4ml', 'numpy', 'rich', 'click'} & set(sys.modules) or '') or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    import bittrigger

    with pytest.raises(AttributeError, match="no attribute 'konvert'"):
        _ = bittrigger.konvert


@pytest.mark.parametrize(
    ("matrix", "chosen", "message"),
    [
        ([[1, 0.5]], {}, r"matrix: entry \[0, 1\] is 0.5"),
        ([1, 0], {}, "matrix: shape"),
        ([[1]], {"bits": 40}, "--bits 40"),
        ([[1]], {"efort": "max"}, "setting 'efort' is unknown"),
    ],
)
def test_what_will_not_do_is_refused_before_anything_is_written(tmp_path, matrix, chosen, message):
    with pytest.raises(ConfigError, match=message):
        solve(np.array(matrix), tmp_path / "build", **chosen)
    assert not list(tmp_path.iterdir())


def test_settings_can_be_given_whole_or_one_by_one(tmp_path):
    made = solve(np.eye(2, dtype=int), tmp_path / "a", Settings(effort="fast"), seed=3, name="eye")
    assert (made.settings.effort, made.settings.seed, made.graph.name) == ("fast", 3, "eye")
    again = load(tmp_path / "a")
    assert (
        repr(again)
        == f"Design('eye': 2 inputs, 2 outputs, {made.latency_cycles} cycles at 360 MHz, in '{tmp_path / 'a'}')"
    )


def test_a_graph_is_text():
    assert str(graph((3, 2, 1), seed=4)) == TEXT


def test_the_graph_is_dumped_before_and_after_each_pass(tmp_path):
    simplify(graph((3, 2, 1), seed=4), watch=Dump(tmp_path / "dump"))
    files = sorted((tmp_path / "dump").iterdir())
    assert [path.name for path in files] == [
        "0_lowered.txt",
        "1_DropUnread.txt",
        "2_MoveBiases.txt",
        "3_FoldRounding.txt",
        "4_OneQueue.txt",
    ]
    assert files[0].read_text() == TEXT
    assert "(code - 2) >> 2 rnd_conv" in files[3].read_text()


def test_a_dump_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="choose another for --dump-passes"):
        simplify(graph((3, 2, 1)), watch=Dump(tmp_path / "file"))
