"""Queues of five to eight turns choose with the multiplexers beside the LUTs: two LUTs a bit, in every executor, and proven."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from designs import build_of, disagreements
from test_prove import failures, refuted_after

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.graph import Graph, Input, Linear, frozen_array
from bittrigger.prove import prove
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes

CODES, BITS = 4, 5


def layer(turns):
    """A layer at so many positions, one of which is built."""
    port = Input("x", CODES * turns, FixedPoint(True, BITS, 0), Interval(-16, 15))
    weights = np.random.default_rng(2).integers(-31, 32, (CODES, 6))
    return Graph(
        "turns", (port, Linear("each", ("x",), frozen_array(weights), frozen_array(range(6)), 0, turns)), ("each",)
    )


@pytest.fixture(scope="module", params=[5, 7, 8])
def built(request, tmp_path_factory):
    pipeline = create_pipeline(layer(request.param), Settings(effort="fast", ii=request.param))
    assert pipeline.modules[0].phases == request.param
    return build_of(pipeline, tmp_path_factory.mktemp("turns"), synth=True)


def test_a_bit_takes_two_luts(built):
    text = (built.folder / "synth" / "turns_queue_each.json").read_text()
    cells = Counter(cell["type"] for cell in json.loads(text)["modules"]["turns_queue_each"]["cells"].values())
    count = sum(number for kind, number in cells.items() if kind.startswith("LUT"))
    assert 2 * CODES * BITS <= count <= 2 * CODES * BITS + 3  # three count the turns
    assert cells["MUXF7"] == CODES * BITS


def test_every_executor_agrees_and_it_is_proven(built):
    codes = np.concatenate([corner_codes(built.graph), random_codes(built.graph, 200, 4)])
    assert disagreements(built, ["rtl", "rtl-fast", "gates"], codes) == []
    proof = prove(built)
    assert failures(proof) == []
    assert proof.proven


def test_a_wrong_choice_is_refuted(built, tmp_path):
    assert "turns_queue_each" in refuted_after(built, tmp_path, "turns_queue_each", r"waiting\[0\]\}", "waiting[1]}")
