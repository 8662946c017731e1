"""How long each test takes, so that the longest files start first and ``--fast`` knows what to leave out.

A pytest plugin. ``tests/durations.json`` holds CPU seconds, those of child processes included, as ``--record-durations`` measured
them: for each test its own, and for each file those of its fixtures, which its first test pays.
"""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

RECORD = Path(__file__).with_name("durations.json")
FAST_S = 1.0
"""Tests that take longer than this are left out by ``--fast``."""
FAST_FILE_S = 6.0
"""Files whose fixtures and fast tests take longer than this are left out as a whole."""

UNKNOWN_S = 30.0
"""What a file is taken for that was never measured, when the longest are put first."""


def pytest_addoption(parser):
    group = parser.getgroup("pace")
    group.addoption("--fast", action="store_true", help="leave out what durations.json knows to be slow")
    group.addoption("--record-durations", action="store_true", help="measure into durations.json; without -n")


def known() -> dict[str, float]:
    """CPU seconds by node id, and by file for its fixtures."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}


def file_of(nodeid: str) -> str:
    return nodeid.split("::", maxsplit=1)[0]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Leave out slow tests if that is wanted, and put the files that take longest first."""
    seconds = known()
    if config.getoption("--fast"):
        items[:] = _fast(config, items, seconds)
    total = {}
    for item in items:
        name = file_of(item.nodeid)
        total[name] = total.get(name, seconds.get(name, UNKNOWN_S)) + seconds.get(item.nodeid, 0.0)
    items.sort(key=lambda item: -total[file_of(item.nodeid)])


def _fast(config, items, seconds):
    """What is known to be quick; a file that was never measured is not."""
    kept = [item for item in items if file_of(item.nodeid) in seconds and seconds.get(item.nodeid, 0.0) <= FAST_S]
    total = {}
    for item in kept:
        name = file_of(item.nodeid)
        total[name] = total.get(name, seconds.get(name, 0.0)) + seconds.get(item.nodeid, 0.0)
    kept = [item for item in kept if total[file_of(item.nodeid)] <= FAST_FILE_S]
    chosen = set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    return kept


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


class Recorder:
    """Measures what runs and merges it into the record."""

    def __init__(self):
        self.seconds = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item):
        return (yield from self._timed(file_of(item.nodeid)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        return (yield from self._timed(item.nodeid))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item):
        return (yield from self._timed(file_of(item.nodeid)))

    def _timed(self, key):
        started = _cpu_s()
        try:
            return (yield)
        finally:
            self.seconds[key] = self.seconds.get(key, 0.0) + _cpu_s() - started

    def pytest_sessionfinish(self):
        files = {file_of(key) for key in self.seconds}
        kept = {key: value for key, value in known().items() if file_of(key) not in files}
        found = {key: round(value, 2) for key, value in self.seconds.items() if value >= 0.05 or key in files}
        merged = kept | found
        lines = [f"  {json.dumps(key)}: {value}" for key, value in sorted(merged.items())]
        RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def pytest_configure(config):
    if config.getoption("--record-durations"):
        config.pluginmanager.register(Recorder())
