"""Projects that hls4ml writes, read back: every bit of their own C-simulation, with wrap, saturation and rounding of products."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest
from keras_models import layers, randomize, tf

from bittrigger.cli import cli
from bittrigger.compile.hls_csim import check_with_csim, project_codes
from bittrigger.errors import MismatchError, UnsupportedModelError
from bittrigger.frontend.hls4ml_project.lower import lower_project, output_ports
from bittrigger.frontend.hls4ml_project.project import read_project
from bittrigger.ir.graph import Linear, evaluate
from bittrigger.simulate.vectors import random_codes

pytestmark = pytest.mark.filterwarnings("ignore")  # of TensorFlow, Keras and QKeras

TYPES = """#ifndef DEFINES_H_
#define DEFINES_H_
#include "ap_fixed.h"
#include "ap_int.h"
#include "nnet_utils/nnet_types.h"
#include <cstdio>
#define N_INPUT_1 3
typedef ap_fixed<8,4> input_t;
typedef ap_fixed<{accumulator}> sum_t;
typedef ap_fixed<6,2> w_t;
typedef ap_fixed<9,5,AP_RND,AP_SAT,0> result_t;
#endif
"""
CONFIGS = """#include "nnet_utils/nnet_helpers.h"
#include "nnet_utils/nnet_activation.h"
#include "nnet_utils/nnet_dense.h"
#include "weights/w2.h"
#include "weights/b2.h"
struct config2 : nnet::dense_config {
    static const unsigned n_in = N_INPUT_1;
    static const unsigned n_out = 2;
    static const unsigned strategy = nnet::latency;
    static const unsigned reuse_factor = 1;
    static const unsigned n_zeros = 0;
    static const unsigned multiplier_limit = 6;
    typedef sum_t accum_t;
    typedef w_t bias_t;
    typedef w_t weight_t;
    template<class data_T, class res_T, class CONFIG_T>
    using kernel = nnet::DenseLatency<data_T, res_T, CONFIG_T>;
    template<class x_T, class y_T>
    using product = nnet::product::mult<x_T, y_T>;
};
"""
DENSE = "nnet::dense<input_t, result_t, config2>(x, y, w2, b2);"
TOP = """#include "top.h"
#include "parameters.h"
void top(input_t x[N_INPUT_1], result_t y[2]) {
    #pragma HLS PIPELINE
    nnet::dense<input_t, result_t, config2>(x, y, w2, b2); // dense
}
"""


def small_project(folder, *, accumulator="12,6", top=TOP, types=TYPES):
    """A project of one layer, 3 to 2, in ``folder``."""
    from bittrigger.simulate.executors.csim import ap_types_folder

    folder.mkdir(parents=True)
    (folder / "weights").mkdir()
    (folder / "defines.h").write_text(types.replace("{accumulator}", accumulator))
    (folder / "parameters.h").write_text(CONFIGS)
    (folder / "weights" / "w2.h").write_text("w_t w2[6] = {0.3125, -1.9375, 1.0, 0.0625, -2.0, 1.9375};\n")
    (folder / "weights" / "b2.h").write_text("w_t b2[2] = {0.125, -1.5};\n")
    (folder / "top.h").write_text('#include "defines.h"\nvoid top(input_t x[N_INPUT_1], result_t y[2]);\n')
    (folder / "top.cpp").write_text(top)
    shutil.copytree(ap_types_folder().parent / "nnet_utils", folder / "nnet_utils")
    return folder


def exact(folder, events=300):
    """The graph of a project, equal to the project's own C++."""
    project = read_project(folder)
    graph = lower_project(project)
    assert check_with_csim(project, graph, output_ports(project), events=events) > events
    return graph


def written(model, folder, precision="fixed<16,6>", strategy="Latency", *, bit_exact=None):
    """The project that hls4ml's backend for Vitis writes of a Keras model."""
    import hls4ml

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = hls4ml.utils.config_from_keras_model(
            model, granularity="name", backend="Vitis", default_precision=precision
        )
        for item in (config["Model"], *config["LayerName"].values()):
            item["Strategy"] = strategy
        hls4ml.converters.convert_from_keras_model(
            model, backend="Vitis", hls_config=config, output_dir=str(folder), project_name="top", bit_exact=bit_exact
        ).write()
    return folder


@pytest.mark.parametrize(
    "accumulator",
    [
        "12,6",
        "8,4",
        "7,3,AP_RND,AP_WRAP,0",
        "20,10",
        "9,5,AP_TRN,AP_SAT,0",
        "7,4,AP_RND_CONV,AP_SAT_SYM,0",
        "5,2,AP_RND_INF,AP_SAT",
    ],
)
def test_every_accumulator_gives_the_bits_of_its_own_cpp(tmp_path, accumulator):
    exact(small_project(tmp_path / "project", accumulator=accumulator))


def test_a_changed_weight_is_noticed(tmp_path):
    project = read_project(small_project(tmp_path / "project"))
    project.weights["w2"][0] = "0.25"
    with pytest.raises(
        MismatchError, match="the C-simulation of .* and the integers differ in .* events: first in event"
    ):
        check_with_csim(project, lower_project(project), ["y"], events=50)


def dense_model():
    x = inputs = layers.Input((6,))
    x = layers.Dense(5, name="first")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Activation("relu", name="relu")(x)
    left = layers.Dense(4, name="left")(x)
    right = layers.Dense(4, activation="tanh", name="right")(x)
    x = layers.Add(name="add")([left, right])
    x = layers.Subtract(name="subtract")([x, right])
    x = layers.Concatenate(name="both")([x, left])
    return tf.keras.Model(inputs, layers.Dense(2, activation="sigmoid", name="last")(x))


def window_model():
    x = inputs = layers.Input((6, 5, 2))
    x = layers.Conv2D(3, (2, 3), padding="same", strides=(2, 1), name="image", activation="relu")(x)
    x = layers.Reshape((15, 3), name="row")(x)
    x = layers.Conv1D(4, 3, padding="same", name="wide", activation="relu")(x)
    x = layers.Conv1D(3, 1, name="points")(x)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return tf.keras.Model(inputs, layers.Dense(2, name="last")(x))


@pytest.mark.parametrize("make", [dense_model, window_model])
@pytest.mark.parametrize(("precision", "strategy"), [("fixed<16,6>", "Latency"), ("fixed<9,4>", "Resource")])
def test_what_hls4ml_writes_is_read_back(tmp_path, make, precision, strategy):
    model = make()
    randomize(model, seed=3)
    exact(written(model, tmp_path / "project", precision, strategy))


def test_the_published_anomaly_trigger_is_equal_on_every_event(root, tmp_path):
    case = root.parent / "shared" / "cases" / "axol1tl_v4"
    if not case.is_dir():
        pytest.skip("the published model and events are not here")
    from bittrigger.frontend.keras_file.read import load_model

    folder = written(load_model(case / "model.h5"), tmp_path / "project", bit_exact=True)
    graph = lower_project(read_project(folder))
    events = np.load(case / "events.npz")
    assert np.array_equal(evaluate(graph, events["input_codes"].astype(np.int64)), events["output_codes"])


DISTRIBUTED = """
namespace da {
using nnet::bit_shift;
template <typename inp_t, typename out_t>
void dense_da_2(inp_t inp[3], out_t out[2]) {
    #pragma HLS INLINE
    ap_fixed<11, 6> v0 = bit_shift<-1>(inp[0]) + inp[1];
    ap_fixed<14, 7> v1 = -v0 - bit_shift<-3>(inp[2]);
    ap_fixed<15, 8> v2 = v1 + ap_ufixed<2, -1>(0.375);
    out[0] = v2;
    out[1] = v0;
}
}
"""


def distributed_project(folder, code=DISTRIBUTED):
    small_project(
        folder,
        top=TOP.replace(DENSE, "da::dense_da_2<input_t, result_t>(x, y);"),
    )
    header = folder / "nnet_utils" / "nnet_code_gen.h"
    header.write_text('#include "nnet_function_stubs.h"\n#include "ap_fixed.h"\n' + code)
    parameters = folder / "parameters.h"
    parameters.write_text(parameters.read_text() + '#include "nnet_utils/nnet_code_gen.h"\n')
    return folder


def test_adders_are_read_back_as_their_matrix(tmp_path):
    graph = exact(distributed_project(tmp_path / "project"))
    linear = next(node for node in graph.nodes if isinstance(node, Linear))
    assert (linear.weights * 2.0**4 / 2.0**linear.frac).tolist() == [[-0.5, 0.5], [-1.0, 1.0], [-0.125, 0.0]]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("ap_fixed<11, 6> v0", "ap_fixed<10, 6> v0", "its type rounds it"),
        ("ap_fixed<11, 6> v0", "ap_fixed<9, 4> v0", "its type cannot hold it"),
        ("-v0 - bit", "-v9 - bit", "'v9'"),
        ("out[1] = v0;", 'system("x");', "is not known or not exact"),
        ("out[1] = v0;", "", "it writes 1 outputs; expected 2"),
    ],
)
def test_adders_that_are_not_exact_are_refused(tmp_path, before, after, says):
    folder = distributed_project(tmp_path / "project", DISTRIBUTED.replace(before, after))
    with pytest.raises(UnsupportedModelError) as refusal:
        lower_project(read_project(folder))
    assert says in str(refusal.value)


def test_what_is_not_known_is_refused(tmp_path):
    folder = small_project(tmp_path / "project")
    cases = {
        'std::system("touch x");': r"statement 'std :: system \( .* \)' is not known; allowed are arrays and calls",
        "for (;;) { nnet::linear<a, b, c>(x, y); }": "is not known",
        "nnet::gru<input_t, result_t, config2>(x, y);": "call of nnet::gru is not supported; allowed are dense",
        "nnet::dense<input_t, result_t>(x, y, w2, b2);": "2 template parameters and 4 arguments; expected 3 and 4",
        "nnet::relu<input_t, nnet::array<input_t, 3>, config2>(x, y);": "streams .io_stream. are not read",
        "nnet::dense<input_t, result_t, config9>(x, y, w2, b2);": "parameters.h has no struct 'config9'",
        "nnet::dense<input_t, result_t, config2>(x, y, w3, b2);": "weights 'w3': no array of that name with values",
        "nnet::relu<input_t, result_t, config2>(x, y);": "it gives 3 elements of ap_fixed<9,5>; array 'y' has 2 of",
    }
    for statement, message in cases.items():
        (folder / "top.cpp").write_text(
            TOP.replace(DENSE, statement + " nnet::linear<input_t, input_t, config2>(x, x);")
        )
        with pytest.raises(UnsupportedModelError, match=message):
            lower_project(read_project(folder))
    with pytest.raises(UnsupportedModelError, match=r"holds no defines\.h; expected a folder that hls4ml has written"):
        read_project(tmp_path)
    (folder / "top.cpp").unlink()
    (folder / "top.cpp").symlink_to("/etc/passwd")
    with pytest.raises(UnsupportedModelError, match="is a link; allowed are regular files"):
        read_project(folder)


def test_nothing_of_the_project_is_run_unless_it_is_asked_for(tmp_path):
    trap = tmp_path / "trap"
    code = f'#include <cstdio>\nstatic FILE* mine = std::fopen("{trap}", "w");\n'
    folder = small_project(tmp_path / "project", top=code + TOP)
    arguments = ["import-hls4ml", str(folder), "-o", str(tmp_path / "build"), "--no-synth", "--quiet"]
    cli.main(arguments, standalone_mode=False)
    assert not trap.exists()
    cli.main([*arguments, "--overwrite", "--check-with-csim", "--events", "20"], standalone_mode=False)
    assert trap.exists()


def test_weights_are_rounded_as_cpp_rounds_a_double(tmp_path):
    folder = small_project(tmp_path / "project")
    (folder / "weights" / "w2.h").write_text("w_t w2[6] = {0.3, -0.3, 5.0, 1e-9, -1e-9, 1.99f};\n")
    graph = exact(folder)
    linear = next(node for node in graph.nodes if isinstance(node, Linear) and node.weights.shape[0] == 3)
    assert linear.weights.size
    project = read_project(folder)
    codes = random_codes(graph, 10, 0)
    assert np.array_equal(project_codes(project, ["y"], codes), evaluate(graph, codes))


def test_logits_leave_out_what_stands_at_the_output(tmp_path):
    inputs = layers.Input((4,))
    outputs = layers.Activation("sigmoid", name="out")(layers.Dense(3, name="dense")(inputs))
    model = randomize(tf.keras.Model(inputs, outputs), seed=1)
    project = read_project(written(model, tmp_path / "project"))
    assert lower_project(project).nodes[-1].name != lower_project(project, logits=True).nodes[-1].name


PRODUCTS = """
#include "nnet_utils/nnet_merge.h"
typedef ap_fixed<6,1,AP_RND,AP_SAT> other_t;
typedef ap_fixed<9,5> product_t;
struct linear_config3 : nnet::activ_config {
    static const unsigned n_in = N_INPUT_1;
    static const unsigned table_size = 1024;
};
struct config4 : nnet::merge_config {
    static const unsigned n_elem = N_INPUT_1;
    static const unsigned n_elem1 = N_INPUT_1;
    static const unsigned n_elem2 = N_INPUT_1;
};
struct config5 : nnet::dot_config {
    static const unsigned n_in = N_INPUT_1;
    static const unsigned n_out = 1;
    static const unsigned reuse_factor = 1;
    static const unsigned multiplier_limit = N_INPUT_1;
    typedef sum_t accum_t;
    template<class x_T, class y_T>
    using product = nnet::product::mult<x_T, y_T>;
};
"""
PRODUCTS_TOP = """#include "top.h"
#include "parameters.h"
void top(input_t x[N_INPUT_1], result_t y[1], result_t z[1]) {
    other_t other[N_INPUT_1];
    product_t product[N_INPUT_1];
    nnet::linear<input_t, other_t, linear_config3>(x, other);
    nnet::multiply<input_t, other_t, product_t, config4>(x, other, product);
    nnet::dot1d<product_t, other_t, result_t, config5>(product, other, y);
    nnet::dot1d<input_t, input_t, result_t, config5>(x, x, z);
}
"""


@pytest.mark.parametrize("accumulator", ["30,14", "10,6", "9,5,AP_RND,AP_SAT"])
def test_products_of_two_arrays_and_squares(tmp_path, accumulator):
    folder = small_project(tmp_path / "project", accumulator=accumulator, top=PRODUCTS_TOP)
    (folder / "top.h").write_text(
        '#include "defines.h"\nvoid top(input_t x[N_INPUT_1], result_t y[1], result_t z[1]);\n'
    )
    with (folder / "parameters.h").open("a") as stream:
        stream.write(PRODUCTS)
    exact(folder)


def test_a_softmax_at_the_output_is_left_out_and_said(tmp_path):
    top = TOP.replace(DENSE, "nnet::softmax<input_t, input_t, config2>(x, y);").replace("result_t y[2]", "input_t y[3]")
    graph = lower_project(read_project(small_project(tmp_path / "project", top=top)))
    assert graph.outputs == ("x",) or graph.n_outputs == 3
    assert graph.basis.chosen == ("softmax at the output 'y' is left out: its order is that of its operands",)
