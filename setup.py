"""What pyproject.toml cannot say: the native solver, and the folders that travel in the wheel."""

import platform
from pathlib import Path

from setuptools import Extension, find_packages, setup

# As bittrigger/solver/native.py compiles it.
INSTRUCTIONS = ["-mpopcnt"] if platform.machine() in ("x86_64", "AMD64") else []
DATA = {
    "hls_templates": ["*"],
    "firmware": ["*.sv", "ultrascale/*.sv", "vhdl/*.vhd", "vhdl/control/*.vhd", "vhdl/ultrascale/*.vhd"],
    "sim": ["*.py"],
    "schemas": ["*.json"],
}
DATA |= {"jet_tagger": ["model.h5", "card.md", "sample.npz"]}
FOLDERS = {name: f"models/{name}" if name == "jet_tagger" else name for name in DATA}

setup(
    packages=[*find_packages(include=["bittrigger", "bittrigger.*"]), *(f"bittrigger._data.{name}" for name in DATA)],
    package_dir={f"bittrigger._data.{name}": place for name, place in FOLDERS.items()},
    package_data={f"bittrigger._data.{name}": patterns for name, patterns in DATA.items()}
    | {"bittrigger": ["py.typed"]},
    ext_modules=[
        Extension(
            "bittrigger.solver._native",
            sources=[str(path) for path in sorted(Path("bittrigger/solver/native").glob("*.cpp"))],
            depends=[str(path) for path in sorted(Path("bittrigger/solver/native").glob("*.h"))],
            extra_compile_args=["-std=c++17", "-O3", "-pthread", "-fvisibility=hidden", *INSTRUCTIONS],
            extra_link_args=["-pthread"],
            language="c++",
        )
    ],
)
