"""Everything that a user may choose about a design, in one place: the command line, Python and a build's manifest share it.

``bittrigger.yaml`` beside a model can hold the same names, see ``read_settings``. Importing this module imports nothing heavy;
what a value is checked against is imported when a ``Settings`` is made.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bittrigger.errors import ConfigError, excerpt

if TYPE_CHECKING:
    from bittrigger.device.parts import Part
    from bittrigger.solver import SolverOptions

DEFAULT_PART = "xcvu13p-flga2577-2-e"
DEFAULT_CLOCK_MHZ = 360.0

AUTO = "auto"
DEFAULT_INPUT = "fixed<16,6>"
"""What hls4ml takes where nothing types an input."""

MAX_HEAD_BITS = 16
MAX_LAYER_BITS = 24
"""Widest type that a value inside a network is rounded to: float32 has no more bits."""

GRADES = ("exact", "ideal")

DEFAULT_REGISTER_WEIGHT = 0.5
"""A slice of the FPGAs that we know holds two flip-flops for each LUT. Source: AMD UG574, "UltraScale Architecture CLB"."""

WHOLE, STREAM = "whole", "stream"
PORTS = (WHOLE, STREAM)
"""How an event comes: all of it in one clock, or position by position."""

HDLS = ("verilog", "vhdl")
"""What the hardware can be written in; SystemVerilog is always there."""

TUNABLE = ("bias",)
RELOADABLE = ("weights",)
MAX_BIAS_BITS = 32

MAX_CYCLES = 4096
"""Longest latency that can be asked for."""

MAX_REGISTER_WEIGHT = 1000.0


@dataclass(frozen=True)
class Settings:
    """What can be chosen about a design; every value is checked when it is made.

    Attributes:
        part: FPGA, as Vivado spells it.
        clock_mhz: clock of the design; the pipeline is placed for it.
        budget: name of the Level-1 budget of the verdict, or None.
        effort: how long the adder-graph solver searches: ``fast``, ``default`` or ``max``.
        latency_cycles: the most registers on a path; None allows what the smallest adder graphs take.
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
        layer_precision: for each layer name the type to which its values are rounded, half to even and saturating, such as
            ``fixed<16,6>``: another model. For float layers that no quantiser follows, which keep every bit otherwise.
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
        from bittrigger.device.timing import usable_ns
        from bittrigger.ir.fixed import parse_fixed

        _take_own_part(self)
        _check_types(self)
        _check_tradeoff(self.latency_cycles, self.register_weight)
        _check_interval(self.ii, self.latency_cycles)
        _check_port(self.port, self.ii)
        usable_ns(self.clock_mhz)
        _ = self.solver
        if self.hdl not in HDLS:
            raise ConfigError(f"hdl {excerpt(self.hdl)} is unknown; allowed are {', '.join(HDLS)}")
        if self.budget is not None:
            _check_budget(self.budget)
        if self.input_precision is not None:
            parse_fixed(self.input_precision)
        parse_fixed(self.input_default)
        if self.output_precision != AUTO:
            parse_fixed(self.output_precision)
        _check_layer_types(self.layer_precision)
        _check_grade(self)
        _check_held(self)

    @classmethod
    def given(cls, *, clock_mhz: float | None = None, **values: Any) -> Settings:  # noqa: ANN401
        """Settings of which some are given; without a clock it is the budget's, else 360 MHz.

        An ``ii`` may be text: a number, or ``auto`` for the longest interval that the budget allows. A ``part`` may be a file
        (.yaml, .yml): its facts are read, and are settings from then on.

        Raises:
            ConfigError: if one is unknown, out of range or of a wrong type.
        """
        from bittrigger.device.part_file import taken_part

        _check_names(values)
        if isinstance(values.get("part"), str):
            values |= taken_part(values["part"])
        if clock_mhz is None:
            clock_mhz = _clock_of(values.get("budget"))
        if isinstance(values.get("ii"), str):
            values["ii"] = _interval_of(values["ii"], values.get("budget"), clock_mhz)
        return cls(clock_mhz=clock_mhz, **values)

    @property
    def declares(self) -> bool:
        """Whether types are declared that make another model of the one that is given."""
        return self.head_bits is not None or bool(self.layer_precision)

    @property
    def device(self) -> Part:
        """What is known of the FPGA: the facts of its own file, else those of the catalogue."""
        from bittrigger.device.parts import find_part

        return self.own_part or find_part(self.part)

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
    _check_names(values, f"settings {path}: ", apart="own_part")
    return values


_KINDS: dict[str, tuple[type, ...]] = {
    "part": (str,),
    "clock_mhz": (int, float),
    "budget": (str, type(None)),
    "effort": (str,),
    "latency_cycles": (int, type(None)),
    "register_weight": (int, float),
    "reuse_factor": (dict,),
    "ii": (int,),
    "port": (str,),
    "depth": (int, type(None)),
    "seed": (int,),
    "adder_inputs": (int, type(None)),
    "input_precision": (str, type(None)),
    "input_default": (str,),
    "output_precision": (str,),
    "logits": (bool,),
    "keep_activation": (bool,),
    "head_bits": (int, type(None)),
    "log_odds": (str, type(None)),
    "layer_precision": (dict,),
    "require": (str,),
    "name": (str, type(None)),
    "hdl": (str,),
    "tunable": (str, type(None)),
    "reloadable": (str, type(None)),
    "bias_bits": (int, type(None)),
    "emulator_weights": (bool,),
    "own_part": (object,),
}


def _check_names(values: dict[str, Any], where: str = "", *, apart: str = "") -> None:
    allowed = [name for name in _KINDS if name != apart]
    unknown = sorted(set(values) - set(allowed))
    if unknown:
        raise ConfigError(f"{where}setting {excerpt(unknown[0])} is unknown; allowed are {', '.join(allowed)}")


def _take_own_part(settings: Settings) -> None:
    """Make the facts of an own part, a mapping where they come from a build, a ``Part``.

    Raises:
        ConfigError: if they will not do, or are those of another part.
    """
    own: object = settings.own_part
    if own is None:
        return
    from bittrigger.device.part_file import part_of
    from bittrigger.device.parts import Part

    facts = asdict(own) if isinstance(own, Part) else own
    if not isinstance(facts, dict):
        raise ConfigError(f"setting 'own_part' is {excerpt(own)}; allowed are the facts of a part, or none")
    part = part_of(facts)
    if settings.part not in (part.device, part.name):
        raise ConfigError(
            f"setting 'own_part' is of {part.device!r}, and the part is {excerpt(settings.part)}; allowed is one and the same"
        )
    object.__setattr__(settings, "own_part", part)  # frozen for everybody else


def _check_types(settings: Settings) -> None:
    for item in fields(settings):
        value = getattr(settings, item.name)
        kinds = _KINDS[item.name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            allowed = " or ".join("none" if kind is type(None) else kind.__name__ for kind in kinds)
            raise ConfigError(f"setting {item.name!r} is {excerpt(value)}; allowed is {allowed}")
    for layer, factor in settings.reuse_factor.items():
        if not isinstance(layer, str) or not isinstance(factor, int):
            raise ConfigError(
                f"setting 'reuse_factor' holds {excerpt(layer)}: {excerpt(factor)}; allowed are layer names with integers"
            )


def _check_layer_types(types: dict[str, str]) -> None:
    from bittrigger.ir.fixed import parse_fixed

    for layer, kind in types.items():
        if not isinstance(layer, str) or not isinstance(kind, str):
            raise ConfigError(
                f"setting 'layer_precision' holds {excerpt(layer)}: {excerpt(kind)}; allowed are layer names with types"
            )
        if not 1 < parse_fixed(kind).width <= MAX_LAYER_BITS:
            raise ConfigError(
                f"setting 'layer_precision' gives {excerpt(layer)} the type {kind}; allowed are 2 to {MAX_LAYER_BITS} bits"
            )


def _check_grade(settings: Settings) -> None:
    if settings.require not in GRADES:
        raise ConfigError(f"setting 'require' is {excerpt(settings.require)}; allowed are {' and '.join(GRADES)}")
    if settings.head_bits is not None and not 2 <= settings.head_bits <= MAX_HEAD_BITS:
        raise ConfigError(f"setting 'head_bits' is {settings.head_bits}; allowed are 2 to {MAX_HEAD_BITS}")
    if settings.logits and settings.keep_activation:
        raise ConfigError("settings 'logits' and 'keep_activation' exclude each other; allowed is one of the two")
    if settings.log_odds is not None and settings.keep_activation:
        raise ConfigError("settings 'log_odds' and 'keep_activation' exclude each other; allowed is one of the two")


def _check_held(settings: Settings) -> None:
    for name, value, allowed in (
        ("tunable", settings.tunable, TUNABLE),
        ("reloadable", settings.reloadable, RELOADABLE),
    ):
        if value is not None and value not in allowed:
            raise ConfigError(f"setting {name!r} is {excerpt(value)}; allowed is {', '.join(allowed)}, or none")
    held = settings.tunable or settings.reloadable
    if settings.bias_bits is not None and not (held and 2 <= settings.bias_bits <= MAX_BIAS_BITS):
        raise ConfigError(
            f"setting 'bias_bits' is {settings.bias_bits}; allowed are 2 to {MAX_BIAS_BITS}, with --tunable or --reloadable"
        )
    if held and settings.emulator_weights:
        raise ConfigError(
            "settings 'emulator_weights' and 'tunable' or 'reloadable' exclude each other; allowed is one of them; the emulator "
            "of a design that holds numbers takes weight files anyway"
        )
    if held and settings.reuse_factor:
        raise ConfigError(
            "a reuse factor with numbers in registers (--tunable, --reloadable); allowed is one of the two"
        )


def _check_tradeoff(latency_cycles: int | None, register_weight: float) -> None:
    if latency_cycles is not None and not 1 <= latency_cycles <= MAX_CYCLES:
        raise ConfigError(f"latency of {latency_cycles} cycles; allowed are 1 to {MAX_CYCLES}, or no bound")
    if not 0 <= register_weight <= MAX_REGISTER_WEIGHT:
        raise ConfigError(
            f"register weight {register_weight:g}; allowed are 0 to {MAX_REGISTER_WEIGHT:g} LUTs a flip-flop"
        )


def _check_interval(ii: int, latency_cycles: int | None) -> None:
    if not 1 <= ii <= MAX_CYCLES:
        raise ConfigError(f"initiation interval of {ii} cycles; allowed are 1 to {MAX_CYCLES}")
    if ii > 1 and latency_cycles is not None:
        raise ConfigError(
            f"an initiation interval of {ii} cycles with a latency of {latency_cycles}; allowed is one of the two; leave out "
            "the latency, which is then the least of the folded design"
        )


def _check_port(port: str, ii: int) -> None:
    if port not in PORTS:
        raise ConfigError(f"port {excerpt(port)} is unknown; allowed are {', '.join(PORTS)}")
    if port == STREAM and ii == 1:
        raise ConfigError(
            "port 'stream' with an event every cycle, which leaves one cycle for all positions; allowed are intervals of 2 "
            "cycles and more; give --ii, or leave out --port"
        )


def _check_budget(name: str) -> None:
    """A budget of the catalogue: what a build keeps of a file would be a path, which another machine does not have."""
    from bittrigger.device.budgets import find_budget
    from bittrigger.device.own_file import is_file_name

    if is_file_name(name):
        raise ConfigError(
            f"setting 'budget' is {excerpt(name)}, a file; allowed are names of `bittrigger budgets`; judge by a file with "
            "--budget of convert, import-hls4ml or report"
        )
    find_budget(name)


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
