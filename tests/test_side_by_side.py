"""Executors are built side by side, and run one after another."""

import threading
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from designs import graph

from bittrigger.errors import ToolError
from bittrigger.ir.graph import evaluate
from bittrigger.simulate import compare


@dataclass
class Fake:
    name: str
    graph: object
    together: threading.Barrier | None = None
    broken: bool = False

    def build(self):
        if self.together is not None:
            self.together.wait(60)
        if self.broken:
            raise ToolError("no compiler")

    def run(self, codes):
        return evaluate(self.graph, codes)


@pytest.fixture
def net():
    return graph((3, 2))


def outcomes(monkeypatch, net, executors):
    monkeypatch.setattr(compare, "create_executor", lambda name, *_: executors[name])
    codes = np.zeros((4, 3), dtype=np.int64)
    return compare.run_executors(SimpleNamespace(graph=net), list(executors), codes, look_into=False)


def test_two_are_built_at_a_time(monkeypatch, net):
    together = threading.Barrier(2)  # breaks unless both wait for it
    executors = {"oracle": Fake("oracle", net)} | {name: Fake(name, net, together) for name in ("csim", "emulator")}
    found = outcomes(monkeypatch, net, executors)
    assert [(item.executor, item.agrees) for item in found] == [("oracle", True), ("csim", True), ("emulator", True)]


def test_what_does_not_build_keeps_nobody_from_running(monkeypatch, net):
    executors = {name: Fake(name, net, broken=name == "csim") for name in ("oracle", "csim", "rtl")}
    found = {item.executor: item for item in outcomes(monkeypatch, net, executors)}
    assert isinstance(found["csim"].error, ToolError)
    assert found["csim"].codes is None
    assert found["rtl"].agrees
