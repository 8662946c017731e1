"""The process that holds TensorFlow: what it may not do, and that nothing it does takes the caller with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bittrigger.build.store import graph_from_json, graph_to_json
from bittrigger.errors import ConfigError, InternalError, MismatchError, ToolError, UnsupportedModelError
from bittrigger.system import apart, jail

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a fork, and what Linux alone confines")


@pytest.fixture(autouse=True)
def alone():
    """A process of one's own."""
    apart.stop()
    yield
    apart.stop()


def ask(work, head=None, body=b""):
    return list(apart.ask(f"apart_works:{work}", head or {}, body))


def test_answers_come_one_by_one_and_the_process_stays():
    assert ask("echo", {"a": 1}, b"bytes") == [({"a": 1}, b"bytes"), ({"again": True}, b"")]
    pid = apart._state["process"].pid
    assert ask("echo", {"a": 2}) == [({"a": 2}, b""), ({"again": True}, b"")]
    assert apart._state["process"].pid == pid


def test_what_a_payload_would_try(tmp_path):
    """All of it is refused where the kernel has Landlock; system calls are filtered on every kernel."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    secret = (tmp_path / "open").open("w")
    [(found, _)] = ask("attempt", {"outside": str(tmp_path / "outside"), "precious": str(precious)})
    secret.close()
    filtered = {"rights", "program", "network", "local network", "signal"}
    files = {"write", "append", "truncate", "remove", "rename", "link", "folder"}
    assert filtered <= set(found["refused"])
    if has_landlock():
        assert set(found["refused"]) == filtered | files
        assert precious.read_text() == "precious"
        assert not (tmp_path / "outside").exists()
    assert found["open"] <= 6


def has_landlock():
    import ctypes

    return ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint32(1)) > 0


def test_the_process_apart_asks_no_other():
    assert ask("nested") == [({"possible": False}, b"")]


def test_the_keras_executor_alone(jet_tagger):
    """Without a conversion before it, so that TensorFlow is imported for it."""
    code = (
        "import sys\nfrom pathlib import Path\nimport numpy as np\n"
        "from bittrigger.settings import Settings\nfrom bittrigger.simulate.executors.keras import KerasExecutor\n"
        "from bittrigger.compile.apart import graph_of\nfrom bittrigger.compile.read import Stages\n"
        "from bittrigger.ir.graph import evaluate\nfrom bittrigger.simulate.vectors import corner_codes\n"
        "from bittrigger.system import apart\nmodel = Path(sys.argv[1])\n"
        "with graph_of(model, Settings(), inputs=None, stages=Stages()) as asked:\n    graph = asked.graph\n"
        "apart.stop()\ncodes = corner_codes(graph)\n"
        "assert np.array_equal(KerasExecutor(graph, model).run(codes), evaluate(graph, codes))\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(jet_tagger / "model.h5")],
        check=True,
        timeout=600,
        capture_output=True,
        text=True,
    )


def test_the_scratch_folder_goes():
    ask("echo")
    scratch = apart._state["process"].scratch
    assert scratch.is_dir()
    apart.stop()
    assert not scratch.exists()


def test_errors_come_back_as_what_they_are():
    with pytest.raises(UnsupportedModelError, match="^model file x: no; allowed is y; do z$"):
        ask("refuse")
    with pytest.raises(MismatchError) as caught:
        ask("differ")
    assert (caught.value.event, caught.value.column, caught.value.codes) == (3, 1, (4, 5))
    with pytest.raises(InternalError, match="ZeroDivisionError: ours"):
        ask("fail")


@pytest.mark.parametrize(
    ("work", "match"),
    [
        ("crash", "the process that reads the model died of Segmentation fault"),
        ("abort", "the process that reads the model gave up, perhaps because it needs more than"),
        ("leave", "the process that reads the model ended before its answer"),
        ("die", "the process that reads the model was killed, perhaps for want of memory"),
        ("hoard", "it needs more than .* MiB of memory"),
        ("lie", "the process that reads the model"),
    ],
)
def test_whatever_happens_is_one_error_and_the_next_request_is_served(work, match):
    with pytest.raises(ToolError, match=match):
        ask(work)
    assert ask("echo", {"a": 1})[0] == ({"a": 1}, b"")


def test_no_answer_in_time(monkeypatch):
    monkeypatch.setattr(apart, "WALL_SECONDS", 0.5)
    with pytest.raises(ToolError, match=r"gave no answer within 0.5 s and was stopped"):
        ask("sleep")


def test_a_caller_that_leaves_early_stops_it():
    answers = apart.ask("apart_works:echo", {}, b"")
    next(answers)
    answers.close()
    assert "process" not in apart._state


def test_it_ends_with_its_caller(tmp_path):
    code = (
        "import os, sys\nsys.path.insert(0, os.environ['TESTS'])\nfrom bittrigger.system import apart\n"
        "list(apart.ask('apart_works:echo', {}))\nprint(apart._state['process'].pid, flush=True)\nos.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "TESTS": str(Path(__file__).parent), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -9
    for _ in range(100):
        if state(int(done.stdout)) == "Z":
            break
        subprocess.run(["sleep", "0.05"], check=True)
    else:
        pytest.fail("it lives on")


def state(pid):
    """What the system says of a process; ``Z`` also where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "Z"


def test_limits_are_those_that_are_said():
    assert 0 < jail.memory_bytes() < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_a_graph_goes_there_and_back():
    from designs import solved

    graph = solved((5, 4, 3)).graph
    again = graph_from_json(json.loads(json.dumps(graph_to_json(graph))))
    assert str(again) == str(graph)
    with pytest.raises(ConfigError, match="not a graph of bittrigger"):
        graph_from_json({"name": "x", "outputs": ["y"], "nodes": []})


def test_the_command_line_reads_models_apart_and_agrees(jet_tagger, tmp_path):
    """TensorFlow is never imported in the process that writes the build, and the Keras executor shares the process apart."""
    code = (
        "import sys\nfrom pathlib import Path\nimport numpy as np\n"
        "from bittrigger.compile.convert import convert\nfrom bittrigger.simulate.executors.keras import KerasExecutor\n"
        "from bittrigger.simulate.vectors import corner_codes\nfrom bittrigger.system import apart\n"
        "build, _ = convert(Path(sys.argv[1]), Path(sys.argv[2]), synthesize=False)\n"
        "pid = apart._state['process'].pid\ncodes = corner_codes(build.graph)\n"
        "from bittrigger.ir.graph import evaluate\n"
        "assert np.array_equal(KerasExecutor(build.graph, Path(sys.argv[1])).run(codes), evaluate(build.graph, codes))\n"
        "assert apart._state['process'].pid == pid\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    model = shutil.copy(jet_tagger / "model.h5", tmp_path)
    subprocess.run(
        [sys.executable, "-c", code, str(model), str(tmp_path / "build")],
        check=True,
        timeout=600,
        capture_output=True,
        text=True,
    )
    assert (tmp_path / "build" / "design.json").is_file()
