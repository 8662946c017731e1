"""The options that set a design, each once: names, types and defaults are those of ``bittrigger.settings.Settings``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from bittrigger.errors import ConfigError
from bittrigger.settings import Settings, read_settings
from bittrigger.settings.declared import EVERY

Command = TypeVar("Command", bound=Callable[..., Any])

_DEFAULTS = {item.name: item.default for item in fields(Settings)} | {"clock_mhz": None}

_HELP: dict[str, tuple[Any, str, str]] = {
    "part": (str, "FPGA: a name of `bittrigger parts`, or a file.", ""),
    "clock_mhz": (float, "Clock.", "the budget's, else 360"),
    "period_margin_ns": (float, "Nanoseconds of each clock period to keep free of logic, where timing misses it.", ""),
    "budget": (str, "Level-1 budget to judge by: a name of `bittrigger budgets`, or a file.", ""),
    "effort": (str, "Search for small adder graphs: fast, default, max.", ""),
    "latency_cycles": (int, "Most clock cycles from input to output.", "no bound"),
    "register_weight": (float, "LUTs a flip-flop counts for, with a bound.", ""),
    "ii": (
        str,
        "Clock cycles between events at least, or auto: as the budget has it; layers that repeat are folded.",
        "",
    ),
    "port": (str, "whole, or stream: positions come word by word, a clock each, as few a word as --ii allows.", ""),
    "depth": (int, "Most adder levels.", "the solver's choice"),
    "seed": (int, "Seed of the search.", ""),
    "adder_inputs": (
        int,
        "Operands of the widest adders, 2 or 3; 2 suits FPGAs without six-input LUTs.",
        "by the part",
    ),
    "input_precision": (str, "Type of the input port, such as 'fixed<16,6>'.", "the model's"),
    "output_precision": (str, "Type of the outputs, to which they are rounded, or auto: where they need one.", ""),
    "logits": (bool, "A softmax or sigmoid at the output is left out, as by default, and no line says so.", ""),
    "keep_activation": (bool, "Build a softmax or sigmoid at the output, rounded to the output type.", ""),
    "head_bits": (int, "Round float kernels at the outputs to so many bits; --inputs tell the loss.", "none: refused"),
    "log_odds": (str, "Log odds of classes in the place of logits, such as 4/0+1 or 4/0,4/1.", "logits"),
    "weight_precision": (
        dict,
        "Round weights without a quantiser: a type for all, or for a layer, such as dense=fixed<8,2>; may be repeated.",
        "none: refused",
    ),
    "layer_precision": (
        dict,
        "Round what float layers deliver: a type for all, or for a layer, such as norm=fixed<16,6>; may be repeated.",
        "none: every bit is kept",
    ),
    "require": (str, "Least grade: ideal, or exact, which refuses where float32 itself rounds.", ""),
    "name": (str, "Name of the design.", "from the file"),
    "hdl": (str, "verilog, or vhdl for VHDL-2008 beside it.", ""),
    "tunable": (str, "bias: keep biases in registers that a small bus writes.", "all are constants"),
    "reloadable": (str, "weights: keep ternary weights and their biases in registers.", "all are constants"),
    "emulator_weights": (bool, "The emulator takes weight files; the firmware's numbers are constants.", ""),
    "bias_bits": (int, "Bits of the register of a bias.", "one more than a layer's need"),
}
"""Type, help, and what stands for a default that is none."""


def design_options(*names: str) -> Callable[[Command], Command]:
    """Add the named options to a command; ``chosen_settings`` takes what they were given."""

    def add(command: Command) -> Command:
        path = click.Path(path_type=Path)
        command = click.option("--config", type=path, help="Settings in a YAML file; options given here win.")(command)
        for name in reversed(names):
            command = _option(name)(command)
        return command

    return add


def _option(name: str) -> Callable[[Command], Command]:
    kind, text, otherwise = _HELP[name]
    flag = "--" + name.replace("_", "-")
    if kind is bool:
        return click.option(flag, name, is_flag=True, default=None, help=text)
    if kind is dict:
        text = f"{text}  [default: {otherwise}]"
        return click.option(flag, name, multiple=True, metavar="[LAYER=]TYPE", callback=_pairs, help=text)
    default = _DEFAULTS[name]
    shown = otherwise if default is None else str(default)
    return click.option(flag, name, type=kind, default=None, help=f"{text}  [default: {shown}]" if shown else text)


def _pairs(_context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, str] | None:
    """What ``NAME=VALUE`` options say, a value alone for every layer; None where there is none.

    Raises:
        ConfigError: if two are for the same.
    """
    pairs = [(name, value) if sign else (EVERY, name) for name, sign, value in (text.partition("=") for text in given)]
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"{option.opts[0]} is given twice for {twice[0]!r}; allowed is one type for each layer")
    return dict(pairs) or None


def chosen_settings(chosen: dict[str, Any], **defaults: Any) -> Settings:  # noqa: ANN401
    """The settings of a command: what it was given, else what its ``--config`` holds, else ``defaults``.

    Raises:
        ConfigError: if one is unknown, out of range or of a wrong type, or the file cannot be read.
    """
    config = chosen.pop("config", None)
    values = {} if config is None else read_settings(config)
    given = {name: value for name, value in chosen.items() if value is not None}
    return Settings.given(**{**defaults, **values, **given})


def take_own_budget(chosen: dict[str, Any]) -> str | None:
    """A budget in a file judges and gives the clock, and is no setting: a build has to be readable where the file is not."""
    from bittrigger.device.budgets import find_budget
    from bittrigger.device.own_file import is_file_name

    name = chosen.get("budget")
    if not isinstance(name, str) or not is_file_name(name):
        return None
    budget = find_budget(name)
    chosen["budget"] = None
    if chosen.get("clock_mhz") is None:
        chosen["clock_mhz"] = budget.clock_mhz
    return name
