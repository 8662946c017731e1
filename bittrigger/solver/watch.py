"""A search of the solver as it is seen from outside: LUTs so far, and an end to it that keeps the best."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bittrigger.ir.fixed import IntArray

POLL_S = 0.1
"""How often progress is looked at."""

_LUTS, _STOP = 0, 1
"""Cells of ``monitor.h``."""

_watcher: ContextVar[Callable[[int], None] | None] = ContextVar("watcher", default=None)


@contextmanager
def watching(show: Callable[[int], None]) -> Iterator[None]:
    """Inside it, ``solve`` calls ``show`` with the LUTs of the best graph so far, several times a second.

    Ctrl-C (``KeyboardInterrupt``) then ends the search of the present matrix, and ``solve`` returns the best graph so far; a
    second one ends the wait for it.
    """
    token = _watcher.set(show)
    try:
        yield
    finally:
        _watcher.reset(token)


def run_native(call: Callable[[], int | None], discard: Callable[[int], None], cells: IntArray) -> int | None:
    """The result of ``call``, native code, which runs in a thread so that Ctrl-C ends the wait for it at once.

    The thread then goes on until it is done, or the process ends, and gives its result to ``discard``. Where someone is
    ``watching``, the first Ctrl-C only asks it to stop.

    Args:
        cells: what ``call`` shares with others while it runs, see ``monitor.h``.
    """
    results: list[int | None] = []
    abandoned, done = threading.Event(), threading.Event()

    def run() -> None:
        result = call()
        results.append(result)
        done.set()
        if abandoned.is_set() and result is not None:
            discard(result)

    try:
        threading.Thread(target=run, daemon=True).start()
        _wait(done, cells)
    except BaseException:
        abandoned.set()
        cells[_STOP] = 1
        raise
    return results[0]


def _wait(done: threading.Event, cells: IntArray) -> None:
    """Wait for an event and not for the thread: Python takes a thread for ended once Ctrl-C has interrupted ``join``."""
    show = _watcher.get()
    if show is None:
        done.wait()
        return
    while not done.is_set():
        try:
            done.wait(POLL_S)
            if cells[_LUTS] > 0:
                show(int(cells[_LUTS]))
        except KeyboardInterrupt:
            if cells[_STOP]:
                raise
            cells[_STOP] = 1
