"""Delays of UltraScale+ slices and wires in picoseconds, as AMD publishes them.

Source: RapidWright (github.com/Xilinx/RapidWright, read 2026-11-29), ``timing/ultrascaleplus/intrasite_delay_terms.txt`` v0.5 and
``intersite_delay_terms.txt`` v0.4. The model is described by Maidee, Neely, Kaviani, Lavin, "An Open-source Lightweight Timing
Model for RapidWright", FPT 2019. The files do not say for which speed grade they hold.
"""

from __future__ import annotations

from functools import cache

LUT_O6 = (35, 50, 90, 100, 125, 150)
"""From the pins A6, A5, ... A1 to O6, the fastest first: a router gives the fastest pin to the signal that comes last."""

LUT_O5 = (70, 100, 115, 140, 165)
"""From the pins A5, ... A1 to O5."""

LUT_PIN = (43, 44, 44, 48, 53, 74)
"""From the wires to the pins A6, A5, ... A1 of a slice."""

O5_OUT = 60
"""From O5 to the wires."""

CLOCK_TO_Q = 77
SETUP = -25
"""Before the edge; this flip-flop still takes what comes a little after it."""

SRL_CLOCK_TO_Q = 312
SRL_SETUP = 69
LUT_TO_FF = 50
"""Within a slice."""

CARRY_TO_FF = 25
FF_PIN = 65 + 100
"""From the wires through a pin such as AX to a flip-flop."""

MUX_PIN = 65
MUX_SELECT, MUX_DATA, LUT_TO_MUX, MUX_OUT = 77, 70, 25, 32

CARRY_OUT = 30
"""From a sum of a carry chain to the wires."""

CARRY_PIN = 65
"""From the wires to a carry chain, where no LUT of the slice drives its input."""

LUT_TO_S = 15
CASCADE = 20 + 26
"""From CO7 of one CARRY8 to CI of the next one above it."""

S_TO_O = (
    (65, 96, 134, 139, 206, 240, 226, 241),
    (56, 117, 123, 204, 237, 224, 238),
    (58, 86, 167, 200, 188, 202),
    (61, 149, 184, 172, 187),
    (63, 95, 129, 137),
    (58, 131, 138),
    (56, 85),
    (56,),
)
"""Row ``i``: from S[i] to O[i], O[i + 1], ..."""

S_TO_CO = (
    (71, 109, 115, 186, 216, 201, 217, 199),
    (91, 98, 184, 213, 199, 214, 197),
    (63, 148, 176, 162, 177, 168),
    (133, 159, 146, 162, 170),
    (70, 103, 113, 163),
    (105, 113, 166),
    (61, 124),
    (124,),
)
"""Row ``i``: from S[i] to CO[i], CO[i + 1], ..."""

DI_TO_O = (
    (81, 109, 115, 178, 208, 196, 211),
    (99, 102, 162, 196, 183, 198),
    (94, 150, 186, 174, 188),
    (147, 182, 170, 185),
    (84, 115, 123),
    (102, 107),
    (93,),
    (),
)
"""Row ``i``: from DI[i] to O[i + 1], O[i + 2], ..."""

DI_TO_CO = (
    (57, 83, 90, 182, 184, 170, 186, 140),
    (73, 78, 144, 172, 158, 173, 127),
    (69, 134, 160, 148, 163, 117),
    (131, 157, 144, 160, 113),
    (59, 87, 98, 100),
    (74, 82, 95),
    (69, 67),
    (60,),
)
"""Row ``i``: from DI[i] to CO[i], CO[i + 1], ..."""

CI_TO_O = (56, 76, 67, 82, 86, 116, 103, 116)
CI_TO_CO = (52, 42, 57, 60, 92, 77, 92, 23)
PIN_TO_O = (110, 132, 131, 135, 193, 228, 216, 231)
"""From CI to the sums where it comes from the wires."""

PIN_TO_CO = (107, 105, 110, 177, 203, 191, 206, 160)

_BOUNCE = 43
"""A wire that stays in its tile: the last one before a pin."""

_VERTICAL = {
    1: 43.0 + 3.6 * 1 + 13.5 * 1,
    2: 43.0 + 3.6 * 3 + 5.5 * 2,
    4: 43.0 + 3.6 * 5 + 9.5 * 4,
    12: 43.0 + 3.6 * 12 + 3.5 * 12,
}
_HORIZONTAL = {1: 43.0 + 3.5 * 1 + 2.3 * 1, 2: 43.0 + 3.5 * 5 + 2.3 * 2, 4: 43.0 + 3.5 * 10 + 2.4 * 4}
"""Tiles that a wire spans, and k0 + k1 L + k2 d of it."""


@cache
def _straight(tiles: int, vertical: bool) -> float:
    wires = _VERTICAL if vertical else _HORIZONTAL
    best = [0.0]
    for distance in range(1, tiles + 1):
        best.append(min(best[distance - span] + cost for span, cost in wires.items() if span <= distance))
    return best[tiles]


def horizontal_ps(tiles: int) -> float:
    """The delay of a wire over so many columns of tiles, beyond that of one that stays in its tile."""
    return _straight(tiles, vertical=False)


def vertical_ps(tiles: int) -> float:
    """The delay of a wire over so many rows of tiles, beyond that of one that stays in its tile."""
    return _straight(tiles, vertical=True)


def wire_ps(columns: int, rows: int) -> float:
    """The delay of a wire between slices so many tiles apart, pins not included, along the fastest segments."""
    return _BOUNCE + horizontal_ps(abs(columns)) + vertical_ps(abs(rows))
