"""Sound files of the other front-ends, and one of them damaged: checkpoints of PyTorch, ONNX, projects of hls4ml, YAML."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import numpy as np
import onnx_files
import pytorch_files
from designs import build_of, solved

from bittrigger.build.manifest import seal
from bittrigger.simulate.executors.csim import ap_types_folder
from fuzz import damage

KINDS = ("torch", "onnx", "hls4ml", "settings", "budget", "hdf5", "netlist")
FAST = ["--no-synth", "--effort", "fast"]

_DESCRIPTION = """input: fixed<6,3>
network:
  - {linear: first, weights: bithep}
  - relu
  - quantize: ufixed<6,3>
  - {linear: second, weights: brevitas, bits: 4}
  - quantize: {bits: 4, signed: false, threshold: act.value}
"""
_SETTINGS = "clock_mhz: 240\neffort: fast\nii: 2\nreuse_factor: {d: 1}\nregister_weight: 0.5\nbudget: null\n"
_BUDGET = (
    "name: mine\ntitle: one\nsource: a note\nretrieved: 2026-11-30\nlatency_ns: 500.0\nlut: 9000\nclock_mhz: 320.0\n"
)
_CONFIG = """struct config{n} : nnet::dense_config {{
    static const unsigned n_in = {n_in};
    static const unsigned n_out = {n_out};
    static const unsigned strategy = nnet::latency;
    typedef ap_fixed<{width},8> accum_t;
    typedef w_t bias_t;
    typedef w_t weight_t;
    template<class x_T, class y_T>
    using product = nnet::product::mult<x_T, y_T>;
}};
"""
_TOP = """#include "top.h"
void top(input_t x[N_INPUT], result_t y[2]) {
    #pragma HLS PIPELINE
    hidden_t h[4];
    nnet::dense<input_t, hidden_t, config2>(x, h, w2, b2); // first
    hidden_t r[4];
    nnet::relu<hidden_t, hidden_t, config3>(h, r); // relu
    nnet::dense<hidden_t, result_t, config4>(r, y, w4, b4); // second
}
"""


def prepare_fronts(folder: Path) -> None:
    """Write one sound file, or folder, of each kind below ``folder``."""
    draw = np.random.default_rng(3).normal
    shapes = {"first.weight": (4, 3), "first.bias": (4,), "second.weight": (2, 4), "act.value": ()}
    tensors = {name: np.asarray(np.abs(draw(size=shape)) + 0.1, dtype=np.float32) for name, shape in shapes.items()}
    pytorch_files.write(folder / "m.pt", *pytorch_files.checkpoint(tensors))
    (folder / "m.onnx").write_bytes(onnx_files.network("normalised"))
    (folder / "m.yaml").write_text(_DESCRIPTION)
    (folder / "settings.yaml").write_text(_SETTINGS)
    (folder / "budget.yaml").write_text(_BUDGET)
    shutil.copy(folder / "m.h5", folder / "m.hdf5")
    _project(folder / "project")
    build_of(solved((4, 3, 2)), folder / "synthesised", synth=True)


def _project(folder: Path) -> None:
    (folder / "weights").mkdir(parents=True)
    types = {"input_t": "8,4", "hidden_t": "9,5,AP_RND,AP_SAT,0", "result_t": "12,6", "w_t": "6,2"}
    lines = [f"typedef ap_fixed<{kind}> {name};" for name, kind in types.items()]
    (folder / "defines.h").write_text("\n".join(['#include "ap_fixed.h"', "#define N_INPUT 3", *lines, ""]))
    configs = _CONFIG.format(n=2, n_in="N_INPUT", n_out=4, width=14) + _CONFIG.format(n=4, n_in=4, n_out=2, width=12)
    relu = "struct config3 : nnet::activ_config {\n    static const unsigned n_in = 4;\n};\n"
    (folder / "parameters.h").write_text('#include "weights/w2.h"\n' + configs + relu)
    values = np.random.default_rng(1).normal(size=40).round(3)
    for name, count in {"w2": 12, "b2": 4, "w4": 8, "b4": 2}.items():
        text = ", ".join(map(str, values[:count]))
        (folder / "weights" / f"{name}.h").write_text(f"w_t {name}[{count}] = {{{text}}};\n")
    (folder / "top.h").write_text('#include "defines.h"\nvoid top(input_t x[N_INPUT], result_t y[2]);\n')
    (folder / "top.cpp").write_text(_TOP)
    shutil.copytree(ap_types_folder().parent / "nnet_utils", folder / "nnet_utils")


def damaged_front(random: Random, good: Path, folder: Path, target: str) -> list[str]:  # noqa: PLR0911 - a kind of file each
    """The command line that reads a damaged file below ``folder``."""
    out = ["-o", str(folder / "out")]
    match target:
        case "torch":
            for name in ("m.pt", "m.yaml"):
                shutil.copy(good / name, folder / name)
            _spoil(random, folder / random.choice(["m.pt", "m.pt", "m.yaml"]))
            return ["convert", str(folder / "m.pt"), *out, *FAST]
        case "onnx":
            path = Path(shutil.copy(good / "m.onnx", folder / "m.onnx"))
            _spoil(random, path)
            return ["convert", str(path), *out, *FAST]
        case "hls4ml":
            project = Path(shutil.copytree(good / "project", folder / "project"))
            names = ["defines.h", "parameters.h", "parameters.h", "top.cpp", "top.cpp", "weights/w2.h", "weights/b4.h"]
            _spoil(random, project / random.choice(names))
            return ["import-hls4ml", str(project), *out, *FAST]
        case "hdf5":
            path = Path(shutil.copy(good / "m.hdf5", folder / "m.hdf5"))
            damage.damaged_h5(random, path)
            return ["convert", str(path), *out, *FAST]
        case "netlist":
            build = Path(shutil.copytree(good / "synthesised", folder / "build"))
            damage.damaged_text(random, random.choice(sorted((build / "synth").glob("*.json"))))
            if random.random() < 0.7:
                seal(build)
            verbs = (["timing"], ["prove"], ["report"], ["simulate", "-x", "gates", "-n", "3"])
            verb, *options = random.choice(verbs)
            return [verb, str(build), *options]
        case "settings":
            model = Path(shutil.copy(good / "m.h5", folder / "m.h5"))
            path = Path(shutil.copy(good / "settings.yaml", folder / "settings.yaml"))
            _spoil(random, path)
            return ["convert", str(model), "--config", str(path), *out, *FAST]
        case _:
            path = Path(shutil.copy(good / "budget.yaml", folder / "budget.yaml"))
            _spoil(random, path)
            return ["budgets", str(path)]


_WORDS = (
    *("-1", "0", "1e999", ".nan", ".inf", "99999999999999999999", "*a", "&a", "null", "[", "{", "<", ">", "(", ")", ";", "::"),
    *("*/", "/*", "#if", "#define N_INPUT N_INPUT", "ap_fixed<99,4>", "ap_fixed<8,-900>", "ap_uint<0>", "struct", "nnet::", "w2"),
    *("typedef", "!!python/object:os.system", "true", "2026-99-99", "0x" + "f" * 5000, "1:" * 3000, "''", "~", "y", "x", "}"),
)  # fmt: skip
"""What replaces a word of a text."""


def _spoil(random: Random, path: Path) -> None:
    """Damage the bytes of a file, or exchange words of a text."""
    data = path.read_bytes()
    if path.suffix in (".pt", ".onnx") or random.random() < 0.35:
        path.write_bytes(damage.damaged_bytes(random, data))
        return
    words = data.decode().split(" ")
    for _ in range(random.choice([1, 1, 2, 4])):
        place = random.randrange(len(words))
        match random.randrange(4):
            case 0:
                words[place] = random.choice(_WORDS)
            case 1:
                words[place] = ""
            case 2:
                words[place] = words[random.randrange(len(words))]
            case _:
                words[place] += random.choice(_WORDS)
    path.write_text(" ".join(words))
