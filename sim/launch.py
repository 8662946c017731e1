"""Drive cocotb's runner in a process of its own: ``launch.py build JOB.json`` or ``launch.py test JOB.json``.

The runner takes its settings from the environment, ends the process when something fails, and behaves differently under
pytest; here it can do all that without touching anybody else.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner


def build(job: dict[str, str | list[str]]) -> None:
    """Compile the sources of ``job`` in its build folder."""
    get_runner(job["simulator"]).build(
        sources=job["sources"],
        hdl_toplevel=job["top"],
        build_dir=job["build_dir"],
        build_args=job["build_args"],
        timescale=("1ns", "1ps"),
        always=True,
    )


def test(job: dict[str, str]) -> int:
    """Run the tests of ``job`` on the compiled model; failing ones are the caller's business, a missing report is ours."""
    get_runner(job["simulator"]).test(
        test_module=job.get("module", "test_design"),
        hdl_toplevel=job["top"],
        hdl_toplevel_lang="vhdl" if job["simulator"] == "ghdl" else "verilog",
        test_args=job.get("options", []),
        plusargs=["--ieee-asserts=disable"] if job["simulator"] == "ghdl" else [],
        build_dir=job["build_dir"],
        test_dir=job["test_dir"],
        results_xml=job["results"],
        seed=job["seed"],
    )
    return get_results(Path(job["results"]))[0]


if __name__ == "__main__":
    for variable in ("PYTEST_CURRENT_TEST", "WAVES", "GUI", "COCOTB_TEST_FILTER"):
        os.environ.pop(variable, None)
    settings = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    {"build": build, "test": test}[sys.argv[1]](settings)
