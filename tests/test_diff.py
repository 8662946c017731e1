"""What differs between two builds is said, and nothing is said of what is the same."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from designs import graph

from bittrigger.build.folder import fresh_folder, save_build, write_firmware
from bittrigger.cli import cli
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.errors import BittriggerError
from bittrigger.ir.graph import Graph, Linear, frozen_array
from bittrigger.report import make_report, save_report
from bittrigger.settings import Settings


def make(folder, made, **choice):
    settings = Settings(effort="fast", **choice)
    with fresh_folder(folder, overwrite=False) as scratch:
        pipeline = create_pipeline(made, settings)
        write_firmware(pipeline, scratch, settings)
        save_report(make_report(pipeline, settings, None), scratch / "report.json")
        save_build(scratch, pipeline, settings, {})
    return folder


def flipped(made):
    """The same network with the sign of one weight turned."""
    nodes = []
    for node in made.nodes:
        if isinstance(node, Linear) and node.name == "dense_0":
            weights = np.array(node.weights)
            row, column = np.argwhere(weights)[0]
            weights[row, column] *= -1
            nodes.append(replace(node, weights=frozen_array(weights)))
        else:
            nodes.append(node)
    return Graph(made.name, tuple(nodes), made.outputs)


NETWORK = graph((5, 6, 3), name="tiny")


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    root = tmp_path_factory.mktemp("builds")
    return {
        "a": make(root / "a", NETWORK),
        "again": make(root / "again", NETWORK),
        "flipped": make(root / "flipped", flipped(NETWORK)),
        "slow": make(root / "slow", NETWORK, clock_mhz=200.0),
        "wider": make(root / "wider", graph((6, 6, 2), name="tiny")),
    }


def diff(builds, first, second, *words):
    done = CliRunner().invoke(cli, ["diff", str(builds[first]), str(builds[second]), "--json", "-", *words])
    return (json.loads(done.stdout) if done.stdout.strip() else None), done


def test_two_builds_of_one_network_are_the_same(builds):
    found, done = diff(builds, "a", "again", "--check")
    assert done.exit_code == 0, done.exception
    assert found["same"]
    assert found["review"] == ["nothing"]
    assert (found["outputs"]["differing"], found["outputs"]["choices"], found["files"]) == (0, 0, [])


def test_a_turned_sign_is_counted_and_its_outputs_move(builds):
    found, done = diff(builds, "a", "flipped", "--threshold", "0", "--check")
    assert isinstance(done.exception, BittriggerError)
    assert not found["same"]
    (change,) = found["weights"]
    assert (change["layer"], change["changed"], change["signs"], change["zeros"], change["biases"]) == (
        "dense_0",
        1,
        1,
        0,
        0,
    )
    assert found["ports"] == []
    assert found["outputs"]["differing"] > 0
    assert [name for name, *_ in found["outputs"]["decisions"]] == ["dense_1[0]", "dense_1[1]", "dense_1[2]"]
    assert "rtl/tiny_bitlinear_dense_0.sv" in {entry["what"] for entry in found["files"]}
    assert any("1 weights differ in 1 layers" in line for line in found["review"])


def test_another_clock_moves_latency_and_nothing_else(builds):
    found, _ = diff(builds, "a", "slow")
    assert [entry["what"] for entry in found["settings"]] == ["clock_mhz"]
    assert found["weights"] == []
    assert found["outputs"]["differing"] == 0
    assert any("the clock goes from 360 to 200 MHz" in line for line in found["review"])
    origins = {entry["name"]: entry["origin"] for entry in found["figures"]}
    assert origins["latency (cycles)"] == "rtl"
    assert origins["lut"] == "estimate"


def test_other_ports_are_said_first_and_events_are_not_compared(builds, tmp_path):
    found, done = diff(builds, "a", "wider", "--html", str(tmp_path / "d.html"))
    assert done.exit_code == 0, done.exception
    assert found["outputs"] is None
    assert {entry["what"] for entry in found["ports"]} == {"input x", "output dense_1"}
    assert found["review"][0].startswith("ports differ")
    page = (tmp_path / "d.html").read_text()
    assert "ports differ" in page
    assert "https://" not in page


def test_a_build_in_a_folder_that_is_called_like_a_model(tmp_path):
    builds = [make(tmp_path / name, NETWORK) for name in ("a.h5", "b.keras")]
    done = CliRunner().invoke(cli, ["diff", *map(str, builds), "--check"])
    assert done.exit_code == 0, done.output
