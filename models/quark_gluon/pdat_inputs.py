"""What P-DAT reads: constituents as rows of numbers, neighbours, pairs, and ratios of the jet's quantities.

`particle_table` is NumPy and needs no more than the jets; the functions of tensors run inside the network, so that a
saved network takes the table alone. Formulas: BitHEP, arXiv:2504.03387, and P-DAT, arXiv:2307.04723.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from bittrigger.data import Constituents, pad
from bittrigger.errors import ConfigError
from bittrigger.layers.keras_types import Option, Tensor

COLUMNS = ("log E", "log pT", "pT / jet pT", "E / jet E", "y", "phi", "pid", "present")
"""The columns of a row of the table; energies in GeV, a constituent counts as massless."""

COUNT = "number of constituents"
"""A further column of a table that counts: `(n - 44) / 16` of all constituents of the jet, also those beyond the last row."""

PID_CODES = dict(
    zip((22, 211, -211, 321, -321, 130, 2112, -2112, 2212, -2212, 11, -11, 13, -13), range(14), strict=True)
)
"""Particle numbers and their codes in steps of 0.1, in the order of BitHEP."""

NEIGHBOUR_FEATURES = 8
PAIR_FEATURES = 6
JET_ROWS = 11

_FAR = 1e6
_TINY = 1e-6


def particle_table(sample: Constituents, constituents: int, *, counted: bool = False) -> npt.NDArray[np.float32]:
    """Return the leading constituents `(n, constituents, 8)`, columns as in `COLUMNS`, zeros where a jet has fewer.

    Rapidity and azimuth are taken from the axis of the jet. If `counted`, `COUNT` is the ninth column.

    Raises:
        ConfigError: there is a particle that does not live long enough to be a constituent.
    """
    momenta, pid = pad(sample, constituents)
    present = momenta[:, :, 0] > 0
    unknown = sorted(set(np.unique(pid[present]).tolist()) - set(PID_CODES))
    if unknown:
        raise ConfigError(f"particle {unknown[0]} among the constituents; expected one of {sorted(PID_CODES)}")
    codes = np.zeros(pid.shape, np.float32)
    for number, code in PID_CODES.items():
        codes[pid == number] = 0.1 * code
    pt, rapidity = momenta[:, :, 0], momenta[:, :, 1]
    energy = pt * np.cosh(rapidity)
    jet_energy = np.hypot(sample.jet[:, 0], sample.jet[:, 3]) * np.cosh(sample.jet[:, 1])
    columns = [
        np.log(np.maximum(energy, _TINY)),
        np.log(np.maximum(pt, _TINY)),
        pt / sample.jet[:, None, 0],
        energy / jet_energy[:, None],
        rapidity - sample.jet[:, None, 1],
        momenta[:, :, 2] - sample.jet[:, None, 2],
        codes,
        np.ones_like(pt),
        *([np.broadcast_to((sample.counts[:, None] - 44) / 16, pt.shape)] if counted else []),
    ]
    return np.where(present[:, :, None], np.stack(columns, axis=2), 0).astype(np.float32)


def _columns(table: Tensor) -> list[Tensor]:
    return tf.unstack(table[..., : len(COLUMNS)], axis=-1)


def _differences(values: Tensor) -> Tensor:
    """Entry `[i, j]` is the value of `j` minus that of `i`."""
    return values[:, None, :] - values[:, :, None]


def _both_present(present: Tensor) -> Tensor:
    return present[:, None, :] * present[:, :, None]


def neighbour_features(table: Tensor, neighbours: int) -> Tensor:
    """Return the features `(events, n, neighbours, 8)` of the nearest constituents in rapidity and azimuth.

    A constituent is its own first neighbour. Missing constituents, and neighbours beyond the last, are zeros. The number of
    constituents of a table that counts is the ninth.
    """
    *_, rapidity, phi, _, present = _columns(table)
    distance = _differences(rapidity) ** 2 + _differences(phi) ** 2 + _FAR * (1 - present[:, None, :])
    _, index = tf.math.top_k(-distance, neighbours)
    near = tf.gather(table, index, batch_dims=1)
    delta_y = near[..., 4] - rapidity[:, :, None]
    delta_phi = near[..., 5] - phi[:, :, None]
    features = tf.stack(
        [*tf.unstack(near[..., :4], axis=-1), delta_y, delta_phi, tf.sqrt(delta_y**2 + delta_phi**2), near[..., 6]],
        axis=-1,
    )
    features = features * near[..., 7:8] * present[:, :, None, None]
    return tf.concat([features, tf.repeat(table[:, :, None, len(COLUMNS) :], neighbours, axis=2)], axis=-1)


def pair_features(table: Tensor) -> Tensor:
    """Return the features `(events, n, n, 6)` of pairs, ones on the diagonal and zeros for missing constituents.

    They are the distance, the logarithms of the squared mass and of kT, the momentum share of the softer one, the logarithm
    of the difference of pT, and whether both are particles of one kind.
    """
    _, log_pt, _, _, rapidity, phi, pid, present = _columns(table)
    delta_y, delta_phi = _differences(rapidity), _differences(phi)
    distance = tf.sqrt(delta_y**2 + delta_phi**2)
    pt = tf.exp(log_pt) * present
    softer = tf.minimum(pt[:, None, :], pt[:, :, None])
    squared_mass = 2 * pt[:, None, :] * pt[:, :, None] * (tf.cosh(delta_y) - tf.cos(delta_phi))
    features = tf.stack(
        [
            distance,
            _log(squared_mass),
            _log(distance * softer),
            tf.math.divide_no_nan(softer, pt[:, None, :] + pt[:, :, None]),
            _log(tf.abs(_differences(pt))),
            tf.cast(tf.abs(_differences(pid)) < 0.05, tf.float32),
        ],
        axis=-1,
    )
    diagonal = tf.eye(table.shape[1])[None, :, :, None]
    return (features * (1 - diagonal) + diagonal) * _both_present(present)[..., None]


def _log(values: Tensor) -> Tensor:
    return tf.math.log(tf.maximum(tf.abs(values), _TINY))


def jet_matrix(table: Tensor) -> Tensor:
    """Return `(events, 11, 11)`: ratios of ten quantities of the jet, and those of its dominant kind of particle.

    The ten are E, px, py, pz, pT, the sums of the fractions of pT and of E, and the mean distances from the axis in
    rapidity, azimuth and both. Entry `[i, j]` is the ratio of the two with the larger one below the line, which is how
    we read BitHEP; the last row and column are logarithms of the same ten of the kind of particle with the largest pT.
    """
    pid, present = table[..., 6], table[..., 7]
    share = tf.reduce_sum(tf.one_hot(tf.cast(tf.round(10 * pid), tf.int32), 14) * table[..., 2:3], axis=1)
    kind = 0.1 * tf.cast(tf.argmax(share, axis=1), tf.float32)
    chosen = present * tf.cast(tf.abs(pid - kind[:, None]) < 0.05, tf.float32)
    whole, group = _quantities(table, present), _quantities(table, chosen)
    rows, columns = whole[:, :, None] + 0 * whole[:, None, :], whole[:, None, :] + 0 * whole[:, :, None]
    larger = tf.abs(rows) >= tf.abs(columns)
    ratios = tf.math.divide_no_nan(tf.where(larger, columns, rows), tf.where(larger, rows, columns))
    last = _log(group)
    top = tf.concat([ratios, last[:, :, None]], axis=2)
    return tf.concat([top, tf.concat([last, kind[:, None]], axis=1)[:, None, :]], axis=1)


def _quantities(table: Tensor, weight: Tensor) -> Tensor:
    """The ten quantities of the constituents of weight 1, `(events, 10)`."""
    log_e, log_pt, share, energy_share, rapidity, phi, _, _ = _columns(table)
    pt, energy = tf.exp(log_pt), tf.exp(log_e)
    px, py = pt * tf.cos(phi), pt * tf.sin(phi)
    sums = [
        tf.reduce_sum(weight * value, axis=1) for value in (energy, px, py, pt * tf.sinh(rapidity), share, energy_share)
    ]
    transverse = tf.sqrt(sums[1] ** 2 + sums[2] ** 2)
    count = tf.reduce_sum(weight, axis=1)
    distances = (rapidity, phi, tf.sqrt(rapidity**2 + phi**2))
    means = [tf.math.divide_no_nan(tf.reduce_sum(weight * value, axis=1), count) for value in distances]
    return tf.stack([*sums[:4], transverse, *sums[4:], *means], axis=1)


_register = tf.keras.utils.register_keras_serializable(package="quark_gluon")


@_register
class NeighbourFeatures(tf.keras.layers.Layer):  # type: ignore[misc]
    """`neighbour_features` of so many neighbours."""

    def __init__(self, neighbours: int, **options: Option) -> None:
        super().__init__(**options)
        self.neighbours = neighbours

    def call(self, table: Tensor) -> Tensor:
        """Return the features `(events, n, neighbours, 8 or 9)`."""
        return neighbour_features(table, self.neighbours)

    def get_config(self) -> dict[str, Any]:
        """Return the options."""
        return {**super().get_config(), "neighbours": self.neighbours}


@_register
class PairFeatures(tf.keras.layers.Layer):  # type: ignore[misc]
    """`pair_features`."""

    def call(self, table: Tensor) -> Tensor:
        """Return the features `(events, n, n, 6)`."""
        return pair_features(table)


@_register
class JetMatrix(tf.keras.layers.Layer):  # type: ignore[misc]
    """`jet_matrix`."""

    def call(self, table: Tensor) -> Tensor:
        """Return the ratios `(events, 11, 11)`."""
        return jet_matrix(table)
