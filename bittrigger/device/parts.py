"""A catalogue of FPGA parts: what each holds, and where the figures come from.

A figure is listed only where it was read in a tool's own report or a vendor's table; what is not known is None.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from bittrigger.device.own_file import is_file_name
from bittrigger.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Part:
    """One FPGA device.

    Attributes:
        device: the device's name, with which the names of its parts begin: ``xcvu13p``.
        aliases: other names of the same silicon, such as those of accelerator cards.
        name: a part of the device, as Vivado spells it, or None where no source names one.
        slrs: super logic regions; counts are those of the whole device and spread evenly over the regions.
        source: where the figures were read.
        retrieved: date of the reading, ISO 8601.
    """

    device: str
    aliases: tuple[str, ...]
    name: str | None
    family: str
    lut: int
    ff: int | None
    dsp: int
    bram36: int
    uram: int | None
    slrs: int
    source: str
    retrieved: str

    @property
    def adder_inputs(self) -> int:
        """Operands of its cheapest adders: 3 where a LUT6_2 and the carry chain add three operands in one LUT a bit."""
        return 3 if self.family.endswith("UltraScale+") else 2


_TAGGER = (
    "'Available' and 'Available SLR' of a Vitis HLS 2023.2 report, github.com/CMS-L1T-Jet-Tagging/CL2TaggerFirmware"
)
_NOTES = (
    "vendor figures as noted in autumn 2026, document not named; confirm in the vendor's tables before quoting them"
)

PARTS: tuple[Part, ...] = (
    Part(
        device="xcvu13p",
        aliases=("xcu250",),
        name="xcvu13p-flga2577-2-e",
        family="Virtex UltraScale+",
        lut=1_728_000,
        ff=3_456_000,
        dsp=12_288,
        bram36=2_688,
        uram=1_280,
        slrs=4,
        source=f"{_TAGGER}, JetTagger/solution1/syn/report/JetTagger_csynth.rpt",
        retrieved="2026-11-22",
    ),
    Part(
        device="xcvu9p",
        aliases=("xcu200",),
        name="xcvu9p-flga2104-2L-e",
        family="Virtex UltraScale+",
        lut=1_182_240,
        ff=2_364_480,
        dsp=6_840,
        bram36=2_160,
        uram=960,
        slrs=3,
        source=f"{_TAGGER}, JetTaggerNN/JetTaggerNN_prj/solution1/syn/report/JetTaggerNN_csynth.rpt",
        retrieved="2026-11-22",
    ),
    Part("xcvu37p", ("xcu280",), None, "Virtex UltraScale+", 1_303_680, None, 9_024, 2_016, 960, 3, _NOTES, "2026"),
    Part("xcvu11p", (), None, "Virtex UltraScale+", 1_296_000, None, 9_216, 2_016, 960, 3, _NOTES, "2026"),
    Part("xcvu7p", (), None, "Virtex UltraScale+", 788_160, None, 4_560, 1_440, 640, 2, _NOTES, "2026"),
    Part("xczu7ev", (), None, "Zynq UltraScale+", 230_400, 460_800, 1_728, 312, 96, 1, _NOTES, "2026"),
)

_SPELLING = re.compile(r"[a-z0-9]+-[a-z]{3,4}\d{3,4}-[123][a-z]{0,2}(-[a-z])?(-[a-z]+)*")


_BOARDS = {
    "xcu200": "xcu200-fsgd2104-2-e",
    "xcu250": "xcu250-figd2104-2L-e",
    "xcu280": "xcu280-fsvh2892-2L-e",
}
"""Parts of accelerator boards by device. Source: hls4ml 1.3.0, backends/vivado_accelerator/supported_boards.json."""


def vivado_name(name: str) -> str:
    """``name`` as Vivado takes it, with package and speed grade where they are known; else the bare device."""
    wanted = name.strip().lower()
    if "-" in wanted:
        return name.strip()
    part = find_part(wanted)
    return _BOARDS.get(wanted) or (part.name if wanted == part.device else None) or wanted


def find_part(name: str) -> Part:
    """The part called ``name``: a device such as ``xcvu13p``, or a part of one such as ``xcvu13p-flga2577-2-e``.

    Raises:
        ConfigError: if the device is not in the catalogue, or the rest is no package, speed grade and temperature grade.
    """
    wanted = name.strip().lower()
    device = wanted.split("-", maxsplit=1)[0]
    for part in PARTS:
        if device in (part.device, *part.aliases):
            if wanted != device and _SPELLING.fullmatch(wanted) is None:
                raise ConfigError(
                    f"part {name!r} is not spelt as Vivado does; expected {device} or {device}-<package>-<speed>-<temperature>, "
                    "such as xcvu13p-flga2577-2-e"
                )
            return part
    if is_file_name(name):
        raise ConfigError(
            f"part {name!r} is a file, which convert, solve and import-hls4ml take; expected a device here"
        )
    known = [spelling for part in PARTS for spelling in (part.device, *part.aliases)]
    close = difflib.get_close_matches(device, known, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise ConfigError(f"part {name!r} is unknown; {hint}known devices are {', '.join(known)}; see `bittrigger parts`")
