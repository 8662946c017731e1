"""What is taken from a build to be compiled and run: files that bittrigger itself writes for the stored design, nothing else.

Verilog can call the system, C++ can do anything, and a build may come from somebody else, seal and all. So the design alone is
believed: it is emitted anew, and every file that a compiler would see has to be equal to that byte for byte.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bittrigger.build.folder import Build, write_firmware
from bittrigger.build.manifest import present, read_file
from bittrigger.errors import ConfigError

EXECUTED = ("rtl/", "hls/", "emulator/")
"""Folders of a build whose files executors compile and run."""


def check_emitted(build: Build) -> None:
    """Refuse a build with a file that is not what is emitted for its design.

    Raises:
        ConfigError: naming the first file that differs, is missing, or is not of the design.
    """
    with tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:
        write_firmware(build.pipeline, Path(scratch), build.settings)
        wanted = {name for name in present(Path(scratch)) if name.startswith(EXECUTED)}
        found = {name for name in present(build.folder) if name.startswith(EXECUTED)}
        for name in sorted(wanted ^ found):
            raise _refused(build, name, "it is missing" if name in wanted else "it is not of this design")
        for name in sorted(wanted):
            if read_file(build.folder, name) != (Path(scratch) / name).read_bytes():
                raise _refused(build, name, "it is not what this version of bittrigger writes for the design")


def is_emitted(build: Build) -> bool:
    """Whether ``check_emitted`` takes ``build``."""
    try:
        check_emitted(build)
    except ConfigError:
        return False
    return True


def _refused(build: Build, name: str, reason: str) -> ConfigError:
    return ConfigError(
        f"{str(build.folder / name)!r}: {reason}, and simulating would run it; convert the model again, or run "
        "it with --as-is"
    )
