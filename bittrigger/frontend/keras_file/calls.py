"""Which layer reads which, in the configuration of a Keras model: every reference exists, and none leads in a circle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.attributes import MODELS

Json = Any
Call = tuple[str, int]
"""The name of a layer and the number of its call."""

CONSTANT = ["_CONSTANT_VALUE", -1]
"""What Keras writes in the place of a layer and its call where an operator was given a constant."""

MAX_TENSORS = 1000
"""Most tensors that one call of a layer gives."""


def check_calls(where: str, body: Json) -> None:
    """Refuse a functional configuration that is no graph without cycles from its inputs to its outputs.

    Args:
        where: the file, for messages.
        body: the configuration, whose layers have names.

    Raises:
        UnsupportedModelError: if a reference leads nowhere or in a circle, or there are no inputs or no outputs.
    """
    calls = _calls(where, body["layers"])
    # Keras counts the call of a model by itself, with which it was built, as the first.
    models = {layer["config"]["name"] for layer in body["layers"] if layer.get("class_name") in MODELS}
    known = {name: max(1, len(made)) + (name in models) for name, made in calls.items()}
    readers: dict[Call, list[Call]] = {}
    waiting: dict[Call, int] = {}
    for name, made in calls.items():
        for number, call in enumerate(made or [[]]):
            sources = [_checked(where, f"layer {name!r}", known, item) for item in references(call)]
            if made and not sources:
                raise _refused(where, f"layer {name!r}: it is called with nothing")
            waiting[name, number + (name in models)] = len(sources)
            for source in sources:
                readers.setdefault(source, []).append((name, number + (name in models)))
    _check_order(where, waiting, readers)
    _check_ends(where, body, known)


def _calls(where: str, layers: list[Json]) -> dict[str, list[Json]]:
    """The calls of each layer."""
    calls: dict[str, list[Json]] = {}
    for layer in layers:
        name, made = layer["config"]["name"], layer.get("inbound_nodes")
        if name in calls or layer.get("name", name) != name:
            raise _refused(where, f"layer {name!r}: another layer bears its name")
        if not isinstance(made, list):
            raise _refused(where, f"layer {name!r}: its calls are {str(made)[:80]!r}")
        if not made and layer.get("class_name") != "InputLayer":
            raise _refused(where, f"layer {name!r}: it is never called")  # Keras waits for it without end
        calls[name] = made
    return calls


def _check_ends(where: str, body: Json, known: dict[str, int]) -> None:
    for key in ("input_layers", "output_layers"):
        ends = list(references(body.get(key)))
        if not ends:
            raise _refused(where, f"the model: its {key} are {str(body.get(key))[:80]!r}")
        for end in ends:
            _checked(where, f"the model's {key}", known, end)


def references(value: Json) -> Iterator[list[Json]]:
    """Every ``[layer, call, tensor]``, with arguments behind it or not, however deep in lists and dictionaries."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending += item.values()
        elif isinstance(item, list):
            if 3 <= len(item) <= 4 and isinstance(item[0], str):
                if item[:2] != CONSTANT:
                    yield item
                pending += item[3:]
            else:
                pending += item


def _checked(where: str, owner: str, known: dict[str, int], reference: list[Json]) -> Call:
    name, call, tensor = reference[:3]
    if name not in known:
        raise _refused(where, f"{owner}: it reads {name[:80]!r}, which is no layer")
    if type(call) is not int or type(tensor) is not int or not 0 <= call < known[name] or not 0 <= tensor < MAX_TENSORS:
        raise _refused(
            where,
            f"{owner}: it reads tensor {str(tensor)[:20]} of call {str(call)[:20]} of layer {name!r}, which is none",
        )
    return name, call


def _check_order(where: str, waiting: dict[Call, int], readers: dict[Call, list[Call]]) -> None:
    ready = [call for call, count in waiting.items() if not count]
    done = 0
    while ready:
        done += 1
        for reader in readers.get(ready.pop(), ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    if done < len(waiting):
        name = next(name for (name, _), count in waiting.items() if count)
        raise _refused(where, f"layer {name!r}: it reads its own result, or that of layers which do")


def _refused(where: str, what: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"model file {where}: {what}; allowed are layers of different names, called one after the other from an input to an "
        "output; save the model again"
    )
