"""Many random networks on several processes: a record of each, resumable, and a summary."""

from __future__ import annotations

import json
import logging
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fuzz.case import Plan, Record, as_json
from fuzz.check import run_batch
from fuzz.gates import Yosys
from fuzz.generate import generate
from fuzz.shrink import shrink
from fuzz.spec import save

BATCH = 16
"""Networks that are compiled together."""

BATCHES_A_WORKER = 20
"""After so many a process is replaced, so that TensorFlow's memory stays bounded."""

TIMEOUT_S = 900
"""Longest batch; one that takes longer is a crash."""

MAX_SHRUNK = 20
"""Most failures that are shrunk; the others are only recorded."""


@dataclass(frozen=True)
class Campaign:
    """What to run.

    Attributes:
        seeds: one network each.
        folder: of ``records.jsonl`` and of the shrunk networks that failed.
        jobs: processes.
    """

    seeds: range
    folder: Path
    plan: Plan
    jobs: int = 2

    @property
    def records(self) -> Path:
        """One JSON object a line and network."""
        return self.folder / "records.jsonl"


def _prepare() -> None:
    """Set up a worker: quiet, one thread, deaf to Ctrl-C, which the parent handles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _run(seeds: Sequence[int], plan: Plan, folder: str) -> list[Record]:
    """One batch in a worker."""
    scratch = Path(folder) / str(os.getpid())
    yosys = Yosys(scratch / "yosys")
    signal.signal(signal.SIGALRM, _expired)
    signal.alarm(TIMEOUT_S)
    try:
        return run_batch([generate(seed) for seed in seeds], scratch / "batch", plan, yosys)
    finally:
        signal.alarm(0)
        yosys.close()


def _expired(_signal: int, _frame: object) -> None:
    raise TimeoutError(f"a batch took longer than {TIMEOUT_S} s")


def _shrink(record: Record, target: str, folder: str) -> str:
    """Shrink the network of ``record`` in a worker; the file that holds the result."""
    small = shrink(generate(record.seed), record, Path(folder) / str(os.getpid()))
    path = Path(target) / f"{record.outcome}_{record.seed}.json"
    save(small, path, f"{record.outcome} {record.where}: {record.detail[:300]}")
    return str(path)


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records in ``path``; a line that was cut off is removed from the file."""
    if not path.is_file():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as stream:
            stream.truncate(len(whole))
    return [json.loads(line) for line in whole.splitlines()]


def run_campaign(campaign: Campaign, console: Console) -> list[dict[str, Any]]:
    """Run what has not run yet; all records, those of earlier starts too. Ctrl-C ends it and loses a few batches."""
    campaign.folder.mkdir(parents=True, exist_ok=True)
    done = {record["seed"] for record in read_records(campaign.records)}
    left = [seed for seed in campaign.seeds if seed not in done]
    batches = [left[k : k + BATCH] for k in range(0, len(left), BATCH)]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        tempfile.TemporaryDirectory(prefix="bittrigger-fuzz-") as scratch,
        campaign.records.open("a", encoding="utf-8") as stream,
        Progress(*columns, console=console) as progress,
    ):
        task = progress.add_task("networks", total=len(campaign.seeds), completed=len(campaign.seeds) - len(left))
        failures: list[Record] = []

        def keep(records: list[Record]) -> None:
            for record in records:
                stream.write(json.dumps(as_json(record)) + "\n")
                if record.failed:
                    console.print(f"[red]{record.outcome}[/] seed {record.seed}: {record.where}")
                    failures.append(record)
            stream.flush()
            progress.advance(task, len(records))

        try:
            _work(batches, campaign, scratch, keep)
            progress.update(task, description="shrinking")
            with _pool(campaign.jobs) as pool:
                found = [pool.submit(_shrink, item, str(campaign.folder), scratch) for item in failures[:MAX_SHRUNK]]
                for future in found:
                    console.print(f"shrunk: {future.result()}")
        except KeyboardInterrupt:
            console.print("interrupted; the same command goes on from here")
    return read_records(campaign.records)


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_prepare, max_tasks_per_child=BATCHES_A_WORKER
    )


def _work(batches: list[list[int]], campaign: Campaign, scratch: str, keep: Callable[[list[Record]], None]) -> None:
    """Run all batches; where a process dies, the networks that were on their way are run again in a process each."""
    waiting = list(reversed(batches))
    while waiting:
        running: dict[Future[list[Record]], list[int]] = {}
        pool = _pool(campaign.jobs)
        try:
            while waiting or running:
                while waiting and len(running) < 2 * campaign.jobs:
                    batch = waiting.pop()
                    running[pool.submit(_run, batch, campaign.plan, scratch)] = batch
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    keep(future.result())
                    del running[future]
        except BrokenProcessPool:
            for seed in (seed for batch in running.values() for seed in batch):
                keep(_run_alone(seed, campaign.plan, scratch))
        finally:
            _end(pool)


def _run_alone(seed: int, plan: Plan, scratch: str) -> list[Record]:
    with _pool(1) as pool:
        try:
            return pool.submit(_run, [seed], plan, scratch).result()
        except BrokenProcessPool:
            return [Record(seed, "", "crash", "the process died")]


def _end(pool: ProcessPoolExecutor) -> None:
    """Close ``pool``; its processes would otherwise finish their batches first."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


def summary(records: Sequence[dict[str, Any]]) -> Iterator[Table]:
    """Tables: outcomes, executors, CPU seconds, what the converted networks are made of."""
    outcomes = Counter(
        f"{record['outcome']} {record['where'] if record['outcome'] != 'equal' else ''}".strip() for record in records
    )
    executors: Counter[str] = Counter(name for record in records for name in record["executors"])
    seconds: Counter[str] = Counter()
    for record in records:
        seconds.update(record["cpu_s"])
    converted = [record for record in records if record["words"]]
    words: Counter[str] = Counter(word for record in converted for word in record["words"])
    total = max(len(records), 1)
    yield _table(f"{len(records)} networks", ("outcome", "networks", "share"), _shares(outcomes, total))
    yield _table("equal on every bit", ("executor", "networks", "share"), _shares(executors, total))
    rows = [(name, f"{value:.1f}", f"{value / total:.3f}") for name, value in seconds.most_common()]
    rows.append(("all", f"{sum(seconds.values()):.1f}", f"{sum(seconds.values()) / total:.3f}"))
    yield _table("CPU seconds", ("stage", "total", "a network"), rows)
    yield _table(
        f"{len(converted)} converted", ("made of", "networks", "share"), _shares(words, max(len(converted), 1))
    )


def _shares(counts: Counter[str], total: int) -> list[tuple[str, str, str]]:
    return [(name, str(count), f"{100 * count / total:.1f} %") for name, count in counts.most_common()]


def _table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    return table
