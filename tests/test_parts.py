"""The catalogue of FPGA parts."""

import pytest

from bittrigger.device.parts import PARTS, find_part
from bittrigger.errors import ConfigError


@pytest.mark.parametrize(
    "name", ["xcvu13p", "xcvu13p-flga2577-2-e", "XCVU13P-FLGA2577-2-E", "xcu250-figd2104-2L-e", "xcu250"]
)
def test_lookup(name):
    assert find_part(name).device == "xcvu13p"


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.device)
def test_entries_are_sourced_and_even(part):
    assert part.source
    assert part.retrieved
    assert part.lut % part.slrs == 0
    assert part.name is None or find_part(part.name) is part


def test_names_are_unique():
    names = [name for part in PARTS for name in (part.device, *part.aliases)]
    assert len(set(names)) == len(names)


def test_unknown_part_offers_close_ones():
    with pytest.raises(ConfigError, match=r"part 'xcvu31p' is unknown; did you mean .*xcvu13p"):
        find_part(["xcvu31p", "flga2577", "2", "e"][0])


def test_misspelt_part():
    with pytest.raises(ConfigError, match="is not spelt as Vivado does"):
        find_part("xcvu13p-2-e")
