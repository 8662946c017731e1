"""The operators of ONNX that are read and refused: the tables of the documentation, attributes, inputs, and hostile files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from finn_files import FINN, port, thresholds
from integer_files import IN_AN_ORDER, INTEGERS, f, quantised, real, z
from onnx_files import GENERAL, file_of

from bittrigger.compile.foreign import foreign_graph
from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.qonnx.operators import DOMAINS
from bittrigger.frontend.qonnx.refusals import REFUSED
from bittrigger.ir.basis import Grade
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import evaluate
from bittrigger.settings import Settings

DOCS = Path(__file__).parents[1] / "docs" / "front-ends.md"
READ = {name for operators in DOMAINS.values() for name in operators}
NAMED = {name for names, _, _ in REFUSED for name in names.split()}


def converted(tmp_path, build, shape=(4,), **options):
    path = tmp_path / "net.onnx"
    path.write_bytes(file_of(build, shape, **options))
    return foreign_graph(path, Settings())


def rows(heading):
    """The cells of the table of the documentation that begins with ``heading``."""
    text = DOCS.read_text().split(f"{heading}\n|---|---|---|\n")[1].split("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in text.splitlines()]


def test_the_documentation_lists_what_is_read():
    table = rows("| operators | grade | |")
    named = [name for names, _, _ in table for name in names.split(", ")]
    assert len(named) == len(set(named))
    assert set(named) == READ
    assert {grade for _, grade, _ in table} == {"exact", "ideal"}


def test_the_documentation_lists_what_is_refused_and_why():
    table = [(names.replace(", ", " "), why, instead) for names, why, instead in rows("| operators | why | instead |")]
    assert table == list(REFUSED)
    assert not NAMED & READ


@pytest.mark.parametrize(
    ("name", "grade"), [*((n, Grade.EXACT) for n in (*FINN, *INTEGERS)), *((n, Grade.IDEAL) for n in IN_AN_ORDER)]
)
def test_networks_of_thresholds_and_of_integers_equal_their_nodes(tmp_path, name, grade):
    path = tmp_path / "net.onnx"
    build, shape = {**FINN, **INTEGERS, **IN_AN_ORDER}[name]
    path.write_bytes(file_of(build, shape, 5))
    graph = foreign_graph(path, Settings())
    assert graph.basis.grade is (Grade.IDEAL if name == "FINN scaled" else grade)
    if graph.basis.grade is Grade.EXACT:
        assert graph.basis.measured.float32.events == 0


@pytest.mark.parametrize("domain", DOMAINS)
def test_an_attribute_that_is_not_known_is_refused(tmp_path, domain):
    """A node that says more than its operator is known with would else lose what it says."""
    for name, operator in DOMAINS[domain].items():
        inputs = ["x", *(["x"] * (operator.least - 1))][: operator.least]
        with pytest.raises(UnsupportedModelError, match=r"its attribute 'surprise' is not read; allowed are"):
            converted(tmp_path, lambda net, n=name, i=inputs: net.add(n, *i, domain=domain, surprise=1))


@pytest.mark.parametrize("domain", DOMAINS)
def test_more_inputs_than_are_known_are_refused(tmp_path, domain):
    for name, operator in DOMAINS[domain].items():
        if operator.most < 10:
            with pytest.raises(UnsupportedModelError, match=rf"it has {operator.most + 1} inputs; allowed are"):
                converted(tmp_path, lambda net, n=name, m=operator.most: net.add(n, *["x"] * (m + 1), domain=domain))


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_refusal_by_name_says_why_and_what_to_do(tmp_path, name):
    domain = GENERAL if name in ("FloatQuant", "GenericPartition") else ""
    with pytest.raises(UnsupportedModelError, match=rf"\({name}\): operator '{name}'.*: .+; .+"):
        converted(tmp_path, lambda net: net.add(name, "x", domain=domain))


def values(graph, codes):
    return decode(evaluate(graph, np.array(codes)), graph[graph.outputs[0]].frac).tolist()


def test_thresholds_are_counted_in_any_order(tmp_path):
    graph = converted(tmp_path, lambda net: thresholds(net, port(net, 4), [[2.5, -3.0, 2.5, 7.0]]), (3,))
    assert values(graph, [[-4, -3, 2], [3, 6, 7], [-8, 7, 0]]) == [[0, 1, 1], [3, 3, 4], [0, 4, 1]]


def test_sums_of_many_bits_are_counted_without_a_table_of_them(tmp_path):
    """Codes of 40 bits, which nobody could tabulate."""

    def build(net):
        x = net.add("MatMul", net.quant("x", 1.0, 20), net.quant(np.float32([[1 << 18], [1]]), 1.0, 22))
        return thresholds(net, x, [[2.0**30, 1.0, -(2.0**36)]])

    graph = converted(tmp_path, build, (2,))
    assert values(graph, [[0, 1], [0, 0], [-(1 << 18), 0], [-(1 << 18) - 1, 0], [4096, 0], [4096, -1]]) == [
        [2], [1], [1], [0], [3], [2]]  # fmt: skip


@pytest.mark.parametrize(
    ("annotated", "kind"),
    [
        ("UINT5", "ap_ufixed<5,5>"),
        ("INT3", "ap_fixed<3,3>"),
        ("FIXED<8,3>", "ap_fixed<8,3>"),
        ("BIPOLAR", "ap_fixed<2,2>"),
    ],
)
def test_a_port_has_the_type_that_finn_annotates(tmp_path, annotated, kind):
    graph = converted(tmp_path, lambda net: thresholds(net, "x", [[2.0, 0.5]]), annotated=annotated)
    assert str(graph.inputs[0].type) == kind
    assert not graph.basis.chosen


def test_a_port_of_integers_has_their_type(tmp_path):
    graph = converted(tmp_path, lambda net: real(net, "x", 0.5, 3, "uint8"), (2,), takes="uint8")
    assert str(graph.inputs[0].type) == "ap_ufixed<8,8>"
    assert values(graph, [[0, 255]]) == [[-1.5, 126.0]]


@pytest.mark.parametrize("annotated", ["INT40", "SCALEDINT<8>", "FLOAT<4,3>", "UINT0", "FIXED<3,8>", "INT"])
def test_another_type_of_a_port_is_refused(tmp_path, annotated):
    with pytest.raises(UnsupportedModelError, match=re.escape(f"it is of the type {annotated}; allowed are float32")):
        converted(tmp_path, lambda net: thresholds(net, "x", [[2.0, 0.5]]), annotated=annotated)


def eights(net):
    """A matrix of weights of 8 bits."""
    return z(net, np.ones((4, 2)))


@pytest.mark.parametrize("kind", ["float16", "float64"])
def test_a_graph_in_another_precision_is_refused(tmp_path, kind):
    """Its bits would be others than those of float32."""
    with pytest.raises(
        UnsupportedModelError, match=f"it is of the type {kind}; allowed are float32, .*; export the model in"
    ):
        converted(tmp_path, lambda net: net.add("Relu", "x"), takes=kind)


HOSTILE = {
    "thresholds of shape (3, 2) for 4 channels": lambda n: thresholds(n, port(n), np.ones((3, 2))),
    "thresholds of shape (4,) for 4 channels": lambda n: thresholds(n, port(n), np.ones(4)),
    "thresholds of shape (4, 0) for 4 channels": lambda n: thresholds(n, port(n), np.ones((4, 0))),
    "a threshold is no number of float32": lambda n: thresholds(n, port(n), [[1.0, np.nan]]),
    "65,537 thresholds of 4 channels": lambda n: thresholds(n, port(n), np.ones((1, 65_537))),
    "its thresholds are no constant": lambda n: n.add("MultiThreshold", port(n), "x", domain=GENERAL, out_dtype="UINT2"),
    "data_layout 'CN' of 2 axes": lambda n: thresholds(n, port(n), [[1.0]], data_layout="CN"),
    "an array of shape [2147483648]": lambda n: n.add(
        "MultiThreshold", port(n), n.add("ConstantOfShape", n.constant([1 << 31], "int64")), domain=GENERAL, out_dtype="UINT2"),
    "its second factor is no constant matrix of 0 and 1": lambda n: n.add(
        "XnorPopcountMatMul", port(n), np.full((4, 2), 0.5), domain=GENERAL),
    "its operand is no image of integers": lambda n: n.add(
        "QuantAvgPool2d", port(n), domain=GENERAL, kernel=2, stride=1, ibits=4, obits=4, signed=0),
    "a tensor of 2 axes; allowed are images": lambda n: n.add(
        "Im2Col", port(n), domain=GENERAL, stride=[1, 1], kernel_size=[1, 1]),
    "its input 0 is no tensor of 8 bits": lambda n: n.add(
        "QLinearMatMul", port(n), f(n, 1), z(n, 0), eights(n), f(n, 1), z(n, 0), f(n, 1), z(n, 0)),
    "1 zero points of int8 for values of uint8": lambda n: n.add(
        "QLinearMatMul", quantised(n, "x", 1), f(n, 1), z(n, 0, "int8"), eights(n), f(n, 1), z(n, 0), f(n, 1), z(n, 0)),
    "its input 6 is no single positive scale": lambda n: n.add(
        "QLinearMatMul", quantised(n, "x", 1), f(n, 1), z(n, 0), eights(n), f(n, 1), z(n, 0), f(n, 0), z(n, 0)),
    "its input 4 holds 3 scales; allowed are 1 and 2": lambda n: n.add(
        "QLinearMatMul", quantised(n, "x", 1), f(n, 1), z(n, 0), eights(n), f(n, [1, 1, 1]), z(n, 0), f(n, 1), z(n, 0)),
    "it joins int8 and uint8": lambda n: n.add("Concat", quantised(n, "x", 1), quantised(n, "x", 1, 0, "int8"), axis=1),
    "it casts integers to the type 7": lambda n: n.add("Cast", quantised(n, "x", 1), to=7),
    "it reads integers of a QuantizeLinear": lambda n: n.add("Add", quantised(n, "x", 1), quantised(n, "x", 1)),
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_what_does_not_fit_ends_in_an_error_of_ours(tmp_path, text):
    with pytest.raises(UnsupportedModelError, match=re.escape(text)):
        converted(tmp_path, HOSTILE[text])


def test_integers_joined_with_other_zero_points_are_those_of_the_file(tmp_path):
    def build(net):
        net.delivers = "uint8"
        return net.add("Concat", quantised(net, "x", 0.5, 3), quantised(net, "x", 0.25, 9), axis=1)

    assert values(converted(tmp_path, build, (1,)), [[512]]) == [[4, 11]]  # ten bits behind the point


def test_integers_cast_and_dequantised_keep_their_zero_point(tmp_path):
    graph = converted(tmp_path, lambda net: net.add("Cast", quantised(net, "x", 0.5, 3), to=1), (1,))
    assert values(graph, [[5]]) == [[8]]
    graph = converted(tmp_path, lambda net: real(net, net.add("Identity", quantised(net, "x", 0.5, 3)), 0.25, 1), (1,))
    assert values(graph, [[5]]) == [[1.75]]
