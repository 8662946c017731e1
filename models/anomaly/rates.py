"""Efficiency of the anomaly trigger against its rate in kHz, as far down to the 1 to 10 kHz of a Level-1 seed as can be told.

Run from the repository root, with the extra `data`; the first command generates, the second measures:

    bittrigger data make l1-objects --events 28000 --seed 12 -o l1_test.npz
    python models/anomaly/rates.py make --events 12000 --seed 31 -o l1_rates.npz
    python models/anomaly/rates.py measure --rates l1_rates.npz --test l1_test.npz

A few thousand crossings of zero bias say nothing about a rate of kHz of 30 MHz. So crossings with a hard collision of QCD are
generated, the more often the harder it is, and each counts with the rate that it stands for: what passes a high threshold
has one hard collision, and the rest of the crossing is pile-up. Writes rates.md and rates.png beside this file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from baselines import BACKGROUND, CROSSINGS_KHZ, Scores, momentum_sums, signals

from bittrigger.data import Table, load_l1_objects
from bittrigger.train.metrics import Efficiency, efficiency_at_khz
from bittrigger.train.plots import COLORS, STYLES, figure_axes
from bittrigger.train.recipes import load_arrays, markdown_table, predict, reload, write_text

PILEUP = 55
PT_HAT_MIN_GEV = 20
POOL = 4_000
BATCH = 100
BIAS_POWER = 4
"""A collision is generated more often by its pT to this power, beyond what QCD gives, and has a weight for it."""

RATES_KHZ = (1.0, 3.0, 10.0, 30.0)
FEWEST = 10.0
"""Crossings within twice a rate, in effect, without which the efficiency there is not told."""

NETWORK = "ternary network"
LEFT_OUT = (BACKGROUND, "qcd")
"""Kinds of the test file that are no signal here."""


def make(events: int, seed: int, output: Path) -> None:
    """Generate weighted crossings, and write `x` `(n, 57)` int16 and `khz` `(n,)`, the rate that each stands for."""
    from bittrigger.data.level1.algorithms import FEATURES, find_objects
    from bittrigger.data.level1.towers import PHI_TOWERS, deposit, overlay, turned
    from bittrigger.data.pythia.events import start_pythia

    random = np.random.default_rng(seed)
    soft = start_pythia(["Beams:eCM = 13600", "SoftQCD:inelastic = on"], seed + 1)
    biased = (
        f"PhaseSpace:pTHatMin = {PT_HAT_MIN_GEV}",
        "PhaseSpace:bias2Selection = on",
        f"PhaseSpace:bias2SelectionPow = {BIAS_POWER}",
    )
    hard = start_pythia(["Beams:eCM = 13600", "HardQCD:all = on", *biased], seed + 2)
    pool = [each for _ in range(0, POOL, BATCH) for each in deposit(soft.nextBatch(BATCH).prt, random)]
    x, weights = np.zeros((events, len(FEATURES)), np.int16), np.zeros(events)
    for start in range(0, events, BATCH):
        batch = hard.nextBatch(min(BATCH, events - start))
        weights[start : start + len(batch)] = np.asarray(batch.info.weights)[:, 0]
        for i, signal in enumerate(deposit(batch.prt, random), start=start):
            others = random.integers(len(pool), size=random.poisson(PILEUP))
            turns = [
                turned(pool[j], int(random.integers(PHI_TOWERS)), mirrored=bool(random.integers(2))) for j in others
            ]
            x[i] = find_objects(*overlay([*turns, signal]), random)
    share = hard.infoPython().sigmaGen() / soft.infoPython().sigmaGen()
    khz = CROSSINGS_KHZ * PILEUP * share * weights / weights.sum()
    np.savez_compressed(output, x=x, khz=khz)


@dataclass(frozen=True)
class Measured:
    """The scores by name of the weighted background, of each kind of the test file, and the weights in kHz."""

    background: Mapping[str, Scores]
    tested: Mapping[str, Scores]
    khz: npt.NDArray[np.float64]
    test: Table

    def crossings_near(self, name: str, khz: float) -> float:
        """How many equal crossings would know twice the rate as well: `(sum w)^2 / sum w^2` of those that pass there."""
        order = np.argsort(-self.background[name], kind="stable")
        sums = np.cumsum(self.khz[order])
        weights = self.khz[order[: int(np.searchsorted(sums, 2 * khz)) + 1]]
        return float(weights.sum() ** 2 / (weights**2).sum())

    def crossings_needed(self, name: str, khz: float) -> int:
        """How many crossings, generated in the same way, would tell where a rate is; to two digits."""
        needed = len(self.khz) * FEWEST / self.crossings_near(name, khz)
        return int(float(f"{needed:.1e}"))

    def efficiency(self, name: str, signal: str, khz: float) -> Efficiency | None:
        """The efficiency of a score for a signal at a rate; None if too few crossings tell where that rate is."""
        if self.crossings_near(name, khz) < FEWEST:
            return None
        chosen = self.tested[name][self.test.y == self.test.classes.index(signal)]
        return efficiency_at_khz(self.background[name], self.khz, chosen, khz)


def scores(folder: Path) -> dict[str, Any]:
    """The network of `folder` and the sums that need none, each a function of integers `(n, 57)`."""
    model = reload(folder / "model.h5")
    return {NETWORK: lambda x: predict(model, x.astype(np.float32))[:, 0], **momentum_sums()}


def measure(rates: Path, test: Path, folder: Path) -> None:
    """Write rates.md and rates.png to `folder`."""
    weighted, table = load_arrays(rates, ("x", "khz")), load_l1_objects(test)
    found = {
        name: (score(weighted["x"].astype(np.int64)), score(table.x.astype(np.int64)))
        for name, score in scores(folder).items()
    }
    measured = Measured(
        {name: pair[0] for name, pair in found.items()},
        {name: pair[1] for name, pair in found.items()},
        weighted["khz"].astype(np.float64),
        table,
    )
    names = [name for name in signals(table.classes) if name not in LEFT_OUT]
    write_text(folder / "rates.md", card(measured, names))
    plot(measured, names[-1], folder / "rates.png")


def card(measured: Measured, names: Sequence[str]) -> str:
    """The text of rates.md."""
    rows = []
    for khz in RATES_KHZ:
        for score in measured.background:
            found = [measured.efficiency(score, name, khz) for name in names]
            cells = ["-" if each is None else f"{each.value:.3f} ± {each.error:.3f}" for each in found]
            rows.append([f"{khz:g}", score, *cells])
    needed = [
        f"{measured.crossings_needed(NETWORK, khz):,} for {khz:g} kHz"
        for khz in RATES_KHZ
        if measured.crossings_near(NETWORK, khz) < FEWEST
    ]
    zero_bias = measured.tested[NETWORK][measured.test.y == measured.test.classes.index(BACKGROUND)]
    checks = []
    for share in (0.01, 0.003):
        threshold = np.quantile(zero_bias, 1 - share)
        khz = float(measured.khz[measured.background[NETWORK] > threshold].sum())
        checks.append(
            f"{CROSSINGS_KHZ * np.mean(zero_bias > threshold):.0f} kHz of zero bias are {khz:.0f} kHz by these"
        )
    return f"""# Anomaly trigger: efficiency against rate

A Level-1 seed gets 0.1 to 10 kHz of the {CROSSINGS_KHZ / 1000:.0f} MHz at which bunches collide. **What the network
keeps at such rates is not known yet**; at {RATES_KHZ[-1]:g} kHz it is better than sums of momenta for hto4l alone, which
has muons and electrons. Signal efficiency of the network of `model.h5` and of sums that need no network, with the
statistical errors of signal and rate:

{markdown_table(["rate (kHz)", "score", *names], rows)}
![efficiency against rate](rates.png)

- The rate is that of crossings with a hard collision of QCD in {PILEUP} others: {len(measured.khz)} crossings, which stand for
  {measured.khz.sum():.0f} kHz together, Pythia 8 at leading order above {PT_HAT_MIN_GEV} GeV, the harder the more often, each
  with the rate that it stands for; the other collisions are drawn from {POOL:,}, and turned. A `-` stands where fewer than
  {FEWEST:g} crossings, in effect, tell where the rate is: the sums grow with the hard collision, but the network also answers
  to a muon, which a soft one can have, and there are few such crossings, each of them for a large rate. About so many
  crossings would tell: {", ".join(needed)}.
- A check where zero bias itself can count, by the network's score: {"; ".join(checks)} crossings.
  They give more, since at leading order a crossing with several collisions above {PT_HAT_MIN_GEV} GeV counts several times; the
  lower the rate, the less that matters, and rates here are rather too high than too low.
- Other backgrounds of a seed, as real detectors have them (noise, beam halo), are not here; rates of a real trigger are higher.
- Signals: those of the test file of card.md. Commands:

```sh
bittrigger data make l1-objects --events 28000 --seed 12 -o l1_test.npz
python models/anomaly/rates.py make --events {len(measured.khz)} --seed 31 -o l1_rates.npz
python models/anomaly/rates.py measure --rates l1_rates.npz --test l1_test.npz
```
"""


def plot(measured: Measured, signal: str, path: Path) -> None:
    """Draw the efficiency for one signal against the rate."""
    rates = np.geomspace(RATES_KHZ[0], 100, 25)
    with figure_axes(path, (5.2, 4.0)) as axes:
        for i, name in enumerate(measured.background):
            known = [(khz, measured.efficiency(name, signal, float(khz))) for khz in rates]
            shown = [(khz, each.value, each.error) for khz, each in known if each is not None]
            if not shown:
                continue
            khz, values, errors = np.array(shown).T
            axes.plot(khz, values, color=COLORS[i], linestyle=STYLES[i % len(STYLES)], label=name)
            axes.fill_between(khz, values - errors, values + errors, color=COLORS[i], alpha=0.15, linewidth=0)
        axes.set(xscale="log", ylim=(0, None), xlabel="rate (kHz)", ylabel=f"efficiency for {signal}")
        axes.set_title("Anomaly trigger, against QCD in pile-up")
        axes.legend(fontsize=8)


def main() -> int:
    """Read the words of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make", help="generate the weighted crossings")
    making.add_argument("--events", type=int, default=12_000)
    making.add_argument("--seed", type=int, default=31)
    making.add_argument("-o", "--output", type=Path, required=True)
    measuring = verbs.add_parser("measure", help="write rates.md and rates.png")
    measuring.add_argument("--rates", type=Path, required=True)
    measuring.add_argument("--test", type=Path, required=True)
    options = parser.parse_args()
    if options.verb == "make":
        make(options.events, options.seed, options.output)
    else:
        measure(options.rates, options.test, Path(__file__).parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
