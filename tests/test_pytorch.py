"""Checkpoints of PyTorch, read without it: tensors, descriptions, refusals; nothing of a file is run."""

from __future__ import annotations

import contextlib
import json
import re
from fractions import Fraction

import numpy as np
import pytest
import pytorch_files

from bittrigger.cli import cli
from bittrigger.compile.foreign import foreign_graph
from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.pytorch.tensors import read_tensors
from bittrigger.frontend.pytorch.weights import quantized_kernel
from bittrigger.ir.basis import Grade, Reference
from bittrigger.ir.graph import evaluate
from bittrigger.settings import Settings

NETWORK = """input: fixed<6,3>
network:
  - {linear: first, weights: bithep}
  - relu
  - quantize: ufixed<6,3>
  - {linear: second, weights: bitnet}
output: fixed<12,6>
"""


def read_pytorch(path, name, *, exactly=False):
    return foreign_graph(path, Settings(name=name, require="exact" if exactly else "ideal"))


def tensors(seed=0):
    draw = np.random.default_rng(seed).normal
    shapes = {"first.weight": (7, 5), "first.bias": (7,), "second.weight": (3, 7), "second.bias": (3,)}
    return {name: draw(size=shape).astype(np.float32) for name, shape in shapes.items()}


def saved(folder, values=None, network=NETWORK):
    path = pytorch_files.write(folder / "net.pt", *pytorch_files.checkpoint(values or tensors()))
    path.with_suffix(".yaml").write_text(network)
    return path


def rounded(value, step, lo, hi):
    return min(max(round(value / step), lo), hi)


def test_tensors_are_read(tmp_path):
    values = tensors() | {"count": np.array(7, dtype=np.int64), "wide": np.ones((2, 3, 4))}
    found = read_tensors(saved(tmp_path, values))
    assert sorted(found) == sorted(values)
    assert all(np.array_equal(found[name], values[name]) for name in values)


def test_every_output_is_that_of_exact_arithmetic(tmp_path):
    values = tensors()
    graph = read_pytorch(saved(tmp_path, values), "net")
    assert graph.basis.grade is Grade.IDEAL
    codes = np.random.default_rng(1).integers(-32, 32, size=(200, 5))
    found = evaluate(graph, codes)
    kernels = {}
    for name, least in (("first", 1e-8), ("second", 1e-5)):
        weight = [[Fraction(float(w)) for w in row] for row in values[f"{name}.weight"]]
        beta = max(sum(abs(w) for row in weight for w in row) / sum(map(len, weight)), Fraction(least))
        kernels[name] = [[beta * min(max(round(w / beta), -1), 1) for w in row] for row in weight]
    for event, outputs in zip(codes.tolist(), found.tolist(), strict=True):
        x = [Fraction(code, 8) for code in event]
        for name in ("first", "second"):
            bias = [Fraction(float(b)) for b in values[f"{name}.bias"]]
            x = [
                sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(kernels[name], bias, strict=True)
            ]
            if name == "first":
                x = [Fraction(rounded(max(v, 0), Fraction(1, 8), 0, 63), 8) for v in x]
        assert outputs == [rounded(v, Fraction(1, 64), -2048, 2047) for v in x]


def test_scales_that_are_powers_of_two_are_exact(tmp_path):
    weight = np.array([[0.25, -0.25, 0.5], [0.5, 0.25, -0.25]], dtype=np.float32)
    network = "input: fixed<6,3>\nnetwork:\n  - {linear: a, weights: float}\n  - quantize: fixed<6,3>\n"
    graph = read_pytorch(saved(tmp_path, {"a.weight": weight}, network), "net", exactly=True)
    assert graph.basis.grade is Grade.EXACT
    assert graph.basis.promise == "every bit of PyTorch's own float32 result"
    with pytest.raises(UnsupportedModelError, match="its scale .* is no power of two; allowed with --require exact"):
        read_pytorch(saved(tmp_path), "net", exactly=True)


@pytest.mark.parametrize(
    ("form", "bits", "codes", "scale"),
    [
        ("bithep", 8, [[1, 0], [-1, 0]], Fraction(1, 2)),
        ("bithep-binary", 8, [[1, 1], [-1, -1]], Fraction(1, 2)),
        ("brevitas", 3, [[3, 1], [-2, 0]], Fraction(1, 3)),
        ("float", 8, [[4, 1], [-3, 0]], Fraction(1, 4)),
    ],
)
def test_kernels_are_quantised_as_their_class_does(form, bits, codes, scale):
    found = quantized_kernel(np.array([[1.0, 0.25], [-0.75, 0.0]], dtype=np.float32), form, bits, "layer 'a'")
    assert (found[0].tolist(), found[1]) == (codes, scale)


def test_the_command_line_converts_and_simulates(tmp_path):
    path = saved(tmp_path)
    build = tmp_path / "build"
    arguments = ["convert", str(path), "-o", str(build), "--effort", "fast", "--no-synth", "--quiet"]
    cli.main([*arguments, "--simulate", "-n", "50"], standalone_mode=False)
    assert json.loads((build / "report.json").read_text())["grade"]["reference"] == "pytorch"


def test_no_code_of_a_file_is_run(tmp_path):
    trap = tmp_path / "trap"
    for program in (
        b"cposix\nsystem\n(" + pytorch_files.text(f"touch {trap}") + b"tR.",
        b"(" + pytorch_files.text(f"touch {trap}") + b"iposix\nsystem\n.",
        b"ctorch.nn.modules.linear\nLinear\n)\x81.",
    ):
        path = pytorch_files.write(tmp_path / "net.pt", program, {})
        with pytest.raises(UnsupportedModelError, match=r"(no code of a file is run|instruction INST)"):
            read_tensors(path)
        assert not trap.exists()


def test_a_tensor_is_not_larger_than_what_is_stored(tmp_path):
    """Strides of nothing would make gigabytes of one number."""
    program, members = pytorch_files.checkpoint({"weight": np.zeros((2, 3), np.float32)})
    sizes, strides = (b"(" + b"".join(map(pytorch_files.number, pair)) + b"t" for pair in ((2, 3), (3, 1)))
    huge, none = (b"(" + b"".join(map(pytorch_files.number, pair)) + b"t" for pair in ((8000, 8000), (0, 0)))
    assert sizes + strides in program
    path = pytorch_files.write(tmp_path / "net.pt", program.replace(sizes + strides, huge + none), members)
    with pytest.raises(UnsupportedModelError, match="beyond its storage"):
        read_tensors(path)


def test_dictionaries_that_hold_each_other_many_times_end_at_once(tmp_path):
    """Eight levels of a hundred entries each are ten thousand million million places."""
    program = b"\x80\x02}q\x00"
    for level in range(8):
        entries = b"".join(pytorch_files.text(f"k{k}") + b"h" + bytes([level]) for k in range(100))
        program += b"}q" + bytes([level + 1]) + b"(" + entries + b"u"
    path = pytorch_files.write(tmp_path / "net.pt", program + b".", {})
    with pytest.raises(UnsupportedModelError, match="more than 100,000 entries"):
        read_tensors(path)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_file_is_one_sentence(tmp_path, seed):
    path = saved(tmp_path)
    generator = np.random.default_rng(seed)
    data = bytearray(path.read_bytes())
    for _ in range(generator.integers(1, 6)):
        data[generator.integers(len(data))] = generator.integers(256)
    path.write_bytes(bytes(data[: generator.integers(len(data) // 2, len(data) + 1)]))
    with contextlib.suppress(UnsupportedModelError):
        read_pytorch(path, "net")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("weights: bithep", "weights: ternary", "'ternary' of layer 'first'; allowed weights are float, bithep, "),
        ("ufixed<6,3>", "absmax", "takes its step from the largest value of each event, which needs a divider"),
        ("  - quantize: ufixed<6,3>\n", "", "layer 'second': nothing quantises its inputs"),
        ("linear: second", "linear: third", "there is no matrix third.weight; the file holds first.bias, first.weight"),
        ("output:", "outputs:", "'outputs' is unknown"),
        ("relu", "attention", "layer 'attention' is not read: no line of a description"),
        ("fixed<6,3>\nnet", "fixed<6;3>\nnet", "is not a fixed-point type"),
    ],
)
def test_what_is_not_known_is_refused(tmp_path, before, after, says):
    with pytest.raises(UnsupportedModelError) as refusal:
        read_pytorch(saved(tmp_path, network=NETWORK.replace(before, after, 1)), "net")
    assert says in str(refusal.value)


def test_a_checkpoint_without_its_description_says_what_is_missing(tmp_path):
    path = saved(tmp_path)
    path.with_suffix(".yaml").unlink()
    with pytest.raises(
        UnsupportedModelError, match=r"a \.pt holds tensors of PyTorch and no network; write one beside it"
    ):
        read_pytorch(path, "net")


def test_what_convert_reads_can_be_explored_and_compared(tmp_path):
    first = saved(tmp_path)
    (tmp_path / "other").mkdir()
    other = saved(tmp_path / "other", tensors(1))
    place = tmp_path / "points"
    cli(["explore", str(first), "-o", str(place), "--json", str(tmp_path / "points.json")], standalone_mode=False)
    points = json.loads((tmp_path / "points.json").read_text())["points"]
    assert [point["refusal"] for point in points] == [None, None]
    cli(["diff", str(first), str(other), "--json", str(tmp_path / "diff.json")], standalone_mode=False)
    assert json.loads((tmp_path / "diff.json").read_text())["weights"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{lstm: cell}", "layer 'lstm' is not read: no line of a description; convert the module itself in Python"),
        ("embedding", "layer 'embedding' is not read"),
        ("softmax", "leave it out: the design delivers the logits"),
        ("sequential", "list its layers; their names are those in the file"),
        ("nothing", "allowed are linear, relu, dropout and quantize"),
    ],
)
def test_layers_that_are_no_line_of_a_chain_are_refused_by_name(tmp_path, line, message):
    network = NETWORK.replace("  - relu\n", f"  - relu\n  - {line}\n")
    with pytest.raises(UnsupportedModelError, match=message):
        read_pytorch(saved(tmp_path, network=network), "net")


def test_a_dropout_does_nothing(tmp_path):
    plain = read_pytorch(saved(tmp_path), "net")
    dropped = read_pytorch(
        saved(tmp_path, network=NETWORK.replace("  - relu\n", "  - relu\n  - dropout\n  - identity\n")), "net"
    )
    codes = np.random.default_rng(1).integers(-32, 32, size=(50, 5))
    assert np.array_equal(evaluate(plain, codes), evaluate(dropped, codes))


def test_a_norm_within_a_layer_is_not_passed_over(tmp_path):
    """BitLinear of BitNet normalises its operand; without that norm it would be another network."""
    values = tensors() | {"second.norm.weight": np.ones(7, dtype=np.float32)}
    with pytest.raises(
        UnsupportedModelError, match=r"layer 'second.norm': it has 'second.norm.weight' too, .*put a quantize"
    ):
        read_pytorch(saved(tmp_path, values), "net")


def test_what_the_description_leaves_out_is_said(tmp_path):
    values = tensors() | {"bn.running_mean": np.ones(7), "third.weight": np.ones((2, 2))}
    assert read_pytorch(saved(tmp_path, values), "net").basis.chosen == (
        "of the file, bn, third are not part of the network that its description has",
    )
    assert not read_pytorch(saved(tmp_path), "net").basis.chosen


SET = """input: {type: "fixed<6,3>", shape: [4, 3]}
network:
  - {linear: first, weights: bithep}
  - relu
  - quantize: ufixed<5,2>
    as: h
  - {mean: 1, keepdim: true, as: mean}
  - {sub: mean, of: h}
  - {quantize: "fixed<6,3>", as: apart}
  - {concat: [h], axis: 2}
  - {transpose: [0, 2, 1]}
  - {conv1d: conv, weights: brevitas, bits: 4, padding: 1, groups: 2}
  - {batchnorm: bn}
  - gelu
  - {quantize: "fixed<6,3>"}
  - {maxpool1d: 2}
  - flatten
  - {linear: last, weights: bitnet}
output: fixed<12,6>
"""


def set_tensors(seed=0):
    draw = np.random.default_rng(seed).normal
    shapes = {
        "first.weight": (4, 3),
        "first.bias": (4,),
        "conv.weight": (4, 4, 3),
        "last.weight": (2, 8),
        "bn.weight": (4,),
    }
    shapes |= {"bn.bias": (4,), "bn.running_mean": (4,)}
    made = {name: draw(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return made | {"bn.running_var": np.ones(4, dtype=np.float32), "bn.num_batches_tracked": np.array(7)}


def test_a_description_may_be_a_graph(tmp_path):
    graph = read_pytorch(saved(tmp_path, set_tensors(), SET), "net")
    assert (graph.basis.grade, graph.basis.reference, graph.n_inputs) == (Grade.IDEAL, Reference.PYTORCH, 12)
    assert graph.basis.measured.float64.events == 0
    assert not graph.basis.chosen


def test_a_residual_sum_of_powers_of_two_is_exact(tmp_path):
    weight = np.array([[0.25, -0.25, 0.5], [0.5, 0.25, -0.25], [1, 0, 0.75]], dtype=np.float32)
    network = "input: fixed<6,3>\nnetwork:\n  - linear: a\n  - {add: x}\noutput: fixed<9,4>\n"
    graph = read_pytorch(saved(tmp_path, {"a.weight": weight}, network), "net", exactly=True)
    x = np.random.default_rng(0).integers(-32, 32, (100, 3)) / 8
    wanted = np.clip(np.rint((x @ weight.T + x) * 32), -256, 255)
    assert np.array_equal(evaluate(graph, (x * 8).astype(np.int64)), wanted)


def test_the_command_line_takes_types_for_a_graph_of_floats(tmp_path):
    tensors = {"a.weight": np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)}
    path = saved(tmp_path, tensors, "input: fixed<6,3>\nnetwork:\n  - linear: a\n  - {add: x}\n")
    arguments = ["convert", str(path), "-o", str(tmp_path / "build"), "--effort", "fast", "--no-synth", "--quiet"]
    cli.main([*arguments, "--weight-precision", "fixed<8,3>", "--layer-precision", "fixed<8,4>"], standalone_mode=False)
    grade = json.loads((tmp_path / "build" / "report.json").read_text())["grade"]
    assert grade["reference"] == "typed-pytorch"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("sub: mean", "sub: other", "sub reads 'other', which no line before it is called"),
        ("of: h", "of: g", "sub reads 'g', which no line before it is called"),
        ("as: apart", "as: h", "two lines are called 'h'"),
        ("groups: 2", "group: 2", "'group' of conv1d is unknown; allowed are as, of, weights, bits, stride, padding"),
        ("weights: brevitas", "weights: int4", "'int4' of layer 'conv'; allowed weights are float, bithep"),
        ("batchnorm: bn", "batchnorm: norm", "there is no finite norm.running_mean; the file holds bn.bias"),
        ("  - {batchnorm: bn}\n", "", "of the file, bn are not part of the network"),
        (", shape: [4, 3]", "", "axis 2 of 2; allowed are axes behind that of the batch"),
        ("maxpool1d: 2", "maxpool1d: [2, 2]", "maxpool1d .2, 2.; allowed are one number, or 1"),
        ("weights: bithep", "weights: float", "its kernel is float"),
        ("- gelu", "- softmax", "leave it out: the design delivers the logits"),
    ],
)
def test_lines_that_do_not_fit_are_refused(tmp_path, before, after, message):
    path = saved(tmp_path, set_tensors(), SET.replace(before, after, 1))
    try:
        said = "; ".join(read_pytorch(path, "net").basis.chosen)
    except UnsupportedModelError as error:
        said = str(error)
    assert re.search(message, said), said


@pytest.mark.parametrize(
    ("line", "values", "message"),
    [
        ("{mean: 1, keepdim: 'false'}", {}, "keepdim 'false'; allowed are true and false"),
        ("{quantize: {bits: 4, signed: 'no', threshold: t}}", {}, "signed 'no'; allowed are true and false"),
        ("{linear: a}", {"a.weight": np.full((3, 3), 0.1)}, "a.weight: numbers of float64 that no float32 holds"),
        ("{linear: a}", {"a.bias": np.full(3, 0.1)}, "a.bias: numbers of float64 that no float32 holds"),
    ],
)
def test_what_a_description_or_its_tensors_leave_open_is_refused(tmp_path, line, values, message):
    network = f'input: {{type: "fixed<6,3>", shape: [3]}}\nnetwork:\n  - {line}\noutput: fixed<9,4>\n'
    given = {"a.weight": np.ones((3, 3), np.float32), "t": np.ones((), np.float32)} | values
    with pytest.raises(UnsupportedModelError, match=message):
        read_pytorch(saved(tmp_path, given, network), "net")
