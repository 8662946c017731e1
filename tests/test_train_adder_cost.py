"""The adders of a layer as a loss: its value, its gradient, what training makes of it, and how it goes with LUTs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from keras_models import QDense, tf

from bittrigger.ir.fixed import Interval
from bittrigger.layers import AdderCostReport, BitLinear, absmean_ternary, adder_bits, model_adder_bits
from bittrigger.layers.adder_cost import adder_bits_loss
from bittrigger.solver import SolverOptions, graph_luts, solve

pytestmark = pytest.mark.filterwarnings("ignore")


def latent(shape: tuple[int, ...], seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.2, shape).astype(np.float32)


def test_a_column_of_n_weights_is_n_less_one_adders() -> None:
    codes = np.array([[1, 0, 0, -1], [1, 0, 1, 0], [-1, 0, 0, 1]])
    assert adder_bits(codes, 8) == (2 + 0 + 0 + 1) * (8 + 2)


@pytest.mark.parametrize("factor", [0.3, 0.5, 1.2])
@pytest.mark.parametrize("shape", [(7, 5), (3, 3, 4, 6)])
def test_the_loss_has_the_value_of_the_count(factor: float, shape: tuple[int, ...]) -> None:
    quantizer, kernel = absmean_ternary(threshold_factor=factor), latent(shape)
    codes, _ = quantizer.codes_and_scale(kernel)
    assert float(adder_bits_loss(tf.constant(kernel), quantizer, 6)) == adder_bits(codes.numpy(), 6)


def test_the_gradient_draws_weights_near_the_threshold_to_zero_and_leaves_large_ones() -> None:
    kernel = tf.Variable(latent((40, 3)))
    with tf.GradientTape() as tape:
        loss = adder_bits_loss(kernel, absmean_ternary(), 8)
    gradient, values = tape.gradient(loss, kernel).numpy(), kernel.numpy()
    beta = np.abs(values).mean()
    near = np.abs(values) < beta
    assert np.array_equal(np.sign(gradient[near]), np.sign(values[near]))
    assert gradient[near] == pytest.approx(np.sign(values[near]) * 10 / beta)
    assert not gradient[~near].any()


def trained(strength: float) -> tuple[Any, AdderCostReport, Any]:
    tf.keras.utils.set_random_seed(5)
    layer = BitLinear(8, input_quantizer=6, cost_strength=strength)
    model = tf.keras.Sequential([tf.keras.Input(16), layer])
    model.compile(tf.keras.optimizers.Adam(0.01), "mse")
    report = AdderCostReport()
    x = latent((256, 16), 1)
    history = model.fit(x, x[:, :8], epochs=6, batch_size=64, verbose=0, callbacks=[report])
    return model, report, history.history


def test_training_with_a_strength_saves_adders_and_reports_them() -> None:
    (free, _, _), (bound, report, history) = trained(0.0), trained(1e-3)
    cost = {name: sum(model_adder_bits(model).values()) for name, model in (("free", free), ("bound", bound))}
    assert cost["bound"] < 0.75 * cost["free"]
    assert history["adder_bits"] == [sum(epoch.values()) for epoch in report.epochs]
    assert report.epochs[-1] == model_adder_bits(bound)
    x = latent((256, 16), 1)
    plain = np.mean((bound.predict(x, verbose=0) - x[:, :8]) ** 2)
    assert bound.evaluate(x, x[:, :8], verbose=0) == pytest.approx(plain + 1e-3 * cost["bound"], rel=1e-4)


def test_layers_inside_of_others_are_counted_and_stock_ones_are_not() -> None:
    inner = tf.keras.Sequential([BitLinear(3, name="inner")])
    inputs = tf.keras.Input(4)
    model = tf.keras.Model(inputs, QDense(2, kernel_quantizer="ternary()")(inner(inputs)))
    assert list(model_adder_bits(model)) == ["inner"]


def test_the_count_goes_with_the_luts_of_the_solver() -> None:
    generator = np.random.default_rng(0)
    counted, solved = [], []
    for shape in ((16, 16), (32, 16), (24, 5)):
        for zeros in (0.25, 0.5, 0.75):
            for width in (4, 8):
                codes = generator.choice([-1, 0, 1], size=shape, p=[(1 - zeros) / 2, zeros, (1 - zeros) / 2])
                source = (Interval(-(1 << (width - 1)), (1 << (width - 1)) - 1),) * shape[0]
                graph = solve(codes, np.zeros(shape[1], np.int64), source, SolverOptions(effort="fast"))
                counted.append(adder_bits(codes, width))
                solved.append(graph_luts(graph))
    assert np.corrcoef(counted, solved)[0, 1] > 0.97
    assert all(luts <= count for luts, count in zip(solved, counted, strict=True))
