"""Ternary dense classifiers and their float twins: the networks of a sweep, and how one of them is trained.

TensorFlow is imported inside the functions that need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError
from bittrigger.layers.keras_types import Model
from bittrigger.train.fitting import FitSettings, fit
from bittrigger.train.recipes import predict
from bittrigger.train.splits import Split, split_by_seed

__all__ = [
    "ClassSample",
    "DenseSettings",
    "Scaler",
    "TernaryDense",
    "class_sample",
    "softmax",
    "train_float",
    "train_ternary",
    "with_fresh_test",
]

Real = npt.NDArray[np.float32]

TWIN_DECAY = 3e-5
"""Weight of the squared kernels in the loss of a float twin."""


@dataclass(frozen=True)
class Scaler:
    """`(feature - mean) / deviation`, computed outside of the firmware; both have shape `(features,)`."""

    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]

    def apply(self, features: npt.NDArray[Any]) -> Real:
        """Return the scaled features, `(events, features)`, computed in float64."""
        return np.asarray((features - self.mean) / self.deviation, np.float32)

    def then(self, scale: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]) -> Scaler:
        """Return the scaler that gives `scale * x + offset` of what this one gives."""
        return Scaler(self.mean - offset * self.deviation / scale, self.deviation / scale)


@dataclass(frozen=True)
class ClassSample:
    """Events of several classes, and which rows serve for what.

    Attributes:
        features: `(events, features)`, as they come.
        y: `(events,)`, class indices from 0.
        scaler: mean and standard deviation of the training rows; 1 for the deviation of a constant feature.
        x: `(events, features)`, the features by this scaler.
        split: rows for training, validation and test.
    """

    features: npt.NDArray[Any]
    y: npt.NDArray[np.int64]
    scaler: Scaler
    x: Real
    split: Split

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.y.max()) + 1


@dataclass(frozen=True)
class DenseSettings:
    """A ternary network of dense layers with static quantizers in front of each.

    Attributes:
        hidden: units of each hidden layer, at least one.
        input_bits: width of the inputs, signed, in [-4, 4).
        activation_bits: width of the hidden activations, unsigned.
        threshold_factor: of `absmean_ternary`: a larger one gives more zeros.
        cost_strength: of `BitLinear`: loss for each bit of an adder.

    Raises:
        ConfigError: there is no hidden layer, or one without units.
    """

    hidden: tuple[int, ...] = (64, 32, 32)
    input_bits: int = 8
    activation_bits: int = 6
    threshold_factor: float = 0.5
    cost_strength: float = 0.0

    def __post_init__(self) -> None:
        """Check the shape; the layers check the rest."""
        if not self.hidden or min(self.hidden) < 1:
            raise ConfigError(f"hidden layers {self.hidden}: expected at least one, with at least one unit each")

    @property
    def name(self) -> str:
        """What tells it from other settings, fit for a folder, as `64-32-32_i8_a6_t0.5_c0`."""
        shape = "-".join(map(str, self.hidden))
        return f"{shape}_i{self.input_bits}_a{self.activation_bits}_t{self.threshold_factor:g}_c{self.cost_strength:g}"


@dataclass(frozen=True)
class TernaryDense:
    """A trained ternary network.

    Attributes:
        model: takes scaled features and gives logits; BitLinear layers.
        scaler: how the features are scaled for it.
    """

    model: Model
    scaler: Scaler


def class_sample(
    x: npt.NDArray[Any], y: npt.NDArray[Any], *, seed: int, validation: float = 0.1, test: float = 0.14
) -> ClassSample:
    """Split the rows by `seed` and standardise the features by the training rows.

    Args:
        x: `(events, features)`, finite.
        y: `(events,)`, class indices; each from 0 to the largest occurs.
        seed: of the split.
        validation: share of the rows for choosing epochs and designs.
        test: share of the rows that is held out.

    Raises:
        ConfigError: the shapes do not fit, a value is not finite, or a class is missing or has too few rows.
    """
    if x.ndim != 2 or y.shape != (len(x),) or 0 in x.shape or y.dtype.kind not in "iu":
        raise ConfigError(
            f"x of shape {x.shape}, y of shape {y.shape} and type {y.dtype}; expected (events, features) and (events,) "
            "of integers, at least one event"
        )
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ConfigError(f"x: {x[row, column]} at row {row}, column {column}; expected finite values; take it out")
    labels = y.astype(np.int64)
    present = np.unique(labels)
    if len(present) < 2 or not np.array_equal(present, np.arange(len(present))):
        raise ConfigError(f"y: classes {present.tolist()}; expected at least two, counted from 0 with none left out")
    split = split_by_seed(labels, validation=validation, test=test, seed=seed)
    rows = x[split.train].astype(np.float64)
    deviation = rows.std(axis=0)
    scaler = Scaler(rows.mean(axis=0), np.where(deviation > 0, deviation, 1.0))
    return ClassSample(x, labels, scaler, scaler.apply(x), split)


def with_fresh_test(sample: ClassSample, features: npt.NDArray[Any], y: npt.NDArray[Any], *, seed: int) -> ClassSample:
    """Return a sample that is tested on other events; its own test rows, known from earlier studies, validate too.

    Args:
        sample: data and split.
        features: of the other events, `(others, features)`, as they come.
        y: class indices of the other events, `(others,)`.
        seed: of their order.
    """
    rows = np.random.default_rng(seed).permutation(len(y))
    both = np.concatenate([sample.features, features[rows]])
    known = sample.split
    held = np.concatenate([known.validation, known.test])
    split = Split(known.train, held, np.arange(len(sample.x), len(both), dtype=np.int64))
    labels = np.concatenate([sample.y, y[rows].astype(np.int64)])
    return ClassSample(both, labels, sample.scaler, sample.scaler.apply(both), split)


def softmax(logits: npt.NDArray[Any]) -> Real:
    """Return the class probabilities of logits, same shape."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def train_float(
    sample: ClassSample, hidden: tuple[int, ...], settings: FitSettings, folder: Path | None = None
) -> Model:
    """Return a trained float network of dense layers with ReLU, which gives logits; `fit` resumes it in `folder`.

    The loss has `TWIN_DECAY` times the squares of the kernels; the epoch with the best validation likelihood is kept.
    """
    import tensorflow as tf

    layers, seed = tf.keras.layers, settings.seed or 0
    inputs = tensor = layers.Input(sample.x.shape[1], name="features")
    for i, units in enumerate((*hidden, sample.classes)):
        tensor = layers.Dense(
            units,
            "relu" if i < len(hidden) else None,
            kernel_initializer=tf.keras.initializers.HeNormal(seed=1000 * seed + i),
            kernel_regularizer=tf.keras.regularizers.L2(TWIN_DECAY),
            name=f"dense_{i + 1}",
        )(tensor)
    model = tf.keras.Model(inputs, tensor, name="float_twin")
    _fit(model, sample, np.eye(sample.classes, dtype=np.float32)[sample.y], settings, folder)
    return model


def train_ternary(
    sample: ClassSample,
    design: DenseSettings,
    *,
    twin: Model,
    targets: Real,
    settings: FitSettings,
    folder: Path | None = None,
) -> TernaryDense:
    """Train a ternary network from the weights of its float twin; `fit` resumes it in `folder`.

    The scales of the inputs are trained too, see `InputScale`; those of the kernels stay, see `KeepMagnitude`.

    Args:
        sample: data and split.
        design: shape and quantizers.
        twin: as `train_float` returns it for the same `hidden`.
        targets: `(events, classes)`, a probability of each class: the labels, or what better networks say, or a mixture.
        settings: epochs, step size and seed.
        folder: of checkpoint and history; None writes nothing.

    Raises:
        ConfigError: a setting is out of range, or `folder` holds another run.
    """
    import tensorflow as tf

    from bittrigger.layers.input_scale import InputScale
    from bittrigger.train.calibration import calibrate

    core = _ternary(design, twin)
    scale = InputScale(name="input_scale")
    model = tf.keras.Sequential([tf.keras.Input(sample.x.shape[1]), scale, core], name="ternary")
    calibrate(model, sample.x[sample.split.train][:4096])
    core.get_layer("dense_1").range_log2.assign(float(INPUT_INTEGER))
    _fit(model, sample, targets, settings, folder)
    return TernaryDense(core, sample.scaler.then(*scale.affine()))


INPUT_INTEGER = 2
"""log2 of the range of the inputs; their scales are trained, so the range itself need not be."""


def _ternary(design: DenseSettings, twin: Model) -> Model:
    """The untrained network with the weights of its twin; the scale of a layer is next to the mean of those that stay."""
    import tensorflow as tf

    from bittrigger.layers.activations import StaticQuantizer
    from bittrigger.layers.bit_linear import BitLinear
    from bittrigger.layers.quantizers import KeepMagnitude, absmean_ternary

    inputs = tensor = tf.keras.Input(twin.input_shape[1], name="features")
    for i in range(len(design.hidden) + 1):
        name, first = f"dense_{i + 1}", i == 0
        kernel, bias = twin.get_layer(name).get_weights()
        sizes = np.abs(kernel)
        mean = float(sizes.mean())
        kept = float(sizes[sizes >= min(design.threshold_factor * mean, float(sizes.max()))].mean())
        magnitude = float(2.0 ** np.rint(np.log2(kept)))
        layer = BitLinear(
            kernel.shape[1],
            kernel_quantizer=absmean_ternary(threshold_factor=design.threshold_factor),
            kernel_constraint=KeepMagnitude(magnitude),
            input_quantizer=StaticQuantizer(
                design.input_bits if first else design.activation_bits, signed=first, integer=INPUT_INTEGER
            ),
            cost_strength=design.cost_strength,
            name=name,
        )
        tensor = layer(tensor)
        layer.kernel.assign(kernel * (magnitude / mean))
        layer.bias.assign(bias)
    return tf.keras.Model(inputs, tensor, name="ternary_dense")


def _fit(model: Model, sample: ClassSample, targets: Real, settings: FitSettings, folder: Path | None) -> None:
    """Train on the training rows; keep the epoch with the best mean log likelihood of the validation rows."""
    import tensorflow as tf

    train, validation = sample.split.train, sample.split.validation

    def likelihood(net: Model) -> float:
        probabilities = softmax(predict(net, sample.x[validation]))[np.arange(len(validation)), sample.y[validation]]
        return float(np.log(np.maximum(probabilities, 1e-9)).mean())

    loss = tf.keras.losses.CategoricalCrossentropy(from_logits=True)
    fit(model, (sample.x[train], targets[train]), settings, loss=loss, score=likelihood, folder=folder)
