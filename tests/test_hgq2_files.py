"""Files of HGQ2 as its own Keras 3 predicts them: one kept beside the tests, and those of `make test-hgq2`, on every bit."""

from __future__ import annotations

import json
import os
from pathlib import Path

import hostile_models as hostile
import numpy as np
import pytest
from hostile_models import of_class
from keras_models import lowered
from predicted import check_every_bit

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file.hgq_2.networks import network
from bittrigger.frontend.keras_file.hgq_2.open_tables import say_open
from bittrigger.frontend.keras_file.hgq_2.parts import Part
from bittrigger.frontend.keras_file.hgq_2.types import rounded
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.frontend.keras_model.reference import keras_outputs
from bittrigger.ir.basis import Grade
from bittrigger.ir.fixed import FixedPoint, Overflow, Rounding, decode, requantize
from bittrigger.ir.graph import evaluate, output_fracs
from bittrigger.ir.ports import encode_events

pytestmark = pytest.mark.filterwarnings("ignore")

KEPT = Path(__file__).parent / "keras_3"
SAMPLE = KEPT / "hgq2.keras"
FOLDER = Path(os.environ.get("HGQ2_MODELS", "nowhere"))
"""Where ``hgq2_models.py`` has written its models, with the Python of an environment that has HGQ2."""

LINFORMER = KEPT / "hgq2_linformer.keras"
CROSSED = KEPT / "hgq2_crossed.keras"
RECURRENT = KEPT / "hgq2_recurrent.keras"
FILES = [SAMPLE, LINFORMER, CROSSED, RECURRENT, *sorted(FOLDER.glob("*.keras"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_bit_of_keras_3(path):
    check_every_bit(path, left_open="tabulated" in path.stem)


def test_modes_may_be_written_in_small_letters(tmp_path):
    """As CMS' configurations have them."""

    def small(layers):
        text = json.dumps(layers)
        for mode in ("WRAP", "SAT_SYM", "RND"):
            text = text.replace(f'"{mode}"', f'"{mode.lower()}"')
        layers[:] = json.loads(text)

    events = np.load(SAMPLE.with_suffix(".npz"))
    found = keras_outputs(load_model(spoiled(tmp_path, small)), events["x"])
    assert (found.astype(np.float32) == events["y"]).all()


@pytest.mark.parametrize("mode", list(Rounding))
def test_weights_round_as_ap_fixed(mode):
    codes = np.arange(-100, 100)
    wide = FixedPoint(signed=True, width=16, frac=0)
    wanted = requantize(codes, 3, wide, mode, Overflow.SAT)
    assert (rounded((codes / 8).astype(np.float32), mode.name) == wanted).all()


def spoiled(tmp_path, change=hostile.unchanged, weights=hostile.unchanged, source=SAMPLE):
    return hostile.spoiled_layers(source, tmp_path / "model.keras", change, weights)


UNREAD = {"class_name": "QLIF", "registered_name": "hgq>QLIF"}


def quantiser(layers, **changes):
    of_class(layers, "QDense")["config"]["iq_conf"]["config"].update(changes)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: of_class(s, "QSum").update(UNREAD), r"is not read; .*\.write\(\) in Python, then `bittrigger import"),
        (lambda s: quantiser(s, round_mode="MINE"), "MINE and .*; allowed are TRN"),
        (lambda s: quantiser(s, overflow_mode="WRAP_SM"), "WRAP_SM; allowed are"),
        (lambda s: quantiser(s, q_type="float"), "allowed are q_type 'kif' and 'kbi'"),
        (lambda s: quantiser(s, scaler=2.0), "scaler"),
        (lambda s: of_class(s, "QSum")["config"].update(axes=[0]), "over the axes"),
        (lambda s: of_class(s, "QSum").update(build_config=None), "over the axes"),
        (lambda s: of_class(s, "QSum")["config"].update(scale=0.3), "QSum with scale=0.3; allowed are powers of two"),
        (lambda s: of_class(s, "QSum")["config"].update(scale=[1]), "settings and arrays do not fit"),
        (lambda s: of_class(s, "QBatchNormalization")["config"].update(epsilon="x"), "settings and arrays do not fit"),
        (lambda s: of_class(s, "QAdd")["config"].update(iq_confs=7), "iq_confs=7"),
        (lambda s: of_class(s, "QEinsumDenseBatchnorm")["config"].update(equation="x"), "normalised along"),
        (lambda s: of_class(s, "QDense").update(held=[[1.0]]), "."),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_by_name(change, match, tmp_path):
    path = spoiled(tmp_path, change)
    if match == ".":
        load_model(path)  # what only looks like arrays that are held is not looked at
        return
    with pytest.raises(UnsupportedModelError, match=match):
        load_model(path)


ATTENTION = "QLinformerAttention"


def setting(**changes):
    return lambda layers: of_class(layers, ATTENTION)["config"].update(changes)


def called(**changes):
    return lambda layers: of_class(layers, ATTENTION)["inbound_nodes"][0]["kwargs"].update(changes)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (setting(fuse="all"), "with fuse=all; allowed is none"),
        (setting(lin_kv_proj_mode="dense_t"), "lin_kv_proj_mode=dense_t; allowed is dense"),
        (setting(attention_axes=[1, 2]), "attention_axes"),
        (setting(sliding_window=3), "sliding_window"),
        (setting(enable_oq=True), "enable_oq=True; allowed is False"),
        (setting(num_heads=2**31), "a size is 2147483648"),
        (setting(num_heads=60000), "asks? for"),
        (setting(key_dim=float("nan")), "a size is nan"),
        (setting(key_dim=True), "a size is True"),
        (setting(lin_kv_proj_dim=[2, 2]), "do not fit"),
        (setting(lin_kv_proj_dim=[5]), "asks? for"),
        (setting(output_shape=[2, 2]), "output_shape"),
        (setting(output_shape=[1000]), "asks? for"),
        (setting(qkvo_iq_conf=None), "allowed are q_type"),
        (setting(softmax_exp_iq_conf=7), "allowed are q_type"),
        (setting(stable_softmax=False), "stable=False and no quantiser before it"),
        (called(use_causal_mask=True), "called with use_causal_mask"),
        (called(attention_mask={"class_name": "__keras_tensor__"}), "called with attention_mask"),
        (lambda s: of_class(s, ATTENTION).update(build_config=None), "a tensor has the shape"),
        (lambda s: of_class(s, ATTENTION).update(build_config={"shapes_dict": {"query_shape": [None, 2**31, 4]}}), "."),
        (lambda s: of_class(s, ATTENTION).update(inbound_nodes=[]), "called with"),
        (lambda s: of_class(s, ATTENTION).update(inbound_nodes=None), "Sequential"),
        (lambda s: of_class(s, "QAdd").update(class_name="Masking"), "a mask marks"),
    ],
)  # fmt: skip
def test_attention_that_is_not_read_is_refused_by_name(change, match, tmp_path):
    with pytest.raises(UnsupportedModelError, match=match):
        load_model(spoiled(tmp_path, change, source=LINFORMER))


def bits_of(place, value):
    def change(file):
        file[f"layers/q_linformer_attention/{place}/quantizer/vars/0"][...] = value

    return change


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (bits_of("_softmax/exp_table/iq", 24), "codes of .* bits; allowed are 16"),
        (bits_of("_softmax/inv_table/iq", 2.0**31), "more than 64 bits"),
        (bits_of("_softmax/inv_table/oq", np.nan), "more than 64 bits"),
        (bits_of("_softmax/exp_table/oq", 40), "leaves open to which step .* entries"),
    ],
)
def test_tables_that_float32_cannot_hold(weights, match, tmp_path):
    with pytest.raises(UnsupportedModelError, match=match):
        load_model(spoiled(tmp_path, weights=weights, source=LINFORMER))


@pytest.mark.parametrize("size", [2**31, 70000, True, None])
def test_a_kernel_of_another_size_than_the_file_holds(size, tmp_path):
    """Before anything of that size is made."""

    def change(layers):
        of_class(layers, "QEinsumDenseBatchnorm")["config"]["output_shape"] = [4, size]
        of_class(layers, "QDense")["config"]["units"] = size

    with pytest.raises(UnsupportedModelError, match="its kernel has the shape"):
        load_model(spoiled(tmp_path, change))


def wide(file):
    file["layers/q_dense/iq/quantizer/vars/0"][...] = 1000


def nan(file):
    file["layers/q_dense/iq/quantizer/vars/0"][...] = np.nan


def infinite(file):
    file["layers/q_dense/vars/0"][...] = np.inf


def longer(file):
    del file["layers/q_einsum_dense_batchnorm/vars/2"]
    file["layers/q_einsum_dense_batchnorm/vars/2"] = np.ones(7, np.float32)


def without(file):
    del file["layers/q_dense/kq/quantizer/vars/0"]


def another(file):
    del file["layers/q_dense/kq/quantizer/vars/0"]
    file["layers/q_dense/kq/quantizer/vars/0"] = np.zeros((3, 3, 3), np.float32)


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (wide, "more than 64 bits"),
        (nan, "more than 64 bits"),
        (infinite, "finite float32"),
        (longer, "settings and arrays do not fit"),
        (without, "weights called"),
        (another, "3 of one shape"),
    ],
)
def test_types_and_weights_that_do_not_fit(weights, match, tmp_path):
    with pytest.raises(UnsupportedModelError, match=match):
        load_model(spoiled(tmp_path, weights=weights))


def test_a_quantiser_of_weights_before_values_is_refused(tmp_path):
    """At inference it limits no value, which a type cannot say."""

    def swapped(file):
        arrays = file["layers/q_dense/iq/quantizer/vars"]
        arrays.move("1", "integers")
        arrays.move("2", "1")
        arrays.move("integers", "2")

    path = spoiled(tmp_path, lambda s: quantiser(s, overflow_mode="WRAP", is_weight=True, trainable=True), swapped)
    with pytest.raises(UnsupportedModelError, match="'q_dense_3': a quantiser of weights, which limits nothing"):
        load_model(path)


def test_layers_that_are_counted_by_name_stand_beside_the_parts_of_another(tmp_path):
    """The second of two layers that name themselves is called as a part of the first could be."""

    def renamed(layers):
        layers[:] = json.loads(json.dumps(layers).replace('"q_sum_3"', '"q_dense_3_1"'))

    events = np.load(SAMPLE.with_suffix(".npz"))
    found = keras_outputs(load_model(spoiled(tmp_path, renamed)), events["x"])
    assert (found.astype(np.float32) == events["y"]).all()


def spoken(rounding, activation, *affine):
    """What the report tells of a table between one type for six bits and one for eight."""
    part = Part(
        "file", {"class_name": "QUnaryFunctionLUT", "config": {"name": "table", "activation": activation}}, "", {}
    )
    front, back = ({"RND": mode, "SAT": "SAT"} for mode in ("RND", rounding))
    types = [np.array([[value]]) for value in (1, 6, 4)], [np.array([[value]]) for value in (1, 8, 2)]
    say_open(part, ("FixedPointQuantizer", front, types[0]), ("FixedPointQuantizer", back, types[1]), *affine)
    return part.said


def test_entries_that_the_last_bit_of_float32_decides_are_told():
    """The largest results of a tanh are 1 in one program and the number below in another, which cuts off to another step."""
    assert spoken("RND", "tanh") == []
    assert spoken("TRN", "relu") == []
    (said,) = spoken("TRN", "tanh", {"scale": 2.0, "offset": 0.0})
    assert said.startswith("layer 'table': ")
    assert (
        "entries of its tables of tanh lie so near to a step that the last bit of float32 decides; they are those of"
        in said
    )


def one_table(rounding):
    """The last layer as a tanh between one type for nine bits, up to 32, and one for eight, of which 1 is a code."""

    def settings(layers):
        layer = of_class(layers, "QDense")
        config = layer["config"]
        kept = {
            key: config[key] for key in ("name", "trainable", "dtype", "enable_iq", "enable_oq", "iq_conf", "oq_conf")
        }
        layer.update(class_name="QUnaryFunctionLUT", registered_name="hgq>QUnaryFunctionLUT", module="hgq.layers")
        layer["config"] = {**kept, "activation": "tanh"}
        for which, mode in (("iq_conf", "RND"), ("oq_conf", rounding)):
            kept[which]["config"].update(q_type="kif", round_mode=mode, overflow_mode="SAT")

    def arrays(file):
        old = file["layers/q_dense"]
        made = file.create_group("layers/q_unary_function_lut")
        for which, integers, fractions in (("iq", 5.0, 3.0), ("oq", 1.0, 6.0)):
            group = made.create_group(f"{which}/quantizer/vars")
            for key, value in (("0", integers), ("1", fractions), ("2", 1.0)):
                like = old[f"{which}/quantizer/vars/{key}"]
                group[key] = np.full((1, 1), value, like.dtype)
        del file["layers/q_dense"]

    return settings, arrays


def test_tables_that_float32_leaves_open_are_those_of_the_definition(tmp_path):
    """A tanh never reaches 1, and float32 says that it does."""
    path = spoiled(tmp_path, *one_table("TRN"))
    model = load_model(path)
    graph = lowered(model, require="ideal")
    assert graph.basis.grade is Grade.IDEAL
    events = np.load(SAMPLE.with_suffix(".npz"))["x"].astype(np.float64)
    assert decode(evaluate(graph, encode_events(graph, events)), output_fracs(graph)).max() == 63 / 64
    with pytest.raises(UnsupportedModelError, match="float32 leaves open to which step entries of its tables of tanh"):
        lowered(model, require="exact")


def test_tables_that_float32_decides_are_exact(tmp_path):
    assert lowered(load_model(spoiled(tmp_path, *one_table("RND"))), require="exact").basis.grade is Grade.EXACT


def tabulated(**changes):
    """A QDenseT from three values to two results, whose networks are a tanh between two factors."""
    draw = np.random.default_rng(0).normal
    config = {"name": "t", "n_out": 2, "n_hl": 1, "subnn_activation": "tanh", "activation": "relu", "use_bias": False}
    kinds = {
        name: {"config": {"q_type": "kif", "round_mode": "RND", "overflow_mode": "SAT"}}
        for name in ("iq_conf", "toq_conf")
    }
    config |= {**kinds, "enable_iq": True, **changes}
    calls = [{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}], "kwargs": {}}]
    types = {"0": np.ones((1, 3, 2)), "1": np.full((1, 3, 2), 4.0), "2": np.ones((1, 3, 2))}
    weights = {
        "t/iq/quantizer/vars": {key: value.astype("u1" if key == "2" else "f4") for key, value in types.items()},
        "t/toq/quantizer/vars": {
            key: value[:, :1, :1].astype("u1" if key == "2" else "f4") for key, value in types.items()
        },
        "t/module/layers/einsum_dense/vars": {"0": draw(size=(3, 2, 1, 4)).astype("f4")},
        "t/module/layers/einsum_dense_1/vars": {"0": draw(size=(3, 2, 4)).astype("f4")},
    }
    entry = {
        "class_name": "QDenseT",
        "config": config,
        "build_config": {"input_shape": [None, 3]},
        "inbound_nodes": calls,
    }
    return Part("file", entry, "t/", weights), weights


def test_networks_become_the_tables_of_their_codes():
    part, weights = tabulated()
    kernels = [weights[f"t/module/layers/einsum_dense{end}/vars"]["0"].astype(float) for end in ("", "_1")]
    layers = network(part)
    assert [layer["class_name"] for layer in layers] == [
        *("Reshape", "TFOpLambda", "FixedPointQuantizer", "Rescaling", "ChannelLUT", "TFOpLambda", "Activation")
    ]
    (table,) = layers[4]["held"].arrays
    codes = np.arange(-32, 32) / 16
    hidden = np.tanh(codes[:, None, None, None] * kernels[0][:, :, 0])
    wanted = np.clip(np.floor((hidden * kernels[1]).sum(-1) * 16 + 0.5), -32, 31) / 16
    assert np.array_equal(table, wanted.reshape(64, 6))
    assert not any(weights.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subnn_activation": "softmax"}, "networks with 'softmax'; allowed are relu, linear, tanh"),
        ({"enable_iq": False}, "nothing quantises its operand"),
        ({"n_out": 5}, "types of the shape .1, 3, 2. for .3, 5."),
    ],
)
def test_networks_that_are_no_tables_are_refused(changes, message):
    with pytest.raises(UnsupportedModelError, match=message):
        network(tabulated(**changes)[0])


def test_networks_of_too_many_codes_are_refused():
    part, weights = tabulated()
    weights["t/iq/quantizer/vars"]["1"] = np.full((1, 3, 2), 14.0, np.float32)
    with pytest.raises(
        UnsupportedModelError, match="tables of 6 networks with 65536 codes each; allowed are 4,096 codes"
    ):
        network(part)


def of_gru(**changes):
    return lambda layers: of_class(layers, "QGRU")["config"].update(changes)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (of_gru(return_state=True), "QGRU with return_state=True; allowed is False"),
        (of_gru(stateful=True), "QGRU with stateful=True; allowed is False"),
        (of_gru(activation="tanh"), "QGRU with activation=tanh; allowed are linear, relu"),
        (of_gru(recurrent_activation=["x"]), "QGRU with recurrent_activation=.*; allowed are linear, relu"),
        (of_gru(units=2**31), "its settings ask for 2147483648"),
        (of_gru(units=None), "its settings ask for None"),
        (of_gru(use_bias=False), "has 3 arrays, expected 2"),
        (of_gru(paq_conf=None), "allowed are q_type"),
        (of_gru(praq_conf=7), "allowed are q_type"),
        (lambda s: of_class(s, "QGRU").update(build_config=None), "of sequences"),
        (lambda s: of_class(s, "QGRU").update(build_config={"input_shape": [None, 257, 3]}), "257 steps, each of which"),
        (lambda s: of_class(s, "QGRU").update(inbound_nodes=None), "Sequential"),
    ],
)  # fmt: skip
def test_recurrent_layers_that_are_not_read_are_refused_by_name(change, match, tmp_path):
    with pytest.raises(UnsupportedModelError, match=match):
        load_model(spoiled(tmp_path, change, source=RECURRENT))


def test_an_input_that_several_quantisers_read_is_told_what_holds_all_their_types():
    """It was said that none reads it; of ``fixed<16,6>`` events in between are rounded twice."""
    (said,) = [text for text in lowered(load_model(RECURRENT)).basis.chosen if text.startswith("input")]
    assert "(2 quantisers with types of their own read it, which ap_fixed<" in said
    assert said.endswith(
        "would hold); it takes ap_fixed<16,6>, as in hls4ml; choose another type with --input-precision"
    )
