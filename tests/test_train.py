from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittrigger.errors import ConfigError
from bittrigger.layers.ternary import absmean_scale, nearest_power_of_two, round_clip
from bittrigger.train import accuracy, log_odds, one_vs_rest_auc, roc_auc, split_by_seed
from bittrigger.train.metrics import efficiency_at_khz, efficiency_at_rate
from bittrigger.train.recipes import fit_keeping_best, load_arrays, markdown_table

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

BIAS = "quantized_bits(12,3,alpha=1)"


def test_the_package_imports_without_tensorflow() -> None:
    code = (
        "import sys, bittrigger.train, bittrigger.train.recipes\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'qkeras', 'hls4ml')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


def test_an_unknown_name_is_an_attribute_error() -> None:
    import bittrigger.train

    with pytest.raises(AttributeError, match="no attribute 'bitlinear'"):
        bittrigger.train.bitlinear  # noqa: B018


# --- figures of merit ---------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_roc_auc_counts_pairs(samples: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in samples], dtype=np.float32)
    positive = np.array([label for _, label in samples])
    if positive.all() or not positive.any():
        with pytest.raises(ConfigError, match="expected both kinds"):
            roc_auc(scores, positive)
        return
    gaps = scores[positive][:, None] - scores[~positive][None, :]
    wins = (np.count_nonzero(gaps > 0) + np.count_nonzero(gaps == 0) / 2) / gaps.size
    assert roc_auc(scores, positive) == pytest.approx(wins, abs=1e-12)


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=40), st.lists(st.integers(-3, 4), min_size=1, max_size=9))
def test_no_more_background_passes_than_asked_for(background: list[int], signal: list[int]) -> None:
    found = efficiency_at_rate(np.array(background), np.array(signal), 0.5)
    passing = np.count_nonzero(np.array(background) > found.threshold)
    assert passing == round(found.rate * len(background)) <= len(background) / 2
    assert found.value == np.mean(np.array(signal) > found.threshold)
    lower = [value for value in sorted(set(background)) if value < found.threshold]
    if lower:  # the threshold is the lowest
        assert np.count_nonzero(np.array(background) > lower[-1]) > len(background) / 2


def test_efficiency_by_hand() -> None:
    found = efficiency_at_rate(np.arange(100), np.array([50.0, 95.5, 94.5, 97, 98]), 0.05)
    assert (found.value, found.threshold, found.rate) == (0.8, 94, 0.05)
    # 5 +- sqrt(5) pass: thresholds 96 and 92, efficiencies 0.4 and 0.8; binomial variance 0.8 * 0.2 / 5
    assert found.error == pytest.approx((0.2**2 + 0.032) ** 0.5)
    assert efficiency_at_rate(np.zeros(100), np.zeros(3), 0.05).rate == 0


def test_efficiency_refuses() -> None:
    with pytest.raises(ConfigError, match="rate 0.001 of 100 background events: expected a rate below 1 that lets"):
        efficiency_at_rate(np.arange(100), np.arange(3), 0.001)
    with pytest.raises(ConfigError, match=r"scores of shapes \(100,\), \(0,\)"):
        efficiency_at_rate(np.arange(100), np.zeros(0), 0.1)


def test_efficiency_at_a_rate_of_weighted_background() -> None:
    """Scores 9, 8, ... with weights 1, 2, 3, ... kHz: 6 kHz is three of them, and 6 - 3.7 to 6 + 3.7 kHz one or three."""
    background, weights = np.arange(10.0)[::-1], np.arange(1.0, 11)
    found = efficiency_at_khz(background, weights, np.array([9.5, 8.5, 7.5, 6.5, 5.5]), 6)
    assert (found.value, found.threshold, found.rate) == (0.8, 6, 6)
    assert found.error == pytest.approx(np.hypot(np.sqrt(0.8 * 0.2 / 5), (0.8 - 0.4) / 2))
    equal = efficiency_at_khz(background, np.full(10, 0.5), np.arange(10.0), 2.5)
    assert equal.value == efficiency_at_rate(background, np.arange(10.0), 0.5).value
    assert (
        efficiency_at_khz(np.array([1.0, 1, 0]), np.ones(3), np.ones(2), 1).rate == 0
    )  # a tie passes as a whole or not


@pytest.mark.parametrize("khz", [0.5, 55, -1])
def test_efficiency_at_a_rate_that_is_not_there_is_refused(khz: float) -> None:
    with pytest.raises(
        ConfigError, match="of 10 background events of 55 kHz together: expected weights above 0, and a"
    ):
        efficiency_at_khz(np.arange(10.0)[::-1], np.arange(1.0, 11), np.zeros(3), khz)


def test_accuracy_and_auc_of_known_scores() -> None:
    scores = np.array([[3, 1, 1], [0, 2, 1], [5, 5, 0], [1, 0, 2]])
    labels = np.array([0, 1, 1, 2])
    assert accuracy(scores, labels) == 0.75
    assert one_vs_rest_auc(scores, labels).tolist() == [1.0, 1.0, 1.0]
    scores[2, 0] = 9  # the most probable of class 0, and the least of class 1
    assert one_vs_rest_auc(scores, labels).tolist() == [2 / 3, 1 / 2, 1.0]


def quantised_logits(rows: int = 400, classes: int = 5) -> tuple[Any, Any]:
    """Logits on a grid of 1/16, as of firmware, and labels that they tell something about."""
    generator = np.random.default_rng(3)
    labels = np.arange(rows) % classes
    logits = generator.normal(0, 2, (rows, classes)) + 2 * np.eye(classes)[labels]
    return np.rint(16 * logits) / 16, labels


def test_what_is_common_to_all_logits_of_an_event_changes_no_area() -> None:
    logits, labels = quantised_logits()
    offsets = np.random.default_rng(4).integers(-400, 400, (len(logits), 1)) / 16
    moved = (logits + offsets).astype(np.float32)
    assert one_vs_rest_auc(moved, labels).tolist() == one_vs_rest_auc(logits, labels).tolist()
    assert log_odds(moved, 1, 3).tolist() == log_odds(logits, 1, 3).tolist()
    assert roc_auc(moved[:, 0], labels == 0) < roc_auc(logits[:, 0], labels == 0)  # a raw logit is no score


def test_the_areas_are_those_of_the_softmax_probabilities() -> None:
    """As scikit-learn has them: `roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")`."""
    from sklearn.metrics import roc_auc_score

    logits, labels = quantised_logits()
    powers = np.exp(logits)
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    wanted = roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
    assert one_vs_rest_auc(logits, labels).mean() == pytest.approx(wanted, abs=1e-9)
    assert one_vs_rest_auc(np.log(probabilities), labels).mean() == pytest.approx(wanted, abs=1e-9)


def test_log_odds_do_not_saturate_and_add_the_probabilities_of_a_group() -> None:
    assert log_odds(np.array([[0.0, -700, -701], [0, -701, -702]]), 0).tolist() == pytest.approx([699.687, 700.687])
    logits, _ = quantised_logits(50)
    powers = np.exp(logits)
    wanted = np.log(powers[:, [0, 4]].sum(axis=1) / powers[:, [1, 2]].sum(axis=1))
    assert log_odds(logits, (0, 4), (1, 2)) == pytest.approx(wanted)


@pytest.mark.parametrize(("signal", "against"), [(5, None), ((), None), ((0, 1), (1, 2)), (0, 0)])
def test_log_odds_refuse_groups_without_meaning(signal: Any, against: Any) -> None:
    with pytest.raises(ConfigError, match=r"of logits of shape \(4, 5\); expected \(n, classes\), and two groups"):
        log_odds(np.zeros((4, 5)), signal, against)


def test_accuracy_refuses_other_shapes() -> None:
    with pytest.raises(ConfigError, match="expected"):
        accuracy(np.zeros((3, 2)), np.zeros(2))


# --- split and files ----------------------------------------------------------------------------


def test_split_names_each_row_once_and_keeps_the_shares() -> None:
    labels = np.repeat([0, 1, 2], [100, 200, 40])
    split = split_by_seed(labels, validation=0.1, test=0.2, seed=5)
    assert np.array_equal(np.sort(np.concatenate([split.train, split.validation, split.test])), np.arange(340))
    assert np.bincount(labels[split.test]).tolist() == [20, 40, 8]
    assert np.bincount(labels[split.validation]).tolist() == [10, 20, 4]
    assert str(split) == "238 train, 34 validation, 68 test"


def test_split_depends_on_the_seed_only() -> None:
    labels = np.repeat([0, 1], 50)
    first, again, other = (split_by_seed(labels, validation=0.1, test=0.2, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)


@pytest.mark.parametrize(
    ("validation", "test", "message"), [(0.0, 0.5, "below 1"), (0.5, 0.5, "below 1"), (0.01, 0.1, "rows are too few")]
)
def test_split_refuses(validation: float, test: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        split_by_seed(np.repeat([0, 1], 10), validation=validation, test=test, seed=0)


def test_load_arrays_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_arrays(tmp_path / "none.npz", ["x"])
    np.savez(tmp_path / "some.npz", x=np.arange(3))
    with pytest.raises(ConfigError, match="no array y; it holds x"):
        load_arrays(tmp_path / "some.npz", ["x", "y"])
    assert load_arrays(tmp_path / "some.npz", ["x"])["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.array([[0.0, 1.0], [2.0, np.nan]])}, "array 'x' holds nan at row 1, index .*remove such rows"),
        ({"x": np.zeros((0, 3))}, r"array 'x' is empty, of shape \(0, 3\); expected rows; take a larger file"),
        ({"x": np.array([{}], dtype=object)}, "data x.npz|not a readable"),
    ],
)
def test_load_arrays_refuses(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ConfigError, match=message):
        load_arrays(tmp_path / "x.npz", ["x"])


def test_load_arrays_refuses_a_damaged_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.arange(3000))
    whole = (tmp_path / "x.npz").read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2], whole[:300] + b"\xff" * 90 + whole[390:]):
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(ConfigError, match="x.npz"):
            load_arrays(tmp_path / "x.npz", ["x"])


def test_markdown_table() -> None:
    assert markdown_table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


# --- quantizer ----------------------------------------------------------------------------------


def latent(shape: tuple[int, ...], seed: int, spread: float = 0.3) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, spread, shape).astype(np.float32)


@pytest.mark.parametrize("spread", [1e-9, 0.01, 0.3, 1.0, 40.0])
@pytest.mark.parametrize("seed", range(5))
def test_quantizer_is_the_absmean_rule(seed: int, spread: float) -> None:
    from bittrigger.layers import absmean_ternary

    weights = latent((16, 5), seed, spread)
    beta = absmean_scale(weights)
    expected = round_clip(weights, beta) * np.float32(nearest_power_of_two(beta))
    assert np.array_equal(absmean_ternary()(weights).numpy(), expected)


def test_quantizer_passes_the_gradient_through() -> None:
    import tensorflow as tf

    from bittrigger.layers import absmean_ternary

    weights = tf.Variable(latent((4, 3), 0))
    factors = latent((4, 3), 1)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(absmean_ternary()(weights) * factors)
    assert np.array_equal(tape.gradient(loss, weights).numpy(), factors)


def test_quantizer_serialises_without_options() -> None:
    from bittrigger.layers import absmean_ternary

    assert isinstance(absmean_ternary.from_config(absmean_ternary().get_config()), absmean_ternary)
    with pytest.raises(ConfigError, match="unknown options"):
        absmean_ternary.from_config({"alpha": 1})


def mixed_model(*, norm: bool = True) -> Any:
    """A model with every kind of layer that can be exported, weights off every grid."""
    import tensorflow as tf
    from qkeras import QActivation, QDense

    from bittrigger.layers import absmean_ternary

    inputs = tensor = tf.keras.Input(6)
    tensor = QActivation("quantized_bits(8,2,alpha=1)")(tensor)
    tensor = QDense(7, use_bias=False, kernel_quantizer="quantized_bits(6,0,alpha=1)")(tensor)
    if norm:
        tensor = tf.keras.layers.BatchNormalization()(tensor)
    tensor = QActivation("quantized_relu(8,2)")(tensor)
    tensor = QDense(9, kernel_quantizer=absmean_ternary(), bias_quantizer=BIAS)(tensor)
    tensor = QActivation("quantized_relu(8,3)")(tensor)
    tensor = QDense(5, kernel_quantizer="binary(alpha=1)", bias_quantizer=BIAS)(tensor)
    tensor = QActivation("quantized_bits(8,5,alpha=1)")(tensor)
    tensor = QDense(4, kernel_quantizer="ternary(alpha=0.5,threshold=0.1)", bias_quantizer=BIAS)(tensor)
    tensor = QActivation("quantized_relu(6,4)")(tensor)
    outputs = QDense(3, kernel_quantizer=absmean_ternary(), bias_quantizer=BIAS)(tensor)
    model = tf.keras.Model(inputs, outputs)
    model.set_weights(
        [
            np.abs(latent(w.shape, i)) + 0.1 if "variance" in v.name else latent(w.shape, i)
            for i, (v, w) in enumerate(zip(model.weights, model.get_weights(), strict=True))
        ]
    )
    return model


def test_training_keeps_the_best_epoch() -> None:
    import tensorflow as tf

    model = mixed_model(norm=False)
    x = latent((64, 6), 1)
    marks = iter([0.2, 0.9, 0.1])
    seen = []

    def score(net: Any) -> float:
        seen.append(net.get_weights())
        return next(marks)

    best = fit_keeping_best(
        model,
        (x, np.eye(3, dtype=np.float32)[np.arange(64) % 3]),
        loss=tf.keras.losses.CategoricalCrossentropy(from_logits=True),
        score=score,
        epochs=3,
        batch_size=32,
    )
    assert best == 0.9
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), seen[1], strict=True))


def test_training_needs_an_epoch() -> None:
    with pytest.raises(ConfigError, match="epochs 0: expected at least 1"):
        fit_keeping_best(None, (np.zeros(1), np.zeros(1)), loss=None, score=lambda _: 0.0, epochs=0)
