"""The emulator as CMSSW loads it: abstract model class, dlopen, several versions in one process."""

import subprocess

import numpy as np
from test_emulator import pipeline_of, small_net

from bittrigger.emit.emulator import emit_emulator
from bittrigger.ir.graph import evaluate
from bittrigger.ir.ports import output_fields
from bittrigger.simulate.executors.csim import ap_types_folder

INTERFACE = """#ifndef STAND_IN_H
#define STAND_IN_H
#include <any>
namespace hls4mlEmulator {
class Model { // the interface of the experiment, in our own words
  public:
    virtual void prepare_input(std::any input) = 0;
    virtual void predict() = 0;
    virtual void read_result(std::any result) = 0;
    virtual ~Model() = default;
};
}
#endif
"""

HOST = r"""// Opens every library of the command line, then gives each the same event in every form that it takes.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <stdexcept>
#include <vector>
#ifdef WITH_AP_FIXED
#include "ap_fixed.h"
#endif
#include "hls4ml/emulator.h"
using hls4mlEmulator::Model;

int main(int argc, char **argv) {
    const int mode = std::strcmp(argv[1], "global") ? RTLD_LOCAL : RTLD_GLOBAL;
    struct Loaded { Model *model; void (*destroy)(Model *); void *library; };
    std::vector<Loaded> loaded;
    for (int k = 2; k < argc; k++) {
        void *library = dlopen(argv[k], RTLD_LAZY | mode);
        if (!library) { std::puts(dlerror()); return 1; }
        auto create = reinterpret_cast<Model *(*)()>(dlsym(library, "create_model"));
        loaded.push_back({create(), reinterpret_cast<void (*)(Model *)>(dlsym(library, "destroy_model")), library});
    }
    float floats[16]; double doubles[16]; std::int64_t codes[16];
    for (int i = 0; i < 16; i++) {
        codes[i] = 11 * i - 80; doubles[i] = codes[i] / 16.0; floats[i] = doubles[i];
    }
    std::vector<std::any> forms = {static_cast<float *>(floats), static_cast<const double *>(doubles),
                                   static_cast<std::int64_t *>(codes)};
#ifdef WITH_AP_FIXED
    ap_fixed<8, 4> fixed[16];
    for (int i = 0; i < 16; i++) fixed[i] = doubles[i];
    forms.push_back(static_cast<ap_fixed<8, 4> *>(fixed));
#endif
    for (auto &form : forms) {
        for (auto &one : loaded) one.model->prepare_input(form);
        for (auto &one : loaded) one.model->predict();
        for (auto &one : loaded) {
            double result[5]; float single[5]; std::int64_t result_codes[5];
            one.model->read_result(static_cast<double *>(result));
            one.model->read_result(static_cast<float *>(single));
            one.model->read_result(static_cast<std::int64_t *>(result_codes));
            for (int j = 0; j < 5; j++) {
                std::printf("%ld ", static_cast<long>(result_codes[j]));
                if (result[j] != result_codes[j] / 16.0 || single[j] != result[j]) return 2;
            }
#ifdef WITH_AP_FIXED
            RESULT_TYPE exact[5];
            one.model->read_result(static_cast<RESULT_TYPE *>(exact));
            for (int j = 0; j < 5; j++) if (exact[j].to_double() != result[j]) return 3;
#endif
        }
        std::puts("");
    }
    int refused = 0;
    doubles[3] = 1 / (floats[0] - floats[0]); codes[0] = 1000;
    try { loaded[0].model->prepare_input(static_cast<double *>(doubles)); } catch (const std::domain_error &) { refused++; }
    try { loaded[0].model->prepare_input(5); } catch (const std::invalid_argument &) { refused++; }
    try { loaded[0].model->read_result(5); } catch (const std::invalid_argument &) { refused++; }
    loaded[0].model->prepare_input(static_cast<std::int64_t *>(codes));
    try { loaded[0].model->predict(); } catch (const std::domain_error &) { refused++; }
    std::printf("%d\n", refused);
    for (auto &one : loaded) { one.destroy(one.model); dlclose(one.library); }
    int left = 0;
    for (int k = 2; k < argc; k++) left += dlopen(argv[k], RTLD_LAZY | RTLD_NOLOAD) != nullptr;
    std::printf("%d\n", left);
}
"""


def cmssw_outputs(nets, folder, defines=(), headers=None):
    """Build ``nets`` and the host as CMSSW builds them; what the host prints, local and global, and what it should."""
    (folder / "extras" / "include" / "hls4ml").mkdir(parents=True)
    (folder / "extras" / "include" / "hls4ml" / "emulator.h").write_text(INTERFACE)
    (folder / "host.cpp").write_text(HOST)
    settings = [
        "CXXFLAGS=" + ("" if headers else "-Werror"),
        f"EMULATOR_EXTRAS={folder / 'extras'}",
        f"PREFIX={folder}",
    ]
    includes = ["-I", folder / "extras" / "include"]
    if headers:
        (folder / "hls").mkdir()
        (folder / "hls" / "include").symlink_to(headers)
        settings.append(f"HLS_ROOT={folder / 'hls'}")
        includes += ["-isystem", headers]
    for graph, version in nets:
        source = folder / f"{graph.name}_v{version}"
        emit_emulator(pipeline_of(graph), source, version=version)
        subprocess.run(["make", "-s", "-j2", "-C", source, *settings, "install"], check=True)
    command = ["g++", "-std=c++17", *defines, *includes, "-o", folder / "host", folder / "host.cpp", "-ldl"]
    subprocess.run(command, check=True)
    libraries = [folder / "lib64" / f"{graph.name}_v{version}.so" for graph, version in nets]
    codes = 11 * np.arange(16)[None] - 80
    line = "".join(f"{code} " for graph, _ in nets for code in evaluate(graph, codes)[0])
    commands = [[folder / "host", mode, *libraries] for mode in ("local", "global")]
    runs = [subprocess.run(command, capture_output=True, text=True, check=False) for command in commands]
    return [(run.returncode, run.stdout.splitlines()) for run in runs], line


def test_cmssw_loads_versions_and_models_side_by_side(tmp_path):
    nets = [(small_net(1, (16, 5)), 1), (small_net(2, (16, 5)), 2), (small_net(3, (16, 5), name="other"), 1)]
    runs, line = cmssw_outputs(nets, tmp_path)
    assert runs == [(0, [line] * 3 + ["4", "0"])] * 2


def test_cmssw_may_hand_over_ap_fixed(tmp_path):
    graph = small_net(1, (16, 5))
    kind = output_fields(graph)[0].type
    runs, line = cmssw_outputs([(graph, 1)], tmp_path, ["-DWITH_AP_FIXED", f"-DRESULT_TYPE={kind}"], ap_types_folder())
    assert runs == [(0, [line] * 4 + ["4", "0"])] * 2
