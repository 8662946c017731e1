"""The text of card.md."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from residuals import BINS, compare, mean_sin2_of, principal_axis, wrapped
from wz_jets import CONSTITUENTS, Jets

from bittrigger.train.recipes import markdown_table, versions
from bittrigger.train.study import Run, summary_rows

ERRORS = {"sin2": (4, 1.0), "rms_deg": (2, 1.0), "median_deg": (2, 1.0)}
DISTANCES = {
    "separation_of_densities": (4, 1.0),
    "separation": (5, 1.0),
    "wasserstein_rad": (4, 1.0),
    "wasserstein_modulo_pi_rad": (4, 1.0),
}
"""Digits after the point and factor of the figures that are shown."""

HEADER = [
    "angle from",
    "mean sin²",
    "rms residual (°)",
    "median residual (°)",
    "separation, densities",
    "separation, shares",
    "Wasserstein-1 (rad)",
    "Wasserstein-1 modulo π (rad)",
]


def card(runs: Sequence[Run], reference: npt.NDArray[np.float64], jets: Jets, training: str, command: str) -> str:
    """Return the text of card.md.

    Args:
        runs: of all variants and seeds, with the distances to the reference.
        reference: residuals of the reference for the test jets, in (-pi, pi].
        jets: data and split.
        training: how the networks were trained, one paragraph.
        command: what to type to make the folder again.
    """
    tests = len(jets.split.test)
    table = markdown_table(HEADER, [*axis_rows(jets, reference), *result_rows(runs)])
    return f"""# Decay plane of a boosted W

**No network here finds the plane as well as the principal axis of the constituents, which needs no network**: from the same 16
its mean sin² is a quarter to a thirteenth of theirs. This is a study of what ternary layers cost, not a way to measure the angle.

SMEFTNet and SMEFTNet-Bit: from the constituents of the jet of a hadronic W in WZ production, the angle between scattering
and decay plane. **A study of physics, not firmware**: the ternary layers are BitHEP's own (`BitHepLinear`), float32
arithmetic on quantised values with a scale for each token, and conversion refuses them. `model.h5` is bit-30 of the first seed.

## Result

On {tests:,} held-out jets; mean and standard deviation over the seeds {_seeds(runs)}:

{table}
The principal axis needs no network: the longest axis of the pT-weighted constituents. **It is nearer to the truth than any
network here.** By chance, mean sin² is 0.5. Residuals are taken modulo 180 degrees for rms and median, since quark and
antiquark are not told apart.

Separation and Wasserstein-1 say how much the residuals in (-π, π] differ from those of the reference, the float network of
the first seed, on the same jets, and not which are better: the axis differs by being better. The row `float` has the float
networks of the other seeds: a distance as small as there is what another start alone gives.

Separation is ½ Σ (p - q)² / (p + q) over {BINS} bins: of
densities, as BitHEP's authors print it (at most 15.9), and of shares (at most 1). For two independent samples of
{tests:,} from one distribution that fills all bins the latter is about {BINS / 2 / tests:.4f} by chance; BitHEP has 625,000
test jets. Wasserstein-1 in (-π, π] also counts jets that go from just above -π to just below π; modulo π it does not.

![residuals](residuals.png)
![float](density_float.png) ![all ternary](density_bit100.png)

## Network

One message-passing layer within a radius of 0.4 (MLP 5-20-21), mean over the jet with pT as weight, read-out MLP 23-32-32-1:

{markdown_table(["variant", "parameters", "quantised", "share", "of which"], share_rows(runs))}
`bittrigger costs model.h5 --code smeftnet.py` counts the shipped one, layer by layer. BitHEP calls the
variants 30, 70 and 100 %; the shares of this network with one message-passing layer are those above.

- The vector of a constituent is (θ cos φ, θ sin φ), so that a rotation about the jet axis rotates it. The authors' code takes
  (θ, φ) itself for Cartesian coordinates.
- Lengths are in units of the radius; the jet's pT enters as log(pT / 500 GeV), where the authors normalise by batch.
- All variants have LeakyReLU(0.01), no batch normalisation, the same initial distribution and the same training. The authors'
  float network has ReLU and batch normalisation and their ternary one has not, so what they lose is not by quantisation alone.
- The {CONSTITUENTS} leading constituents are read, not 40: training is faster, and the principal axis is better with
  {CONSTITUENTS}.
- Their optimiser makes one step an epoch, 300 in all, on 2.5 million jets; ours is below. Figures here are not to be
  set beside theirs.

## Training

{training}

{markdown_table(["variant", "mean sin² on training jets", "best epoch", "wall time (s)"], limit_rows(runs))}
Time was short. Mean sin² is about the same on the training jets as on the test jets: the networks do not overfit, and longer
training was not tried.

## Data and command

- Data: `wz-decay-plane`, Standard Model without Wilson coefficients, {_files(jets)}.
  Cite Pythia 8.3, FastJet, soft drop, and S. Chatterjee et al., arXiv:2401.10323.
- Split by seed, the same for all trainings: {jets.split}. The epoch is chosen on the validation jets.
- Made with {versions(["tensorflow-cpu", "numpy"])}.
- Commands:

```sh
{_making(jets)}
{command}
```

- `sample.npz`: some of the test jets as the network reads them; `x` log(jet pT / 500 GeV), then pT, θ, φ of each constituent;
  `phi` the target. `import smeftnet` (this folder on the path) before `tf.keras.models.load_model("model.h5", compile=False)`.
"""


def result_rows(runs: Sequence[Run]) -> list[list[str]]:
    """Return a table row for each variant; the reference itself has no distance and does not count in these columns."""
    compared = {row[0]: row for row in summary_rows([run for run in runs if "separation" in run.figures], DISTANCES)}
    return [[*row, *compared.get(row[0], ["", *["-"] * len(DISTANCES)])[1:]] for row in summary_rows(runs, ERRORS)]


def axis_rows(jets: Jets, reference: npt.NDArray[np.float64]) -> list[list[str]]:
    """Return table rows for the principal axis of the leading and of all constituents of the test jets."""
    constituents = np.concatenate([file.x for file in jets.files])[jets.split.test]
    rows = []
    for count in (CONSTITUENTS, constituents.shape[1]):
        found = principal_axis(constituents[:, :count])
        folded = np.degrees(wrapped(found, jets.test_phi, np.pi))
        distance = compare(wrapped(found, jets.test_phi), reference)
        values = {
            "sin2": mean_sin2_of(found, jets.test_phi),
            "rms_deg": np.sqrt(np.mean(folded**2)),
            "median_deg": np.median(np.abs(folded)),
            **vars(distance),
        }
        cells = [f"{factor * values[name]:.{digits}f}" for name, (digits, factor) in (ERRORS | DISTANCES).items()]
        rows.append([f"principal axis of {count} constituents, no network", *cells])
    return rows


def share_rows(runs: Sequence[Run]) -> list[list[str]]:
    """Return a table row for each variant: parameters, how many are quantised, and where they are."""
    parts = {"float": "-", "bit-30": "message MLP", "bit-70": "read-out MLP", "bit-100": "both"}
    rows = []
    for run in {run.variant: run for run in runs}.values():
        total, ternary = (int(run.figures[name] or 0) for name in ("parameters", "quantized_parameters"))
        rows.append([run.variant, f"{total:,}", f"{ternary:,}", f"{ternary / total:.1%}", parts[run.variant]])
    return rows


def limit_rows(runs: Sequence[Run]) -> list[list[str]]:
    """Return a table row for each variant with what shows that the training was short."""
    return summary_rows(runs, {"train_sin2": (4, 1.0), "best_epoch": (0, 1.0), "seconds": (0, 1.0)})


def _seeds(runs: Sequence[Run]) -> str:
    return ", ".join(map(str, dict.fromkeys(run.seed for run in runs)))


def _files(jets: Jets) -> str:
    counts = [len(file.phi) for file in jets.files]
    return f"{sum(counts):,} jets in {len(counts)} files ({', '.join(f'{count:,}' for count in counts)})"


def _making(jets: Jets) -> str:
    """The commands that make the data, as the files record it."""
    lines = []
    for file in jets.files:
        record = file.provenance.record or {}
        name = file.provenance.files[0].rpartition("/")[2]
        events, seed = (record.get(key, "?") for key in ("events", "seed"))
        lines.append(f"bittrigger data make wz-decay-plane --events {events} --seed {seed} -o wz/{name}")
    return "\n".join(lines)
