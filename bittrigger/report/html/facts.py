"""What a page says of a build besides its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Fact:
    """A line of what was proven, tested or assumed.

    Attributes:
        mark: ``yes``, ``no`` or ``open``.
    """

    mark: str
    what: str
    detail: str = ""


@dataclass(frozen=True)
class Evidence:
    """What is known about a build besides its figures.

    Attributes:
        proven: what was proven, and when.
        tested: what was run on events.
        assumed: what all of it rests on.
        provenance: name and value of versions, options and hashes.
        card: Markdown file with the model's accuracy, or None.
    """

    proven: Sequence[Fact] = ()
    tested: Sequence[Fact] = ()
    assumed: Sequence[str] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    card: Path | None = None
