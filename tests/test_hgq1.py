"""Proxy models of HGQ: read without HGQ, every bit of what their own layers compute; of HGQ's too, where that is installed."""

import itertools

import numpy as np
import pytest
from keras_models import layers, lowered, tf

from bittrigger.compile.agreement import check_agreement
from bittrigger.errors import Float32RoundsError, UnsupportedModelError
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.frontend.keras_layers.hgq import OVERFLOWS, ROUNDINGS
from bittrigger.frontend.keras_model.hgq import hgq_layers
from bittrigger.ir.basis import Grade
from bittrigger.ir.fixed import FixedPoint, Overflow, Rounding, requantize

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow and Keras

Quantiser, Table = (hgq_layers()[name] for name in ("FixedPointQuantizer", "UnaryLUT"))


def quantiser(shape, seed, modes=("RND", "WRAP"), widest=6):
    """A quantiser with types of its own for each code, some of them without bits."""
    draw = np.random.default_rng(seed)
    layer = Quantiser(shape, *modes, name=f"q{seed}")
    bits = draw.integers(0, widest + 1, shape)
    signed = draw.integers(0, 2, shape) * (bits > 1)
    layer.set_weights([signed, bits, draw.integers(-1, 4, shape) * (bits > 0)])
    return layer


def weights(layer, seed):
    draw = np.random.default_rng(seed)
    layer.set_weights([np.round(draw.normal(0, 1, array.shape) * 8) / 8 for array in layer.get_weights()])


def dense(modes=("RND", "WRAP")):
    port = tf.keras.Input((5,), name="x")
    first, second = layers.Dense(4, activation="relu", name="d"), layers.Dense(3, name="e")
    x = quantiser((1, 4), 2, (modes[0], modes[1]))(first(quantiser((1, 5), 1, modes)(port)))
    model = tf.keras.Model(port, quantiser((1, 3), 3, ("TRN", modes[1]))(second(x)))
    for seed, layer in enumerate((first, second)):
        weights(layer, seed)
    return model


@pytest.mark.parametrize("modes", [("RND", "WRAP"), ("TRN", "SAT"), ("RND_CONV", "SAT_SYM"), ("TRN_ZERO", "WRAP")])
def test_dense_layers(modes):
    model = dense(modes)
    check_agreement(model, lowered(model))


def test_images_tables_and_sums():
    port = tf.keras.Input((4, 4, 1), name="x")
    conv, head = layers.Conv2D(2, 3, name="c"), layers.Dense(2, name="d")
    x = quantiser((1, 1, 1, 2), 5, ("TRN", "SAT"))(conv(quantiser((1, 4, 4, 1), 4, ("RND", "SAT"))(port)))
    inner = Quantiser((1, 1, 1, 1), "TRN", "SAT", name="t")
    inner.set_weights([np.full((1, 1, 1, 1), value) for value in (1, 6, 3)])
    table = Table((1, 2, 3), (1, 0, 6), name="table")
    table.set_weights([np.round(np.tanh(np.arange(64) / 9) * 64) / 64])
    x = layers.Flatten()(layers.Add()([table(inner(x)), inner(x)]))
    model = tf.keras.Model(port, quantiser((1, 2), 6, ("RND", "SAT"))(head(x)))
    weights(conv, 1)
    weights(head, 2)
    check_agreement(model, lowered(model))


@pytest.mark.parametrize(("rounding", "overflow"), list(itertools.product(ROUNDINGS, OVERFLOWS)))
def test_the_readers_quantise_as_ap_fixed(rounding, overflow):
    kind = FixedPoint(signed=True, width=5, frac=2)
    layer = Quantiser((1, 1), rounding, overflow)
    layer.set_weights([np.full((1, 1), value) for value in (1, 5, 3)])
    codes = np.arange(-300, 300)
    wanted = requantize(codes, 4, kind, Rounding[rounding], Overflow[overflow])
    found = np.asarray(layer(tf.constant(codes[:, None] / 16, tf.float32)))[:, 0] * 4
    assert (found == wanted).all()


@pytest.mark.parametrize("kind", [("RND", "SAT", 26), ("TRN", "WRAP", 16)])
def test_where_float32_rounds_the_definition_counts(kind):
    """Sums of 24 bits: what is added to them before they are cut, or wrapped, makes them even."""
    *modes, bits = kind
    port = tf.keras.Input((2,), name="x")
    ends = [Quantiser((1, 2), "RND", "SAT", name="first"), Quantiser((1, 1), *modes, name="last")]
    for layer, (sign, width) in zip(ends, ((0, 12), (1, bits)), strict=True):
        layer.set_weights([np.full(layer.own_shape, value) for value in (sign, width, width)])
    dense = layers.Dense(1, use_bias=False, name="d")
    model = tf.keras.Model(port, ends[1](dense(ends[0](port))))
    dense.set_weights([np.array([[4095.0], [1.0]])])
    with pytest.raises(
        Float32RoundsError, match=f"layer 'last': it makes ap_fixed<{bits},{bits}> of codes of up to 24 bits"
    ):
        lowered(model)
    graph = lowered(model, require="ideal")
    assert graph.basis.grade is Grade.IDEAL
    assert check_agreement(model, graph).float64.events == 0


def named_as_by_hgq(path):
    """The file with the names that HGQ's classes have there."""
    import h5py

    with h5py.File(path, "r+") as file:
        text = file.attrs["model_config"]
        for name in ("FixedPointQuantizer", "UnaryLUT"):
            text = text.replace(f'"class_name": "{name}"', f'"class_name": "HGQ>{name}"')
        file.attrs["model_config"] = text


def test_files(tmp_path):
    model = dense()
    for ending in ("h5", "keras"):
        path = tmp_path / f"model.{ending}"
        model.save(path)
        if ending == "h5":
            named_as_by_hgq(path)
        loaded = load_model(path)
        values = np.random.default_rng(1).normal(0, 3, (200, 5)).astype(np.float32)
        assert (np.asarray(loaded(values)) == np.asarray(model(values))).all()
        graph = lowered(loaded)
        assert "each of its values is rounded and limited to a type of its own" in graph.basis.chosen[0]
        check_agreement(loaded, graph)


def test_other_modes_are_refused():
    port = tf.keras.Input((3,), name="x")
    model = tf.keras.Model(port, layers.ReLU()(quantiser((1, 3), 1)(port)))
    model.get_layer("q1").SAT = "WRAP_SM"
    with pytest.raises(
        UnsupportedModelError, match="RND='RND' and SAT='WRAP_SM'; allowed are TRN, .* WRAP, SAT, SAT_SYM"
    ):
        lowered(model)


@pytest.mark.parametrize("overflow", ["WRAP", "SAT"])
def test_files_of_hgq_itself(tmp_path, overflow):
    """Run where HGQ is installed, as by ``make test-hgq1``."""
    hgq = pytest.importorskip("HGQ")
    from HGQ.layers import HActivation, HDense, HQuantize
    from HGQ.proxy import to_proxy_model

    port = tf.keras.Input((6,), name="x")
    model = tf.keras.Model(port, HDense(3)(HActivation("tanh")(HDense(5)(HQuantize()(port)))))
    draw = np.random.default_rng(2)
    for layer in model.layers:
        for name in ("kq", "paq"):
            if hasattr(layer, name):
                variable = getattr(layer, name).fbw
                variable.assign(draw.uniform(2, 6, variable.shape).astype(np.float32))
    values = draw.uniform(-4, 4, (1000, 6)).astype(np.float32)
    hgq.trace_minmax(model, values, cover_factor=1.0, bsz=1000)
    proxy = to_proxy_model(model, aggressive=overflow == "WRAP", unary_lut_max_table_size=4096)
    proxy.save(tmp_path / "model.h5")
    loaded = load_model(tmp_path / "model.h5")
    assert (np.asarray(loaded(values)) == np.asarray(proxy(values))).all()
    check_agreement(loaded, lowered(loaded))
