"""The text of the anomaly trigger's card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from baselines import BACKGROUND, FLOAT_NETWORKS, RATES, Scores, efficiencies, figures, signals, split_kinds
from teacher_student import (
    BIAS_QUANTIZER,
    CODE_HIDDEN,
    CODE_SIZE,
    HIDDEN_QUANTIZER,
    INPUT_QUANTIZER,
    KL_WEIGHT,
    OBJECTS,
    PORT_QUANTIZER,
)

from bittrigger.data import Table
from bittrigger.data.level1.objects import L1_OBJECTS
from bittrigger.data.level1.rates import CROSSINGS_KHZ
from bittrigger.device.budgets import find_budget
from bittrigger.explore.firmware import FirmwareCost
from bittrigger.layers.activations import StaticQuantizer
from bittrigger.layers.keras_types import Model
from bittrigger.train.metrics import efficiency_at_rate
from bittrigger.train.recipes import kernel_rows, markdown_table, versions
from bittrigger.train.study import Run, spread_of

BUDGET = "cms-run3-global-trigger"


@dataclass(frozen=True)
class Result:
    """What a card tells.

    Attributes:
        exported: the ternary model as reloaded from `model.h5`.
        runs: one for each seed; the first is the exported one.
        known: by name, the scores of the test crossings in the first run, the exported model's first.
        test: the test crossings.
        record: numbers of training and validation crossings, and the seeds of the files.
        cost: of the firmware.
        command: what to type to make the folder again.
    """

    exported: Model
    runs: Sequence[Run]
    known: Mapping[str, Scores]
    test: Table
    record: Mapping[str, Any]
    cost: FirmwareCost
    command: str


def card(result: Result) -> str:
    """Return the text of card.md."""
    hidden = [layer for layer in result.exported.layers if layer.name.startswith("dense") and hasattr(layer, "units")]
    shape = "-".join(str(layer.units) for layer in hidden)
    return f"""# Anomaly trigger

{_beaten(result)}

{len(OBJECTS) * 3} integers of a bunch crossing to one score that is high where the crossing does not look like zero bias.
The network is ternary, {len(OBJECTS)}-{shape}-1, and its output is the score itself: the firmware ends with the number that a
threshold is put on.

It is the student of an autoencoder. A variational autoencoder learns zero bias in float32; the student learns the
autoencoder's own objective, error of reconstruction and divergence of the code together, from the same integers. Neither sees a
signal. An encoder alone, as in AXOL1TL (arXiv:2411.19506), has to square its code; the student needs no square, no decoder and no
second look at the inputs.

{_results(result)}
{_firmware(result.cost)}
{_network(result.exported)}
{_data(result)}"""


def _mean(result: Result, score: str, signal: str, figure: str) -> float:
    """A figure of a score for a signal, in the mean of the seeds where it has some."""
    key = f"{score}|{signal}|{figure}"
    if key in result.runs[0].figures:
        return float(np.mean([run.figures[key] for run in result.runs]))
    return figures(result.test, {score: result.known[score]})[key]


def _beaten(result: Result) -> str:
    """For which signals something without a network keeps more, at the lowest rate of the tables: how the card begins."""
    figure, ternary = f"{min(RATES):g}", next(iter(result.known))
    lost = []
    for signal in signals(result.test.classes):
        kept = {
            name: _mean(result, name, signal, figure) for name in result.known if name not in (ternary, *FLOAT_NETWORKS)
        }
        best, own = max(kept, key=kept.__getitem__), _mean(result, ternary, signal, figure)
        if kept[best] >= own:
            lost.append(f"{signal} ({best}: {kept[best]:.3f}, the network {own:.3f})")
    khz = f"{CROSSINGS_KHZ * min(RATES):.0f} kHz"
    if not lost:
        return f"At {khz} the network keeps more of each signal than any score here that needs no network."
    return f"""**At {khz} scores that need no network keep more, or as much, of {", ".join(lost)}.** At the rates of a
Level-1 seed see [rates.md](rates.md)."""


def _results(result: Result) -> str:
    test, ternary = result.test, next(iter(result.known))
    counts = ", ".join(f"{np.count_nonzero(test.y == i)} {name}" for i, name in enumerate(test.classes))
    parts = [
        f"""## Result

Measured on the test file: {counts}. Rows of networks and of the IsolationForest
are {_seeds(result)}; the exported network is that of seed {result.runs[0].seed}, scored by
`model.h5` itself. The other scores have nothing random in them.

**A Level-1 seed gets 0.1 to 10 kHz. The rates below, 300 and 30 kHz, are far above, and of zero bias in blocks that share
pile-up; [rates.md](rates.md) has the rates of a seed, where a sum of momenta with weights does better for some signals.**

Area under the ROC curve against zero bias:

{_table(result, "auc", 4)}"""
    ]
    for rate in RATES:
        found = efficiencies(test, result.known[ternary], rate)
        passing = round(found[0].rate * np.count_nonzero(test.y == test.classes.index(BACKGROUND)))
        errors = ", ".join(f"{each.error:.3f} {name}" for each, name in zip(found, signals(test.classes), strict=True))
        parts.append(
            f"""Signal efficiency where {rate:g} of zero bias passes, {CROSSINGS_KHZ * rate:.0f} kHz of 30 MHz. {passing} test
crossings of zero bias pass the threshold of the exported network. Its statistical errors, that of the threshold included, if
crossings were independent: {errors}.

{_table(result, f"{rate:g}", 3)}
{_comparison(result, rate)}"""
        )
    return "\n".join(parts)


def _seeds(result: Result) -> str:
    count = len(result.runs)
    return "of one training" if count == 1 else f"mean and sample standard deviation of {count} seeds of the training"


def _table(result: Result, figure: str, digits: int) -> str:
    """One figure of all scores, with the spread over the seeds where they have one."""
    names = signals(result.test.classes)
    fixed = {
        name: scores for name, scores in result.known.items() if f"{name}|{names[0]}|auc" not in result.runs[0].figures
    }
    still = figures(result.test, fixed)
    rows = []
    for score in result.known:
        cells = []
        for signal in names:
            key = f"{score}|{signal}|{figure}"
            spread = spread_of([still[key]] if score in fixed else [run.figures[key] for run in result.runs])
            cells.append(
                "-" if spread is None else f"{spread.mean:.{digits}f}" if not spread.deviation else spread.text(digits)
            )
        rows.append([score, *cells])
    return markdown_table(["score", *names], rows)


def _block_values(result: Result, score: str, rate: float) -> npt.NDArray[np.float64]:
    """The efficiencies with the threshold from each whole block of zero bias alone, `(blocks, signals)`."""
    size, rows = L1_OBJECTS.block_rows, []
    for _, background, signal in split_kinds(result.test, result.known[score]):
        parts = [background[start : start + size] for start in range(0, len(background) - size + 1, size)]
        rows.append([efficiency_at_rate(part, signal, rate).value for part in parts])
    return np.array(rows).T


def _comparison(result: Result, rate: float) -> str:
    """How much the threshold depends on the block; which sums of momenta the network beats in the mean of the blocks."""
    ternary, names = next(iter(result.known)), signals(result.test.classes)
    ours = _block_values(result, ternary, rate)
    if len(ours) < 2:
        return "There are no two blocks of zero bias to compare.\n"
    ranges = ", ".join(
        f"{low:.3f} to {high:.3f} {name}"
        for name, low, high in zip(names, ours.min(axis=0), ours.max(axis=0), strict=True)
    )
    lines = [
        f"With the threshold from each of {len(ours)} blocks of zero bias alone the exported network keeps {ranges}.\n\n"
    ]
    for other in ("HT (sum of jet pT)", "sum of all pT squared"):
        more = ours - _block_values(result, other, rate)
        error = more.std(axis=0, ddof=1) / np.sqrt(len(more))
        words = ", ".join(
            f"{mean:+.3f} ± {each:.3f} {name}" for name, mean, each in zip(names, more.mean(axis=0), error, strict=True)
        )
        lines.append(f"- Exported network less {other}, block by block: {words}.\n")
    return "".join(lines)


def _firmware(cost: FirmwareCost) -> str:
    budget = find_budget(BUDGET)
    latency, allowed = cost.latency_ns.value, budget.latency_ns
    verdict = "unknown" if latency is None or allowed is None else "fits" if latency <= allowed else "does not fit"
    rows = [
        ["LUT", f"{cost.luts.value:,.0f}", cost.origin],
        ["flip-flops", f"{cost.flip_flops.value:,.0f}", cost.origin],
        ["latency", f"{latency:.1f} ns", f"{cost.latency_ns.origin.value}, cycles of 360 MHz in the emitted pipeline"],
        [f"budget `{BUDGET}`", f"{allowed:.0f} ns: {verdict}", budget.covers],
    ]
    return f"""## Firmware

{markdown_table(["", "", "origin"], rows)}
The budget pays for the whole decision of the Global Trigger, not for this network alone. The figures are of the default part
and clock of `bittrigger convert`, not of the device of Run 3. To see them, and to compare Keras, the integers, C-simulation and
RTL on every bit:

```sh
bittrigger convert models/anomaly/model.h5 -o build/anomaly --budget {BUDGET} \\
  --inputs models/anomaly/sample.npz --simulate --check
```
"""


def _range(quantizer: StaticQuantizer) -> str:
    return f"{quantizer.bits} unsigned bits up to {1 << quantizer.integer}"


def _network(exported: Model) -> str:
    return f"""## Network

{markdown_table(["layer", "inputs x units", "kernel quantizer", "zero weights"], kernel_rows(exported))}
- Inputs: MET, four e/gamma, four muons, ten jets, each as pt, eta, phi, in hardware units (0.5 GeV); empty slots are zero.
  The ports are signed integers of 12 bits (`{PORT_QUANTIZER}`): a momentum above 1023.5 GeV counts as that.
- `object_scales` is not trained. It takes the {len(OBJECTS)} momenta and scales them by powers of two: 1/16 for MET and jets, 1/8
  for e/gamma, 1/4 for muons. In firmware it is wires, but for the rounding.
- Then come {_range(INPUT_QUANTIZER)}: MET and jets saturate at 128 GeV, e/gamma at 64 GeV, muons at 32 GeV.
- Hidden units: {_range(HIDDEN_QUANTIZER)}; biases `{BIAS_QUANTIZER}`. The score is the sum of the last layer, with
  nothing behind it.
- Angles are not used: see the two rows of the PCA in the tables for what they do there. Their ports stay, so that the
  interface is that of the Global Trigger.
- The autoencoder is {"-".join(map(str, (len(OBJECTS), *CODE_HIDDEN, CODE_SIZE)))} and back; the divergence weighs {KL_WEIGHT:g}.
  The student learns the root of the objective, on the training crossings and on three copies of each with momenta multiplied at
  random, so that it knows the score where zero bias is rare.
- The trainings are short, for want of machine time: more epochs have not been tried with this recipe.
"""


def _data(result: Result) -> str:
    record = result.record
    return f"""## Data and command

- Training: {record["train"]} crossings of zero bias, {record["validation"]} more choose the epochs, of
  `bittrigger data make l1-objects --events 42000 --seed 11 -o l1_train.npz`; test:
  `bittrigger data make l1-objects --events 28000 --seed 12 -o l1_test.npz`. The detector is a plain model, not the emulator of
  CMS: see docs/data.md. Cite Pythia 8.3.
- Scales, weight of the divergence and objective were chosen on a third file of 6,000 crossings of zero bias and 600 of each
  signal, with the signals in view; the test file served for these tables alone.
- The crossings of a block draw their pile-up from one pool of 4,000 events, each used some 70 times, so a hard event of the pool
  is in many crossings: the rates and efficiencies of the tables depend on it, far beyond the statistical errors. The comparisons
  block by block are the ones to go by.
- Command: `{result.command}`
- Made with {versions(["tensorflow-cpu", "QKeras", "scikit-learn", "numpy"])}.
- `sample.npz`: the first test crossings of each kind; `x` float32 whole numbers, `y` index into `classes`.
- `roc.png`, `efficiency_0.01.png`, `efficiency_0.001.png`: of the exported network, and of others beside it.
"""
