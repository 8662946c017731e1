"""The card of CaloDREAM: what was trained, and what its samples look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from energy import EnergySettings
from shape import ShapeSettings

from bittrigger.train.generators import (
    BASELINES,
    CLASSIFIER,
    CLASSIFIER_EPOCHS,
    HEAD,
    area_error,
    comparison_tables,
    differences,
    losers,
    lost_somewhere,
    seeds_text,
)
from bittrigger.train.recipes import markdown_table, versions
from bittrigger.train.study import Run, summary_rows


def card(
    runs: tuple[Sequence[Run], Sequence[Run]],
    nets: tuple[EnergySettings, ShapeSettings],
    facts: Mapping[str, float | str],
) -> str:
    """Return the text of card.md; `COMMAND` stands where the command belongs.

    Args:
        runs: trainings of the networks, and comparisons of pairs of them.
        nets: sizes of the energy and of the shape network.
        facts: epochs, counts of showers, settings of the training.
    """
    (trained, judged), (energy, shape) = runs, nets
    columns = {"parameters": (0, 1.0), "quantised (%)": (1, 1.0), "error of the velocity": (4, 1.0)}
    areas, separations = comparison_tables(judged, {})
    units = " and ".join(map(str, CLASSIFIER))
    words = {
        "energy": f"{energy.depth} encoder and {energy.depth} decoder blocks ({energy.units} units, {energy.heads} heads)",
        "head": f"{energy.head_layers} inner layers of {energy.head_units} units",
        "shape": f"{shape.depth} blocks ({shape.units} units, {shape.heads} heads)",
        "baselines": "".join(f"- {name}: {what}.\n" for name, what in BASELINES.items())
        + losers(judged)
        + differences(judged, "energy float, shape float", dict.fromkeys(HEAD, 3)),
        "missing": f"Not trained yet, for want of hours: {facts['missing']}.\n\n" if facts["missing"] else "",
        "error": f"{area_error(int(facts['tested'])):.2f}",
    }
    return f"""# CaloDREAM and its ternary variants

{lost_somewhere(judged)}

Conditional flow matching for showers of photons in the {shape.dims} voxels of ds1-photons. A transformer of
{words["energy"]} with a head of {words["head"]} gives the energies
of the layers, one after the other; a vision transformer of {words["shape"]} on
{shape.tokens} tokens of {shape.token_size} voxels gives the shower.

The variants are those of BitHEP (arXiv:2504.03387), with its own layer: in the energy network the inner layers of the head
("full"); in the shape network attention and feed-forward layers ("no embedding"), and the embeddings and the last layer as
well ("full"); the scales and shifts of its blocks stay float in all. **A study of physics, not firmware**: a
generator of showers stands in no trigger; it says where in a network ternary layers may stand.

## Result

{facts["trained"]} showers train, the shape network for {facts["epochs"]} epochs,
the energy network for {facts["energy_epochs"]}; {seeds_text(judged)}. The error of the velocity is
squared, of standardised numbers, on held-out showers; that of a network that knows nothing is about 2:

{markdown_table(["network", *columns], summary_rows(trained, columns))}
{words["missing"]}Samples for the energies of {facts["tested"]} fresh showers. An area of 0.5
means that a classifier cannot tell them from showers; its own error is about {words["error"]}:

{areas}
{words["baselines"]}
Separation of histograms of 50 bins, 0 for equal and 1 for disjoint ones; what chance leaves stands in the row of showers:

{separations}
![observables](observables.png)

The authors train 2.4 and 26 million parameters for 500 and 800 epochs on 100,000 showers of Geant4, in the 6,480 voxels of ds2;
these are {facts["source"]}. The figures are not to be set beside theirs.
No weights are shipped: the command makes them.

## Data and command

- Command: `COMMAND`
- Training: Adam from {facts["learning_rate"]} with cosine decay, batches of {facts["batch_size"]}; the epoch is chosen by the
  error on a held-out tenth. Sampling: fourth-order Runge-Kutta, {shape.steps} steps for the shower, 50 for each energy.
- Classifiers: two layers of {units} units, {CLASSIFIER_EPOCHS} epochs, tested on a fifth.
- Made with {versions(["tensorflow-cpu", "numpy"])}.
"""
