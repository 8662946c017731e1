"""Efficiency of the anomaly trigger against its rate in kHz, down to the 1 to 10 kHz of a Level-1 seed.

Run from the repository root; the first command needs the extra `data`:

    bittrigger data make l1-objects --events 28000 --seed 12 -o l1_test.npz
    bittrigger data make l1-rates --events 40000 --seed 31 -o l1_rates.npz
    python models/anomaly/rates.py --rates l1_rates.npz --test l1_test.npz

A few thousand crossings of zero bias say nothing about a rate of kHz of 30 MHz; `l1-rates` has crossings that each stand for a
rate, those that may pass the more often. Writes rates.md and rates.png to --out.
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
from baselines import BACKGROUND, Scores, momentum_sums, signals
from teacher_student import object_scales

from bittrigger.data import RatedCrossings, Table, load_l1_objects, load_l1_rates
from bittrigger.data.level1.objects import L1_OBJECTS
from bittrigger.data.level1.rates import CROSSINGS_KHZ, PT_HAT_MIN_GEV
from bittrigger.train.metrics import Efficiency, efficiency_at_khz
from bittrigger.train.plots import COLORS, STYLES, figure_grid
from bittrigger.train.recipes import markdown_table, predict, reload, write_text

RATES_KHZ = (1.0, 3.0, 10.0, 30.0)
SEED_KHZ = 3.0
"""The rate that is told of first."""

CHECKED_KHZ = (1000.0, 300.0, 100.0)
"""Rates that zero bias itself can tell."""

FEWEST = 10.0
"""Crossings within twice a rate, in effect, without which the efficiency there is not told."""

NETWORK = "ternary network"
SCALED = "sum of all pT, e/gamma twice, muons four times"
"""What the scales of the network's inputs give without a network."""

MUON_PT, MUON_GEV = 15, 10
"""Column of the leading muon's pT, in 0.5 GeV; from where on it is told of."""

LEFT_OUT = (BACKGROUND, "qcd")
"""Kinds of the test file that are no signal here."""


@dataclass(frozen=True)
class Measured:
    """The scores by name of the background that stands for rates, and of each kind of the test file."""

    background: Mapping[str, Scores]
    tested: Mapping[str, Scores]
    rated: RatedCrossings
    test: Table

    @property
    def khz(self) -> npt.NDArray[np.float64]:
        """What each crossing of the background stands for."""
        return self.rated.khz

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

    def floor_khz(self, name: str) -> float:
        """The lowest rate, to two digits, from which on enough crossings tell where it is."""
        grid = np.geomspace(1000, 0.1, 161)
        known = [self.crossings_near(name, khz) >= FEWEST for khz in grid]
        return float(f"{grid[max(known.index(False) if False in known else len(grid), 1) - 1]:.2g}")

    def efficiency(self, name: str, signal: str, khz: float) -> Efficiency | None:
        """The efficiency of a score for a signal at a rate; None if too few crossings tell where that rate is."""
        if self.crossings_near(name, khz) < FEWEST:
            return None
        chosen = self.tested[name][self.test.y == self.test.classes.index(signal)]
        return efficiency_at_khz(self.background[name], self.khz, chosen, khz)

    def checked(self, name: str, khz: float) -> tuple[float, float, float, float]:
        """What passes where zero bias puts a rate, in kHz: by zero bias, its error over blocks, by the background, its error."""
        zero_bias = self.tested[name][self.test.y == self.test.classes.index(BACKGROUND)]
        threshold = np.quantile(zero_bias, 1 - khz / CROSSINGS_KHZ)
        passing = int(np.count_nonzero(zero_bias > threshold))
        weights = self.khz[self.background[name] > threshold]
        each, size = CROSSINGS_KHZ / len(zero_bias), L1_OBJECTS.block_rows
        whole = len(zero_bias) // size
        counts = np.count_nonzero(zero_bias[: whole * size].reshape(whole, size) > threshold, axis=1)
        error = np.std(counts, ddof=1) * np.sqrt(whole) if whole > 1 else np.sqrt(passing)
        return passing * each, float(error) * each, float(weights.sum()), float(np.sqrt((weights**2).sum()))


def scores(folder: Path) -> dict[str, Any]:
    """The network of `folder` and the sums that need none, each a function of integers `(n, 57)`."""
    model = reload(folder / "model.h5")
    scales = object_scales().astype(np.float64)
    return {
        NETWORK: lambda x: predict(model, x.astype(np.float32))[:, 0],
        SCALED: lambda x: (x @ scales).sum(axis=1),
        **momentum_sums(),
    }


def measure(rates: Path, test: Path, model: Path, out: Path) -> None:
    """Write rates.md and rates.png to `out`.

    Raises:
        ConfigError: a data file is missing, damaged or of another set.
    """
    rated, table = load_l1_rates(rates), load_l1_objects(test)
    found = {
        name: (score(rated.x.astype(np.int64)), score(table.x.astype(np.int64)))
        for name, score in scores(model).items()
    }
    background, tested = ({name: pair[i] for name, pair in found.items()} for i in (0, 1))
    measured = Measured(background, tested, rated, table)
    names = [name for name in signals(table.classes) if name not in LEFT_OUT]
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "rates.md", card(measured, names))
    plot(measured, names, out / "rates.png")


def card(measured: Measured, names: Sequence[str]) -> str:
    """The text of rates.md."""
    rows = []
    for khz in RATES_KHZ:
        for score in measured.background:
            found = [measured.efficiency(score, name, khz) for name in names]
            cells = [
                "-"
                if each is None
                else in_words(each, np.count_nonzero(measured.test.y == measured.test.classes.index(name)))
                for name, each in zip(names, found, strict=True)
            ]
            rows.append([f"{khz:g}", score, f"{measured.crossings_near(score, khz):.0f}", *cells])
    checks = []
    for khz in CHECKED_KHZ:
        for score in measured.background:
            direct, error, weighted, deviation = measured.checked(score, khz)
            checks.append([score, f"{direct:.0f} ± {error:.0f}", f"{weighted:.0f} ± {deviation:.0f}"])
    floors = ",\n  ".join(f"{measured.floor_khz(name):g} kHz ({name})" for name in measured.background)
    record = measured.rated.provenance.record or {}
    counts = ", ".join(
        f"{np.count_nonzero(measured.rated.kind == i):,} of {name}" for i, name in enumerate(measured.rated.kinds)
    )
    return f"""# Anomaly trigger: efficiency against rate

A Level-1 seed gets 0.1 to 10 kHz of the {CROSSINGS_KHZ / 1000:.0f} MHz at which bunches collide. {summary(measured, names)}
Signal efficiency of the network of `model.h5` and of sums that need no network, with the statistical errors of signal and rate:

{markdown_table(["rate (kHz)", "score", "crossings", *names], rows)}
![efficiency against rate](rates.png)

- The rate is that of {counts} of `l1-rates` (docs/data.md), which stand for {measured.khz.sum():,.0f} kHz together: Pythia 8 at
  leading order, the harder the more often, each crossing with the rate that it stands for. "Crossings" are as many equal ones
  as would tell twice the rate as well; `-` stands where they are fewer than {FEWEST:g}. So nothing is extrapolated; the lowest
  rates that these crossings tell, of 0.1 kHz and more, are
  {floors}.{needed_text(measured)}
- {origin_text(measured)}
- Not in the rate: muons of collisions below {PT_HAT_MIN_GEV} GeV, of pions and kaons in flight and of quarkonia, noise,
  beam halo. A real trigger has more.

A check where zero bias itself can count, where it puts {", ".join(f"{khz:g}" for khz in CHECKED_KHZ)} kHz; the
crossings of a block of zero bias share pile-up, so that the error is that of the blocks:

{markdown_table(["score", "zero bias (kHz)", "these crossings (kHz)"], checks)}
Signals: those of the test file of card.md. Commands:

```sh
bittrigger data make l1-objects --events 28000 --seed 12 -o l1_test.npz
bittrigger data make l1-rates --events {record.get("events", "EVENTS")} --seed {record.get("seed", "SEED")} -o l1_rates.npz
python models/anomaly/rates.py --rates l1_rates.npz --test l1_test.npz
```
"""


def in_words(found: Efficiency, count: int) -> str:
    """An efficiency of so many crossings in words; of none that pass, the limit at a confidence of 95 %."""
    return f"{found.value:.3f} ± {found.error:.3f}" if found.value else f"below {3 / count:.4f}"


def summary(measured: Measured, names: Sequence[str]) -> str:
    """What the network keeps beside the best of the sums at a rate of a seed, in words."""
    told = [khz for khz in RATES_KHZ if measured.efficiency(NETWORK, names[0], khz) is not None]
    if not told:
        return "**What the network keeps at such rates is not known.**"
    khz, words = SEED_KHZ if SEED_KHZ in told else told[0], []
    for name in names:
        found = {score: measured.efficiency(score, name, khz) for score in measured.background}
        known = {score: each for score, each in found.items() if each is not None}
        ours = known.pop(NETWORK)
        best = max(known, key=lambda score: known[score].value, default=None)
        beside = f" ({best}: {known[best].value:.3f} ± {known[best].error:.3f})" if best else ""
        words.append(f"{ours.value:.3f} ± {ours.error:.3f} of {name}{beside}")
    listed = ",\n".join(words)
    return f"**At {khz:g} kHz the\nnetwork keeps {listed}.**"


def origin_text(measured: Measured) -> str:
    """What the crossings are that the network takes at each rate, in words."""
    words = []
    order = np.argsort(-measured.background[NETWORK], kind="stable")
    passing = np.cumsum(measured.khz[order])
    for khz in RATES_KHZ:
        taken = order[: int(np.searchsorted(passing, khz)) + 1]
        weights = measured.khz[taken] / measured.khz[taken].sum()
        weak = weights[measured.rated.kind[taken] == measured.rated.kinds.index("weak")].sum()
        muons = weights[measured.rated.x[taken, MUON_PT] > 2 * MUON_GEV].sum()
        words.append(f"{khz:g} kHz {weak:.0%} and {muons:.0%}")
    return (
        "Of what the network takes, the share that has a single W, Z or virtual photon, and the share with a muon above\n"
        f"  {MUON_GEV} GeV: {'; '.join(words)}."
    )


def needed_text(measured: Measured) -> str:
    """How many crossings the rates that are not told would take, in words."""
    needed = [
        f"{measured.crossings_needed(NETWORK, khz):,} for {khz:g} kHz"
        for khz in RATES_KHZ
        if measured.crossings_near(NETWORK, khz) < FEWEST
    ]
    return f" For the network about so many would tell: {', '.join(needed)}." if needed else ""


def plot(measured: Measured, names: Sequence[str], path: Path) -> None:
    """Draw the efficiency of each score against the rate, one panel a signal."""
    rates = np.geomspace(RATES_KHZ[0], 100, 25)
    with figure_grid(path, len(names), len(names), "Anomaly trigger: efficiency against rate") as panels:
        for axes, signal in zip(panels, names, strict=True):
            for i, name in enumerate(measured.background):
                known = [(khz, measured.efficiency(name, signal, float(khz))) for khz in rates]
                shown = [(khz, each.value, each.error) for khz, each in known if each is not None]
                if not shown:
                    continue
                khz, values, errors = np.array(shown).T
                axes.plot(khz, values, color=COLORS[i], linestyle=STYLES[i % len(STYLES)], label=name)
                axes.fill_between(khz, values - errors, values + errors, color=COLORS[i], alpha=0.15, linewidth=0)
            axes.set(xscale="log", ylim=(0, 1), xlabel="rate (kHz)", ylabel="efficiency", title=signal)
        panels[-1].legend(fontsize=6)


def main() -> int:
    """Read the words of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=Path, required=True, help="l1-rates")
    parser.add_argument("--test", type=Path, required=True, help="l1-objects of the seed of card.md's test file")
    here = Path(__file__).parent
    parser.add_argument("--out", type=Path, default=here, help="folder of rates.md and rates.png (default: this one)")
    options = parser.parse_args()
    measure(options.rates, options.test, here, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
