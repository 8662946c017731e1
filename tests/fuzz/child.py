"""Processes of ours that answer line by line, and the CPU time that they take."""

from __future__ import annotations

import os
import resource
import selectors
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field


def cpu_seconds() -> float:
    """CPU seconds of this process and of those it has waited for."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


@dataclass
class Child:
    """A Python module that runs as a process of its own, started when it is needed and again when it has died."""

    module: str
    arguments: Sequence[str] = ()
    stderr: int | None = None
    _process: subprocess.Popen[str] | None = field(default=None, init=False, repr=False)

    def ask(self, line: str, timeout_s: float | None = None) -> str:
        """Its answer to ``line``; empty if it has died or takes longer than ``timeout_s``, and then it is to be closed."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            return process.stdout.readline() if selector.select(timeout_s) else ""

    @property
    def runs(self) -> bool:
        """Whether it is alive."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, *self.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.stderr,
                text=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        return self._process
