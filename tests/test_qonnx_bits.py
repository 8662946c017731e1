"""The integers of an ONNX file against qonnx' own executor, every bit; `make test-qonnx`."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_files import CASES, GENERAL, network

onnx = pytest.importorskip("onnx")
pytest.importorskip("qonnx")

from onnx.reference import ReferenceEvaluator  # noqa: E402
from onnx.reference.op_run import OpRun  # noqa: E402
from qonnx.core.modelwrapper import ModelWrapper  # noqa: E402
from qonnx.core.onnx_exec import execute_onnx  # noqa: E402
from qonnx.custom_op.general.bipolar_quant import binary_quant  # noqa: E402
from qonnx.custom_op.general.intquant import int_quant  # noqa: E402
from qonnx.transformation.infer_shapes import InferShapes  # noqa: E402

from bittrigger.frontend.qonnx.read import read_qonnx  # noqa: E402
from bittrigger.ir.basis import Grade  # noqa: E402
from bittrigger.ir.fixed import decode, encode  # noqa: E402
from bittrigger.ir.graph import evaluate  # noqa: E402
from bittrigger.settings import Settings  # noqa: E402
from bittrigger.simulate.vectors import corner_codes, random_codes  # noqa: E402

EVENTS = 400
ONE_BY_ONE = ("channels last", "resized")
"""Networks of operators whose shapes qonnx knows for one event only."""

pytestmark = pytest.mark.filterwarnings("ignore")


def executed(data, events, dtype):
    """What qonnx makes of the events, batch after batch."""
    model = ModelWrapper(onnx.load_model_from_string(data)).transform(InferShapes())
    (entry,) = model.graph.input
    shape = [axis.dim_value for axis in entry.type.tensor_type.shape.dim]
    rows = []
    for batch in np.split(events, len(events) // shape[0]):
        made = execute_onnx(model, {entry.name: batch.reshape(shape).astype(dtype)})
        ends = [np.asarray(made[output.name], dtype=np.float64).reshape(shape[0], -1) for output in model.graph.output]
        rows.append(np.concatenate(ends, axis=1))
    return np.concatenate(rows)


class Quant(OpRun):
    """qonnx' own function in whatever precision its operands have."""

    op_domain = GENERAL

    def _run(self, x, scale, zero, bits, signed=1, narrow=0, rounding_mode="ROUND"):  # noqa: PLR0917
        return (np.asarray(int_quant(x, scale, zero, bits, signed, narrow, rounding_mode)),)


class BipolarQuant(OpRun):
    """The same of BipolarQuant."""

    op_domain = GENERAL

    def _run(self, x, scale):
        return (binary_quant(x, scale),)


class BatchNormalization(OpRun):
    """A factor and an offset, each of which is a float32."""

    op_domain = ""

    def _run(self, x, gamma, beta, mean, variance, epsilon=1e-5, **_options):  # noqa: PLR0917
        factor = np.float64(np.float32(gamma / np.sqrt(variance + epsilon)))
        return (x * factor + np.float64(np.float32(beta - mean * factor)),)


def in_double(data, events):
    """What ONNX' reference implementation makes of the events in double precision."""
    model = onnx.load_model_from_string(data)
    (entry,) = model.graph.input
    shape = [axis.dim_value for axis in entry.type.tensor_type.shape.dim]
    made = ReferenceEvaluator(model, new_ops=[Quant, BipolarQuant, BatchNormalization]).run(
        None, {entry.name: events.reshape(shape)}
    )
    return np.concatenate([np.asarray(one, dtype=np.float64).reshape(len(events), -1) for one in made], axis=1)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", CASES)
def test_every_bit_is_that_of_qonnx(tmp_path, name, seed):
    path = tmp_path / "net.onnx"
    path.write_bytes(network(name, seed))
    graph = read_qonnx(path, "net", Settings())
    codes = np.concatenate([corner_codes(graph)[:40], random_codes(graph, EVENTS, seed)])
    exact = graph.basis.grade is Grade.EXACT
    events = decode(codes, graph.inputs[0].frac)
    if exact:
        batch = 1 if name in ONE_BY_ONE else len(codes)
        wanted = executed(network(name, seed, "float32", batch), events, "float32")
    else:
        wanted = in_double(network(name, seed, "float64", len(codes)), events)
    found = np.concatenate(
        [decode(part, graph[output].frac) for output, part in zip(graph.outputs, split(graph, codes), strict=True)],
        axis=1,
    )
    kinds = graph.basis.rounded or (None,) * len(graph.outputs)
    start = 0
    for output, kind in zip(graph.outputs, kinds, strict=True):
        size = graph[output].size
        if kind is not None:
            part = wanted[:, start : start + size]
            wanted[:, start : start + size] = decode(encode(part, kind), kind.frac)
        start += size
    assert np.array_equal(found, wanted)


def split(graph, codes):
    sizes = [graph[output].size for output in graph.outputs]
    return np.split(evaluate(graph, codes), np.cumsum(sizes)[:-1], axis=1)
