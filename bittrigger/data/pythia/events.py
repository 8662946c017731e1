"""Events of Pythia 8 as arrays, and their jets from FastJet; both are imported when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeVar

import numpy as np

from bittrigger.data.model import Array, Block
from bittrigger.errors import InternalError, ToolError

Jagged: TypeAlias = Any
"""An awkward array: events x particles, or jets x constituents."""

Event = TypeVar("Event")

GENERATORS = ("pythia8mc", "fastjet", "awkward")

_QUIET = ("Print:quiet = on", "Next:numberCount = 0")

_TRIES_PER_ROW = 2_000
_TRIES = 20_000
"""A block gives up after so many events, and so many more for each row; the published selections need at most 20 a row."""


def start_pythia(lines: Iterable[str], seed: int, hooks: object = None) -> Any:  # noqa: ANN401 - untyped library
    """A fresh, initialised Pythia.

    Args:
        lines: its settings, as in a command file.
        hooks: a ``pythia8mc.UserHooks``; the caller keeps it alive.

    Raises:
        ToolError: if it does not take them.
    """
    from pythia8mc import Pythia

    pythia = Pythia("", False)
    for line in (*_QUIET, *lines, "Random:setSeed = on", f"Random:seed = {seed}"):
        if not pythia.readString(line):
            raise InternalError(f"Pythia does not know {line!r}")
    if hooks is not None:
        pythia.setUserHooksPtr(hooks)
    if not pythia.init():
        raise ToolError("Pythia does not initialise; install the version of `bittrigger[data]` again")
    return pythia


def each_event(pythia: Any, count: int, batch: int, read: Callable[[Jagged], list[Event]]) -> list[Event]:  # noqa: ANN401
    """What ``read`` makes of the particles of a batch, one entry an event, for so many events."""
    found: list[Event] = []
    while len(found) < count:
        found += read(pythia.nextBatch(min(batch, count - len(found))).prt)
    return found


def gather(
    block: Block, produce: Callable[[], tuple[dict[str, Array], int]], count: str
) -> tuple[dict[str, Array], int]:
    """Call ``produce`` until it has given the rows of a block; return the arrays, not yet cut to it, and the events tried.

    Args:
        produce: gives arrays of rows, perhaps none, and the number of events they come from.
        count: the array with one entry a row.

    Raises:
        ToolError: if too few events pass the selection.
    """
    found: list[dict[str, Array]] = []
    rows = tried = 0
    while rows < block.rows:
        arrays, events = produce()
        found.append(arrays)
        rows += len(arrays[count])
        tried += events
        if events == 0 or (rows < block.rows and tried > _TRIES + _TRIES_PER_ROW * block.rows):
            raise ToolError(
                f"block {block.name}: {rows} of {tried:,} events pass the selection, {block.rows} are wanted; "
                "this is not what the settings give: install the versions of `bittrigger[data]`"
            )
    return {name: np.concatenate([arrays[name] for arrays in found]) for name in found[0]}, tried


def is_visible(particles: Jagged, eta_max: float | None) -> Jagged:
    """Which particles are final, no neutrinos, and within ``eta_max``."""
    kind = abs(particles.id)
    keep = (particles.status > 0) & (kind != 12) & (kind != 14) & (kind != 16)
    if eta_max is None:
        return keep
    momentum = particles.p
    return keep & (momentum.pz**2 < (momentum.px**2 + momentum.py**2) * np.sinh(eta_max) ** 2)


def momenta(x: Jagged, y: Jagged, z: Jagged, energy: Jagged) -> Jagged:
    """Four-momenta in the form that FastJet takes."""
    import awkward as ak

    return ak.zip({"px": x, "py": y, "pz": z, "E": energy}, with_name="Momentum4D")


def momenta_of(particles: Jagged) -> Jagged:
    """Four-momenta of Pythia's particles."""
    p = particles.p
    return momenta(p.px, p.py, p.pz, p.e)


def cluster(particles: Jagged, radius: float, pt_min_gev: float) -> tuple[Jagged, Jagged]:
    """Anti-kT jets of each event by falling pT, and the indices of their constituents."""
    import awkward as ak
    import fastjet

    sequence = fastjet.ClusterSequence(particles, fastjet.JetDefinition(fastjet.antikt_algorithm, radius))
    jets, index = sequence.inclusive_jets(pt_min_gev), sequence.constituent_index(pt_min_gev)
    order = ak.argsort(transverse(jets), axis=1, ascending=False)
    return jets[order], index[order]


def soft_drop(constituents: Jagged, radius: float, z_cut: float) -> Jagged:
    """Soft drop with beta = 0 (mMDT) of jets, reclustered with Cambridge/Aachen: FastJet's record of each jet."""
    import fastjet

    sequence = fastjet.ClusterSequence(constituents, fastjet.JetDefinition(fastjet.cambridge_algorithm, 10.0))
    return sequence.exclusive_jets_softdrop_grooming(
        njets=1, beta=0.0, symmetry_cut=z_cut, symmetry_measure="scalar_z", R0=radius
    )


def transverse(p: Jagged) -> Jagged:
    """Transverse momentum, GeV."""
    return np.hypot(p.px, p.py)


def rapidity(p: Jagged) -> Jagged:
    """Rapidity with respect to the beam."""
    return 0.5 * np.log((p.E + p.pz) / (p.E - p.pz))


def flat(values: Jagged) -> Array:
    """A jagged array as a NumPy array of one axis."""
    import awkward as ak

    array: Array = ak.to_numpy(ak.flatten(values, axis=None))
    return array
