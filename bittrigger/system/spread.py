"""Work spread over the cores: forks of this process, which have all that it has at hand; only results are sent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from types import FrameType
from typing import Any, NoReturn, TypeVar, cast

from bittrigger.errors import ToolError

T = TypeVar("T")

_work: Sequence[Callable[[], Any]] = ()
"""What a fork does."""

_GRACE_S = 1.0
"""For a fork to end by itself."""

_over = False
"""Whether this fork is being stopped."""


def spread(work: Sequence[Callable[[], T]], jobs: int | None = None) -> Iterator[tuple[int, T]]:
    """Do all of ``work``, the first ones first, and give the number and the result of each as it is done.

    A result or an exception has to be such that it can be pickled. Where TensorFlow is loaded, whose threads a fork would lack,
    or there is no fork, threads do the work. If the iteration is left, what is running is stopped.

    Args:
        jobs: processes at a time; by default one a core.

    Raises:
        ToolError: if a process dies.
    """
    workers = min(jobs or os.cpu_count() or 1, len(work))
    if not workers:
        return
    with warnings.catch_warnings(), _pool(workers, work) as pool:
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of a terminal's progress line: no fork uses them
        forks = isinstance(pool, ProcessPoolExecutor)
        futures = {pool.submit(_do, k) if forks else pool.submit(task): k for k, task in enumerate(work)}
        finished = False
        try:
            for future in as_completed(futures):
                yield futures[future], cast(T, future.result())
            finished = True
        except (BrokenProcessPool, SystemExit) as error:
            raise ToolError(
                "a process that did a part of the work died, perhaps for want of memory; try again with --jobs 1"
            ) from error
        finally:
            own = list((getattr(pool, "_processes", None) or {}).values())  # of this pool: others may work beside it
            pool.shutdown(wait=finished, cancel_futures=True)
            if not finished:
                _stop(own)


def _stop(forks: Sequence[multiprocessing.process.BaseProcess]) -> None:
    """End forks with all programs that they have started, also one that is being started just now."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for fork in forks:
            if fork.pid is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(fork.pid, number)  # also where it is no group yet
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(fork.pid, number)
        for fork in forks:
            fork.join(_GRACE_S)


def _do(number: int) -> object:
    if _over:
        raise SystemExit
    return _work[number]()


def _pool(workers: int, work: Sequence[Callable[[], Any]]) -> Executor:
    if workers == 1 or sys.platform != "linux" or "tensorflow" in sys.modules:
        return ThreadPoolExecutor(workers)
    sys.stdout.flush()
    sys.stderr.flush()
    return ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _enter, (work,))


def _enter(work: Sequence[Callable[[], Any]]) -> None:
    """A fork and its programs are a group, which is stopped as a whole; Ctrl-C reaches the process that waits for them."""
    global _work  # noqa: PLW0603 - of this fork, which inherits it: nothing is sent
    _work = work
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, _stopped)


def _stopped(_number: int, _frame: FrameType | None) -> NoReturn:
    """What runs ends with the programs that it has started, and what waits is not begun."""
    global _over  # noqa: PLW0603 - of this fork
    _over = True
    raise SystemExit
