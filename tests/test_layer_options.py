"""Every option of every layer that converts is followed or refused by name; none is silently ignored."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from keras_models import QActivation, dense, layers, lowered, tf

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.attributes import (
    ALLOWED_LAYERS,
    AT_OUTPUT,
    BIT_ACTIVATION,
    BIT_TABLE,
    HGQ,
    INERT,
    OPERATORS,
    RECURRENT,
    SEPARABLE,
    TRANSPOSED,
)
from bittrigger.frontend.keras_layers.options import OPTIONS, check_options

pytestmark = pytest.mark.filterwarnings("ignore")

ARGUMENTS = {
    "InputLayer": ((3,),),
    **dict.fromkeys(("Dense", "QDense"), (3,)),
    **dict.fromkeys(("Conv1D", "QConv1D", "Conv2D", "QConv2D"), (3, 1)),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D", "QDepthwiseConv2D", "QDepthwiseConv2DBatchnorm"), (1,)),
    **dict.fromkeys((*SEPARABLE, *TRANSPOSED, "Conv3D", "QConv2DBatchnorm"), (2, 1)),
    **dict.fromkeys(INERT, (0.1,)),
    "FixedPointQuantizer": ((1, 3),),
    "UnaryLUT": ((1, 1, 2), (1, 1, 2)),
    "ChannelLUT": (4, 3),
    "Dot": (1,),
    "EinsumDense": ("ab,bc->ac", 3),
    "Embedding": (4, 2),
    **dict.fromkeys(RECURRENT, (3,)),
    "Rescaling": (0.5,),
    "QAdaptiveActivation": ("quantized_bits", 4),
    "Activation": ("relu",),
    "QActivation": ("quantized_bits(4)",),
    "Reshape": ((3, 1),),
    "Dropout": (0.5,),
    "Permute": ((2, 1),),
    "RepeatVector": (2,),
}


def made(name):
    if name == BIT_ACTIVATION:
        from bittrigger.layers import BitActivation

        return BitActivation(8)
    if name == BIT_TABLE:
        from bittrigger.layers import BitTable, StaticQuantizer

        return BitTable("decay", 4, StaticQuantizer(bits=4, signed=False))
    if name in OPERATORS:
        return SimpleNamespace(
            get_config=lambda: {"name": "a", "trainable": True, "dtype": "float32", "function": "math.add"}
        )
    if name in HGQ:
        from bittrigger.frontend.keras_model.hgq import hgq_layers

        return hgq_layers()[name](*ARGUMENTS[name])
    import qkeras

    return (getattr(layers, name, None) or getattr(qkeras, name))(*ARGUMENTS.get(name, ()))


def test_each_layer_that_converts_has_a_list_of_options():
    assert set(OPTIONS) == {*ALLOWED_LAYERS, *AT_OUTPUT, BIT_ACTIVATION, BIT_TABLE}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_defaults_of_every_layer_pass_and_what_is_not_listed_does_not(name):
    config = json.loads(json.dumps(made(name).get_config(), default=str))
    check_options("a", name, config)
    with pytest.raises(UnsupportedModelError, match=rf"layer 'a': option speed=1 of {name} is not known; allowed are"):
        check_options("a", name, config | {"speed": 1})


@pytest.mark.parametrize(
    ("layer", "match"),
    [
        (lambda: layers.Masking(1.0, name="a"), "Masking with mask_value=1.0; allowed is 0.0"),
        (lambda: layers.Softmax(axis=1, name="a"), "Softmax with axis=1; allowed is -1"),
    ],
)
def test_an_option_that_is_not_followed_is_refused(layer, match):
    port = tf.keras.Input((4, 3), name="x")
    tensor = layer()(QActivation("quantized_bits(6,2,alpha=1)", name="q")(port))
    with pytest.raises(UnsupportedModelError, match=f"layer 'a': {match}"):
        lowered(tf.keras.Model(port, tensor), logits=True)


def test_an_input_of_open_length():
    port = tf.keras.Input((None, 8), name="x")
    tensor = layers.GlobalAveragePooling1D()(dense()(QActivation("quantized_bits(6,2,alpha=1)", name="q")(port)))
    with pytest.raises(UnsupportedModelError, match=r"input 'x': its shape \(None, 8\) has an open length"):
        lowered(tf.keras.Model(port, tensor))


@pytest.mark.parametrize("what", ["input", "output"])
def test_dictionaries(what):
    port = tf.keras.Input((4,), name="x")
    tensor = dense()(QActivation("quantized_bits(6,2,alpha=1)", name="q")(port))
    ends = {"input": ({"x": port}, tensor), "output": (port, {"y": tensor})}[what]
    with pytest.raises(
        UnsupportedModelError, match=rf"its {what}s are a dictionary of [xy], and hls4ml keeps no such names"
    ):
        lowered(tf.keras.Model(*ends))


def test_a_model_of_keras_3():
    """Its tensors do not know the layer that they come from."""
    from bittrigger.frontend.keras_model.check import check_model

    class Functional:
        name, built, layers, outputs = "net", True, ["a layer"], [SimpleNamespace(shape=(None, 3))]

        def to_json(self):
            return "{}"

    with pytest.raises(UnsupportedModelError, match="model 'net': it is one of Keras 3; allowed are models of Keras 2"):
        check_model(Functional())
