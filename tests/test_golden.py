"""The firmware of the shipped models, byte for byte: a change of the compiler shows as a difference of HDL."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bittrigger.build.folder import write_firmware
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.compile.provenance import origin_of
from bittrigger.compile.read import read_file
from bittrigger.settings import Settings

MODELS = ["jet_tagger", "event_filter", "anomaly"]
NETWORKS = ["event_filter"]
"""Of these, networks of the benchmarks: several kinds of kernels in one design."""

FOLDERS = ["rtl", "hls", "emulator", "synth"]


def files(folder: Path) -> dict[str, bytes]:
    paths = [path for name in FOLDERS for path in sorted((folder / name).rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("name", MODELS)
def test_firmware_is_what_was_committed(name, root, tmp_path, request):
    golden = root / "firmware" / name
    settings = Settings()
    folder = root / ("benchmarks/networks" if name in NETWORKS else "models")
    model = folder / name / "model.h5"
    graph = read_file(model, settings, check=False).graph
    update = request.config.getoption("--update-golden")
    if update:
        shutil.rmtree(golden, ignore_errors=True)
    target = golden if update else tmp_path
    pipeline = replace(create_pipeline(graph, settings), origin=origin_of(graph, model))
    write_firmware(pipeline, target, settings)
    found, wanted = files(target), files(golden)
    assert sorted(found) == sorted(wanted)
    changed = [path for path in found if found[path] != wanted[path]]
    assert not changed, "review the difference, then run `make golden`"
