"""Arguments of operators as attributes and constants of ONNX."""

from __future__ import annotations

from typing import Any

from bittrigger.frontend.pytorch.values import Known


def of_each_axis(value: Any, count: int) -> list[int]:
    """Whole numbers, one for each of ``count`` axes; a single one stands for all."""
    listed = list(value) if isinstance(value, list | tuple) else [value]
    return [int(n) for n in listed] * (count if len(listed) == 1 else 1)


def places(values: int | list[int]) -> Known:
    """Whole numbers that a node reads: axes, sizes or places."""
    import torch

    return Known(torch.tensor(values, dtype=torch.int64))
