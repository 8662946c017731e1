"""Files of Keras 3 with QKeras v3: read by our own reader, every bit of what their own framework predicted."""

from __future__ import annotations

import json
from pathlib import Path

import hostile_models as hostile
import numpy as np
import pytest
from keras_models import lowered

from bittrigger.compile.agreement import check_agreement
from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.ir.basis import Grade
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import evaluate, output_fracs
from bittrigger.ir.ports import encode_events

pytestmark = pytest.mark.filterwarnings("ignore")

SAMPLE = Path(__file__).parent / "keras_3" / "sample.keras"
"""Of ``qkeras3_models.py``: folded and quantised normalisations, models within, shared layers, an operator, a recurrent layer."""


def spoiled(tmp_path, change=hostile.unchanged, weights=hostile.unchanged, **members):
    """The sample with another configuration and other weights."""
    return hostile.spoiled(SAMPLE, tmp_path / "model.keras", change, weights, **members)


def layer(config, name):
    return next(entry for entry in config["config"]["layers"] if entry["config"]["name"] == name)


def test_every_bit_of_what_qkeras_v3_predicted():
    model = load_model(SAMPLE)
    events = np.load(SAMPLE.with_suffix(".npz"))
    graph = lowered(model)
    assert graph.basis.grade is Grade.EXACT
    found = decode(evaluate(graph, encode_events(graph, events["x"].astype(np.float64))), output_fracs(graph))
    assert (found == events["y"]).all()
    check_agreement(model, graph)


def entry_of(entry, where, **changes):
    layer(entry, where).update(changes)


def setting_of(entry, where, **changes):
    layer(entry, where)["config"].update(changes)


def quantiser_of(config, **changes):
    layer(config, "low")["config"]["activation"]["config"].update(changes)


def call_of(config, **changes):
    layer(config, "low")["inbound_nodes"][0].update(changes)


def masked(config, name, *, within=False):
    """A layer with a mask of its own, which no Masking makes; or a model that hands one to a layer within it."""
    mask = {"class_name": "__keras_tensor__", "config": {"keras_history": ["any", 0, 0]}}
    layer(config, name)["inbound_nodes"][0]["kwargs"]["mask"] = mask
    if within:
        layer(config, name)["config"]["layers"].append(
            {"class_name": "Softmax", "module": "keras.layers", "config": {"name": "ends"}}
        )


def nested(config):
    for _ in range(60):
        config = {**config, "config": {**config["config"], "layers": [{**config, "inbound_nodes": []}]}}
    return config


HARD = {"class_name": "function", "module": "builtins", "config": "hard_sigmoid", "registered_name": "function"}
AUTO = {"bits": 4, "alpha": "auto"}
HGQ2 = {"module": "hgq.layers", "registered_name": "hgq>QDense"}
THIEF = {"class_name": "x", "module": "os", "config": {}}
LINEAR = {"class_name": "quantized_linear", "module": "qkeras.quantizers", "registered_name": "qkeras>quantized_linear"}
REFUSED = [
    (lambda c: entry_of(c, "low", module="os"), "layer 'low': class 'QActivation' of module 'os'"),
    (lambda c: entry_of(c, "low", registered_name="mine>QActivation"), "registered as 'mine>QActivation'"),
    (lambda c: entry_of(c, "o", **HGQ2), "registered as 'hgq>QDense'; allowed are .* of either QKeras v3 or HGQ2"),
    (lambda c: entry_of(c, "flatten", class_name="Lambda"), "class 'Lambda' is not allowed"),
    (lambda c: entry_of(c, "flatten", class_name="Conv9D"), "class 'Conv9D' is not allowed"),
    (lambda c: entry_of(c, "flatten", class_name=["Flatten"]), "not allowed"),
    (lambda c: entry_of(c, "low", config=None), "a layer is"),
    (lambda c: setting_of(c, "low", dtype={"class_name": "Quantized", "config": {}}), "its dtype is"),
    (lambda c: setting_of(c, "low", name="../x"), "name '../x'|reads 'low'"),
    (lambda c: setting_of(c, "o", quantization_config={"mode": "int8"}), "QDense with quantization_config"),
    (lambda c: setting_of(c, "o", kernel_quantizer=THIEF), "quantiser 'x' of module 'os'"),
    (lambda c: setting_of(c, "o", activation=HARD), "another one than that of QKeras; .* quantized_sigmoid"),
    (lambda c: setting_of(c, "o", activation="os.system"), "'os.system' is not allowed"),
    (lambda c: setting_of(c, "o", units=1 << 40), "weights"),
    (lambda c: setting_of(c, "folded", axis=1), "QConv2DBatchnorm with axis"),
    (lambda c: setting_of(c, "folded", mask=[[1.0]]), "QConv2DBatchnorm with mask"),
    (lambda c: setting_of(c, "normalised", gamma_quantizer={"class_name": "os", "config": {}}), "quantiser 'os'"),
    (lambda c: setting_of(c, "normalised", gamma_quantizer="__import__('os')"), "is not allowed"),
    (lambda c: quantiser_of(c, post_training_scale=[1.0]), "quantized_bits with post_training_scale"),
    (lambda c: quantiser_of(c, integer=-1), "quantized_.* with integer=-1; allowed are 0 and more, as QKeras 0.9"),
    (lambda c: quantiser_of(c, bits=1e9), "quantized_bits has the bits"),
    (lambda c: setting_of(c, "low", activation={**LINEAR, "config": AUTO}), "quantized_linear with bits=4"),
    (lambda c: call_of(c, args=[1.5]), "called with 1.5"),
    (lambda c: call_of(c, args=7), "a call of it is"),
    (lambda c: call_of(c, kwargs={"training": True}), "called with training"),
    (lambda c: masked(c, "qlstm"), "layer 'qlstm': QLSTM leaves out the steps that a mask marks"),
    (lambda c: masked(c, "inner", within=True), "layer 'inner': Sequential leaves out the steps that a mask marks"),
    (lambda c: entry_of(c, "low", inbound_nodes=[7]), "a call of it is 7"),
    (lambda c: entry_of(c, "add", class_name="Matmul"), "operator Matmul of keras.ops"),
    (lambda c: {**c, "class_name": "Thief"}, "it holds a 'Thief'"),
    (lambda c: {**c, "config": [c["config"]]}, "it holds a|describes no model"),
    (nested, "deeper than 40|layers"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "match"), REFUSED)
def test_what_has_no_meaning_here_is_refused_by_name(change, match, tmp_path):
    with pytest.raises(UnsupportedModelError, match=match):
        load_model(spoiled(tmp_path, change))


def test_a_gelu_of_a_layer_stays_with_it(tmp_path):
    plain, made = (load_model(spoiled(tmp_path, change)).get_layer("o") for change in (hostile.unchanged, gelu_of_o))
    assert type(made) is type(plain)
    assert made.activation.__name__ == "keras_3_gelu"
    assert all(np.array_equal(one, other) for one, other in zip(made.get_weights(), plain.get_weights(), strict=True))


def gelu_of_o(config):
    setting_of(config, "o", activation="gelu")


def without(file):
    del file["layers/q_dense/vars/1"]


def another(file):
    file["layers/thief/vars/0"] = np.zeros(3, np.float32)


def wider(file):
    del file["layers/q_dense/vars/1"]
    file["layers/q_dense/vars/1"] = np.zeros(7, np.float32)


def misnamed(file):
    file.move("layers/q_dense/vars/1", "layers/q_dense/vars/01")


def infinite(file):
    file["layers/q_dense/vars/1"][0] = np.inf


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (without, "shapes"),
        (another, "is no layer"),
        (wider, "shapes"),
        (misnamed, "weights called"),
        (infinite, "infinite"),
    ],
)
def test_weights_that_do_not_fit(weights, match, tmp_path):
    with pytest.raises(UnsupportedModelError, match=match):
        load_model(spoiled(tmp_path, weights=weights))


@pytest.mark.parametrize("make", [hostile.soft, hostile.external_link, hostile.virtual, hostile.compressed])
def test_arrays_elsewhere(make, tmp_path):
    def weights(file):
        del file["layers/q_dense/vars/0"]
        make(file["layers/q_dense/vars"], "0")

    with pytest.raises(UnsupportedModelError, match="Keras never writes|has weights of the shapes"):
        load_model(spoiled(tmp_path, weights=weights))


def test_no_code_is_run(tmp_path):
    """A Lambda, a pickled function and a class of a module of one's own, where Keras 3 itself would look them up."""
    target = tmp_path / "executed"
    for function in (
        "os.system",
        {"class_name": "__lambda__", "config": {"code": "x"}},
        {"module": "os", "class_name": "function", "config": "system"},
    ):
        path = spoiled(
            tmp_path,
            lambda c, f=function: entry_of(
                c, "flatten", class_name="Lambda", config={"name": "flatten", "function": f}
            ),
        )
        with pytest.raises(UnsupportedModelError, match="not allowed"):
            load_model(path)
    assert not target.exists()


def test_later_versions_are_refused(tmp_path):
    with pytest.raises(UnsupportedModelError, match=r"saved by Keras 4\.0\.0; allowed are .*Keras 2 and 3"):
        load_model(spoiled(tmp_path, **{"metadata.json": json.dumps({"keras_version": "4.0.0"})}))
