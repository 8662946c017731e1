"""Train SMEFTNet and SMEFTNet-Bit: the angle of the decay plane of a boosted W, from the constituents of its jet.

Run from the repository root, with a file of `bittrigger data make wz-decay-plane`, or a folder of such files:

    python models/decay_plane/recipe.py --data wz

It writes model.h5, sample.npz, card.md and the plots into --out, by default the folder of this file. Stop it whenever you like:
the same command goes on from --work.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from residuals import compare, mean_sin2_of, wrapped
from wz_card import card
from wz_jets import CONSTITUENTS, Jets, load_jets

from bittrigger.layers.keras_types import Model
from bittrigger.train import FitResult, FitSettings, fit, model_costs
from bittrigger.train.plots import plot_density, plot_histograms
from bittrigger.train.recipes import RecipeOptions, predict, prepare_tensorflow, run_recipe, write_text
from bittrigger.train.study import Run, run_study

VARIANTS: dict[str, dict[str, Any]] = {
    "float": {"bit_message": False, "bit_readout": False},
    "bit-30": {"bit_message": True, "bit_readout": False},
    "bit-70": {"bit_message": False, "bit_readout": True},
    "bit-100": {"bit_message": True, "bit_readout": True},
}
"""By the names of BitHEP; the true shares are on the card."""

REFERENCE = "float"
COMMITTED = "bit-30"

START_EPOCHS = 3
"""Epochs of the float network that all variants start from, for each epoch of a variant."""

BATCH_SIZE = 64
LEARNING_RATE = 3e-3
SAMPLE_ROWS = 512
FOUND = "found.npy"


def run(options: RecipeOptions) -> None:
    """Train each variant with each seed, as far as that is not done, and write the folder.

    Raises:
        ConfigError: the data is missing or unfit, or there is no epoch.
    """
    prepare_tensorflow(options.seeds[0])
    jets = load_jets(options.data)
    settings = {
        name: {**parts, "epochs": options.epochs, "constituents": CONSTITUENTS} for name, parts in VARIANTS.items()
    }

    def work(name: str, parts: Mapping[str, Any], seed: int, place: Path) -> Mapping[str, float | None]:
        return train(name, parts, seed, place, jets)

    runs = run_study(settings, options.seeds, options.work, work, identity={"data": jets.digest()})
    options.out.mkdir(parents=True, exist_ok=True)
    committed = next(run for run in runs if run.variant == COMMITTED)
    (options.out / "model.h5").write_bytes((committed.folder / "model.h5").read_bytes())
    rows = jets.split.test[:SAMPLE_ROWS]
    np.savez_compressed(options.out / "sample.npz", x=jets.x[rows], phi=jets.phi[rows])
    plots(runs, jets, options.out)
    reference = wrapped(found_by(next(run for run in runs if run.variant == REFERENCE)), jets.test_phi)
    training = (
        f"{START_EPOCHS * options.epochs} epochs of a float network for each seed; from its weights each variant, float too, is "
        f"trained for {options.epochs} more, all in\nthe same way: Adam from {LEARNING_RATE} with cosine decay, batches of "
        f"{BATCH_SIZE}, one thread; loss mean sin² of the\ndifference, as BitHEP's."
    )
    command = options.command("models/decay_plane/recipe.py")
    write_text(options.out / "card.md", card(with_distances(runs, reference, jets), reference, jets, training, command))


def train(variant: str, parts: Mapping[str, Any], seed: int, place: Path, jets: Jets) -> dict[str, float | None]:
    """Train one network from the float one of its seed; leave its weights and what it finds for the test jets in `place`.

    Returns:
        Its figures.
    """
    import tensorflow as tf
    from smeftnet import Shape, build_smeftnet

    tf.keras.utils.set_random_seed(seed)
    start = build_smeftnet(Shape(parts["constituents"]), name="start")
    fit_jets(start, jets, START_EPOCHS * parts["epochs"], seed, place.parent.parent / "start" / f"seed-{seed}")
    shape = Shape(parts["constituents"], bit_message=parts["bit_message"], bit_readout=parts["bit_readout"])
    model = build_smeftnet(shape, name=variant.replace("-", "_"))
    model.set_weights(start.get_weights())
    result = fit_jets(model, jets, parts["epochs"], seed, place)
    model.save(place / "model.h5", include_optimizer=False)
    found = predict(model, jets.x[jets.split.test])[:, 0]
    np.save(place / FOUND, found)
    folded = np.degrees(wrapped(found, jets.test_phi, np.pi))
    rows = jets.split.train
    return {
        "sin2": mean_sin2_of(found, jets.test_phi),
        "rms_deg": float(np.sqrt(np.mean(folded**2))),
        "median_deg": float(np.median(np.abs(folded))),
        "train_sin2": mean_sin2_of(predict(model, jets.x[rows]), jets.phi[rows]),
        "best_epoch": result.best_epoch,
        "seconds": sum(record.seconds for record in result.records),
        **shares(model),
    }


def fit_jets(model: Model, jets: Jets, epochs: int, seed: int, folder: Path) -> FitResult:
    """Train a network on the training jets, go on where a stopped run left `folder`; keep the best epoch for validation."""
    from smeftnet import mean_sin2

    rows, validation = jets.split.train, jets.split.validation
    return fit(
        model,
        (jets.x[rows], jets.phi[rows]),
        FitSettings(epochs, BATCH_SIZE, LEARNING_RATE, seed=seed),
        loss=mean_sin2,
        score=lambda net: -mean_sin2_of(predict(net, jets.x[validation]), jets.phi[validation]),
        folder=folder,
    )


def shares(model: Model) -> dict[str, float]:
    """Return the number of parameters, and how many of them are quantised."""
    costs = model_costs(model)
    return {"parameters": costs.parameters, "quantized_parameters": costs.quantized_parameters}


def found_by(run: Run) -> npt.NDArray[np.float32]:
    """Return the angles that the network of a run found for the test jets, `(n,)`."""
    found: npt.NDArray[np.float32] = np.load(run.folder / FOUND)
    return found


def with_distances(runs: Sequence[Run], reference: npt.NDArray[np.float64], jets: Jets) -> list[Run]:
    """Add the distances of residuals to those of the reference, the first float network; it has none itself."""
    first = next(run for run in runs if run.variant == REFERENCE)
    more = []
    for run in runs:
        figures = {} if run is first else vars(compare(wrapped(found_by(run), jets.test_phi), reference))
        more.append(Run(run.variant, run.seed, run.folder, {**run.figures, **figures}))
    return more


def plots(runs: Sequence[Run], jets: Jets, out: Path) -> None:
    """Write the residuals of each variant, and what the float and the fully ternary network find against the truth."""
    first = {run.variant: run for run in reversed(runs)}
    residuals = {name: np.degrees(wrapped(found_by(first[name]), jets.test_phi)) for name in VARIANTS}
    plot_histograms(
        residuals, out / "residuals.png", bins=60, span=(-180, 180), xlabel="residual of the angle (degrees)"
    )
    for name, file in (("float", "density_float.png"), ("bit-100", "density_bit100.png")):
        found = np.degrees(wrapped(found_by(first[name]), np.zeros_like(jets.test_phi), np.pi))
        truth = np.degrees(wrapped(jets.test_phi, np.zeros_like(jets.test_phi), np.pi))
        labels = {"xlabel": "true angle, modulo 180 degrees", "ylabel": "angle found, modulo 180 degrees"}
        plot_density(truth, found, out / file, span=(-90, 90), title=name, **labels)


if __name__ == "__main__":
    help_text = "file of wz-decay-plane, or a folder of them"
    sys.exit(run_recipe(run, str(__doc__), Path(__file__).parent, data=help_text, epochs=12, seeds=(1, 2, 3)))
