"""Training that keeps the best epoch, says how far it is, and can be stopped and resumed.

TensorFlow is imported inside the functions that need it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError
from bittrigger.layers.keras_types import Loss, Model
from bittrigger.train.checkpoint import EpochRecord, RunState, load_state, make_folder, replace_file, save_state

if TYPE_CHECKING:
    from bittrigger.train.weight_freezing import WeightFreezing

__all__ = ["FitResult", "FitSettings", "fit"]

_log = logging.getLogger(__name__)

Arrays = tuple[npt.NDArray[Any], npt.NDArray[Any]]
Score = Callable[[Model], float]


@dataclass(frozen=True)
class FitSettings:
    """How a model is trained: Adam with a cosine decay.

    Attributes:
        epochs: passes over the training rows, at least 1.
        batch_size: rows of a step, at least 1.
        learning_rate: step size at the start.
        final_fraction: step size at the end, as a fraction of `learning_rate`.
        seed: of the order of the rows and of what random layers draw, each epoch on its own. None leaves both to Keras'
            global state; such a run cannot be resumed.
        freeze_from: share of the epochs after which ternary weights that go to and fro between two codes are frozen, from 0 to
            below 1, see `WeightFreezing`; None freezes none.
        freeze_rate: changes of its code a step above which a weight is frozen.

    Raises:
        ConfigError: `epochs` or `batch_size` is below 1, or a setting of the freezing is out of range.
    """

    epochs: int
    batch_size: int = 256
    learning_rate: float = 1e-3
    final_fraction: float = 0.01
    seed: int | None = None
    freeze_from: float | None = None
    freeze_rate: float = 0.02

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)}: expected at least 1")
        if not (0 <= (self.freeze_from or 0) < 1 and 0 < self.freeze_rate < 1):
            raise ConfigError(
                f"freeze_from {self.freeze_from}, freeze_rate {self.freeze_rate}: allowed are shares from 0 to below 1, and "
                "rates between 0 and 1"
            )


@dataclass(frozen=True)
class FitResult:
    """What a training gave; the model holds the weights of the best epoch.

    Attributes:
        best: the highest score.
        best_epoch: the epoch that had it, counted from 1.
        records: one for each epoch, those before a stop included.
    """

    best: float
    best_epoch: int
    records: tuple[EpochRecord, ...]


def fit(
    model: Model, train: Arrays, settings: FitSettings, *, loss: Loss, score: Score, folder: Path | None = None
) -> FitResult:
    """Train `model`, then restore the epoch with the highest score; go on where an earlier run in `folder` stopped.

    After each epoch a line is logged, and `folder` gets `checkpoint.npz`, `history.json` and `history.csv`; at the end
    it gets `card.md`. A run that is stopped at any time, and called again with the same arguments, ends with the very
    weights of one that was not stopped, if TensorFlow computes deterministically (`prepare_tensorflow`).

    Args:
        model: a built Keras model; it is compiled anew.
        train: inputs `(n, ...)` and targets `(n, ...)`.
        settings: epochs, step size and seed.
        loss: Keras loss of the targets.
        score: called with the model after each epoch; must look at validation rows only.
        folder: made if it is missing. None writes nothing.

    Raises:
        ConfigError: there are no rows, or some are not finite; the model is not built; loss or score is not finite, which leaves
            the epoch before in `folder`; `folder` comes without a seed, holds another run, or cannot be written.
    """
    _check(model, train, settings, folder)
    optimizer = _compile(model, len(train[0]), settings, loss)
    freezing = None if settings.freeze_from is None else _freezing(model, settings)
    state = RunState(model.get_weights(), model.get_weights())
    identity = _identity(train, settings) if folder is not None else {}
    if folder is not None:
        make_folder(folder)
        shapes = [value.shape for value in state.weights]
        state = load_state(folder / "checkpoint.npz", identity, shapes) or state
        _restore(model, optimizer, freezing, state)
    while len(state.records) < settings.epochs:
        _run_epoch(model, train, settings, score, state, freezing=freezing)
        if folder is not None:
            state.optimizer = [variable.numpy() for variable in optimizer.variables]
            state.freezing = [] if freezing is None else freezing.state
            save_state(folder / "checkpoint.npz", state, identity)
            _write_history(folder, state.records)
    model.set_weights(state.best_weights)
    result = FitResult(state.best, state.best_epoch, tuple(state.records))
    if folder is not None:
        _write_history(folder, state.records)
        replace_file(folder / "card.md", _card(model, settings, identity, result).encode())
    return result


def _check(model: Model, train: Arrays, settings: FitSettings, folder: Path | None) -> None:
    if len(train[0]) == 0 or len(train[0]) != len(train[1]):
        raise ConfigError(f"{len(train[0])} inputs, {len(train[1])} targets: expected equal numbers, at least 1")
    for what, values in zip(("inputs", "targets"), train, strict=True):
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0][0])
            raise ConfigError(
                f"{what} of model {model.name!r}: NaN or infinity in row {row}; expected finite numbers; remove such rows"
            )
    if not model.built:
        raise ConfigError(f"model {model.name!r}: it is not built; expected a model with known shapes; call it once")
    if folder is not None and settings.seed is None:
        raise ConfigError(
            f"folder {folder} without a seed: a run is resumed with its seed only; set FitSettings(seed=...)"
        )


def _compile(model: Model, rows: int, settings: FitSettings, loss: Loss) -> Any:  # noqa: ANN401 - an optimizer of Keras
    import tensorflow as tf

    steps = settings.epochs * -(-rows // settings.batch_size)
    schedule = tf.keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps, alpha=settings.final_fraction)
    optimizer = tf.keras.optimizers.Adam(schedule)
    model.compile(optimizer=optimizer, loss=loss)
    return optimizer


def _freezing(model: Model, settings: FitSettings) -> WeightFreezing:
    from bittrigger.train.weight_freezing import WeightFreezing

    return WeightFreezing(model, settings.freeze_rate)


def _restore(model: Model, optimizer: Any, freezing: WeightFreezing | None, state: RunState) -> None:  # noqa: ANN401
    """Put model and optimizer where the run stopped."""
    if not state.records:
        return
    model.set_weights(state.weights)
    optimizer.build(model.trainable_variables)
    for variable, value in zip(optimizer.variables, state.optimizer, strict=True):
        variable.assign(value)
    if freezing is not None:
        freezing.restore(state.freezing)
    _log.info("%s: goes on after epoch %d", model.name, len(state.records))


def _run_epoch(
    model: Model,
    train: Arrays,
    settings: FitSettings,
    score: Score,
    state: RunState,
    *,
    freezing: WeightFreezing | None,
) -> None:
    """Train one epoch and note it in `state`."""
    from bittrigger.layers.widths import model_widths

    epoch = len(state.records)
    started = time.perf_counter()
    if freezing is not None and settings.freeze_from is not None:
        freezing.active.assign(epoch >= settings.freeze_from * settings.epochs)
    loss = _pass(model, train, settings, epoch, [] if freezing is None else [freezing])
    value = score(model)
    if not (math.isfinite(loss) and math.isfinite(value)):
        raise ConfigError(
            f"model {model.name!r}: loss {loss}, validation {value} in epoch {epoch + 1}; expected finite "
            "numbers; lower the learning rate, or look for a logarithm or a root of zero in the loss"
        )
    state.weights = model.get_weights()
    if value > state.best:
        state.best, state.best_epoch, state.best_weights = value, epoch + 1, state.weights
    seconds = round(time.perf_counter() - started, 3)
    widths, frozen = model_widths(model) or None, None if freezing is None else freezing.share()
    state.records.append(EpochRecord(epoch + 1, loss, value, seconds, _adder_bits(model), widths, frozen))
    left = sum(record.seconds for record in state.records) / (epoch + 1) * (settings.epochs - epoch - 1)
    _log.info(
        "%s: epoch %d/%d, loss %.4f, validation %.4f, best %.4f%s%s, %.0f s left",
        model.name,
        epoch + 1,
        settings.epochs,
        loss,
        value,
        state.best,
        f", widths {_words(widths)}" if widths else "",
        f", frozen {frozen:.1%}" if frozen else "",
        left,
    )


def _pass(model: Model, train: Arrays, settings: FitSettings, epoch: int, callbacks: list[WeightFreezing]) -> float:
    """Let Keras train one epoch, and return the mean loss."""
    (inputs, targets), shuffle = train, settings.seed is None
    if settings.seed is not None:
        order = np.random.default_rng([settings.seed, epoch]).permutation(len(inputs))
        _seed_random_layers(model, settings.seed, epoch)
        inputs, targets = inputs[order], targets[order]
    history = model.fit(
        inputs, targets, batch_size=settings.batch_size, epochs=1, shuffle=shuffle, verbose=0, callbacks=callbacks
    )
    return float(history.history["loss"][0])


def _seed_random_layers(model: Model, seed: int, epoch: int) -> None:
    """Let layers such as Dropout draw what depends on seed and epoch alone: a seed counts when a graph is traced."""
    import tensorflow as tf

    if any(isinstance(module, tf.keras.__internal__.layers.BaseRandomLayer) for module in model.submodules):
        tf.random.set_seed(int(np.random.default_rng([seed, epoch, 1]).integers(1 << 31)))
        model.make_train_function(force=True)


def _adder_bits(model: Model) -> int | None:
    from bittrigger.layers.adder_cost import model_adder_bits

    found = model_adder_bits(model)
    return sum(found.values()) if found else None


def _identity(train: Arrays, settings: FitSettings) -> dict[str, Any]:
    """What must be the same for a run to be resumed."""
    digest = hashlib.sha256()
    for array in train:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return {**asdict(settings), "rows": len(train[0]), "data (SHA-256)": digest.hexdigest()}


def _write_history(folder: Path, records: list[EpochRecord]) -> None:
    rows = [asdict(record) for record in records]
    replace_file(folder / "history.json", (json.dumps(rows, indent=1) + "\n").encode())
    rows = [{**row, "widths": _words(row["widths"])} for row in rows]
    text = io.StringIO()
    table = csv.DictWriter(text, [field.name for field in fields(EpochRecord)], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    replace_file(folder / "history.csv", text.getvalue().encode())


def _card(model: Model, settings: FitSettings, identity: dict[str, Any], result: FitResult) -> str:
    """The text of card.md."""
    import tensorflow as tf

    from bittrigger.train.costs import model_costs
    from bittrigger.train.recipes import kernel_rows, markdown_table, versions

    costs = model_costs(model)
    last = result.records[result.best_epoch - 1] if result.best_epoch else result.records[-1]
    facts = {
        "best epoch": f"{result.best_epoch} of {settings.epochs}",
        "validation": f"{result.best:.6g}",
        "loss": f"{last.loss:.6g}",
        "parameters": f"{costs.parameters}, quantised {costs.quantized_parameters}",
        "FLOPs, IntOPs an event": f"{_text(costs.flops)}, {_text(costs.int_ops)}",
        "adder bits": _text(last.adder_bits),
        **({"learned widths": _words(last.widths)} if last.widths else {}),
        **{
            key.replace("_", " "): str(value)
            for key, value in identity.items()
            if key != "epochs" and value is not None
        },
        "made with": f"TensorFlow {tf.__version__}, {versions(['QKeras', 'numpy'])}",
    }
    return (
        f"# {model.name}\n\n{markdown_table(['', ''], [[key, value] for key, value in facts.items()])}\n## Layers\n\n"
        f"{markdown_table(['layer', 'kernel', 'quantizer', 'zero weights'], kernel_rows(model))}"
    )


def _words(widths: dict[str, int] | None) -> str:
    """Learned widths in one cell: `dense_1 6 dense_2 5`."""
    return " ".join(f"{name} {bits}" for name, bits in (widths or {}).items())


def _text(value: int | None) -> str:
    return "not known" if value is None else str(value)
