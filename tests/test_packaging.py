"""The wheel carries what it needs, and works away from the checkout."""

import subprocess
import sys
import zipfile

import pytest


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in names.stdout.splitlines():
        shipped = name.startswith("models/jet_tagger/") or not name.startswith(("models/", "tests/"))
        if shipped and (root / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((root / name).read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        source,
    ]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_templates_firmware_and_testbench(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("_data/hls_templates/top.sv.j2", "_data/sim/", "_data/firmware/", "solver/_native", "py.typed"):
        assert any(wanted in name for name in names), wanted
    for wanted in ("_data/schemas/report-3.json", "_data/jet_tagger/model.h5", "_data/hls_templates/report.html.j2"):
        assert any(name.endswith(wanted) for name in names), wanted
    assert not any(
        f"firmware/{model}/" in name for name in names for model in ("jet_tagger", "event_filter", "anomaly")
    )
    assert not any(name.startswith("tests") for name in names)


def test_an_installed_wheel_converts_and_simulates(wheel, jet_tagger, tmp_path):
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target", site, wheel]
    subprocess.run(install, check=True)
    script = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import bittrigger; from bittrigger.cli import main\n"
        f"assert bittrigger.__file__.startswith({str(site)!r})\n"
        "main(sys.argv[1:])"
    )

    def run(*arguments):
        command = [sys.executable, "-c", script, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert "jet_tagger" in run("convert", jet_tagger / "model.h5", "-o", "build", "--no-synth")
    assert "csim" in run("simulate", "build", "--executor", "oracle", "csim", "--events", "200")
