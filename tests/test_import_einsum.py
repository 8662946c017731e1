"""``einsum_dense`` and ``transpose`` of a project that hls4ml writes of HGQ2's models, against their own C++."""

from __future__ import annotations

import numpy as np
import pytest
from test_import_hls4ml import exact, small_project

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.hls4ml_project.lower import lower_project
from bittrigger.frontend.hls4ml_project.project import read_project

SHAPE = (3, 2, 2)
"""Of the input: what is summed, positions, and an axis along which each has a kernel of its own."""

TRANSPOSE = """struct {name} {{
    static const unsigned dims = {dims};
    static const unsigned N = {size};
    static const unsigned* const from_shape;
    static const unsigned* const to_shape;
    static const unsigned* const perm;
    static const unsigned* const perm_strides;
}};

unsigned {name}_from_shape[{dims}] = {{{shape}}};
unsigned {name}_to_shape[{dims}] = {{{to}}};
unsigned {name}_perm[{dims}] = {{{perm}}};
unsigned {name}_perm_strides[{dims}] = {{{strides}}};

const unsigned* const {name}::from_shape = {name}_from_shape;
const unsigned* const {name}::to_shape = {name}_to_shape;
const unsigned* const {name}::perm = {name}_perm;
const unsigned* const {name}::perm_strides = {name}_perm_strides;
"""
EINSUM = """
struct config3 {
    typedef config3_tpose_inp tpose_inp_conf;
    typedef config3_tpose_out tpose_out_conf;
    typedef sum_t accum_t;
    typedef w_t bias_t;
    typedef config2 dense_conf;
    static const unsigned n_free_data = 2;
    static const unsigned n_free_kernel = 2;
    static const unsigned n_contract = 3;
    static const unsigned n_inplace = 2;
    static const unsigned io_type = nnet::io_parallel;
    static const unsigned strategy = nnet::latency;
    static const unsigned reuse_factor = 1;
    static const unsigned parallelization_factor = 2;
};
"""
TOP = """#include "top.h"
#include "parameters.h"
void top(input_t x[12], result_t y[8]) {
    #pragma HLS PIPELINE
    input_t t[12];
    nnet::transpose<input_t, input_t, config4>(x, t); // first
    nnet::einsum_dense<input_t, result_t, config3>(t, y, w3, b3); // second
}
"""


def transposition(name, shape, perm):
    strides = np.cumprod([1, *shape[:0:-1]])[::-1]

    def text(numbers):
        return ", ".join(map(str, numbers))

    to = [shape[k] for k in perm]
    numbers = {"shape": text(shape), "to": text(to), "perm": text(perm), "strides": text([strides[k] for k in perm])}
    return TRANSPOSE.format(name=name, dims=len(shape), size=int(np.prod(shape)), **numbers)


def project(folder, accumulator="14,8", *, biases=(1, 1)):
    small_project(folder, accumulator=accumulator, top=TOP)
    draw = np.random.default_rng(1)
    weights = draw.integers(-32, 32, size=12) / 16
    bias = np.concatenate([np.tile(draw.integers(-32, 32, size=2) / 16, 2) * np.repeat(biases, 2) for _ in range(2)])
    for name, values in (("w3", weights), ("b3", bias)):
        (folder / "weights" / f"{name}.h").write_text(
            f"w_t {name}[{len(values)}] = {{{', '.join(map(str, values))}}};\n"
        )
    parameters = folder / "parameters.h"
    first = transposition("config4", (2, 3, 2), (1, 0, 2))
    around = transposition("config3_tpose_inp", SHAPE, (2, 1, 0)) + transposition(
        "config3_tpose_out", (2, 2, 2), (1, 2, 0)
    )
    headers = "".join(f'#include "{name}.h"\n' for name in ("nnet_utils/nnet_einsum_dense", "weights/w3", "weights/b3"))
    parameters.write_text(headers + parameters.read_text() + first + around + EINSUM)
    (folder / "top.h").write_text('#include "defines.h"\nvoid top(input_t x[12], result_t y[8]);\n')
    return folder


@pytest.mark.parametrize("accumulator", ["14,8", "9,6", "10,4,AP_RND,AP_SAT"])
@pytest.mark.parametrize("biases", [(1, 1), (1, -0.5)])
def test_dense_layers_along_some_axes_give_the_bits_of_their_own_cpp(tmp_path, accumulator, biases):
    exact(project(tmp_path / "prj", accumulator, biases=biases))


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("perm_strides[3] = {2", "perm_strides[3] = {9", "reads element"),
        ("perm_strides[3] = {2", "perm_strides[3] = {x", "has no array 'config4_perm_strides'"),
        ("to_shape[3] = {3", "to_shape[3] = {4", "has a shape of"),
        ("n_contract = 3", "n_contract = 0", "sizes"),
        ("n_contract = 3", "n_contract = 4", "it reads 12 elements; expected 16"),
        ("typedef config2 dense_conf;", "", "has no struct ''"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, before, after, says):
    folder = project(tmp_path / "prj")
    parameters = folder / "parameters.h"
    text = parameters.read_text()
    assert before in text
    parameters.write_text(text.replace(before, after, 1))
    with pytest.raises(UnsupportedModelError, match=says):
        lower_project(read_project(folder))
