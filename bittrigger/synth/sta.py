"""Static timing of a netlist: AMD's published delays of cells and wires over a simple placement.

An estimate before any vendor tool has run: it ranks stages and shows which paths are long. It is no sign-off: a router may do
better by placing what is critical closer, and worse where a device is full.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bittrigger.device import delays
from bittrigger.errors import InternalError, ToolError
from bittrigger.synth.count import CARRIES, FLIP_FLOPS, LUTRAMS, SHIFT_REGISTERS, topological
from bittrigger.synth.exchange import exchanged
from bittrigger.synth.memory import is_written, stored_in
from bittrigger.synth.netlist import HIGH, Cell, Netlist
from bittrigger.synth.paths import Path, Step, Timing
from bittrigger.synth.placement import Placement, Placer

_INSTANCE = re.compile(r"(?:\w+\[\d+\]\.)?(u_\w+)\.")

ROUNDS, CRITICAL = 12, 0.95
"""How often slices change places where the clock is not met, and the share of the slowest path above which all of it may."""

UNCERTAINTY_PS = 35.0
"""Of the clock, as in Vivado's reports of devices with a clean clock (jitter of an MMCM); skew is not known."""


@dataclass(frozen=True)
class _Arrival:
    """When a net has its value: the cell, its pin, and the way there."""

    ps: float
    cell: int
    pin: str
    before: int | None
    wire_ps: float
    cell_ps: float


@dataclass(frozen=True)
class _End:
    """Where paths end: the time at which the net is there, set-up and last wire included; the cell, or None for a port."""

    cell: int | None
    module: str
    name: str
    net: int
    ps: float
    wire_ps: float


class _Analysis:
    """Arrival times of one netlist."""

    def __init__(self, netlist: Netlist) -> None:
        self.cells, self.netlist = netlist.cells, netlist
        self.driver = {
            net: (k, pin) for k, cell in enumerate(self.cells) for pin, bits in cell.outputs.items() for net in bits
        }
        self.arrivals: dict[int, _Arrival] = {}
        self._arcs: list[tuple[int, int, int, float]] = []  # a net, one behind it, the cell between, and the time
        place = {id(cell): k for k, cell in enumerate(self.cells)}
        self._ordered = [place[id(cell)] for cell in topological(self.cells, self._starts)]

    def run(self, placement: Placement) -> None:
        """Fill ``arrivals`` for a placement of the cells."""
        self.place, self.arrivals, self._arcs = placement, {}, []
        for bits in self.netlist.inputs.values():
            for net in bits:
                self.arrivals[net] = _Arrival(delays.CLOCK_TO_Q, -1, "", None, 0.0, delays.CLOCK_TO_Q)
        for k in self._ordered:
            self._evaluate(k, self.cells[k])

    @staticmethod
    def _starts(cell: Cell, pin: str) -> bool:
        """Whether paths end at this pin; the address of a shift register is none, and that at which a memory is read."""
        return (
            is_written(cell, pin)
            or cell.type in FLIP_FLOPS
            or (cell.type in SHIFT_REGISTERS and not pin.startswith("A"))
        )

    def _evaluate(self, k: int, cell: Cell) -> None:
        if cell.type in FLIP_FLOPS:
            self._set(k, "Q", cell.outputs["Q"][0], delays.CLOCK_TO_Q, None)
        elif cell.type in SHIFT_REGISTERS:
            for pin, bits in cell.outputs.items():
                self._set(k, pin, bits[0], delays.SRL_CLOCK_TO_Q, None)
        elif cell.type in CARRIES:
            self._carry(k, cell)
        elif cell.type in LUTRAMS:
            self._memory(k, cell)
        elif cell.type.startswith(("LUT", "INV")):
            self._lut(k, cell)
        elif cell.type.startswith("MUXF"):
            self._mux(k, cell)
        else:
            raise ToolError(f"timing: the delays of cell {cell.type} are not known")

    def _set(self, k: int, pin: str, net: int, cost: float, source: tuple[int, float] | None) -> None:
        """The net at a pin of cell ``k`` has its value ``cost`` after what comes from a net over a wire, or after the clock."""
        before, wire = source or (None, 0.0)
        ps = cost if before is None else self.at(before) + wire + cost
        if before is not None:
            self._arcs.append((before, net, k, wire + cost))
        known = self.arrivals.get(net)
        if known is None or ps > known.ps:
            self.arrivals[net] = _Arrival(ps, k, pin, before, wire, cost)

    def wire(self, net: int, k: int) -> float:
        """From the driver of ``net`` to the tile of cell ``k``, its input pin not included."""
        found = self.driver.get(net)
        if found is None:
            return delays.wire_ps(0, 0)
        start, pin = found
        out = delays.CARRY_OUT if pin in ("O", "CO") and self.cells[start].type in CARRIES else 0
        out += delays.O5_OUT if pin == "O5" else 0
        out += delays.MUX_OUT if self.cells[start].type.startswith("MUXF") else 0
        columns = int(self.place.column[start] - self.place.column[k])
        return out + delays.wire_ps(columns, int(self.place.row[start] - self.place.row[k]))

    def at(self, net: int) -> float:
        """When ``net`` has its value; a constant always has."""
        found = self.arrivals.get(net)
        return found.ps if found else float("-inf")

    def _lut(self, k: int, cell: Cell) -> None:
        both = cell.type == "LUT6_2" and all(cell.outputs.get(pin) for pin in ("O5", "O6"))
        nets = {pin: bits[0] for pin, bits in cell.inputs.items() if bits[0] > HIGH}
        late = sorted(((self.at(net) + self.wire(net, k), net, pin) for pin, net in nets.items()), reverse=True)
        for name, bits in cell.outputs.items():
            read = _dependencies(cell, name)
            self._set(k, name, bits[0], 0.0, None)
            for rank, (ps, net, pin) in enumerate(late):
                if pin not in read:
                    continue
                site = min(rank + both, 5)
                wire = ps - self.at(net) + delays.LUT_PIN[site]
                cost = delays.LUT_O5[min(rank, 4)] if name == "O5" else delays.LUT_O6[site]
                self._set(k, name, bits[0], cost, (net, wire))

    def _memory(self, k: int, cell: Cell) -> None:
        """Read as any LUT of six inputs is."""
        for bit in stored_in(cell):
            late = sorted(((self.at(net) + self.wire(net, k), net) for net in bit.at if net > HIGH), reverse=True)
            if bit.q is None:
                continue
            for rank, (ps, net) in enumerate(late):
                wire = ps - self.at(net) + delays.LUT_PIN[rank]
                self._set(k, "O", bit.q, delays.LUT_O6[rank], (net, wire))

    def _mux(self, k: int, cell: Cell) -> None:
        (out,) = cell.outputs["O"]
        for pin, bits in cell.inputs.items():
            net = bits[0]
            if net <= HIGH:
                continue
            wire = self.wire(net, k) + delays.MUX_PIN if pin == "S" else delays.LUT_TO_MUX
            cost = delays.MUX_SELECT if pin == "S" else delays.MUX_DATA
            self._set(k, "O", out, cost, (net, wire))

    def _carry(self, k: int, cell: Cell) -> None:
        for i, net in enumerate(cell.inputs["S"]):
            if net > HIGH:
                self._propagate(k, cell, i, net)
        for i, net in enumerate(cell.inputs["DI"]):
            if net > HIGH:
                wire = 0.0 if self._shares(net, cell.inputs["S"][i]) else self.wire(net, k) + delays.CARRY_PIN
                self._through(k, cell, (net, wire), delays.DI_TO_O[i], delays.DI_TO_CO[i])
        (net,) = cell.inputs["CI"]
        if net > HIGH:
            found = self.driver.get(net)
            cascaded = found is not None and self.cells[found[0]].type in CARRIES and found[1] == "CO"
            wire = delays.CASCADE if cascaded else self.wire(net, k) + delays.CARRY_PIN
            to_o, to_co = (delays.CI_TO_O, delays.CI_TO_CO) if cascaded else (delays.PIN_TO_O, delays.PIN_TO_CO)
            self._through(k, cell, (net, wire), to_o, to_co)

    def _propagate(self, k: int, cell: Cell, i: int, net: int) -> None:
        """From S: out of the LUT beside it, or through that LUT where none is there, which inverts where it has to."""
        found = self.driver.get(net)
        if found is not None and self.cells[found[0]].type == "INV":
            (net,) = self.cells[found[0]].inputs["I"]
            found = self.driver.get(net)
        beside = found is not None and self.cells[found[0]].type.startswith("LUT") and self._together(found[0], k)
        own = delays.LUT_PIN[0] + delays.LUT_O6[0] + delays.LUT_TO_S
        wire = delays.LUT_TO_S if beside else self.wire(net, k) + own
        self._through(k, cell, (net, wire), delays.S_TO_O[i], delays.S_TO_CO[i])

    def _through(
        self, k: int, cell: Cell, source: tuple[int, float], to_o: tuple[int, ...], to_co: tuple[int, ...]
    ) -> None:
        """To the last sums and carries of a block, as many as there are delays."""
        for pin, costs in (("O", to_o), ("CO", to_co)):
            outputs = cell.outputs.get(pin, ())
            for j, cost in enumerate(costs, 8 - len(costs)):
                if j < len(outputs):
                    self._set(k, pin, outputs[j], cost, source)

    def _together(self, one: int, other: int) -> bool:
        return bool(self.place.cluster[one] == self.place.cluster[other])

    def _shares(self, net: int, s: int) -> bool:
        """Whether one LUT gives both."""
        one, other = self.driver.get(net), self.driver.get(s)
        return one is not None and other is not None and one[0] == other[0]

    def ends(self, modules: Sequence[str]) -> list[_End]:
        """Every register and output port at which a path ends, with the module of each cell given."""
        found = []
        for k, cell in enumerate(self.cells):
            if cell.type in FLIP_FLOPS | SHIFT_REGISTERS and cell.inputs["D"][0] > HIGH:
                net, wire, setup = self._setup(k, cell)
                found.append(_End(k, modules[k], cell.name, net, self.at(net) + wire + setup, wire))
            written = {
                net for pin, bits in cell.inputs.items() if is_written(cell, pin) and pin != "WCLK" for net in bits
            }
            for net in sorted(
                net for net in written if net > HIGH
            ):  # a shift register's set-up stands for that of a memory
                wire = self.wire(net, k) + delays.CARRY_PIN
                found.append(_End(k, modules[k], cell.name, net, self.at(net) + wire + delays.SRL_SETUP, wire))
        for port, bits in self.netlist.outputs.items():
            for net in bits:
                if net in self.driver:
                    wire = self.wire(net, self.driver[net][0]) + delays.FF_PIN
                    found.append(_End(None, "", port, net, self.at(net) + wire + delays.SETUP, wire))
        return found

    def rests(self, ends: Sequence[_End]) -> dict[tuple[int, int], float]:
        """The slowest path over the wires from one group of slices to another, without that wire."""
        behind: dict[int, float] = {}
        found: dict[tuple[int, int], float] = {}
        for end in ends:
            behind[end.net] = max(behind.get(end.net, 0.0), end.ps - self.at(end.net))
            if end.cell is not None:
                self._rest(found, end.net, end.cell, end.ps)
        for before, net, k, ps in reversed(self._arcs):
            if net in behind:
                behind[before] = max(behind.get(before, float("-inf")), ps + behind[net])
                self._rest(found, before, k, self.at(before) + ps + behind[net])
        return found

    def _rest(self, found: dict[tuple[int, int], float], net: int, k: int, ps: float) -> None:
        """Keep in ``found`` what a path over the wire from ``net`` to cell ``k`` takes without it, if none takes longer."""
        if net not in self.driver or ps == float("-inf"):
            return
        one = self.driver[net][0]
        groups = int(self.place.cluster[one]), int(self.place.cluster[k])
        if groups[0] != groups[1]:
            columns, rows = self.place.column[one] - self.place.column[k], self.place.row[one] - self.place.row[k]
            rest = ps - delays.wire_ps(int(columns), int(rows))
            found[groups] = max(found.get(groups, rest), rest)

    def _setup(self, k: int, cell: Cell) -> tuple[int, float, float]:
        """The net at a register's input, the wire there, and the set-up."""
        (net,) = cell.inputs["D"]
        if cell.type in SHIFT_REGISTERS:
            return net, self.wire(net, k) + delays.CARRY_PIN, delays.SRL_SETUP
        found = self.driver.get(net)
        kind = self.cells[found[0]].type if found else ""
        if found and self._together(found[0], k) and kind.startswith(("LUT", "CARRY", "MUX", "RAM")):
            return net, float(delays.CARRY_TO_FF if kind in CARRIES else delays.LUT_TO_FF), delays.SETUP
        return net, self.wire(net, k) + delays.FF_PIN, delays.SETUP


def analyse(netlist: Netlist, clock_mhz: float, stages: Mapping[str, int]) -> Timing:
    """The slowest path to the registers of each module instance, and to the output ports.

    Inputs are taken to come from registers beside the design, and outputs to go to such.

    Args:
        netlist: of the whole design, flat; a cell's name begins with its instance.
        stages: pipeline stage of each instance, for the placement.

    Raises:
        ToolError: if cells form a loop, or the delays of one are not known.
    """
    names = [_instance(cell.name) for cell in netlist.cells]
    placer, analysis = Placer(netlist, [stages.get(name, 0) for name in names]), _Analysis(netlist)
    period, placement = 1e6 / clock_mhz - UNCERTAINTY_PS, placer.place()
    best: Timing | None = None
    for _ in range(ROUNDS):
        analysis.run(placement)
        ends = analysis.ends(names)
        paths = sorted((_path(analysis, end, period) for end in _slowest(ends)), key=lambda path: path.slack_ps)
        if best is None or (paths and paths[0].slack_ps > best.slack_ps):
            best = Timing(clock_mhz, tuple(paths), placement.columns, placement.rows)
        if not paths or paths[0].slack_ps >= 0:
            break
        placement = exchanged(placement, placer.kinds, analysis.rests(ends), CRITICAL * paths[0].delay_ps)
    if best is None:
        raise InternalError("no placement")
    return best


def _slowest(ends: Iterable[_End]) -> list[_End]:
    """The slowest end of each module."""
    found: dict[str, _End] = {}
    for end in ends:
        if end.module not in found or end.ps > found[end.module].ps:
            found[end.module] = end
    return list(found.values())


def _dependencies(cell: Cell, output: str) -> frozenset[str]:
    """The inputs on which an output of a LUT depends: not the carry that a neighbour saves, where only the sum reads it."""
    if cell.type == "INV":
        return frozenset({"I"})
    size = 5 if cell.type == "LUT6_2" else int(cell.type[3:])
    table = int(cell.parameters["INIT"].replace("x", "0"), 2)
    if cell.type == "LUT6_2" and output == "O6":
        table >>= 32
    return _read_by(table & ((1 << (1 << size)) - 1), size)


@lru_cache(maxsize=4096)
def _read_by(table: int, size: int) -> frozenset[str]:
    """The inputs of which a truth table with so many depends."""
    rows = range(1 << size)
    return frozenset(
        f"I{k}" for k in range(size) if any((table >> row & 1) != (table >> (row ^ (1 << k)) & 1) for row in rows)
    )


def _instance(name: str) -> str:
    """The instance of a module that a cell of the flat netlist lies in; nothing for a cell of the top."""
    found = _INSTANCE.match(name)
    return found[1] if found else ""


def _path(analysis: _Analysis, end: _End, period: float) -> Path:
    steps: list[Step] = []
    wires, at = end.wire_ps, end.net
    while at >= 0:
        found = analysis.arrivals[at]
        cell = analysis.cells[found.cell] if found.cell >= 0 else None
        name, kind = (cell.name, cell.type) if cell else ("", "port")
        steps.append(Step(name, kind, found.pin, found.wire_ps, found.cell_ps, found.ps))
        wires += found.wire_ps
        at = -1 if found.before is None else found.before
    return Path(end.module, end.name, end.ps, end.ps - wires, wires, period - end.ps, tuple(reversed(steps)))
