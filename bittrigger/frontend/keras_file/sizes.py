"""The sizes of a Keras model, from its configuration alone: what would fill the memory before a weight is read is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from bittrigger.errors import UnsupportedModelError

MAX_TENSOR = 1 << 26
"""Most values of one tensor of an event, by a coarse bound."""

MAX_WEIGHTS = 1 << 29
"""Most weights of one layer: 2 GiB."""


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        yield abs(value)
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item)


def _growth(layer: Any) -> int:
    """How many times as large a tensor can become in a layer that pads or repeats."""
    config, kind = layer["config"], str(layer.get("class_name"))
    if kind.startswith(("UpSampling", "RepeatVector")):
        return math.prod(max(size, 1) for size in _numbers([config.get("size"), config.get("n")]))
    if kind.startswith("ZeroPadding"):
        return (1 + max([*_numbers(config.get("padding"))], default=0)) ** 2
    return 1


def check_sizes(where: str, layers: list[Any]) -> None:
    """Refuse sizes for which Keras would fill the memory before it reads a weight."""
    widest, units = 1, 1
    for layer in layers:
        config = layer["config"]
        for key in ("batch_input_shape", "batch_shape", "target_shape"):
            widest = max(widest, math.prod(size or 1 for size in _numbers(config.get(key))))
        built = layer.get("build_config")
        if isinstance(built, dict):
            widest = max(widest, math.prod(size or 1 for size in _numbers(list(built.values()))))
        window = math.prod(size or 1 for size in _numbers(config.get("kernel_size")))
        heads = math.prod(_numbers([config.get("num_heads", 1), config.get("key_dim", 1)]))
        filters = [window * size for size in _numbers(config.get("filters"))]
        units = max([units, heads, *filters, *_numbers(config.get("units"))])
    grown = widest * math.prod(_growth(layer) for layer in layers)
    if grown > MAX_TENSOR:
        raise UnsupportedModelError(
            f"model file {where}: a tensor could have {grown} values behind its layers that pad and repeat; allowed are "
            f"{MAX_TENSOR}; build a smaller model"
        )
    if units * max(widest, units) > MAX_WEIGHTS:
        raise UnsupportedModelError(
            f"model file {where}: a layer could have {units} x {max(widest, units)} weights; allowed are {MAX_WEIGHTS}; build a "
            "smaller model"
        )
