"""Where blocks are made: processes of this machine, or a Dask cluster, behind one interface."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass

from bittrigger.errors import ConfigError, ToolError, ToolNotFoundError

MAX_JOBS = 1024


@dataclass(frozen=True)
class Workers:
    """An executor, and how many blocks it can work on at a time."""

    executor: Executor
    jobs: int


def check_jobs(jobs: int) -> None:
    """Refuse a number of processes out of range.

    Raises:
        ConfigError: if it is not from 1 to ``MAX_JOBS``.
    """
    if not 1 <= jobs <= MAX_JOBS:
        raise ConfigError(f"--jobs {jobs}: expected 1 to {MAX_JOBS} processes; change it")


@contextlib.contextmanager
def processes(jobs: int) -> Iterator[Workers]:
    """So many fresh processes; they end with the block, however it is left.

    Raises:
        ConfigError: if ``jobs`` is out of range.
    """
    check_jobs(jobs)
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare_process)
    try:
        yield Workers(executor, jobs)
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    else:
        executor.shutdown()


def _prepare_process() -> None:
    """Leave Ctrl-C to the parent, end with it, and keep banners of libraries off the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def dask_cluster(address: str) -> Iterator[Workers]:
    """The workers of the Dask scheduler at ``address``, as ``tcp://host:8786``.

    Raises:
        ToolNotFoundError: if Dask is not installed here.
        ToolError: if the scheduler does not answer or has no workers, or one of them dies.
    """
    try:
        from distributed import Client, KilledWorker
        from distributed.comm import CommClosedError
    except ImportError as error:
        raise ToolNotFoundError(
            "package 'distributed' not found; looked in this Python's packages; --scheduler needs it; "
            "install it with `pip install 'bittrigger[dask]'`"
        ) from error
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ToolError(
            f"--scheduler {address}: no Dask scheduler answers ({reason}); give an address as tcp://host:8786"
        ) from error
    with client:
        threads = sum(client.nthreads().values())
        if threads == 0:
            raise ToolError(
                f"--scheduler {address}: the scheduler has no workers; start some with `dask worker {address}`"
            )
        try:
            yield Workers(client.get_executor(pure=False, retries=2), threads)
        except (KilledWorker, CommClosedError) as error:
            raise ToolError(
                f"--scheduler {address}: a worker died, or the scheduler went away ({type(error).__name__}); "
                "finished blocks are kept: run the same command to go on"
            ) from error
