"""Delays for pipelining UltraScale+ logic before any tool has seen it.

The constants are read off public *routed* Vivado 2021.2 timing reports of an xczu3eg-1 (LUT 0.04-0.20 ns, CARRY8
S->CO 0.20-0.24 ns, nets of fan-out 1 0.16-0.35 ns, FF clock-to-Q 0.10 ns, set-up 0.03 ns, clock uncertainty 0.035 ns),
summed along one adder level. They place registers; they are no sign-off, and no report shows them as a clock frequency.

Wires of many readers are fitted to our own placement (``bittrigger timing``, 2026-12-01): models/quark_gluon's attention, with a
ReLU and with a softmax, every 9 and 54 clocks at 360 MHz, the first at 300 and 240 MHz too, and models/l1_jet_tagger every 9
clocks, where all queues choose as the copies read. Of 26 queues behind which logic leaves less than 0.06 ns a doubling nine
miss the period, by up to 0.77 ns; of 11 behind which it leaves more one does, by 0.08 ns. The slowest wire of a net takes 0.1 ns
(median) there with one or two readers, 0.5 ns with 5 to 32, 1.0 ns with 33 and more; the delays of logic make up for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DelayModel:
    """Nanoseconds of each kind of operation, the net before it included.

    Attributes:
        spread_ns: what a net takes more for each doubling of the cells that read it, where these lie apart.
        spread_share: the share of a cycle up to which the delays of logic, which are on the safe side, make up for that.
    """

    register_ns: float = 0.35
    adder_ns: float = 0.80
    three_input_ns: float = 1.00
    logic_ns: float = 0.40
    compare_ns: float = 0.50
    spread_ns: float = 0.06
    spread_share: float = 0.15


DEFAULT_DELAYS = DelayModel()
