"""The named values of a module and the registers that carry them from stage to stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bittrigger.emit.verilog.views import Clip, Register, Stage, Sum, Wire, vector_of
from bittrigger.ir.fixed import Interval
from bittrigger.ir.pipeline import Module


@dataclass
class Signals:
    """Values by name, each computed in one stage and read in that or later ones.

    A value read ``k`` stages later is called ``<name>_d<k>``; all readers share one chain of registers.
    """

    _ranges: dict[str, Interval] = field(default_factory=dict)
    _born: dict[str, int] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)
    _whole: dict[str, bool] = field(default_factory=dict)

    def define(self, name: str, interval: Interval, stage: int) -> None:
        """Introduce a value that is there from ``stage`` on."""
        self._ranges[name] = interval
        self._born[name] = stage

    def read(self, name: str, stage: int, width: int | None = None) -> str:
        """The value as an operand in ``stage``, cut or extended to ``width`` bits where it has another width.

        It is cut by a part-select: Yosys 0.70 takes ``4'(x) << 1`` for as wide as an ``x`` of more than 4 bits.
        """
        own = self._ranges[name].width
        target = own if width is None else width
        wire = self._delayed(name, stage)
        self._last[name] = max(stage, self._last.get(name, stage))
        self._whole[wire] = self._whole.get(wire, False) or target >= own
        if target == own:
            return wire
        return f"{wire}[{target - 1}:0]" if target < own else f"{target}'({wire})"

    def cut(self, name: str, stage: int) -> None:
        """State that a reader in ``stage`` leaves out some bits of the value."""
        self._whole[self._delayed(name, stage)] = False

    def is_read(self, name: str) -> bool:
        """Whether anything reads the value."""
        return name in self._last

    def _registers(self, stage: int) -> tuple[Register, ...]:
        """The rank of registers in front of ``stage``."""
        return tuple(
            Register(vector_of(self._ranges[name]), self._delayed(name, stage), self._delayed(name, stage - 1))
            for name, born in self._born.items()
            if born < stage <= self._last.get(name, born)
        )

    def stages(self, module: Module, wires: Mapping[int, Iterable[Wire | Sum | Clip]]) -> tuple[Stage, ...]:
        """The stages of ``module`` with their ``wires``; to be asked for when every value has been read."""
        span = range(module.start, module.stop + 1)
        return tuple(Stage(stage, self._registers(stage), tuple(wires.get(stage, ()))) for stage in span)

    def unread(self) -> tuple[str, ...]:
        """Wires of which some upper bits are known to be a mere copy of the sign, and are cut off by every reader."""
        ends = {self._delayed(name, last) for name, last in self._last.items()}
        return tuple(wire for wire, whole in self._whole.items() if not whole and wire in ends)

    def _delayed(self, name: str, stage: int) -> str:
        delay = stage - self._born[name]
        return f"{name}_d{delay}" if delay else name
