"""What a model file may name is checked wherever it stands: in models within, in wrappers, in operators and their arguments."""

from __future__ import annotations

import copy

import pytest
from keras_models import layer_of, layers, tf

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file.allowed import MAX_LAYERS, check_config

pytestmark = pytest.mark.filterwarnings("ignore")


def config_of(model):
    import json

    return json.loads(model.to_json())


def nested():
    inner = tf.keras.Sequential([tf.keras.Input((3,)), layers.Dense(2, name="d")], name="inner")
    port = tf.keras.Input((4, 3), name="x")
    return config_of(tf.keras.Model(port, layers.TimeDistributed(inner, name="each")(port) * 2.0))


def refused(config, match):
    with pytest.raises(UnsupportedModelError, match=match):
        check_config("m.h5", config)


def test_a_good_one():
    check_config("m.h5", nested())


def test_a_lambda_within_a_model_within_a_wrapper():
    config = nested()
    inner = layer_of(config, "each")["config"]["layer"]["config"]["layers"]
    inner.append({"class_name": "Lambda", "config": {"name": "evil", "function": "code"}})
    refused(config, "layer 'evil': class 'Lambda' is not allowed")


def test_an_operator_off_the_list():
    config = nested()
    config["config"]["layers"][-1]["config"]["function"] = "io.read_file"
    refused(config, "layer 'tf.math.multiply.*': operator 'io.read_file' of TensorFlow is not allowed")


@pytest.mark.parametrize("place", ["kernel_initializer", "kernel_constraint", "activation"])
def test_an_operator_as_an_argument(place):
    config = nested()
    dense = layer_of(config, "each")["config"]["layer"]["config"]["layers"][-1]
    dense["config"][place] = {"class_name": "TFOpLambda", "config": {"name": "o", "function": "io.write_file"}}
    refused(config, "operator 'io.write_file' of TensorFlow is not allowed")


def test_an_operator_with_more_than_its_name():
    config = nested()
    config["config"]["layers"][-1]["config"]["module"] = "os"
    refused(config, "operator 'math.multiply' of TensorFlow is not allowed")


def test_a_wrapper_around_nothing_and_around_a_class_that_is_not_allowed():
    config = nested()
    layer_of(config, "each")["config"]["layer"] = None
    refused(config, "a layer is 'None'")
    config = nested()
    layer_of(config, "each")["config"]["layer"] = {"class_name": "Popen", "config": {"name": "p"}}
    refused(config, "layer 'p': class 'Popen' is not allowed")


def test_a_pruning_schedule_that_is_none():
    config = nested()
    wrapper = layer_of(config, "each")
    wrapper["class_name"] = "PruneLowMagnitude"
    wrapper["config"]["pruning_schedule"] = {"class_name": "system", "config": {}}
    refused(config, "class 'system' is not allowed")


def test_models_within_models_without_end():
    config = nested()
    model = copy.deepcopy(layer_of(config, "each")["config"]["layer"])
    for _ in range(60):
        model = {"class_name": "Sequential", "config": {"name": "deeper", "layers": [model]}}
    layer_of(config, "each")["config"]["layer"] = model
    refused(config, "nested deeper than 40")


def test_too_many_layers_in_all():
    config = nested()
    inner = layer_of(config, "each")["config"]["layer"]["config"]["layers"]
    inner += [copy.deepcopy(inner[-1]) for _ in range(MAX_LAYERS - 4)]
    refused(config, "layers, those of models within included; allowed are 1 to 400")
