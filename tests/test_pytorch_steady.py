"""What a module of PyTorch may not do, and what its operators say in full; `make test-torch`."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as f  # noqa: E402

from bittrigger.compile.foreign import foreign_graph, with_events  # noqa: E402
from bittrigger.errors import UnsupportedModelError  # noqa: E402
from bittrigger.ir.graph import Graph, evaluate  # noqa: E402
from bittrigger.ir.ports import decode_inputs, decode_outputs, encode_events  # noqa: E402
from bittrigger.settings import Settings  # noqa: E402

EVENTS = 600

pytestmark = pytest.mark.filterwarnings("ignore")


def q(x, frac=3, lo=-64, hi=63):
    return torch.clamp(torch.round(x * 2.0**frac), lo, hi) / 2.0**frac


class Of(nn.Module):
    """A function of a module and its input, and the buffers that it has."""

    def __init__(self, function, **buffers):
        super().__init__()
        self.function = function
        for name, values in buffers.items():
            self.register_buffer(name, values)

    def forward(self, x):
        return self.function(self, q(x, 4, -128, 127))


def converted(module, shape, **settings) -> Graph:
    source, events = with_events(module.eval(), torch.randn(50, *shape) * 4)
    graph = foreign_graph(source, Settings(input_precision="fixed<9,5>", **settings), events)
    assert graph is not None
    return graph


def _counted(net, x):
    net.calls += 1
    return q(torch.tanh(x) * net.calls)


CUT = "allowed are those of torch.float32; write floor, round or clamp where a cast cuts off"
REFUSED = {
    "a cast that cuts off": (lambda _net, x: (x * 2).int().float() / 2, (4,), "it gives values of torch.int32; " + CUT),
    "half precision": (lambda _net, x: q(torch.sigmoid(x).half().float()), (4,), "torch.float16"),
    "bits as numbers": (lambda _net, x: q(x.view(torch.int32).view(torch.float32)), (4,), "torch.int32"),
    "the batch as a number": (lambda _net, x: q(torch.tanh(x) / x.shape[0]), (4,), "how many events a batch has"),
    "the batch as an axis": (lambda _net, x: q(torch.tanh(x.reshape(x.shape[1], -1))), (7,), "of a batch come under"),
    "every second event": (lambda _net, x: x[::2], (4,), "it takes some of the events of a batch"),
    "noise": (lambda _net, x: q(torch.tanh(x + torch.rand(4))), (4,), "'rand': it draws at random"),
    "a count of calls": (_counted, (4,), "a call changes its 'calls', so that each gives other values"),
    "a factor in rsub": (lambda _net, x: torch.rsub(x, 3, alpha=2), (4,), "it has alpha"),
    "a factor in addmm": (lambda _net, x: torch.addmm(torch.ones(3), x, torch.ones(4, 3), alpha=2), (4,), "has alpha"),
    "an exponent of the event": (lambda _net, x: q(torch.pow(2.0, x)), (4,), "in a form that is not read"),
    "an output of None": (lambda _net, x: (x, None), (4,), "its output 'None' is no value of the event"),
    "a limit that is no number": (lambda _net, x: torch.clamp(x, 0, float("nan")), (4,), "its limit is no number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_function_of_an_event_is_refused_in_words(name):
    function, shape, message = REFUSED[name]
    with pytest.raises(UnsupportedModelError, match=message):
        converted(Of(function, calls=torch.zeros(())), shape)


class Twice(nn.Module):
    """A part that is called twice, and another whose name is that of a second call."""

    def __init__(self):
        super().__init__()
        self.relu, self.relu_2 = nn.ReLU(), nn.ReLU()

    def forward(self, x):
        x = q(x, 4, -128, 127)
        return self.relu(x) + self.relu(x - 1) * 2 + self.relu_2(x - 2) * 4


def _viewed(net, x):
    """Integers times a scale of each channel, and the two axes of both in one."""
    return f.linear(x, (torch.round(net.w * 4) * net.s).view(8, 3))


EQUAL = {
    "a gradient that passes through a sum": Of(lambda _net, x: x + (x.sum(1, keepdim=True) - x).detach()),
    "softplus with a threshold": Of(lambda _net, x: q(f.softplus(x, 1, 2))),
    "hardsigmoid at ties": Of(lambda _net, x: q(f.hardsigmoid(x), 2, 0, 7)),
    "hardswish at ties": Of(lambda _net, x: q(f.hardswish(x), 2)),
    "no upper limit": Of(lambda _net, x: torch.round(torch.clamp(x * 2, 0, float("inf")))),
    "names that meet": Twice(),
    "a view of a scale": Of(
        _viewed, w=torch.tensor(np.arange(-12.0, 12).reshape(4, 2, 3) / 8, dtype=torch.float32), s=torch.ones(4, 1, 1)
    ),
    "a step that PyTorch multiplies by": Of(
        lambda _net, x: q(torch.fake_quantize_per_tensor_affine(x, 0.05, 3, 0, 127), 6, -2048, 2047)
    ),
}


@pytest.mark.parametrize("name", EQUAL)
def test_what_an_operator_says_in_full_is_what_is_built(name):
    module, width = EQUAL[name], 3 if name == "a view of a scale" else 4
    graph = converted(module, (width,))
    events = np.random.default_rng(5).integers(-128, 128, size=(EVENTS, width)) / 16
    codes = encode_events(graph, events)
    with torch.no_grad():
        wanted = module(torch.tensor(decode_inputs(graph, codes), dtype=torch.float32)).double().numpy()
    assert np.array_equal(decode_outputs(graph, evaluate(graph, codes)), wanted)
