"""Everything that a user may choose about a design, in one place: the command line, Python and a build's manifest share it.

``bittrigger.yaml`` beside a model can hold the same names, see ``read_settings``. Importing this module imports nothing heavy;
what a value is checked against is imported when a ``Settings`` is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bittrigger.errors import ConfigError, excerpt
from bittrigger.settings.allowed import (
    AUTO,
    DEFAULT_CLOCK_MHZ,
    DEFAULT_INPUT,
    DEFAULT_PART,
    DEFAULT_REGISTER_WEIGHT,
    MAX_CYCLES,
    STREAM,
    WHOLE,
)
from bittrigger.settings.checks import check, check_names
from bittrigger.settings.declared import Declared

if TYPE_CHECKING:
    from bittrigger.device.parts import Part
    from bittrigger.solver import SolverOptions

__all__ = [
    "AUTO",
    "DEFAULT_CLOCK_MHZ",
    "DEFAULT_INPUT",
    "DEFAULT_PART",
    "MAX_CYCLES",
    "STREAM",
    "Declared",
    "Settings",
    "read_settings",
]


@dataclass(frozen=True)
class Settings:
    """What can be chosen about a design; every value is checked when it is made.

    Attributes:
        part: FPGA, as Vivado spells it.
        clock_mhz: clock of the design; the pipeline is placed for it.
        period_margin_ns: what of each clock period is kept free of logic when registers are placed, for wires that are longer
            than they are taken to be; more of it is more registers, and a longer latency.
        budget: name of the Level-1 budget of the verdict, or None.
        effort: how long the adder-graph solver searches: ``fast``, ``default`` or ``max``.
        latency_cycles: the most registers on a path; None allows what the smallest adder graphs take, or the cheapest forms.
        register_weight: LUTs that a flip-flop counts for where one is traded for the other.
        reuse_factor: for each layer name the reuse factor of its HLS loop form; 1 is unrolled.
        ii: clock cycles from one event to the next at least; above 1, layers that repeat are built in fewer copies.
        port: ``stream`` takes the positions of an event word by word, as few a clock as the interval allows; ``whole``
            takes all at once.
        depth: the most adder levels of a layer; None leaves it to the solver.
        seed: of the solver's search; the same seed gives the same graph on every machine.
        adder_inputs: operands of the widest adders, 2 or 3; None leaves it to the part.
        input_precision: type of the input port, such as ``fixed<16,6>``; None takes the model's input quantizer.
        input_default: type of an input that no quantizer of the model types, nor events.
        output_precision: type of the outputs, such as ``fixed<16,6>``, to which their values are rounded; ``auto`` declares one
            where values need it and delivers the others as they are.
        logits: whether it is known that a softmax or sigmoid at the output is left out, so that no line says it.
        keep_activation: whether a softmax or sigmoid at the output is built, rounded to the output type, and not left out.
        head_bits: bits to which float kernels at the outputs are rounded, another model; None leaves them, and they are refused.
        log_odds: ratios of classes such as ``4/0+1``, whose logarithms are the outputs in the place of the logits; or None.
        weight_precision: the type to which weights that no quantiser types are rounded, half to even and saturating unless the
            type names modes, such as ``fixed<8,2>``: another model. For each layer, for one array of a layer (``dense.bias``), or
            for all layers with such a kernel (``*``); of what fits an array, the first of these counts.
        layer_precision: the same for what layers deliver, such as ``fixed<16,6>``: another model. For each layer, for what one
            delivers before its activation (``dense.sums``) or behind its depthwise kernel (``separable.depthwise``), for all
            within a recurrent one (``lstm.cell``), or for all with a kernel that no quantiser types (``*``). Where no quantiser
            follows, every bit is kept otherwise.
        require: the least grade that will do: ``ideal``, or ``exact``, which refuses where float32 itself rounds.
        hdl: ``vhdl`` writes the design in VHDL-2008 as well.
        tunable: ``bias`` keeps the biases of all layers in registers, which a small bus writes.
        reloadable: ``weights`` keeps the ternary weights there too, and with them their layers' biases.
        emulator_weights: whether the emulator takes weight files, while the firmware has its numbers as constants.
        bias_bits: bits of the register of a bias; None takes for each layer one more than its biases need.
        name: name of the design, made an identifier; None takes it from the file.
        own_part: what is known of a ``part`` that the catalogue does not hold; from a file, see ``given``.

    Raises:
        ConfigError: if a value is unknown, out of range or of a wrong type.
    """

    part: str = DEFAULT_PART
    clock_mhz: float = DEFAULT_CLOCK_MHZ
    period_margin_ns: float = 0.0
    budget: str | None = None
    effort: str = "default"
    latency_cycles: int | None = None
    register_weight: float = DEFAULT_REGISTER_WEIGHT
    reuse_factor: dict[str, int] = field(default_factory=dict)
    ii: int = 1
    port: str = WHOLE
    depth: int | None = None
    seed: int = 0
    adder_inputs: int | None = None
    input_precision: str | None = None
    input_default: str = DEFAULT_INPUT
    output_precision: str = AUTO
    logits: bool = False
    keep_activation: bool = False
    head_bits: int | None = None
    log_odds: str | None = None
    weight_precision: dict[str, str] = field(default_factory=dict)
    layer_precision: dict[str, str] = field(default_factory=dict)
    require: str = "ideal"
    name: str | None = None
    hdl: str = "verilog"
    tunable: str | None = None
    reloadable: str | None = None
    bias_bits: int | None = None
    emulator_weights: bool = False
    own_part: Part | None = None

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def given(cls, *, clock_mhz: float | None = None, **values: Any) -> Settings:  # noqa: ANN401
        """Settings of which some are given; without a clock it is the budget's, else 360 MHz.

        An ``ii`` may be text: a number, or ``auto`` for the longest interval that the budget allows. A ``part`` may be a file
        (.yaml, .yml): its facts are read, and are settings from then on.

        Raises:
            ConfigError: if one is unknown, out of range or of a wrong type.
        """
        from bittrigger.device.part_file import taken_part

        check_names(values)
        if isinstance(values.get("part"), str):
            values |= taken_part(values["part"])
        if clock_mhz is None:
            clock_mhz = _clock_of(values.get("budget"))
        if isinstance(values.get("ii"), str):
            values["ii"] = _interval_of(values["ii"], values.get("budget"), clock_mhz)
        return cls(clock_mhz=clock_mhz, **values)

    @property
    def declared(self) -> Declared:
        """The types that make another model of the one that is given."""
        return Declared(self.head_bits, self.weight_precision, self.layer_precision)

    @property
    def device(self) -> Part:
        """What is known of the FPGA: the facts of its own file, else those of the catalogue."""
        from bittrigger.device.parts import find_part

        return self.own_part or find_part(self.part)

    @property
    def usable_ns(self) -> float:
        """Nanoseconds for logic between two registers.

        Raises:
            ConfigError: if the clock or the margin leaves too few.
        """
        from bittrigger.device.timing import usable_ns

        return usable_ns(self.clock_mhz, margin_ns=self.period_margin_ns)

    @property
    def solver(self) -> SolverOptions:
        """What the solver is told; the kinds of adders follow from the part unless they are chosen."""
        from bittrigger.solver.options import SolverOptions

        adder_inputs = self.device.adder_inputs if self.adder_inputs is None else self.adder_inputs
        return SolverOptions(adder_inputs=adder_inputs, depth=self.depth, effort=self.effort, seed=self.seed)


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a YAML file, each a field of ``Settings``; what is not in the file is not in the result.

    Raises:
        ConfigError: if the file cannot be read, is no mapping, or holds a name that is none of the fields.
    """
    from bittrigger.system.files import read_regular
    from bittrigger.system.yaml_file import MAX_BYTES, plain_yaml

    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ConfigError(f"settings {path}: it is no regular file; copy it to one")
    try:
        values = plain_yaml(read_regular(path, MAX_BYTES))
    except OSError as error:
        raise ConfigError(f"settings {path}: the file cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"settings {path}: {str(error)[:200]}; expected lines `name: value`") from error
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ConfigError(f"settings {path}: it holds no mapping; expected lines `name: value`")
    check_names(values, f"settings {path}: ", apart="own_part")
    return values


def _clock_of(budget: object) -> float:
    if not isinstance(budget, str):
        return DEFAULT_CLOCK_MHZ
    from bittrigger.device.budgets import find_budget

    return find_budget(budget).clock_mhz or DEFAULT_CLOCK_MHZ


def _interval_of(text: str, budget: object, clock_mhz: float) -> int:
    """The cycles between events that ``text`` stands for.

    Raises:
        ConfigError: if it is neither a number nor ``auto``, or the budget has no interval.
    """
    if text.isdecimal() and text.isascii() and len(text) < len(str(MAX_CYCLES)) + 2:
        return int(text)
    if text != "auto":
        raise ConfigError(f"initiation interval {excerpt(text)}; allowed are a number of cycles, and 'auto'")
    from bittrigger.device.budgets import find_budget

    period_ns = find_budget(budget).ii_ns if isinstance(budget, str) else None
    if period_ns is None:
        raise ConfigError(
            "initiation interval 'auto' takes the interval of a budget, and there is none; name a budget that has one with "
            "--budget, or give a number of cycles"
        )
    return min(max(int(period_ns * clock_mhz / 1000 + 1e-9), 1), MAX_CYCLES)
