"""What there is to prove about a build: one task a claim."""

from __future__ import annotations

from collections.abc import Iterator

from bittrigger.prove.sources.setting import Setting
from bittrigger.prove.tasks.design import guard_tasks, settings_tasks, top_tasks, vhdl_tasks
from bittrigger.prove.tasks.in_time import engine_tasks, fed_tasks, serial_tasks, tally_tasks
from bittrigger.prove.tasks.modules import module_tasks
from bittrigger.prove.tasks.netlist import netlist_tasks
from bittrigger.prove.tasks.task import Task


def tasks(setting: Setting) -> Iterator[Task]:
    """Every claim, the longest proofs first."""
    if setting.primitive is not None:
        yield from netlist_tasks(setting, setting.primitive)
    for module in setting.pipeline.modules:
        if module.engine:
            yield from engine_tasks(setting, module)
        elif module.serial:
            yield from serial_tasks(setting, module)
        elif module.tally:
            yield from tally_tasks(setting, module, module.tally)
        else:
            yield from module_tasks(setting, module)
        yield from fed_tasks(setting, module)
    if setting.pipeline.settings_name is not None:
        yield from settings_tasks(setting, setting.pipeline.settings_name)
    if setting.pipeline.guard_name is not None:
        yield from guard_tasks(setting, setting.pipeline.guard_name)
    yield from top_tasks(setting)
    if setting.vhdl is not None:
        yield from vhdl_tasks(setting, setting.vhdl)
