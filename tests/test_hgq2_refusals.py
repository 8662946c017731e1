"""What files of HGQ2 are refused for, by name, before anything of a size that they claim is made."""

from __future__ import annotations

import numpy as np
import pytest
from hgq2_kept import LINFORMER, RECURRENT, spoiled
from hostile_models import of_class

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file.read import load_model

pytestmark = pytest.mark.filterwarnings("ignore")

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
