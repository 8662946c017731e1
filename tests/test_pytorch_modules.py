"""Modules of PyTorch as they stand in memory, against PyTorch itself on every bit; `make test-torch`."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as f  # noqa: E402

import bittrigger  # noqa: E402
from bittrigger.compile.foreign import foreign_graph, with_events  # noqa: E402
from bittrigger.errors import BittriggerError, ConfigError, UnsupportedModelError  # noqa: E402
from bittrigger.ir.basis import Grade, Reference  # noqa: E402
from bittrigger.ir.graph import evaluate  # noqa: E402
from bittrigger.ir.ports import decode_inputs, decode_outputs, encode_events  # noqa: E402
from bittrigger.settings import Settings  # noqa: E402

EVENTS = 300

pytestmark = pytest.mark.filterwarnings("ignore")


def q(x, frac, lo, hi):
    """A quantiser as people write it: a rounding, a clamp and a power of two."""
    return torch.clamp(torch.round(x * 2.0**frac), lo, hi) / 2.0**frac


class Straight(torch.autograd.Function):
    """A rounding whose gradient passes."""

    @staticmethod
    def forward(_ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(_ctx, gradient):
        return gradient


class Quantiser(nn.Module):
    """The other order, by an autograd function."""

    def __init__(self, frac, lo, hi):
        super().__init__()
        self.frac, self.lo, self.hi = frac, lo, hi

    def forward(self, x):
        return Straight.apply((x * 2.0**self.frac).clamp(self.lo, self.hi)) * 2.0**-self.frac


class Of(nn.Module):
    """A function of a module and its input, for networks of a few lines; its weights are made as it is called first."""

    def __init__(self, function, **shapes):
        super().__init__()
        self.function = function
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape)))

    def w(self, name, frac=4, lo=-8, hi=7):
        return q(getattr(self, name), frac, lo, hi)

    def forward(self, x):
        return self.function(self, q(x, 4, -128, 127))


def residual(net, x):
    h = q(f.relu(f.linear(x, net.w("a"), net.w("b"))), 3, 0, 63)
    h = h + q(f.linear(h, net.w("c")), 3, -64, 63)
    return f.linear(torch.cat([h, x], dim=-1), net.w("d"), net.w("e"))


def constituents(net, x):
    """A set: the same at each constituent, its sum, mean and largest, each constituent beside the mean."""
    h = q(f.relu(f.linear(x, net.w("a"), net.w("b"))), 3, 0, 63)
    mean = h.mean(1, keepdim=True)
    h = torch.cat([h, mean.expand(-1, 8, -1)], -1)
    h = q(f.relu(f.linear(h, net.w("c"))), 3, 0, 63)
    return f.linear(torch.cat([h.sum(1), h.max(1).values, h.amin(1)], -1), net.w("d"))


def mixer(net, x):
    h = x + q(f.linear(x.transpose(1, 2), net.w("a")).transpose(1, 2), 3, -64, 63)
    h = h + q(f.linear(h, net.w("b")), 3, -64, 63)
    return f.linear(h.flatten(1), net.w("c"))


def image(net, x):
    h = q(f.relu(f.conv2d(x, net.w("a"), net.w("b"), padding=1, stride=(1, 2))), 3, 0, 63)
    h = f.max_pool2d(h, 2)
    h = q(f.conv2d(h, net.w("c"), padding="same", groups=2) + h, 3, -64, 63)
    return f.linear(f.avg_pool2d(h, (2, 1)).reshape(-1, 4), net.w("d"))


def sequence(net, x):
    h = q(f.conv1d(f.pad(x, (2, 0)), net.w("a"), dilation=2), 3, -64, 63)
    return f.adaptive_max_pool1d(h, 1).squeeze(-1)


def wires(_net, x):
    """What moves values, and what limits them."""
    a, b, c = x.split([2, 3, 1], 1)
    d = torch.stack([x[:, 1], x[:, -1].clamp(0), -x[:, 2]], dim=1)
    e, g = x.unflatten(1, (2, 3)).permute(0, 2, 1).unbind(2)
    ends = [
        a,
        f.hardtanh(b),
        f.relu6(c * 4),
        d,
        torch.maximum(e, g),
        torch.minimum(e, g) - 0.5,
        x[:, ::2].abs(),
        x[:, [5, 0]],
    ]
    return torch.cat(ends, 1)


def attention(net, x):
    a, b, c = (q(f.linear(x, net.w(name)), 2, -16, 15) for name in "abc")
    scores = q(a @ b.transpose(1, 2) / 4, 2, -16, 15)
    return torch.matmul(f.relu(scores), c).flatten(1)


EXACT = {
    "residual": (residual, (5,), {"a": (6, 5), "b": (6,), "c": (6, 6), "d": (3, 11), "e": (3,)}),
    "set": (constituents, (8, 3), {"a": (4, 3), "b": (4,), "c": (4, 8), "d": (3, 12)}),
    "mixer": (mixer, (4, 3), {"a": (4, 4), "b": (3, 3), "c": (2, 12)}),
    "image": (image, (2, 4, 4), {"a": (4, 2, 3, 3), "b": (4,), "c": (4, 2, 2, 1), "d": (3, 4)}),
    "sequence": (sequence, (2, 7), {"a": (3, 2, 2)}),
    "wires": (wires, (6,), {}),
    "attention": (attention, (3, 4), {"a": (4, 4), "b": (4, 4), "c": (4, 4)}),
}


def converted(module, x, **settings):
    source, events = with_events(module.eval(), x)
    return foreign_graph(source, Settings(**settings), events), events


def outputs(graph, events):
    """The firmware's outputs, and the events as its ports hold them."""
    codes = encode_events(graph, events)
    return decode_outputs(graph, evaluate(graph, codes)), decode_inputs(graph, codes)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", EXACT)
def test_every_bit_is_that_of_pytorch(name, seed):
    function, shape, shapes = EXACT[name]
    torch.manual_seed(seed)
    module, x = Of(function, **shapes), torch.randn(EVENTS, *shape) * 4
    graph, events = converted(module, x, require="exact", input_precision="fixed<9,5>")
    assert (graph.basis.grade, graph.basis.reference) == (Grade.EXACT, Reference.PYTORCH)
    assert graph.basis.measured.float32.events == 0
    found, held = outputs(graph, events)
    with torch.no_grad():
        wanted = module(torch.tensor(held, dtype=torch.float32).reshape(-1, *shape)).numpy().reshape(EVENTS, -1)
    assert np.array_equal(found, wanted)


class BitLinear(nn.Linear):
    """Ternary weights with a gradient that passes straight through, as BitNet and BitHEP are written."""

    def forward(self, x):
        beta = self.weight.abs().mean().clamp(min=1e-8)
        weight = beta * torch.clamp(torch.round(self.weight / beta), -1, 1)
        return f.linear(x, self.weight + (weight - self.weight).detach(), self.bias)


class BitNet(nn.Linear):
    """microsoft's form, and a static quantiser before it."""

    def forward(self, x):
        step = 1.0 / self.weight.abs().mean().clamp_(min=1e-5)
        weight = (self.weight * step).round().clamp_(-1, 1) / step
        held = x + (torch.fake_quantize_per_tensor_affine(x, 0.0625, 3, 0, 127) - x).detach()
        return f.linear(held, self.weight + (weight - self.weight).detach(), self.bias)


def bits():
    port, last = Quantiser(4, -128, 127), Quantiser(3, -64, 63)
    return nn.Sequential(port, BitLinear(6, 8), nn.ReLU(), BitNet(8, 6), nn.Dropout(0.2), nn.ReLU(), BitNet(6, 3), last)


class Normalised(nn.Module):
    """A residual sum, GELU, LayerNorm, RMSNorm and BatchNorm, each before a quantiser."""

    def __init__(self):
        super().__init__()
        self.layer, self.rms, self.batch = nn.LayerNorm(4), nn.RMSNorm(4), nn.BatchNorm1d(4)
        for number in (self.layer.weight, self.layer.bias, self.rms.weight, self.batch.weight, self.batch.running_mean):
            nn.init.uniform_(number, 0.5, 1.5)
        self.quantise = Quantiser(2, -16, 15)

    def forward(self, x):
        x = self.quantise(x)
        h = self.quantise(self.layer(x))
        h = self.quantise(self.rms(h + self.quantise(f.gelu(x))))
        return self.quantise(f.silu(self.quantise(self.batch(h))))


@pytest.mark.parametrize("make", [bits, Normalised])
def test_definitions_are_those_of_pytorch_in_double_precision(make):
    torch.manual_seed(3)
    module = make().eval()
    x = torch.randn(EVENTS, 6 if make is bits else 4) * 2
    graph, events = converted(module, x, input_precision="fixed<10,5>")
    assert graph.basis.grade is Grade.IDEAL
    assert graph.basis.measured.float64.events == 0
    found, held = outputs(graph, events)
    with torch.no_grad():
        wanted = copy.deepcopy(module).double()(torch.tensor(held)).numpy()
    assert np.array_equal(found, wanted)
    straight = [sentence for sentence in graph.basis.ideal if "x + (q - x) is q here" in sentence]
    assert bool(straight) is (make is bits)


def test_quantisers_of_brevitas_are_read_from_the_module():
    qnn = pytest.importorskip("brevitas.nn")
    torch.manual_seed(1)
    net = nn.Sequential(
        *(qnn.QuantIdentity(bit_width=6), qnn.QuantConv1d(3, 4, 3, weight_bit_width=4), nn.BatchNorm1d(4)),
        *(qnn.QuantReLU(bit_width=4), nn.Flatten(), qnn.QuantLinear(16, 3, bias=True, weight_bit_width=3)),
        qnn.QuantIdentity(bit_width=6),
    )
    for _ in range(310):
        net(torch.randn(32, 3, 6))
    graph, _ = converted(net, torch.randn(EVENTS, 3, 6) * 2)
    assert graph.basis.measured.float64.events == 0
    assert graph.basis.measured.float32.events < 0.01 * graph.basis.measured.events


class Several(nn.Module):
    """Two arguments, two outputs, floats that get their types from the user."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, jets, muons):
        h = f.relu(self.first(torch.cat([jets, muons], 1)))
        return self.second(h), h.sum(1, keepdim=True)


def test_a_float_module_takes_types_and_becomes_firmware(tmp_path):
    torch.manual_seed(0)
    types = {"weight_precision": {"*": "fixed<8,2>"}, "layer_precision": {"*": "fixed<10,5>", "first": "fixed<8,4>"}}
    x = (torch.randn(50, 3), np.ones((50, 1), dtype=np.float32))
    design = bittrigger.convert(
        Several().eval(),
        tmp_path / "build",
        inputs=x,
        synthesize=False,
        effort="fast",
        input_precision="fixed<8,4>",
        **types,
    )
    assert design.graph.name == "Several"
    assert design.graph.basis.reference is Reference.TYPED_PYTORCH
    assert "weights are rounded to" in design.graph.basis.chosen[0]
    design.simulate(["oracle", "emulator"], events=50)
    assert design.run(np.concatenate([x[0].numpy(), x[1]], axis=1)).shape == (50, 3)


REFUSED = {
    "divides": (lambda _net, x: x / x.abs().amax(1, keepdim=True), "it divides by a value of the event"),
    "places": (lambda _net, x: x.max(1).indices.float(), "the places of the largest are used"),
    "batch": (lambda _net, x: x - x.mean(), "operator 'mean' at 'mean': it goes over the events of a batch"),
    "sorted": (lambda _net, x: torch.sort(x, 1).values, "operator 'sort' at 'sort' is not read; allowed are "),
    "branch": (lambda _net, x: x if x.sum() > 0 else -x, "torch.export cannot trace it"),
    "float": (lambda net, x: f.linear(x, net.a), "its kernel is float; .*--weight-precision"),
    "joined": (lambda _net, x: x.reshape(-1, 2), "so that the events of a batch come under other values"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_in_words(name):
    function, message = REFUSED[name]
    with pytest.raises(UnsupportedModelError, match=message):
        converted(Of(function, a=(3, 4)), torch.randn(20, 4))


def test_a_module_needs_its_events_and_inference(tmp_path):
    with pytest.raises(ConfigError, match="it does not say the shape of its events; expected inputs=x"):
        bittrigger.convert(nn.Linear(2, 2), tmp_path / "build")
    with pytest.raises(UnsupportedModelError, match=r"it is in training; allowed is inference; call model\.eval\(\)"):
        bittrigger.convert(nn.Linear(2, 2).train(), tmp_path / "build", inputs=np.ones((3, 2)))
    with pytest.raises(BittriggerError, match=r"x \+ \(q - x\) is q here"):
        converted(bits(), torch.randn(20, 6), require="exact")


class Described(nn.Module):
    """A set whose tensors are saved, and whose lines are written beside them."""

    def __init__(self):
        super().__init__()
        self.phi, self.conv, self.bn, self.rho = (
            nn.Linear(3, 4),
            nn.Conv1d(8, 4, 3, padding=1),
            nn.BatchNorm1d(4),
            nn.Linear(8, 2),
        )

    def forward(self, x):
        h = q(f.relu(f.linear(x, ternary(self.phi.weight), self.phi.bias)), 3, 0, 31)
        both = torch.cat([q(h - h.mean(1, keepdim=True), 3, -32, 31), h], 2).transpose(1, 2)
        y = f.conv1d(both, ternary(self.conv.weight), self.conv.bias, padding=1)
        y = f.max_pool1d(q(f.gelu(self.bn(y)), 3, -32, 31), 2).flatten(1)
        return q(f.linear(y, ternary(self.rho.weight), self.rho.bias), 6, -(2**11), 2**11 - 1)


def ternary(weight):
    beta = weight.double().abs().mean().float().to(weight.dtype)
    return beta * torch.clamp(torch.round(weight / beta), -1, 1)


DESCRIBED = """input: {type: "fixed<6,3>", shape: [4, 3]}
network:
  - {linear: phi, weights: bithep}
  - relu
  - {quantize: "ufixed<5,2>", as: h}
  - {mean: 1, keepdim: true, as: mean}
  - {sub: mean, of: h}
  - {quantize: "fixed<6,3>"}
  - {concat: h, axis: 2}
  - {transpose: [0, 2, 1]}
  - {conv1d: conv, weights: bithep, padding: 1}
  - {batchnorm: bn}
  - gelu
  - {quantize: "fixed<6,3>"}
  - {maxpool1d: 2}
  - flatten
  - {linear: rho, weights: bithep}
output: fixed<12,6>
"""


def test_a_described_graph_is_the_module_whose_tensors_it_has(tmp_path):
    torch.manual_seed(2)
    module = Described().eval()
    nn.init.uniform_(module.bn.running_mean, -0.5, 0.5)
    torch.save(module.state_dict(), tmp_path / "net.pt")
    (tmp_path / "net.yaml").write_text(DESCRIBED)
    graph = foreign_graph(tmp_path / "net.pt", Settings())
    codes = np.random.default_rng(3).integers(-32, 32, size=(EVENTS, 12))
    with torch.no_grad():
        wanted = copy.deepcopy(module).double()(torch.tensor(codes / 8.0).reshape(-1, 4, 3)).numpy()
    assert np.array_equal(decode_outputs(graph, evaluate(graph, codes)), wanted)
