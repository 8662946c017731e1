"""Files of `bittrigger data make`, read and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bittrigger.data.level1.algorithms import FEATURES as L1_FEATURES
from bittrigger.data.level1.jets import COLUMNS, CONSTITUENTS
from bittrigger.data.level1.jets import KINDS as L1_JET_CLASSES
from bittrigger.data.level1.objects import KINDS as L1_KINDS
from bittrigger.data.level1.rates import KINDS as L1_RATE_KINDS
from bittrigger.data.loaders.checks import check_finite, check_labels, check_lengths, read_checked
from bittrigger.data.loaders.samples import Constituents, DecayPlanes, Provenance, RatedCrossings, Table, TriggerJets
from bittrigger.data.production.archive import read_record
from bittrigger.data.pythia.jets5 import CLASSES, FEATURES
from bittrigger.data.pythia.quark_gluon import KINDS as QUARK_GLUON_CLASSES
from bittrigger.data.pythia.wz_decay_plane import SCALARS
from bittrigger.errors import ConfigError


def load_jets5(path: Path) -> Table:
    """The five-class jets of a file: 16 features, float32.

    Raises:
        ConfigError: if the file is not such a one, or damaged.
    """
    x = read_checked(path, "X", (None, len(FEATURES)), "f")
    labels = read_checked(path, "y", (None,), "iu")
    for name, wanted in (("features", FEATURES), ("classes", CLASSES)):
        found = tuple(map(str, read_checked(path, name, (len(wanted),), "U")))
        if found != wanted:
            raise ConfigError(f"data file {path}: array {name!r} is {found}; expected {wanted}; make the file again")
    check_lengths(path, {"X": x, "y": labels})
    check_finite(path, "X", x, FEATURES)
    y = check_labels(path, labels, CLASSES)
    return Table(x.astype(np.float32), y, FEATURES, CLASSES, _provenance(path, "jets5", "jets5-range"))


def load_l1_objects(path: Path) -> Table:
    """The crossings of a file: 57 integers, int16; the classes are the processes.

    Raises:
        ConfigError: if the file is not such a one, or damaged, or a process has no crossing.
    """
    arrays = {name: read_checked(path, name, (None, len(L1_FEATURES)), "i") for name in L1_KINDS}
    labels = np.repeat(np.arange(len(L1_KINDS)), [len(array) for array in arrays.values()])
    y = check_labels(path, labels, L1_KINDS)
    return Table(np.concatenate(list(arrays.values())), y, L1_FEATURES, L1_KINDS, _provenance(path, "l1-objects"))


def load_l1_rates(path: Path) -> RatedCrossings:
    """The crossings of a file and the rates that they stand for, in kHz.

    Raises:
        ConfigError: if the file is not such a one, or damaged, a kind has no crossing, a rate is not above 0, or a
            pT of the hard scattering no number.
    """
    x, khz, pt_hat = [], [], []
    for kind in L1_RATE_KINDS:
        rows = read_checked(path, kind, (None, len(L1_FEATURES)), "i")
        alone, hard = (read_checked(path, f"{kind}_{name}", (None,), "f") for name in ("khz", "pt_hat"))
        check_lengths(path, {kind: rows, f"{kind}_khz": alone, f"{kind}_pt_hat": hard})
        check_finite(path, f"{kind}_khz", alone)
        check_finite(path, f"{kind}_pt_hat", hard)
        if not (alone > 0).all():
            row = int(np.argmin(alone))
            raise ConfigError(
                f"data file {path}: array '{kind}_khz' is {alone[row]} at row {row}; expected rates above 0; make the file again"
            )
        x.append(rows)
        khz.append(alone.astype(np.float64) / max(len(rows), 1))
        pt_hat.append(hard.astype(np.float32))
    labels = np.repeat(np.arange(len(L1_RATE_KINDS)), [len(rows) for rows in x])
    kind_of = check_labels(path, labels, L1_RATE_KINDS)
    provenance = _provenance(path, "l1-rates")
    return RatedCrossings(
        np.concatenate(x), np.concatenate(khz), np.concatenate(pt_hat), kind_of, L1_RATE_KINDS, provenance
    )


def load_l1_jets(path: Path) -> TriggerJets:
    """The Level-1-like jets of a file.

    Raises:
        ConfigError: if the file is not such a one, or damaged, or a class has no jet.
    """
    particles = read_checked(path, "particles", (None, CONSTITUENTS, len(COLUMNS)), "i")
    jet = read_checked(path, "jet", (None, 3), "i")
    counts = read_checked(path, "n", (None,), "iu")
    labels = read_checked(path, "y", (None,), "iu")
    check_lengths(path, {"particles": particles, "jet": jet, "n": counts, "y": labels})
    y = check_labels(path, labels, L1_JET_CLASSES)
    return TriggerJets(particles, jet, counts, y, L1_JET_CLASSES, _provenance(path, "l1-jets"))


def load_quark_gluon(path: Path) -> Constituents:
    """The quark and gluon jets of a file.

    Raises:
        ConfigError: if the file is not such a one, or damaged.
    """
    momenta = read_checked(path, "particles", (None, 3), "f")
    pid = read_checked(path, "pid", (None,), "i")
    counts = read_checked(path, "n", (None,), "iu").astype(np.int64)
    jet = read_checked(path, "jet", (None, 4), "f")
    labels = read_checked(path, "y", (None,), "iu")
    check_lengths(path, {"n": counts, "jet": jet, "y": labels})
    check_lengths(path, {"particles": momenta, "pid": pid})
    if counts.min() < 1 or counts.sum() != len(momenta):
        raise ConfigError(
            f"data file {path}: array 'n' counts {counts.sum()} constituents, at least {counts.min()} a jet; "
            f"'particles' has {len(momenta)}; expected the same, at least 1 a jet; make the file again"
        )
    check_finite(path, "particles", momenta, ("pt", "y", "phi"))
    check_finite(path, "jet", jet, ("pt", "y", "phi", "m"))
    return Constituents(
        momenta.astype(np.float32),
        pid.astype(np.int32),
        counts.astype(np.int32),
        jet.astype(np.float32),
        check_labels(path, labels, QUARK_GLUON_CLASSES),
        QUARK_GLUON_CLASSES,
        _provenance(path, "quark-gluon"),
    )


def load_wz_decay_plane(path: Path) -> DecayPlanes:
    """The W jets of a file, with the angle of their decay plane.

    Raises:
        ConfigError: if the file is not such a one, or damaged.
    """
    x = read_checked(path, "x", (None, None, 3), "f")
    scalars = read_checked(path, "scalars", (None, len(SCALARS)), "f")
    phi = read_checked(path, "phi", (None,), "f")
    check_lengths(path, {"x": x, "scalars": scalars, "phi": phi})
    for name, array in (("x", x), ("phi", phi)):
        check_finite(path, name, array)
    check_finite(path, "scalars", scalars, SCALARS)
    if np.abs(phi).max() > np.float32(np.pi):
        row = int(np.argmax(np.abs(phi)))
        raise ConfigError(
            f"data file {path}: array 'phi' is {phi[row]} at row {row}; expected -pi to pi; make the file again"
        )
    x, scalars, phi = x.astype(np.float32), scalars.astype(np.float32), phi.astype(np.float32)
    return DecayPlanes(x, scalars, phi, SCALARS, _provenance(path, "wz-decay-plane"))


def _provenance(path: Path, *names: str) -> Provenance:
    record = read_record(path)
    if record is not None and record.get("set") not in names:
        raise ConfigError(
            f"data file {path} is of set {str(record.get('set'))[:40]!a}; expected {' or '.join(map(repr, names))}; "
            "give a file of that set"
        )
    return Provenance(names[0] if record is None else str(record["set"]), (str(path),), record)
