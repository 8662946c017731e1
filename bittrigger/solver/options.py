"""What can be set about the solver."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.errors import ConfigError

EFFORTS = ("fast", "default", "max")
"""How long the solver searches, shortest first; a longer search never gives a costlier graph."""

MAX_DEPTH = 24
"""Deepest bound that can be asked for, in adder levels."""


@dataclass(frozen=True, slots=True)
class SolverOptions:
    """Options of ``solve``.

    Attributes:
        adder_inputs: 3 where a three-input adder costs one LUT a bit (FPGAs with six-input LUTs), else 2.
        depth: the most adder levels that an output may have; None leaves it to the solver, which stays within one
            level of the fewest possible, within two where some columns are nearly others, within four where many are.
        effort: ``fast``, ``default`` or ``max``.
        seed: of the search; the same seed gives the same graph on every machine.

    Raises:
        ConfigError: if a value is not allowed.
    """

    adder_inputs: int = 3
    depth: int | None = None
    effort: str = "default"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.adder_inputs not in (2, 3):
            raise ConfigError(f"solver: adder_inputs {self.adder_inputs}; allowed are 2 and 3")
        if self.depth is not None and not 1 <= self.depth <= MAX_DEPTH:
            raise ConfigError(f"solver: depth {self.depth}; allowed are 1 to {MAX_DEPTH}, or None")
        if self.effort not in EFFORTS:
            raise ConfigError(f"solver: effort {self.effort!r}; allowed are {', '.join(EFFORTS)}")
        if not 0 <= self.seed < 1 << 63:
            raise ConfigError(f"solver: seed {self.seed}; allowed are 0 to {(1 << 63) - 1}")
