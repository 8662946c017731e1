"""Networks of integers and of thresholds against onnxruntime and qonnx' own executor, every bit; `make test-qonnx`."""

from __future__ import annotations

import numpy as np
import pytest
from finn_files import FINN
from integer_files import IN_AN_ORDER, INTEGERS
from onnx_files import file_of

onnx = pytest.importorskip("onnx")
pytest.importorskip("qonnx")
pytest.importorskip("onnxruntime")

from onnx import reference  # noqa: E402
from onnx_fuzz import run  # noqa: E402
from qonnx.core.datatype import DataType  # noqa: E402
from qonnx.core.modelwrapper import ModelWrapper  # noqa: E402
from qonnx.core.onnx_exec import execute_onnx  # noqa: E402
from qonnx.transformation.infer_shapes import InferShapes  # noqa: E402

from bittrigger.frontend.qonnx.read import read_qonnx  # noqa: E402
from bittrigger.ir.basis import Grade  # noqa: E402
from bittrigger.ir.fixed import decode  # noqa: E402
from bittrigger.ir.graph import evaluate  # noqa: E402
from bittrigger.settings import Settings  # noqa: E402
from bittrigger.simulate.vectors import corner_codes, random_codes  # noqa: E402

EVENTS = 400

pytestmark = pytest.mark.filterwarnings("ignore")


def designed(tmp_path, data, seed):
    """The design of a file, events of its ports, and what it makes of them."""
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    graph = read_qonnx(path, "net", Settings())
    codes = np.concatenate([corner_codes(graph)[:40], random_codes(graph, EVENTS, seed)])
    made = decode(evaluate(graph, codes), graph[graph.outputs[0]].frac)
    return graph, decode(codes, graph.inputs[0].frac).astype(np.float32), made


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", INTEGERS)
def test_every_bit_is_that_of_onnxruntime(tmp_path, name, seed):
    build, shape = INTEGERS[name]
    graph, events, made = designed(tmp_path, file_of(build, shape, seed), seed)
    assert graph.basis.grade is Grade.EXACT
    assert np.array_equal(made, run(file_of(build, shape, seed), shape, events))


@pytest.mark.parametrize("name", IN_AN_ORDER)
def test_what_has_an_order_of_its_own_is_ideal_and_near(tmp_path, name):
    build, shape = IN_AN_ORDER[name]
    graph, events, made = designed(tmp_path, file_of(build, shape), 1)
    assert graph.basis.grade is Grade.IDEAL
    differ = np.abs(made - run(file_of(build, shape), shape, events))
    assert (differ > 0).mean() < 0.05
    assert differ.max() <= 1


def executed(data, events):
    """What qonnx makes of the events, one by one."""
    model = ModelWrapper(onnx.load_model_from_string(data)).transform(InferShapes())
    for node in model.graph.node:
        if node.op_type == "Im2Col":  # its executor asks for a type
            model.set_tensor_datatype(node.input[0], DataType["INT8"])
    (entry,) = model.graph.input
    shape = [axis.dim_value for axis in entry.type.tensor_type.shape.dim]
    made = [execute_onnx(model, {"x": event.reshape(shape)}) for event in events]
    return np.concatenate([np.asarray(next(iter(one.values()))).reshape(1, -1) for one in made]).astype(np.float64)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", FINN)
def test_every_bit_of_thresholds_is_that_of_qonnx(tmp_path, name, seed):
    build, shape = FINN[name]
    data = file_of(build, shape, seed)
    graph, events, made = designed(tmp_path, data, seed)
    few = slice(0, 120)
    wanted = executed(data, events[few])
    if name != "FINN scaled":
        assert graph.basis.grade is Grade.EXACT
        assert np.array_equal(made[few], wanted)
    else:
        assert graph.basis.grade is Grade.IDEAL
        assert (made[few] != wanted).mean() < 0.02


@pytest.mark.parametrize("kind", ["INT4", "UINT4"])
def test_integers_of_four_bits_are_those_of_the_reference(tmp_path, kind):
    """Opset 21: weights of 4 bits behind a DequantizeLinear, and a quantiser whose zero point types them."""
    helper, numbers = onnx.helper, onnx.TensorProto
    code, lo = getattr(numbers, kind), -8 if kind == "INT4" else 0
    random = np.random.default_rng(2)
    weights, zero = random.integers(lo, lo + 16, 15).tolist(), 3
    constants = [
        helper.make_tensor("w", code, [5, 3], weights),
        helper.make_tensor("zero", code, [], [zero]),
        helper.make_tensor("step", numbers.FLOAT, [], [0.25]),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "step", "zero"], ["v"]),
        helper.make_node("MatMul", ["d", "v"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, numbers.FLOAT, size) for name, size in (("x", [1, 5]), ("y", [1, 3]))]
    model = helper.make_model(
        helper.make_graph(nodes, "net", ends[:1], ends[1:], constants), opset_imports=[helper.make_opsetid("", 21)]
    )
    graph, events, made = designed(tmp_path, model.SerializeToString(), 1)
    assert graph.basis.grade is Grade.EXACT
    kernel = (np.array(weights).reshape(5, 3) - zero) / 4
    values = (np.clip(np.rint(events.reshape(-1, 5) * 4) + zero, lo, lo + 15) - zero) / 4
    assert np.array_equal(made, values @ kernel)
    evaluator = reference.ReferenceEvaluator(model)
    wanted = [evaluator.run(None, {"x": event.reshape(1, 5).astype(np.float32)})[0].ravel() for event in events[:50]]
    assert np.array_equal(made[:50], np.array(wanted))


def stepped(net, x="x", scale=2.0**-3, zero=0):
    """Integers of 8 bits and back, as onnxruntime has a quantiser."""
    zero, scale = net.constant(zero, "int8"), np.float32(scale)
    return net.add("DequantizeLinear", net.add("QuantizeLinear", x, scale, zero), scale, zero)


def whole(net, *shape):
    return net.random.integers(-7, 8, shape).astype("float32") / 8


def normalised(net, kind):
    return stepped(net, net.add(kind, stepped(net), np.float32([1, -0.5, 2, 0.75, 1.25, 0.5])))


FLOATS = {
    "ConvTranspose, groups": ((4, 5), lambda n: n.add(
        "ConvTranspose", stepped(n), whole(n, 4, 3, 3), whole(n, 6), group=2, strides=[3], dilations=[2], pads=[1, 2])),
    "ConvTranspose of images": ((2, 3, 3), lambda n: n.add(
        "ConvTranspose", stepped(n), whole(n, 2, 3, 2, 3), strides=[2, 1], output_padding=[1, 0])),
    "Einsum of heads": ((3, 4), lambda n: n.add("Einsum", stepped(n), whole(n, 4, 2, 5), equation="bij,jkl->blik")),
    "Einsum, a matrix for each": ((3, 4), lambda n: n.add("Einsum", stepped(n), whole(n, 3, 4, 2), equation="bnc,ncd->bnd")),
    "Einsum of the other axis": ((3, 4), lambda n: n.add("Einsum", whole(n, 3, 5), stepped(n), equation="nN,bnc->bNc")),
    "Einsum of two": ((3, 2, 4), lambda n: n.add(
        "Einsum", *(n.add("Clip", stepped(n), np.float32(-1), np.float32(end)) for end in (1, 2)), equation="bihd,bjhd->bhij")),
    "RMSNormalization": ((3, 6), lambda n: normalised(n, "RMSNormalization")),
    "LayerNormalization": ((3, 6), lambda n: normalised(n, "LayerNormalization")),
    "Gelu": ((6,), lambda n: stepped(n, n.add("Gelu", stepped(n)), 2.0**-4)),
    "Gelu, tanh": ((6,), lambda n: stepped(n, n.add("Gelu", stepped(n), approximate="tanh"), 2.0**-4, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", FLOATS)
def test_operators_of_floats_give_what_onnxruntime_gives(tmp_path, name):
    shape, build = FLOATS[name]
    data = file_of(build, shape, 4, opset=23)
    graph, events, made = designed(tmp_path, data, 4)
    assert graph.basis.grade is (Grade.IDEAL if name.startswith(("Gelu", "RMS", "Layer")) else Grade.EXACT)
    assert np.array_equal(made, run(data, shape, events))
