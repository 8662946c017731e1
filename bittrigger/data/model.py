"""What a data set is: its kinds of rows, its settings, and the function that makes one block of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Json = dict[str, Any]

_PYTHIA_SEEDS = 900_000_000
"""Pythia takes seeds from 1 to this. Source: Pythia 8.3 manual, Random:seed."""


@dataclass(frozen=True)
class Block:
    """The smallest unit of work: rows of one kind that a fresh generator makes alone.

    Attributes:
        kind: the class or process, one of ``DataSet.kinds``.
        kind_index: its place there.
        number: counts the blocks of this kind from 0.
        rows: how many rows to make.
        seed: that of the whole request.
    """

    kind: str
    kind_index: int
    number: int
    rows: int
    seed: int

    @property
    def name(self) -> str:
        """A name for messages and files, as ``ttbar-00012``."""
        return f"{self.kind}-{self.number:05d}"

    def pythia_seed(self, stream: int = 0) -> int:
        """A seed for Pythia, different for each block of a kind and a stream.

        Args:
            stream: tells the generators of one block apart.
        """
        base = np.random.SeedSequence(self.seed, spawn_key=(self.kind_index, stream)).generate_state(1, np.uint64)
        return (int(base[0]) + self.number) % _PYTHIA_SEEDS + 1

    def random(self) -> np.random.Generator:
        """The block's own random numbers."""
        return np.random.default_rng(
            np.random.SeedSequence(self.seed, spawn_key=(self.kind_index, 1 << 16, self.number))
        )


@dataclass(frozen=True)
class Part:
    """What a block became.

    Attributes:
        arrays: by the names they get in the file; blocks are joined along the first axis.
        events_tried: events that were generated for them.
    """

    arrays: dict[str, Array]
    events_tried: int


@dataclass(frozen=True)
class DataSet:
    """A set that can be generated.

    Attributes:
        name: on the command line and in files.
        what: one line for people.
        features: what a row holds, in words.
        kinds: classes or processes; each is generated alone.
        shares: how many parts of the rows each kind gets.
        block_rows: rows of a full block.
        generate: makes one block; a function of a module, so that other processes can import it.
        settings: everything that decides what the rows look like, as JSON.
        packages: distributions that ``generate`` needs.
        rate: measured speed, in words.
        source: where the settings were published.
        constants: arrays of names that the file holds besides.
    """

    name: str
    what: str
    features: str
    kinds: tuple[str, ...]
    shares: tuple[int, ...]
    block_rows: int
    generate: Callable[[Block], Part]
    settings: Json
    packages: tuple[str, ...]
    rate: str
    source: str
    constants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What is asked for: so many rows of a set, from a seed."""

    dataset: DataSet
    events: int
    seed: int
