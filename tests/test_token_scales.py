"""A scale for each token of a set: dynamic quantizers on tensors with positions, every bit that of Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from keras_models import events_for, layers, lowered, randomize, tf

from bittrigger.build.folder import load_build
from bittrigger.compile.convert import convert
from bittrigger.errors import BittriggerError
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import Graph, evaluate, output_fracs
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.ports import encode_events
from bittrigger.layers import (
    AttentionSettings,
    BitActivation,
    BitConv1D,
    BitLinear,
    DynamicQuantizer,
    StaticQuantizer,
    bit_attention,
    stock_layers,
)
from bittrigger.prove import prove
from bittrigger.settings import Settings
from bittrigger.simulate.compare import run_executors
from bittrigger.simulate.vectors import corner_codes, random_codes

pytestmark = pytest.mark.filterwarnings("ignore")

FEATURES = 3
FRONT = StaticQuantizer(7, integer=2)


def jets(graph: Graph, tokens: int, seed: int) -> npt.NDArray[np.float32]:
    """Events whose tokens are zeros, of every size, and at the ends of the port."""
    events = events_for(graph, seed, count=150).reshape(-1, tokens, FEATURES)
    generator = np.random.default_rng(seed)
    sizes = np.exp2(-generator.integers(0, 9, (len(events), tokens, 1)))
    kept = generator.random((len(events), tokens, 1))
    ends = generator.choice([-4.0, 4.0, 0.0], events.shape)
    return np.where(kept < 0.2, 0, np.where(kept < 0.4, ends, events * sizes)).astype(np.float32)


def assert_bits(model: Any, tokens: int, seed: int) -> Graph:
    """Check that the integers are the bits of Keras for events of all kinds of tokens, and return the graph."""
    graph = lowered(stock_layers(model))
    events = jets(graph, tokens, seed)
    wanted = model.predict(events, batch_size=4096, verbose=0)
    flat = [each.reshape(len(events), -1) for each in (wanted if isinstance(wanted, list) else [wanted])]
    codes = encode_events(graph, events.reshape(len(events), -1).astype(np.float64))
    assert np.array_equal(decode(evaluate(graph, codes), output_fracs(graph)), np.concatenate(flat, axis=1))
    return graph


def start(tokens: int) -> tuple[Any, Any]:
    """The input, and its codes."""
    inputs = tf.keras.Input((tokens, FEATURES), name="jet")
    return inputs, BitActivation(FRONT, name="front")(inputs)


def deep_sets(tokens: int, *, first: Any = None, second: Any = None, bias: bool = False) -> Any:
    """Two layers on each token, the mean of what they give, and one behind it."""
    first, second = first or DynamicQuantizer(5), second or DynamicQuantizer(3, signed=False)
    inputs, tensor = start(tokens)
    tensor = BitLinear(4, input_quantizer=first, use_bias=bias, name="each_1")(tensor)
    tensor = BitLinear(4, input_quantizer=second, use_bias=bias, name="each_2")(tensor)
    tensor = layers.GlobalAveragePooling1D(name="mean")(tensor)
    last = BitLinear(2, input_quantizer=StaticQuantizer(6, integer=3), name="last")
    return randomize(tf.keras.Model(inputs, last(tensor), name="sets"), 8)


# --- every bit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [1, 3, 8, 16])
def test_two_layers_and_a_mean(tokens: int) -> None:
    graph = assert_bits(deep_sets(tokens), tokens, 20261201 + tokens)
    downs = [node for node in graph.nodes if isinstance(node, ShiftDown)]
    assert [(node.name, node.copies) for node in downs] == [("each_1_input", tokens), ("each_2_input", tokens)]
    assert [(node.name, node.copies) for node in graph.nodes if isinstance(node, ShiftUp)] == [
        ("each_2_scaled", tokens)
    ]


@pytest.mark.parametrize("seed", range(41071, 41077))
def test_random_sets(seed: int) -> None:
    """Static and dynamic quantizers, biases, ReLUs, convolutions and sums of branches, in any order, and what joins tokens."""
    generator = np.random.default_rng(seed)
    tokens = int(generator.choice([2, 3, 5, 8]))
    inputs, tensor = start(tokens)
    for k in range(int(generator.integers(1, 4))):
        least, most = sorted(generator.integers(-2, 4, 2).tolist())
        bounds = [(None, None), (least, most), (None, most), (least, None)][int(generator.integers(4))]
        dynamic = DynamicQuantizer(int(generator.integers(2, 6)), bool(generator.integers(2)), *bounds)
        front = dynamic if generator.random() < 0.8 else StaticQuantizer(4, signed=False, integer=3)
        if generator.integers(2):
            tensor = layers.ReLU(name=f"relu_{k}")(tensor)
        bias = bounds == (least, most) and bool(generator.integers(2))
        kind = BitConv1D(3, 2, input_quantizer=front, use_bias=bias, name=f"bit_{k}")
        if tokens < 4 or generator.random() < 0.7:
            kind = BitLinear(3, input_quantizer=front, use_bias=bias, name=f"bit_{k}")
        tensor = kind(tensor)
    second = BitActivation(DynamicQuantizer(4), name="second")(tensor)
    added = layers.Add(name="sum")([tensor, second])
    joined = [layers.Flatten, layers.GlobalMaxPooling1D, lambda name: layers.Lambda(_total, name=name)]
    ends = [added, joined[int(generator.integers(2))](name="joined")(second)]
    assert_bits(randomize(tf.keras.Model(inputs, ends), seed), tokens, seed)


def _total(x: Any) -> Any:
    return tf.reduce_sum(x, axis=1)


def test_one_scale_of_several_positions_is_carried_to_each() -> None:
    """Codes of one vector, counted as tokens, and quantised by their own scales then."""
    inputs = tf.keras.Input((1, FEATURES), name="jet")
    tensor = BitActivation(FRONT, name="front")(inputs)
    tensor = BitLinear(6, input_quantizer=DynamicQuantizer(4), use_bias=False, name="one")(tensor)
    tensor = layers.Reshape((3, 2), name="tokens")(tensor)
    tensor = BitLinear(2, input_quantizer=DynamicQuantizer(3), use_bias=False, name="each")(tensor)
    graph = assert_bits(randomize(tf.keras.Model(inputs, tensor)), 1, 77)
    assert graph["each_input_total"].size == 3


def test_a_matrix_across_tokens_reads_codes_on_one_grid() -> None:
    inputs, tensor = start(3)
    tensor = BitActivation(DynamicQuantizer(4), name="own")(tensor)
    tensor = BitLinear(2, use_bias=False, name="across")(layers.Flatten(name="flat")(tensor))
    graph = assert_bits(randomize(tf.keras.Model(inputs, tensor)), 3, 78)
    assert graph["across"].inputs == ("own_scaled",)


def test_without_a_bias_the_exponents_wait_for_the_mean() -> None:
    graph = lowered(stock_layers(deep_sets(8)))
    names = [node.name for node in graph.nodes if isinstance(node, MagnitudeOr | ShiftUp)]
    assert names == ["each_1_input_peak", "each_2_input_peak", "each_2_scaled"]


BOUNDED = DynamicQuantizer(4, least=-1, most=1)


@pytest.mark.parametrize(
    "options", [{"taken_quantizer": DynamicQuantizer(5)}, {"code_quantizer": BOUNDED}], ids=["out", "qkv"]
)
def test_attention_with_scales_of_tokens(options: dict[str, Any]) -> None:
    inputs, tensor = start(3)
    settings = AttentionSettings(key_units=2, value_units=2, code_bits=3, weight_bits=2, **options)
    model = randomize(tf.keras.Model(inputs, bit_attention(tensor, 2, settings)))
    graph = assert_bits(model, 3, 79)
    assert {node.copies for node in graph.nodes if isinstance(node, ShiftDown)} == {3}


# --- what has no exact integers ------------------------------------------------------------------


def test_a_mean_beyond_float32_is_refused() -> None:
    """Terms on one grid are as wide as the exponents reach, and Keras' float32 rounds their sum."""
    inputs, tensor = start(4)
    for k in range(4):
        tensor = BitLinear(32, input_quantizer=DynamicQuantizer(8), use_bias=False, name=f"each_{k}")(tensor)
    model = randomize(tf.keras.Model(inputs, layers.GlobalAveragePooling1D(name="mean")(tensor)))
    with pytest.raises(BittriggerError, match=r"layer 'mean': output \d+ can need \d+ bits"):
        lowered(stock_layers(model))


# --- firmware ------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", [1, 4])
def test_a_set_converts_simulates_and_is_proven(tmp_path: Path, interval: int) -> None:
    deep_sets(4, second=BOUNDED, bias=True).save(tmp_path / "net.h5")
    convert(tmp_path / "net.h5", tmp_path / "build", Settings(ii=interval, effort="fast"), synthesize=False)
    build = load_build(tmp_path / "build")
    assert {"magnitude", "shift_down", "shift_up"} <= {module.kind for module in build.pipeline.modules}
    assert any(module.is_folded for module in build.pipeline.modules) == (interval > 1)
    codes = np.concatenate([corner_codes(build.graph), random_codes(build.graph, 60, 1)])
    executors = ("csim", "emulator", "rtl-fast")
    outcomes = run_executors(build, executors, codes)
    assert [(o.executor, o.error, o.not_run) for o in outcomes] == [
        (name, None, None) for name in ("oracle", *executors)
    ]
    prove(build, netlist=False).raise_unless_proven()
