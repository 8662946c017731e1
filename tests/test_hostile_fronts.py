"""Small files that would take for ever, or all memory, or end in a traceback: checkpoints, descriptions, settings, projects."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import traceback
import zipfile
from io import BytesIO

import numpy as np
import pytest
import pytorch_files
from onnx_files import GENERAL, model, node, sized, tensor, value_info, varint, whole
from pytorch_files import number, text

from bittrigger.compile.foreign import foreign_graph
from bittrigger.device.budgets import read_budget
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.frontend.hls4ml_project.lower import lower_project
from bittrigger.frontend.hls4ml_project.project import read_project
from bittrigger.frontend.pytorch.description import read_description
from bittrigger.frontend.pytorch.tensors import read_tensors
from bittrigger.settings import Settings, read_settings

SECONDS = 20
MEMORY = 3 << 30
"""Bytes of address space; the worst of these files took 100 GiB, or 2**60 steps."""

START, ORDERED, STOP = b"\x80\x02", b"ccollections\nOrderedDict\n)R", b"."
DOUBLED = b")" + b"".join(b"q\x00h\x00\x86" for _ in range(60))
"""A tuple of twice the same tuple of twice the same, sixty times."""

REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n("


def storage(key):
    return b"(" + text("storage") + b"ctorch\nFloatStorage\n" + key + text("cpu") + number(4) + b"tQ"


def one_tensor(size, strides, *, key=b""):
    rest = storage(key or text("0")) + number(0) + b"(" + size + b"t(" + strides + b"t\x89" + ORDERED + b"tR"
    return START + ORDERED + text("w") + REBUILD + rest + b"s" + STOP


CHECKPOINTS = {
    "a key of many tuples": START + b"}" + DOUBLED + b"Ns" + STOP,
    "a key of deep tuples": START + b"})" + b"\x85" * 300_000 + b"Ns" + STOP,
    "a class of many tuples": START + DOUBLED + text("x") + b"\x93" + STOP,
    "a storage of many tuples": one_tensor(number(4), number(1), key=DOUBLED),
    "a size of texts": one_tensor(text("a" * 1000) + number(1 << 30), number(1) + number(1)),
    "a size of many numbers": one_tensor(number(2**31 - 1) * 100_000, number(1) * 100_000),
    "an enormous size": one_tensor(number(0) + b"\x8a\x0b" + bytes(10) + b"\x01", number(1) * 2),
    "marks behind one another": START + number(1) * 400_000 + b"(t" * 400_000 + STOP,
    "long names in each other": START + b"}" + text("k" * 3_000_000) + b"}(" + b"".join(
        text(str(k)) + b"}" for k in range(90_000)) + b"us" + STOP,
    "nothing to call with": START + b"ccollections\nOrderedDict\nNR" + STOP,
    "no mark": START + b"t" + STOP,
}  # fmt: skip


def bomb(name="input"):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12)]
    return "\n".join([*lines, f"{name}: *a11\n"])


DESCRIPTIONS = {
    "aliases": bomb(),
    "deep": "input: " + "[" * 50_000,
    "no number": f"input: 0x{'f' * 6000}\nnetwork: [relu]\n",
}
SETTINGS = {
    "aliases": bomb("effort"), "a long number": f"latency_cycles: 0x{'f' * 6000}\n", "base 60": "seed: " + "1:" * 400_000 + "1\n",
    "deep": "{a: " * 50_000, "no number": "clock_mhz: .nan\n", "endless": "clock_mhz: .inf\n", "a date": "name: 2026-13-45\n",
}  # fmt: skip
BUDGETS = {
    "aliases": bomb("retrieved"), "a long number": f"name: a\ntitle: b\nsource: c\nretrieved: d\nlut: 0x{'f' * 6000}\n",
    "base 60": "lut: " + "1:" * 400_000 + "1\n", "no number": "name: a\ntitle: b\nsource: c\nretrieved: d\nlatency_ns: .nan\n",
}  # fmt: skip

TOP = "void top(input_t x[3], result_t y[2]) {\n    %s\n}\n"
DEFINES = "typedef ap_fixed<8,4> input_t;\ntypedef ap_fixed<9,5> result_t;\n%s\n"
DENSE = "nnet::dense<input_t, result_t, config2>(x, y, w2, b2);"
CONFIG = "struct config2 : nnet::dense_config {\n    static const unsigned n_in = %s;\n    static const unsigned n_out = 2;\n};\n"
CONVOLVE = "nnet::conv_1d_cl<input_t, result_t, config2>(x, y, w2, b2);"
CONVOLUTION = (
    "struct config2 : nnet::conv1d_config {\n    static const unsigned in_width = 3;\n    static const unsigned n_chan = 1;\n"
    "    static const unsigned filt_width = 1;\n    static const unsigned out_width = %s;\n"
    "    static const unsigned n_filt = 2;\n};\n"
)
PROJECTS = {
    "comments without an end": {"defines.h": DEFINES % ("/* " * 400_000)},
    "a long word": {"weights/w2.h": "a" * 400_000},
    "names of names": {"defines.h": DEFINES % "\n".join(f"#define A{k} {'+'.join([f'A{k + 1}'] * 100)}" for k in range(9)),
                       "parameters.h": CONFIG % "A0"},
    "a call without brackets": {"top.cpp": TOP % "nnet::dense;"},
    "a call of nothing": {"top.cpp": TOP % "nnet::;"},
    "an empty member": {"parameters.h": "struct config2 : nnet::dense_config { ; };\n"},
    "using at the end": {"parameters.h": "struct config2 : nnet::dense_config { template using; };\n"},
    "windows without end": {"parameters.h": CONVOLUTION % "2000000000", "top.cpp": TOP % CONVOLVE},
    "no windows": {"parameters.h": CONVOLUTION % "0", "top.cpp": TOP % CONVOLVE},
    "an enormous sum": {"top.cpp": "void top(input_t x[100000], result_t y[100000]) {\n"
                        "    nnet::add<input_t, input_t, result_t, config2>(x, x, y);\n}\n"},
    "a layer of nothing": {"parameters.h": CONFIG % "-3"},
}  # fmt: skip


QUANT = node("Quant", ["x", "s", "z", "b"], ["q"], GENERAL, signed=1, narrow=0)
ENDS = sized(11, value_info("x", (1, 4))) + sized(12, value_info("y", ()))


def constants(**values):
    return b"".join(sized(5, tensor(name, np.asarray(array))) for name, array in values.items())


SOUND = constants(s=np.float32(0.25), z=np.float32(0), b=np.float32(4)) + ENDS


def graph(*nodes, rest=SOUND, **more):
    return model(b"".join(sized(1, one) for one in (QUANT, *nodes)) + rest + constants(**more))


def kernel(shape):
    return {"w": np.ones(shape, dtype=np.float32)}


def huge(shape, data=b""):
    return b"".join(whole(1, n) for n in shape) + whole(2, 1) + sized(8, "w") + sized(9, data)


DOUBLING = [node("Concat", [f"k{n}"] * 2, [f"k{n + 1}"], axis=0) for n in range(60)]
SUBGRAPH = node("If", ["q"], ["y"], then_branch=sized(6, ENDS) + whole(20, 5))
OUTSIDE = (
    whole(1, 4) + whole(2, 1) + sized(8, "w") + sized(13, sized(1, "location") + sized(2, "/etc/passwd")) + whole(14, 1)
)
LIST = np.arange(3, dtype=np.int64)
ONNX = {
    "no protobuf": b"\x0b\x0c" * 1000,
    "nothing": b"",
    "cut off": graph(node("Relu", ["q"], ["y"]))[:-40],
    "a length of 2^63": varint(7 << 3 | 2) + varint((1 << 63) - 1),
    "a number without an end": varint(1 << 3) + b"\xff" * 40,
    "millions of fields": b"\x08\x01" * 9_000_000,
    "a long name": model(sized(1, sized(4, "a" * 3_000_000))),
    "a constant elsewhere": model(sized(1, QUANT) + SOUND + sized(5, OUTSIDE)),
    "a shape of 2^60": model(sized(1, QUANT) + SOUND + sized(5, huge([1 << 60]))),
    "a shape of many axes": model(sized(1, QUANT) + SOUND + sized(5, huge([1] * 100_000, bytes(4)))),
    "a shape that overflows": model(sized(1, QUANT) + SOUND + sized(5, huge([1 << 26, 1 << 26, 1 << 12]))),
    "a negative shape": model(sized(1, QUANT) + SOUND + sized(5, huge([-4], bytes(16)))),
    "fewer numbers": model(sized(1, QUANT) + SOUND + sized(5, huge([4, 4], bytes(16)))),
    "a branch": graph(SUBGRAPH),
    "functions": graph(node("Relu", ["q"], ["y"])) + sized(25, sized(1, "Relu")),
    "training": graph(node("Relu", ["q"], ["y"])) + sized(20, b""),
    "two graphs": graph(node("Relu", ["q"], ["y"])) * 2,
    "an operator of nobody": graph(node("Relu", ["q"], ["y"], "ai.onnx.contrib")),
    "a program": graph(node("PyOp", ["q"], ["y"], "", module="os", compute="system")),
    "a loop": graph(node("Loop", ["q"], ["y"])),
    "a circle": graph(node("Add", ["q", "t"], ["y"]), node("Relu", ["y"], ["t"])),
    "an operand of nobody": graph(node("Relu", ["nobody"], ["y"])),
    "no operands": graph(node("MatMul", [], ["y"])),
    "one operand": graph(node("Concat", [""], ["y"], axis=1)),
    "no outputs": model(sized(1, QUANT) + SOUND.replace(sized(12, value_info("y", ())), b"")),
    "no inputs": model(sized(1, node("Identity", ["s"], ["y"])) + SOUND.replace(sized(11, value_info("x", (1, 4))), b"")),
    "an output of nobody": graph(node("Relu", ["q"], ["t"])),
    "an output that is a constant": graph(node("Identity", ["s"], ["y"])),
    "a name twice": graph(node("Relu", ["q"], ["y"]), node("Relu", ["q"], ["y"])),
    "an input without a length": graph(node("Relu", ["q"], ["y"]), rest=SOUND.replace(ENDS, b"") + sized(
        11, value_info("x", (1, "n"))) + sized(12, value_info("y", ()))),
    "an input without axes": graph(node("Relu", ["q"], ["y"]), rest=SOUND.replace(ENDS, b"") + sized(
        11, value_info("x", ())) + sized(12, value_info("y", ()))),
    "an enormous input": graph(node("Relu", ["q"], ["y"]), rest=SOUND.replace(ENDS, b"") + sized(
        11, value_info("x", (1, 1 << 40, 1 << 40))) + sized(12, value_info("y", ()))),
    "doubling": graph(node("Identity", ["w"], ["k0"]), *DOUBLING, **kernel(4)),
    "an enormous constant": graph(node("ConstantOfShape", ["n"], ["y"]), n=np.array([1 << 40, 1 << 20])),
    "an outer sum": graph(node("Add", ["w", "v"], ["y"]), **kernel((1 << 13, 1)), v=np.ones((1, 1 << 13), "f4")),
    "taken again and again": graph(node("Gather", ["w", "n"], ["y"]), **kernel(1 << 14), n=np.zeros(1 << 14, np.int64)),
    "a pad of 2^40": graph(node("Pad", ["q", "n"], ["y"]), n=np.array([0, 1 << 40, 0, 0])),
    "a reshape of 2^60": graph(node("Reshape", ["q", "n"], ["y"]), n=np.array([1, 1 << 60, -1])),
    "a reshape of many": graph(node("Reshape", ["q", "n"], ["y"]), n=np.ones(1 << 16, np.int64)),
    "axes of many": graph(node("Unsqueeze", ["q", "n"], ["y"]), n=np.arange(1, 60)),
    "a wrong order": graph(node("Transpose", ["q"], ["y"], perm=[1, 0])),
    "no order": graph(node("Transpose", ["q"], ["y"], perm="ab")),
    "a slice of nothing": graph(node("Slice", ["q", "n", "n", "n", "n"], ["y"]), n=LIST),
    "a gather beyond": graph(node("Gather", ["q", "n"], ["y"], axis=1), n=LIST + 7),
    "a split of wrong parts": graph(node("Split", ["q", "n"], ["y", "t", "u"], axis=1), n=LIST),
    "a far axis": graph(node("Concat", ["q", "q"], ["y"], axis=1 << 40)),
    "a scale of zero": model(sized(1, QUANT) + constants(s=np.float32(0), z=np.float32(0), b=np.float32(4)) + ENDS),
    "no number as scale": model(sized(1, QUANT) + constants(s=np.float32("nan"), z=np.float32(0), b=np.float32(4)) + ENDS),
    "a scale that moves": model(sized(1, node("Quant", ["x", "x", "z", "b"], ["y"], GENERAL)) + SOUND),
    "a scale of many axes": model(
        sized(1, QUANT) + constants(s=np.ones((1, 1, 1, 1, 4), "f4"), z=np.float32(0), b=np.float32(4)) + ENDS),
    "2^30 bits": model(sized(1, QUANT) + constants(s=np.float32(1), z=np.float32(0), b=np.float32(1 << 30)) + ENDS),
    "no bits": model(sized(1, QUANT) + constants(s=np.float32(1), z=np.float32(0), b=np.zeros(0, "f4")) + ENDS),
    "a matrix that does not fit": graph(node("MatMul", ["q", "w"], ["y"]), **kernel((5, 4))),
    "a matrix of no axes": graph(node("MatMul", ["q", "w"], ["y"]), **kernel(())),
    "a matrix of nothing": graph(node("MatMul", ["q", "w"], ["y"]), **kernel((4, 0))),
    "a factor that is no number": graph(node("Gemm", ["q", "w"], ["y"], alpha=float("nan")), **kernel((4, 4))),
    "a convolution of a vector": graph(node("Conv", ["q", "w"], ["y"]), **kernel((4, 4, 1))),
    "strides of nothing": graph(node("Unsqueeze", ["q", "n"], ["t"]), node("Conv", ["t", "w"], ["y"], strides=[0]),
                                n=np.array([1]), **kernel((1, 1, 2))),
    "a convolution of 2^15 groups": graph(node("Pad", ["q", "p"], ["t"]), node("Unsqueeze", ["t", "n"], ["u"]),
                                          node("Conv", ["u", "w"], ["y"], group=1 << 15), n=np.array([2]),
                                          p=np.array([0, 0, 0, (1 << 15) - 4]), **kernel((1 << 15, 1, 1))),
    "an outer quantiser": graph(node("Quant", ["w", "v", "z", "b"], ["k"], GENERAL, signed=1, narrow=0),
                                node("MatMul", ["q", "k"], ["y"]), **kernel((1 << 13, 1)), v=np.ones((1, 1 << 13), "f4")),
    "a product of 2^30 terms": graph(
        node("MatMul", ["x", "x"], ["y"]), rest=SOUND.replace(ENDS, b"") + sized(
            11, value_info("x", (1, 1024, 1024))) + sized(12, value_info("y", ()))),
    "a tensor moved again and again": graph(
        *(node("Slice", [f"t{k}" if k else "x", "n", "m", "n"], [f"t{k + 1}"]) for k in range(400)),
        rest=SOUND.replace(ENDS, b"") + sized(11, value_info("x", (1, 1 << 20))) + sized(12, value_info("t400", ())),
        n=np.array([1]), m=np.array([1 << 20])),
    "one name for all nodes": graph(
        *(node("Relu", [f"t{k}" if k else "q"], [f"t{k + 1}"]) for k in range(19_000)), node("If", ["t19000"], ["y"])),
    "enormous pads": graph(node("Unsqueeze", ["q", "n"], ["t"]), node("Conv", ["t", "w"], ["y"], pads=[1 << 40] * 2),
                           n=np.array([1]), **kernel((1, 1, 2))),
    "enormous windows": graph(node("Unsqueeze", ["q", "n"], ["t"]), node("MaxPool", ["t"], ["y"], kernel_shape=[1 << 40]),
                              n=np.array([1])),
    "an enormous dilation": graph(node("Unsqueeze", ["q", "n"], ["t"]), node("Conv", ["t", "w"], ["y"], dilations=[1 << 60]),
                                  n=np.array([1]), **kernel((1, 1, 2))),
    "groups of nothing": graph(node("Unsqueeze", ["q", "n"], ["t"]), node("Conv", ["t", "w"], ["y"], group=0),
                               n=np.array([1]), **kernel((1, 1, 2))),
    "a negative variance": graph(node("BatchNormalization", ["q", "w", "w", "w", "v"], ["y"]), **kernel(4),
                                 v=np.full(4, -3, "f4")),
    "a division by zero": graph(node("Div", ["q", "w"], ["y"]), w=np.zeros(4, "f4")),
    "a kind of texts": graph(node("Softmax", ["q"], ["y"], axis="last")),
    "a tensor as a number": graph(node("Softmax", ["q"], ["y"], axis=np.zeros(3, np.int64))),
    "an attribute of nothing": graph(node("Gemm", ["q", "w"], ["y"], transB=b""), **kernel((4, 4))),
    "an unknown rounding": graph(node("Quant", ["q", "s", "z", "b"], ["y"], GENERAL, signed=1, narrow=0,
                                      rounding_mode="__import__")),
}  # fmt: skip


def onnx_file(path, data):
    path = path.with_suffix(".onnx")
    path.write_bytes(data)
    foreign_graph(path, Settings())


def checkpoint(path, program):
    path.write_bytes(b"")
    pytorch_files.write(path, program, {"data/0": bytes(16)})
    read_tensors(path)


def project(folder, files):
    (folder / "weights").mkdir(parents=True)
    sound = {"defines.h": DEFINES % "", "parameters.h": CONFIG % 3, "top.cpp": TOP % DENSE, "weights/w2.h": "", **files}
    for name, content in sound.items():
        (folder / name).write_text(content)
    lower_project(read_project(folder))


def wrote(path, content):
    path.write_text(content)
    return path


ATTACKS = {
    **{f"checkpoint: {name}": (checkpoint, program) for name, program in CHECKPOINTS.items()},
    **{f"project: {name}": (project, files) for name, files in PROJECTS.items()},
    **{f"onnx: {name}": (onnx_file, data) for name, data in ONNX.items()},
    **{f"description: {name}": (lambda p, c: read_description(wrote(p, c)), c) for name, c in DESCRIPTIONS.items()},
    **{f"settings: {name}": (lambda p, c: _settings(wrote(p, c)), c) for name, c in SETTINGS.items()},
    **{f"budget: {name}": (lambda p, c: read_budget(wrote(p, c)), c) for name, c in BUDGETS.items()},
}


def _settings(path):
    Settings(**read_settings(path))


def attack(name, folder):
    """Whether the file is refused with one sentence, within time and memory; in a process of its own."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    read, content = ATTACKS[name]
    try:
        read(folder / "file.yaml", content)
    except (UnsupportedModelError, ConfigError) as refusal:
        os._exit(len(str(refusal)) < 20)
    except BaseException:  # noqa: BLE001 - whatever escapes is what is looked for
        traceback.print_exc()
    os._exit(1)


@pytest.mark.parametrize("kind", ["checkpoint", "onnx", "description", "settings", "budget", "project"])
def test_a_file_that_asks_for_more_than_it_is_worth_is_refused(kind, tmp_path):
    command = (
        "import pathlib, sys, test_hostile_fronts as t\n"
        "for k, name in enumerate(n for n in t.ATTACKS if n.startswith(sys.argv[1])):\n"
        "    place = pathlib.Path(sys.argv[2], str(k)); place.mkdir()\n"
        "    print(name, t.attack(name, place), sep='|', flush=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", command, kind, str(tmp_path)],
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    outcomes = dict(line.split("|") for line in done.stdout.splitlines())
    assert [name for name, refused in outcomes.items() if refused != "True"] == [], done.stderr[-2000:]
    assert set(outcomes) == {name for name in ATTACKS if name.startswith(kind)}, done.stderr[-2000:]


def test_an_encrypted_member_is_refused(tmp_path):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", START + STOP)
    data = bytearray(buffer.getvalue())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    (tmp_path / "net.pt").write_bytes(data)
    with pytest.raises(UnsupportedModelError, match="damaged, or not as torch.save writes it .*encrypted"):
        read_tensors(tmp_path / "net.pt")
