"""Makes a set block by block: any number of workers, the same bits; interrupted, it goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from bittrigger.data.model import Block, DataSet, Json, Part, Request
from bittrigger.data.production.archive import join
from bittrigger.data.production.parts import Parts, events_tried, is_finished, open_parts, remove_parts, write_part
from bittrigger.data.production.plan import check_request, describe, plan_blocks, versions
from bittrigger.data.production.workers import Workers
from bittrigger.errors import ConfigError, ToolError

_AHEAD = 2
"""Blocks handed out for each worker, so that none waits."""


@dataclass(frozen=True)
class Progress:
    """How far a set is: rows on disk now, those of them found at the start, and those wanted."""

    rows: int
    found: int
    wanted: int


def check_output(output: Path, *, overwrite: bool) -> None:
    """Refuse a file that cannot or must not be written.

    Raises:
        ConfigError: if it is no .npz, exists without ``overwrite``, or its folder is missing.
    """
    if output.suffix != ".npz":
        raise ConfigError(f"-o {output}: expected a name that ends in .npz; change it")
    if not output.parent.is_dir():
        raise ConfigError(f"-o {output}: there is no folder {output.parent}; make it, or choose another place")
    if output.is_dir():
        raise ConfigError(f"-o {output} is a folder; expected a file; choose another name")
    if output.exists() and not overwrite:
        raise ConfigError(f"-o {output} exists; give --overwrite to replace it, or choose another name")


def make(
    request: Request,
    output: Path,
    workers: Workers,
    *,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Json:
    """Generate what ``request`` asks for and write it to ``output``; return the record that is in it.

    Finished blocks lie in ``output`` + ``.parts`` until the file is complete; the same call goes on from them.
    An existing ``output`` stays as it is until then.

    Args:
        on_progress: called at the start, and after each block.

    Raises:
        ConfigError: if the request is out of range, the output cannot be written, or the parts are of another request.
        ToolNotFoundError: if a generator is not installed.
        ToolError: if a generator fails, or a worker dies.
    """
    check_request(request)
    check_output(output, overwrite=overwrite)
    record = describe(request)
    blocks = plan_blocks(request)
    with open_parts(output, record) as parts:
        todo = [block for block in blocks if not is_finished(parts, block)]
        found = request.events - sum(block.rows for block in todo)
        rows = found
        on_progress(Progress(rows, found, request.events))
        for block, part in _made(request.dataset, todo, workers):
            write_part(parts, block, part)
            rows += block.rows
            on_progress(Progress(rows, found, request.events))
        record["events_tried"] = _tried(parts, request.dataset, blocks)
        join([parts.path(block) for block in blocks], request.dataset.constants, record, output)
        remove_parts(parts, blocks)
    return record


def _made(dataset: DataSet, todo: list[Block], workers: Workers) -> Iterator[tuple[Block, Part]]:
    """The blocks as they are finished, in any order."""
    waiting = iter(todo)
    running: dict[Future[tuple[Part, dict[str, str]]], Block] = {}
    here = versions(dataset.packages)
    while True:
        for block in waiting:
            running[workers.executor.submit(run_block, dataset.generate, dataset.packages, block)] = block
            if len(running) >= _AHEAD * workers.jobs:
                break
        if not running:
            return
        done = wait(running, return_when=FIRST_COMPLETED).done
        for future in [future for future in running if future in done]:
            block = running.pop(future)
            part, there = _result(future, block)
            if there != here:
                raise ToolError(
                    f"block {block.name}: the worker has {there}, here are {here}; "
                    "install the same versions everywhere and run the same command to go on"
                )
            yield block, part


def _result(future: Future[tuple[Part, dict[str, str]]], block: Block) -> tuple[Part, dict[str, str]]:
    try:
        return future.result()
    except (BrokenProcessPool, CancelledError) as error:
        raise ToolError(
            f"a worker died, perhaps for want of memory, while block {block.name} was waited for; "
            "finished blocks are kept: run the same command to go on, with fewer --jobs if memory is short"
        ) from error
    except (OSError, MemoryError) as error:
        raise ToolError(
            f"block {block.name} cannot be made: {' '.join(str(error).split())[:200] or type(error).__name__}; finished blocks "
            "are kept: free memory and space for temporary files (TMPDIR), and run the same command to go on"
        ) from error


def run_block(
    generate: Callable[[Block], Part], packages: tuple[str, ...], block: Block
) -> tuple[Part, dict[str, str]]:
    """Make one block in a worker; return it with the versions of what made it."""
    return generate(block), versions(packages)


def _tried(parts: Parts, dataset: DataSet, blocks: tuple[Block, ...]) -> dict[str, int]:
    counts = dict.fromkeys(dataset.kinds, 0)
    for block in blocks:
        counts[block.kind] += events_tried(parts, block)
    return counts
