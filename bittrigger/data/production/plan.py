"""A request cut into blocks, and the record of what they were made with."""

from __future__ import annotations

import importlib.metadata

import bittrigger
from bittrigger.data.model import Block, DataSet, Json, Request
from bittrigger.errors import ConfigError, ToolNotFoundError

SCHEMA = 1
"""Version of the provenance record and of the cut into blocks."""

MAX_EVENTS = 100_000_000
MAX_SEED = (1 << 63) - 1

INSTALL = "pip install --only-binary :all: 'bittrigger[data]'"


def check_request(request: Request) -> None:
    """Refuse numbers out of range.

    Raises:
        ConfigError: if there are fewer rows than kinds, too many rows, or the seed is out of range.
    """
    dataset, least = request.dataset, _least_rows(request.dataset)
    if not least <= request.events <= MAX_EVENTS:
        reason = f", so that each of {', '.join(dataset.kinds)} has a row" if least > 1 else ""
        raise ConfigError(
            f"--events {request.events}: {dataset.name} takes from {least} to {MAX_EVENTS:,} events{reason}; change it"
        )
    if not 0 <= request.seed <= MAX_SEED:
        raise ConfigError(f"--seed {request.seed}: expected an integer from 0 to 2^63 - 1; change it")


def rows_of_kinds(dataset: DataSet, events: int) -> dict[str, int]:
    """How many of ``events`` rows each kind gets; what does not divide goes to the first kinds."""
    total = sum(dataset.shares)
    rows = [events * share // total for share in dataset.shares]
    for i in range(events - sum(rows)):
        rows[i] += 1
    return dict(zip(dataset.kinds, rows, strict=True))


def _least_rows(dataset: DataSet) -> int:
    least = len(dataset.kinds)
    while 0 in rows_of_kinds(dataset, least).values():
        least += 1
    return least


def plan_blocks(request: Request) -> tuple[Block, ...]:
    """The blocks of a request, in the order of the file: the first of each kind, then the second ones."""
    size = request.dataset.block_rows
    blocks = [
        Block(kind, index, number, min(size, rows - number * size), request.seed)
        for index, (kind, rows) in enumerate(rows_of_kinds(request.dataset, request.events).items())
        for number in range(-(-rows // size))
    ]
    return tuple(sorted(blocks, key=lambda block: (block.number, block.kind_index)))


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """The versions of bittrigger, NumPy and ``packages``: what decides the bits of the rows.

    Raises:
        ToolNotFoundError: if a package is not installed.
    """
    found = {"bittrigger": bittrigger.__version__}
    for name in ("numpy", *packages):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError as error:
            raise ToolNotFoundError(
                f"package {name!r} not found; looked in this Python's packages; the generators need "
                f"{', '.join(packages)}; install them with `{INSTALL}`"
            ) from error
    return found


def describe(request: Request) -> Json:
    """The record of a request: equal records give equal arrays."""
    dataset = request.dataset
    return {
        "schema": SCHEMA,
        "set": dataset.name,
        "events": request.events,
        "seed": request.seed,
        "block_rows": dataset.block_rows,
        "rows": rows_of_kinds(dataset, request.events),
        "settings": dataset.settings,
        "source": dataset.source,
        "versions": versions(dataset.packages),
    }
