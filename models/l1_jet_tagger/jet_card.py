"""The card of the tagger of Level-1-like jets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from trigger_jets import BITS, EACH, FEATURES, FIRST_BITS, MEAN, OBSERVABLES, SPLIT_SEED, THRESHOLD_FACTOR, Jets

from bittrigger.data.level1.jets import ANGLE_LSB, PT_GEV
from bittrigger.explore.firmware import FirmwareCost
from bittrigger.layers.keras_types import Model
from bittrigger.train.recipes import kernel_rows, markdown_table, versions
from bittrigger.train.study import TERNARY, Run, spread_of, summary_rows

BUDGET = "cms-phase2-correlator-layer2"
SAMPLE_ROWS = 1024
MIXED = "mixed"
"""Ternary but for the first layer."""

TRIED = """Chosen on 1,500 of the training jets, with 5,400 others to
train: a first layer of 4 bits 52.60 ± 0.35 %, of 6 bits 53.09 ± 0.91, ternary throughout 47.96 ± 1.66, float 54.24 ± 0.41,
boosted trees 52.40 (three seeds); of one seed: 8 bits 53.53, with half of the loss from the float twin 52.87, with 6 bits in the
two last layers as well 52.80, layers of 64, 32 and 32 units 54.00."""

PERIOD = """**At one clock between jets the design misses the period of 360 MHz by 0.284 ns** by `bittrigger timing` (sta: a
placement of ours of 51,665 LUT, nothing is routed): most of its slowest path is wires. The verdict of its budget is
`unknown` there, not `pass`. With `--period-margin-ns 0.45` it meets the period, slack 0.069 ns (sta), at 50.0 ns (rtl),
51,841 LUT and 74,206 FF (synth; 43,885 FF without). At 9 and 54 clocks it is met, slack 0.088 and 0.237 ns."""


@dataclass(frozen=True)
class Outcome:
    """What the card tells: all trainings, the shipped one, its firmware by clocks between jets, rows without a network.

    `right` tells for each test jet whether the shipped network is, and whether the best without a network is.
    """

    runs: Sequence[Run]
    chosen: Run
    costs: Mapping[int, FirmwareCost]
    without: Sequence[Sequence[str]]
    right: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


def columns(jets: Jets) -> dict[str, tuple[int, float]]:
    """Digits and factor of each figure of the table."""
    return {"accuracy": (2, 100.0), "macro AUC": (4, 1.0), **{f"AUC {name}": (4, 1.0) for name in jets.fresh.classes}}


def cells(figures: Mapping[str, float]) -> list[str]:
    """The figures of one score as cells of the table."""
    return [f"{100 * figures['accuracy']:.2f}", *(f"{value:.4f}" for name, value in figures.items() if "AUC" in name)]


def verdict(outcome: Outcome) -> str:
    """The first paragraph: by how much the shipped network is better than what needs none, or that it is not."""
    mixed, ternary = (
        spread_of(run.figures["accuracy"] for run in outcome.runs if run.variant == name) for name in (MIXED, TERNARY)
    )
    best = max(outcome.without, key=lambda row: float(row[1]))
    if mixed is None or ternary is None or 100 * mixed.mean <= float(best[1]):
        found = "not known" if mixed is None else mixed.text(2, 100.0)
        return f"""**The network, {found} %, does not beat the {best[0]} on ten observables of the jet,
{best[1]} %; it is no tagger to build.**

"""
    return f"""**Ternary behind a first layer of {FIRST_BITS} bits it has {mixed.text(2, 100.0)} %, the {best[0]} on ten
observables of the jet have {best[1]} %: the shipped network is better by {paired_text(outcome)} points (error of the paired
jets). Ternary throughout it has {ternary.text(2, 100.0)} %.** The features of a candidate are few and unlike, and a ternary
kernel gives the same slope to all that it takes.

"""


def paired_text(outcome: Outcome) -> str:
    """By how many points of accuracy the shipped network is better than the best without one, and the error of paired jets."""
    gain = outcome.right[0].astype(np.float64) - outcome.right[1]
    return f"{100 * gain.mean():.2f} ± {100 * gain.std() / np.sqrt(len(gain)):.2f}"


def source_text(jets: Jets) -> str:
    """Where the jets come from, in words."""
    files, made = [], []
    for sample in (jets.known, jets.fresh):
        files.append(sample.provenance.files[0])
        record, name = sample.provenance.record or {}, Path(files[-1]).name
        made.append(
            f"`bittrigger data make l1-jets --events {record.get('events')} --seed {record.get('seed')} -o {name}`"
        )
    if files[0] != files[1]:
        return f"training by {made[0]},\n  test by {made[1]}, looked at once"
    return (
        f"{made[0]}; a fifth of its jets is held out to measure on. Test jets are other jets, but share the pool of "
        "pile-up events of their block with those of the training, each turned at random"
    )


def card(model: Model, jets: Jets, outcome: Outcome, facts: Mapping[str, float]) -> str:
    """Return the text of card.md with `model`, the shipped network; `COMMAND` stands where the command belongs.

    Args:
        facts: of the training.
    """
    costs, table = outcome.costs, columns(jets)
    prices = [
        [str(ii), f"{cost.luts.value:,}", f"{cost.flip_flops.value:,}", f"{cost.latency_ns.value:.1f}"]
        for ii, cost in costs.items()
    ]
    origin = next(iter(costs.values())).origin
    seeds, tests, names = len({run.seed for run in outcome.runs}), len(jets.fresh.y), jets.fresh.classes
    header = ["score", "accuracy (%)", *list(table)[1:]]
    eta = jets.fresh.jet[:, 1] * ANGLE_LSB
    return f"""# Level-1-like jets

{verdict(outcome)}Five classes of jets of {PT_GEV[0]:g} to {PT_GEV[1]:g} GeV at pile-up 200 ({", ".join(names)}; taus decay to
hadrons), from the integers of their 16 leading candidates: {len(FEATURES)} features of each, layers of
{" and ".join(map(str, EACH))} units on every candidate alike, their mean, {MEAN[0]} units and {len(names)} logits (DeepSets).
The kernel of the first layer has {FIRST_BITS} bits, every other is ternary by the absmean rule with threshold factor
{THRESHOLD_FACTOR} and a power of two as scale, activations have {BITS} bits. Take the argmax, or cut on a difference of
logits (`log_odds` of `bittrigger.train`).

The detector is a plain model: see docs/data.md. It has what a trigger has, in its precision, but not the mistakes of a real one.

## Result

On {tests} test jets, the same for all rows, equal shares of the classes and flat in log pT; mean and standard
deviation over {seeds} seeds. The binomial error of the accuracy, common to all rows, is {50 / tests**0.5:.1f} points or less:

{markdown_table(header, [*outcome.without, *summary_rows(outcome.runs, table)])}
AUC is of softmax probabilities, each class against all others. The first rows need no network: they read {len(OBSERVABLES)}
observables of the jet ({", ".join(OBSERVABLES)}),
which a trigger would have to compute. "mixed" has a first layer of {FIRST_BITS} bits, "ternary" none. The float twin has the same
shape and gives both their first weights. {TRIED}

![each class](roc.png)
![accuracy against pT](accuracy.png)

## Firmware

`model.h5` is the mixed network of seed {outcome.chosen.seed}, the best of its seeds on the validation jets.
By `bittrigger convert model.h5 --budget {BUDGET} --ii N`; LUTs and flip-flops are of origin
{origin}, the latency is counted in the RTL:

{markdown_table(["clocks between jets", "LUT", "FF", "latency (ns)"], prices)}
At 9 and 54 clocks the Verilog is proven equal to the integer graph (`--prove`).
At one clock between jets the layers on the candidates are there sixteen times; folded in time they are shared. The features
are powers of two times the integers of the trigger, flags, and the number of candidates; they are computed before the port.

{PERIOD}

{markdown_table(["layer", "inputs x units", "kernel quantizer", "zero weights"], kernel_rows(model))}
## Data and command

- Data: {source_text(jets)}; |eta| below {np.abs(eta).max():.1f}. Cite Pythia 8.3 and FastJet.
- Split by seed {SPLIT_SEED}: {jets}. The epoch is chosen by the likelihood of the validation jets.
- Features: {", ".join(FEATURES)};
  angles from the jet's axis; see `trigger_jets.py`.
- Command: `COMMAND`
- Training: {facts["float_epochs"]} epochs of the float twin, then the others from its weights; Adam from
  {facts["learning_rate"]} with cosine decay, batches of {facts["batch_size"]}; codes that go to and fro are held in the second
  half of these.
- Made with {versions(["tensorflow-cpu", "QKeras", "numpy"])}.
- `sample.npz`: {min(SAMPLE_ROWS, len(jets.fresh.y))} test jets; `x` the features, candidate after candidate; `y` class index.
"""
