"""Tables of HGQ2's layers: those that float32 leaves open, and those that networks become."""

from __future__ import annotations

import numpy as np
import pytest
from hgq2_kept import SAMPLE, spoiled
from hostile_models import of_class
from keras_models import lowered

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file.hgq_2.networks import network
from bittrigger.frontend.keras_file.hgq_2.open_tables import say_open
from bittrigger.frontend.keras_file.hgq_2.parts import Part
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.ir.basis import Grade
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import evaluate, output_fracs
from bittrigger.ir.ports import encode_events

pytestmark = pytest.mark.filterwarnings("ignore")


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
