"""The physics of the data sets: what needs no generator here, and one block of each where the generators are installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from bittrigger.data.level1 import rates
from bittrigger.data.level1.algorithms import FEATURES as L1_FEATURES
from bittrigger.data.level1.algorithms import find_objects
from bittrigger.data.level1.objects import PILEUP
from bittrigger.data.level1.towers import ETA_TOWERS, PHI_TOWERS, TOWER_PHI, Deposits, overlay, turned
from bittrigger.data.model import Block
from bittrigger.data.production.plan import INSTALL
from bittrigger.data.pythia import events
from bittrigger.data.pythia.bosons import decay
from bittrigger.data.pythia.events import gather
from bittrigger.data.pythia.frames import axes, boosted, decay_angle, distance
from bittrigger.data.sets import SETS
from bittrigger.errors import ToolError

missing = [name for name in ("pythia8mc", "fastjet", "awkward") if importlib.util.find_spec(name) is None]
needs_generators = pytest.mark.skipif(bool(missing), reason=f"needs `{INSTALL}`")


def mass(p):
    return np.sqrt(np.maximum(p[..., 3] ** 2 - (p[..., :3] ** 2).sum(axis=-1), 0))


def four(pt, eta, phi, m=0.0):
    p = np.array([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    return np.append(p, np.sqrt(p @ p + m * m))


# --- kinematics ---------------------------------------------------------------------------------


def test_decays_conserve_momentum_and_are_longitudinal():
    random = np.random.default_rng(1)
    boson, masses = four(1000, 0.3, 1.2, 80.4), (4.8, 1.5)
    cosines = []
    for _ in range(4000):
        a, b = decay(boson, 80.4, masses, random)
        assert np.allclose(a + b, boson)
        assert np.allclose([mass(a), mass(b)], masses, atol=1e-4)
        rest = boosted(a[None], boson)[0, :3]
        cosines.append(rest @ boson[:3] / np.linalg.norm(rest) / np.linalg.norm(boson[:3]))
    cosines = np.array(cosines)
    assert abs(cosines.mean()) < 0.03
    assert abs((cosines**2).mean() - 1 / 5) < 0.01  # 1/3 if isotropic


def test_boosts():
    p, frame = np.stack([four(50, 0.5, 1.0, 3.0), four(20, -1.0, 2.0)]), four(500, 1.0, -2.0, 91.2)
    assert np.allclose(boosted(frame[None], frame), [[0, 0, 0, 91.2]])
    seen = boosted(p, frame)
    assert np.allclose(mass(seen), [3, 0], atol=1e-4)
    back = boosted(seen, frame * [-1, -1, -1, 1])
    assert np.allclose(back, p)


def test_axes_put_the_jet_along_z_and_the_beam_at_azimuth_zero():
    rotation = axes(np.array([1.0, 2, 3]), np.array([0, 0, 1.0]))
    assert np.allclose(rotation @ rotation.T, np.eye(3))
    assert np.allclose(rotation @ [1, 2, 3], [0, 0, np.sqrt(14)])
    beam = rotation @ [0, 0, 1]
    assert beam[0] > 0
    assert abs(beam[1]) < 1e-12


@pytest.mark.parametrize("angle", [-3.0, -1.0, 0.3, 2.0])
def test_the_decay_angle_is_the_azimuth_of_the_decay_about_the_boson(angle):
    """In the frame of the jet the quark lies at azimuth ``angle`` of the beam's plane, up to the sign of the normals."""
    boson, beam = np.array([0, 0, 5.0]), np.array([1.0, 0, 4.0])
    side = np.array([np.cos(angle), np.sin(angle), 0])
    found = decay_angle(boson, boson / 2 + side, boson / 2 - side, beam)
    assert np.sin(found - angle) == pytest.approx(0, abs=1e-9)
    assert np.sin(decay_angle(boson, boson / 2 - side, boson / 2 + side, beam) - found) == pytest.approx(0, abs=1e-9)


def test_distances_go_around_the_circle():
    assert distance(four(5, 1, 3.1), four(9, 1, -3.1)) == pytest.approx(2 * np.pi - 6.2)


# --- Level-1 ------------------------------------------------------------------------------------


def empty():
    return np.zeros((ETA_TOWERS, PHI_TOWERS)), np.zeros((ETA_TOWERS, PHI_TOWERS))


def objects(ecal, hcal, muons=()):
    """The integers by name; noise is below the threshold of a tower."""
    silent = type("Silent", (), {"normal": staticmethod(lambda _, noise, shape: np.full(shape, noise))})
    row = find_objects(ecal, hcal, np.array(muons).reshape(-1, 3), silent)
    assert row.shape == (57,)
    assert row.dtype == np.int16
    return dict(zip(L1_FEATURES, row.tolist(), strict=True))


def test_an_empty_crossing():
    assert not any(value for name, value in objects(*empty()).items() if name != "met_phi")


def test_an_electron_a_jet_and_muons():
    ecal, hcal = empty()
    middle = ETA_TOWERS // 2
    ecal[middle + 10, 20] = 30
    hcal[middle - 40, 60] = 50
    found = objects(ecal, hcal, [[3.0, -1.0, 0.1], [40.0, 2.0, 6.2], [1.0, 0, 0], [400.0, 0, -0.1]])
    assert (found["egamma_1_pt"], found["egamma_1_eta"], found["egamma_1_phi"]) == (60, 20, 41)
    assert found["egamma_2_pt"] == 0
    assert (found["jet_1_pt"], found["jet_1_eta"], found["jet_1_phi"]) == (110, -80, 121)
    assert (found["jet_2_pt"], found["jet_2_eta"]) == (66, 20)
    assert found["met_pt"] == 60
    assert found["met_phi"] == (41 + 72) % 144
    assert [found[f"muon_{i}_pt"] for i in (1, 2, 3, 4)] == [511, 80, 6, 0]
    assert (found["muon_2_eta"], found["muon_2_phi"]) == (184, 568)
    assert 0 <= found["muon_1_phi"] < 576


def test_hadrons_are_no_electrons():
    ecal, hcal = empty()
    ecal[50, 20], hcal[50, 20] = 30, 20
    assert objects(ecal, hcal)["egamma_1_pt"] == 0


def test_jets_reach_around_the_circle():
    ecal, hcal = empty()
    for column in (70, 71, 0, 1):
        hcal[50, column] = 10 + column % 3
    found = objects(ecal, hcal)
    assert found["jet_1_pt"] >= 2 * 40
    assert found["jet_2_pt"] == 0


def test_turned_deposits():
    tower = np.array([0 * PHI_TOWERS + 71, 10 * PHI_TOWERS + 3])
    deposits = Deposits(tower, np.array([1.0, 2]), np.array([3.0, 4]), np.array([[5.0, 0.5, 0.1]]))
    seen = turned(deposits, 2, mirrored=True)
    assert seen.tower.tolist() == [114 * PHI_TOWERS + 1, 104 * PHI_TOWERS + 5]
    assert np.allclose(seen.muons, [[5, -0.5, 0.1 + 2 * TOWER_PHI]])
    ecal, hcal, muons = overlay([deposits, deposits])
    assert ecal[0, 71] == 2
    assert hcal[10, 3] == 8
    assert len(muons) == 2
    assert [part.sum() for part in overlay([])] == [0, 0, 0]


# --- blocks -------------------------------------------------------------------------------------


def test_gather_stops_when_it_has_enough():
    arrays, tried = gather(Block("a", 0, 0, 5, 1), lambda: ({"x": np.zeros((2, 3))}, 10), "x")
    assert arrays["x"].shape == (6, 3)
    assert tried == 30


@pytest.mark.parametrize(("rows", "events_"), [(0, 5000), (0, 0), (1, 0)])
def test_gather_gives_up(rows, events_, monkeypatch):
    monkeypatch.setattr(events, "_TRIES_PER_ROW", 100)
    with pytest.raises(
        ToolError, match="block a-00000: .* events pass the selection, 5 are wanted; this is not what the"
    ):
        gather(Block("a", 0, 0, 5, 1), lambda: ({"x": np.zeros((rows, 3))}, events_), "x")


def block(name, kind, rows=6, number=0, seed=5):
    dataset = SETS[name]
    return dataset.generate(Block(kind, dataset.kinds.index(kind), number, rows, seed))


@needs_generators
@pytest.mark.parametrize(("kind", "heavy_gev"), [("g", 0), ("z", 60)])
def test_jets5(kind, heavy_gev):
    arrays = block("jets5", kind).arrays
    x, kin = arrays["X"], arrays["kin"]
    assert x.shape == (6, 16)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    assert ((kin[:, 0] > 800) & (kin[:, 0] < 1600) & (abs(kin[:, 1]) < 2.5)).all()
    assert np.median(x[:, 14]) > heavy_gev
    assert (x[:, 15] > 5).all()
    assert (x[:, 0] < 0).all()
    assert set(arrays["y"]) == {"gqwzt".index(kind)}


@needs_generators
@pytest.mark.parametrize("kind", ["q", "w"])
def test_jets5_range_has_as_many_jets_in_each_range_of_pt(kind):
    arrays = block("jets5-range", kind, rows=13).arrays
    counts, _ = np.histogram(arrays["kin"][:, 0], np.linspace(400, 1600, 7))
    assert sorted(counts) == [2, 2, 2, 2, 2, 3]
    assert arrays["X"].shape == (13, 16)
    assert not (np.diff(arrays["kin"][:, 0]) > 0).all()


@needs_generators
def test_features_are_those_of_their_definition():
    """Two hard prongs of three particles each, which grooming leaves alone, against plain sums."""
    ak = pytest.importorskip("awkward")
    from bittrigger.data.pythia.jets5 import FEATURES, features

    random = np.random.default_rng(3)
    p = np.array(
        [
            four(random.uniform(50, 100), eta + d, phi)
            for eta in (0, 0.4)
            for d, phi in ((0, 0), (0.02, 0.01), (0, 0.02))
        ]
    )
    jet = ak.zip(
        {name: ak.Array(p[None, :, i]) for i, name in enumerate(("px", "py", "pz", "E"))}, with_name="Momentum4D"
    )
    found = dict(zip(FEATURES, features(jet)[0].tolist(), strict=True))
    pt = np.hypot(p[:, 0], p[:, 1])
    z = pt / pt.sum()
    pairs = [(i, j) for i in range(6) for j in range(i)]
    angle = {pair: distance(p[pair[0]], p[pair[1]]) for pair in pairs}
    for beta in (0, 1, 2):
        c1 = sum(pt[i] * pt[j] * angle[i, j] ** beta for i, j in pairs) / pt.sum() ** 2
        assert found[f"c1_b{beta}_mmdt"] == pytest.approx(c1, rel=1e-4)
    assert found["zlogz"] == pytest.approx((z * np.log(z)).sum(), rel=1e-5)
    assert found["mass_mmdt"] == pytest.approx(mass(p.sum(axis=0)), rel=1e-5)
    assert found["multiplicity"] == 6


@needs_generators
def test_quark_gluon():
    part = block("quark-gluon", "quark")
    jet, n = part.arrays["jet"], part.arrays["n"]
    assert ((jet[:, 0] > 500) & (jet[:, 0] < 550) & (abs(jet[:, 1]) < 1.7)).all()
    assert n.sum() == len(part.arrays["particles"]) == len(part.arrays["pid"])
    own = np.repeat(np.arange(6), n)
    particles = part.arrays["particles"]
    p = np.stack([particles[:, 0] * f(particles[:, 2]) for f in (np.cos, np.sin)], axis=1)
    sums = np.stack([np.bincount(own, column) for column in p.T], axis=1)
    assert np.allclose(np.hypot(*sums.T), jet[:, 0], rtol=1e-4)
    assert (abs(particles[:, 2] - jet[own, 2]) < np.pi).all()
    assert (np.diff(particles[:, 0])[np.diff(own) == 0] <= 0).all()
    assert not np.isin(abs(part.arrays["pid"]), (12, 14, 16)).any()


@needs_generators
def test_a_block_can_be_made_again():
    first, again, other = (block("wz-decay-plane", "w", number=number) for number in (0, 0, 1))
    for name, array in first.arrays.items():
        assert np.array_equal(array, again.arrays[name])
        assert not np.array_equal(array, other.arrays[name])
    x, scalars, phi = (first.arrays[name] for name in ("x", "scalars", "phi"))
    assert (x.shape, scalars.shape, phi.shape) == ((6, 40, 3), (6, 5), (6,))
    assert (scalars[:, 0] > 500).all()
    assert ((scalars[:, 1] > 70) & (scalars[:, 1] < 110)).all()
    weight = x[..., 0] * x[..., 1] ** 2
    axis = np.angle((weight * np.exp(2j * x[..., 2])).sum(axis=1)) / 2
    assert np.median(np.sin(axis - phi) ** 2) < 0.1  # 1/2 if the target had nothing to do with the jet


@needs_generators
def test_l1_objects():
    part = block("l1-objects", "ttbar")
    assert list(part.arrays) == ["ttbar"]
    rows = part.arrays["ttbar"]
    assert rows.shape == (6, 57)
    assert rows.dtype == np.int16
    assert (rows[:, ::3] >= 0).all()
    assert (np.diff(rows[:, 27::3]) <= 0).all()
    assert np.median(rows[:, 27]) > 60
    assert rows[:, [0, 3, 27]].any(axis=0).all()


def collision(pt_hat, muons=(), *, soft=False):
    nothing = np.zeros(0)
    rows = np.array([[pt, 0, 0] for pt in muons]).reshape(-1, 3)
    return rates.Collision(Deposits(nothing.astype(np.int64), nothing, nothing, rows), pt_hat, soft)


def test_a_muon_makes_a_collision_stand_out():
    assert collision(20.0).prominence_gev == 20
    assert collision(20.0, muons=(3.0, 5.0)).prominence_gev == 40


def test_each_crossing_is_counted_once():
    """Over all collisions of a crossing the chances to be the one that stands out most add up to one."""
    pool = [collision(pt_hat, soft=True) for pt_hat in np.geomspace(1e4, 1e6, 2000)]
    prominence = np.array([each.prominence_gev for each in pool])
    chances = [rates.counted_once(each, pool, prominence) for each in pool]
    assert abs(PILEUP * np.mean(chances) - 1) < 0.02


def test_a_harder_scattering_of_the_same_collision_counts_instead():
    pool = [collision(100.0), *(collision(1.0) for _ in range(3)), *(collision(0.0, soft=True) for _ in range(96))]
    alone = rates.counted_once(collision(1000.0), pool, np.zeros(100))
    assert abs(alone - 1) < 1e-4
    assert abs(rates.counted_once(collision(50.0), pool, np.zeros(100)) / (0.75 * (2500 / 2506.9) ** 2) - 1) < 1e-3


@needs_generators
@pytest.mark.parametrize(("kind", "least", "most"), [("qcd", 3_000, 300_000), ("weak", 2, 10)])
def test_l1_rates(kind, least, most):
    arrays = block("l1-rates", kind).arrays
    rows, khz, pt_hat = arrays[kind], arrays[f"{kind}_khz"], arrays[f"{kind}_pt_hat"]
    assert (rows.shape, rows.dtype, khz.shape, pt_hat.dtype) == ((6, 57), np.int16, (6,), np.float32)
    assert (khz > 0).all()
    assert (pt_hat >= (rates.PT_HAT_MIN_GEV if kind == "qcd" else 0)).all()
    assert least < khz.mean() < most


@needs_generators
def test_l1_jets():
    part = block("l1-jets", "tau")
    particles, jet, n, y = (part.arrays[name] for name in ("particles", "jet", "n", "y"))
    assert (particles.shape, jet.shape, n.shape, y.tolist()) == ((6, 16, 5), (6, 3), (6,), [4] * 6)
    assert all(array.dtype == np.int16 for array in (particles, jet, n))
    assert ((jet[:, 0] >= 30 * 4) & (jet[:, 0] <= 200 * 4)).all()
    edges = np.geomspace(120, 800, 9)
    assert np.bincount(np.searchsorted(edges, jet[:, 0]) - 1, minlength=8).max() <= 2  # spread over the ranges of pT
    present = particles[:, :, 3] > 0
    assert np.array_equal(present.sum(axis=1), np.minimum(n, 16))
    assert not particles[~present].any()
    assert (np.hypot(particles[..., 1], particles[..., 2]) <= 0.6 / (np.pi / 720)).all()
    assert (np.diff(particles[:, :, 0], axis=1) <= 0).all()
    assert (particles[:, :, 0].sum(axis=1) <= 1.1 * jet[:, 0]).all()
