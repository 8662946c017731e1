"""Writing what a design holds over its bus of settings."""

from __future__ import annotations

from cocotb.handle import HierarchyObject, LogicObject
from cocotb.triggers import FallingEdge


async def hold(dut: HierarchyObject, clock: LogicObject, writes: list[list[int]], idle: int) -> None:
    """Write all that the design holds, a word a cycle, and wait until it counts.

    Args:
        clock: the port of the clock, which runs.
        writes: address and data, the command last.
        idle: cycles after which nothing of power-up is left on the bus, and after which a command is in all layers.
    """
    edge = FallingEdge(clock)
    for port in (dut.settings_write, dut.settings_address, dut.settings_data):
        port.value = 0
    for _ in range(idle):
        await edge
    for address, data in writes:
        dut.settings_write.value, dut.settings_address.value, dut.settings_data.value = 1, address, data
        await edge
    dut.settings_write.value = 0
    for _ in range(idle):
        await edge
