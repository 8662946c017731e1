"""The integers of a checkpoint against PyTorch and Brevitas themselves, every bit; `make test-torch`."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bittrigger.compile.foreign import foreign_graph  # noqa: E402
from bittrigger.ir.basis import Grade  # noqa: E402
from bittrigger.ir.graph import evaluate  # noqa: E402
from bittrigger.settings import Settings  # noqa: E402

EVENTS = 4000


def read_pytorch(path, name, *, exactly=False):
    return foreign_graph(path, Settings(name=name, require="exact" if exactly else "ideal"))


class BitLinear(torch.nn.Linear):
    """The ternary and the binary layer of BitHEP, and that of BitNet, in the precision of its operand."""

    def __init__(self, n_in, n_out, form):
        super().__init__(n_in, n_out)
        self.form = form

    def forward(self, x):
        weight = self.weight.to(x.dtype)
        mean = weight.abs().mean()
        if self.form == "bitnet":
            scale = 1.0 / mean.clamp(min=1e-5)
            kernel = (weight * scale).round().clamp(-1, 1) / scale
        elif self.form == "bithep":
            beta = mean.clamp(min=1e-8)
            kernel = beta * (weight / beta).round().clamp(-1, 1)
        else:
            kernel = mean.clamp(min=1e-8) * torch.sign(weight - weight.mean())
        return torch.nn.functional.linear(x, kernel, self.bias.to(x.dtype))


def rounded(x, frac, lo, hi):
    return (x * 2.0**frac).round().clamp(lo, hi) / 2.0**frac


class Net(torch.nn.Module):
    def __init__(self, form):
        super().__init__()
        self.first, self.second = BitLinear(16, 12, form), BitLinear(12, 5, form)

    def forward(self, x):
        return self.second(rounded(torch.relu(self.first(x)), 5, 0, 255))


@pytest.mark.parametrize("form", ["bithep", "bithep-binary", "bitnet"])
@pytest.mark.parametrize("seed", range(3))
def test_bit_layers_are_equal_in_double_precision(tmp_path, form, seed):
    torch.manual_seed(seed)
    net = Net(form)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    (tmp_path / "net.yaml").write_text(
        f"input: fixed<8,4>\nnetwork:\n  - {{linear: first, weights: {form}}}\n  - relu\n  - quantize: ufixed<8,3>\n"
        f"  - {{linear: second, weights: {form}}}\noutput: fixed<16,6>\n"
    )
    graph = read_pytorch(tmp_path / "net.pt", "net")
    assert graph.basis.grade is Grade.IDEAL
    codes = np.random.default_rng(seed).integers(-128, 128, size=(EVENTS, 16))
    with torch.no_grad():
        wanted = rounded(net(torch.tensor(codes / 16.0)), 10, -(2**15), 2**15 - 1) * 2**10
    assert np.array_equal(evaluate(graph, codes), wanted.numpy().astype(np.int64))


def test_scales_that_are_powers_of_two_are_equal_in_float32(tmp_path):
    torch.manual_seed(5)
    net = torch.nn.Sequential(torch.nn.Linear(16, 12), torch.nn.ReLU(), torch.nn.Linear(12, 5))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(rounded(4 * parameter, 3, -7, 7))
    torch.save({"model": net.state_dict(), "epoch": 3}, tmp_path / "net.pt")
    (tmp_path / "net.yaml").write_text(
        "input: fixed<8,4>\nnetwork:\n  - linear: model.0\n  - relu\n  - quantize: ufixed<8,5>\n  - linear: model.2\n"
        "output: fixed<20,12>\n"
    )
    graph = read_pytorch(tmp_path / "net.pt", "net", exactly=True)
    codes = np.random.default_rng(5).integers(-128, 128, size=(EVENTS, 16))
    with torch.no_grad():
        hidden = rounded(torch.relu(net[0](torch.tensor(codes / 16.0, dtype=torch.float32))), 3, 0, 255)
        wanted = rounded(net[2](hidden), 8, -(2**19), 2**19 - 1) * 2**8
    assert np.array_equal(evaluate(graph, codes), wanted.numpy().astype(np.int64))


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.filterwarnings("ignore")
def test_quantised_layers_of_brevitas(tmp_path, bits):
    qnn = pytest.importorskip("brevitas.nn")
    torch.manual_seed(bits)
    net = torch.nn.Sequential()
    net.add_module("first", qnn.QuantLinear(8, 6, bias=True, weight_bit_width=bits))
    net.add_module("act", qnn.QuantReLU(bit_width=bits))
    net.add_module("second", qnn.QuantLinear(6, 3, bias=True, weight_bit_width=bits))
    net.train()
    for _ in range(400):
        net(torch.randn(32, 8))
    net.eval()
    torch.save(net.state_dict(), tmp_path / "net.pt")
    threshold = "act.act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.value"
    (tmp_path / "net.yaml").write_text(
        f"input: fixed<8,4>\nnetwork:\n  - {{linear: first, weights: brevitas, bits: {bits}}}\n  - relu\n"
        f"  - quantize: {{bits: {bits}, signed: false, threshold: {threshold}}}\n"
        f"  - {{linear: second, weights: brevitas, bits: {bits}}}\noutput: fixed<16,6>\n"
    )
    graph = read_pytorch(tmp_path / "net.pt", "net")
    codes = np.random.default_rng(bits).integers(-128, 128, size=(EVENTS, 8))
    wanted = definition(net, torch.tensor(codes / 16.0), bits)
    assert np.array_equal(evaluate(graph, codes), wanted)
    with torch.no_grad():  # Brevitas in float32: where it rounds, no more than a few last steps of the output
        single = net(torch.tensor(codes / 16.0, dtype=torch.float32))
    single = single.value if hasattr(single, "value") else single
    assert np.abs(single.numpy() * 2**10 - wanted).mean() < 1


def definition(net, x, bits):
    """The network in double precision, with the integer kernels that Brevitas itself gives."""
    with torch.no_grad():
        kernels = {name: getattr(net, name).quant_weight().int().double() for name in ("first", "second")}
        scales = {name: getattr(net, name).weight.double().abs().max() / (2 ** (bits - 1) - 1) for name in kernels}
        step = net.act.act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.value.double() / (2**bits - 1)
        hidden = x @ kernels["first"].T * scales["first"] + net.first.bias.double()
        hidden = (torch.relu(hidden) / step).round().clamp(0, 2**bits - 1) * step
        outputs = hidden @ kernels["second"].T * scales["second"] + net.second.bias.double()
        return (outputs * 2**10).round().clamp(-(2**15), 2**15 - 1).numpy().astype(np.int64)
