"""Which wrapper a build has, and with which options: written beside it, so that it can be made again and compared."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, assert_never

from bittrigger.emit.render import write_changed
from bittrigger.emit.wrappers import AxisOptions, emit_axis, emit_emp
from bittrigger.emit.wrappers.control import AxiLiteOptions, IpbusOptions, emit_control
from bittrigger.errors import ConfigError
from bittrigger.ir.pipeline import Pipeline
from bittrigger.patterns.design import LinkOptions, make_payload

Choice = AxisOptions | LinkOptions | AxiLiteOptions | IpbusOptions

INTERFACES: dict[str, type[Choice]] = {
    "axi-stream": AxisOptions,
    "emp": LinkOptions,
    "axi-lite": AxiLiteOptions,
    "ipbus": IpbusOptions,
}
"""The wrappers, each in a folder of its name below ``wrap/``."""

OPTIONS = "options.json"
"""The file of a wrapper that holds its options."""


def folder_name(choice: Choice) -> str:
    """The folder of a wrapper with such options, relative to the build."""
    return "wrap/" + next(name for name, kind in INTERFACES.items() if isinstance(choice, kind))


def emit_wrapper(pipeline: Pipeline, choice: Choice, build: Path) -> tuple[Path, ...]:
    """Write the wrapper of ``choice`` and its options below the folder ``build``, which holds ``rtl/``.

    Returns:
        The SystemVerilog files, the top first.

    Raises:
        ConfigError: if an option is out of range.
        UnsupportedModelError: if the design has a module of the wrapper's name.
    """
    folder = build / folder_name(choice)
    match choice:
        case AxisOptions():
            files = emit_axis(pipeline, choice, folder)
        case LinkOptions():
            files = emit_emp(pipeline, make_payload(pipeline.graph, pipeline.latency_cycles, choice), folder)
        case AxiLiteOptions() | IpbusOptions():
            files = emit_control(pipeline, choice, folder)
        case _:
            assert_never(choice)
    write_changed(folder / OPTIONS, json.dumps(asdict(choice), indent=1) + "\n")
    return files


def read_choice(interface: str, text: bytes) -> Choice:
    """The options in the file ``OPTIONS`` of a wrapper.

    Raises:
        ConfigError: if it holds other than the options of ``interface``.
    """
    kind = INTERFACES[interface]
    try:
        data: dict[str, Any] = json.loads(text)
        wrong = [name for name, value in data.items() if type(value) not in (int, type(None))]
        choice = kind(**data)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(interface, str(error)[:200]) from error
    if wrong:
        raise _unreadable(interface, f"{wrong[0]} is no whole number")
    return choice


def _unreadable(interface: str, why: str) -> ConfigError:
    return ConfigError(f"wrap/{interface}/{OPTIONS}: not the options of a wrapper ({why}); run `bittrigger wrap` again")
