"""The checks of every setting, each an error that names what is allowed."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from bittrigger.errors import ConfigError, excerpt
from bittrigger.settings.allowed import (
    AUTO,
    GRADES,
    HDLS,
    MAX_BIAS_BITS,
    MAX_CYCLES,
    MAX_HEAD_BITS,
    MAX_REGISTER_WEIGHT,
    PORTS,
    RELOADABLE,
    STREAM,
    TUNABLE,
)
from bittrigger.settings.declared import check_types

if TYPE_CHECKING:
    from bittrigger.settings import Settings

KINDS: dict[str, tuple[type, ...]] = {
    "part": (str,),
    "clock_mhz": (int, float),
    "period_margin_ns": (int, float),
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
    "weight_precision": (dict,),
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


def check(settings: Settings) -> None:
    """Check every value, and make a ``Part`` of the facts of an own part.

    Raises:
        ConfigError: if a value is unknown, out of range or of a wrong type.
    """
    from bittrigger.ir.fixed import parse_fixed

    _take_own_part(settings)
    _check_types(settings)
    _check_tradeoff(settings.latency_cycles, settings.register_weight)
    _check_interval(settings.ii)
    _check_port(settings.port, settings.ii)
    _ = settings.usable_ns, settings.solver  # clock, margin and options check themselves
    if settings.hdl not in HDLS:
        raise ConfigError(f"hdl {excerpt(settings.hdl)} is unknown; allowed are {', '.join(HDLS)}")
    if settings.budget is not None:
        _check_budget(settings.budget)
    if settings.input_precision is not None:
        parse_fixed(settings.input_precision)
    parse_fixed(settings.input_default)
    if settings.output_precision != AUTO:
        _check_output_type(settings.output_precision)
    check_types("weight_precision", settings.weight_precision)
    check_types("layer_precision", settings.layer_precision)
    _check_grade(settings)
    _check_held(settings)


def _check_output_type(text: str) -> None:
    """Refuse modes that outputs do not have.

    Raises:
        ConfigError: if ``text`` is no type, or names another rounding than half to even or another limit than its ends.
    """
    from bittrigger.ir.casts import parse_cast

    kind = parse_cast(text)
    if not kind.has_default_modes:
        raise ConfigError(
            f"output_precision {excerpt(text)} means {kind.rounding.value} and {kind.overflow.value}; outputs are rounded half "
            "to even and limited; allowed are no modes, or RND_CONV and SAT; leave them out, or put a quantiser with them last"
        )


def check_names(values: dict[str, Any], where: str = "", *, apart: str = "") -> None:
    """Refuse a name that is no field of ``Settings``, or is ``apart``.

    Raises:
        ConfigError: with ``where`` before what is wrong.
    """
    allowed = [name for name in KINDS if name != apart]
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
        kinds = KINDS[item.name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            allowed = " or ".join("none" if kind is type(None) else kind.__name__ for kind in kinds)
            raise ConfigError(f"setting {item.name!r} is {excerpt(value)}; allowed is {allowed}")
    for layer, factor in settings.reuse_factor.items():
        if not isinstance(layer, str) or not isinstance(factor, int):
            raise ConfigError(
                f"setting 'reuse_factor' holds {excerpt(layer)}: {excerpt(factor)}; allowed are layer names with integers"
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


def _check_interval(ii: int) -> None:
    if not 1 <= ii <= MAX_CYCLES:
        raise ConfigError(f"initiation interval of {ii} cycles; allowed are 1 to {MAX_CYCLES}")


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
