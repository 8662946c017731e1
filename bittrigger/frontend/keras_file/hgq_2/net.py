"""Layers of Keras that read each other, in the place of one of HGQ2, for each of its calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bittrigger.frontend.keras_file.hgq_2.parts import Part, Stage
from bittrigger.frontend.keras_file.keras_3 import Held

Json = Any
Tensor = list[Json]
"""What stands in a place, for each call of the layer."""


@dataclass(eq=False)
class Net:
    """The layers in the place of ``part``, of which the last one gets its name."""

    part: Part
    entries: list[dict[str, Json]] = field(default_factory=list)

    @property
    def nodes(self) -> list[Json]:
        """The calls of the layer."""
        found = self.part.entry.get("inbound_nodes")
        if not isinstance(found, list):
            raise self.part.refused(
                f"{self.part.kind} in a Sequential model without an Input",
                "allowed are those that begin with one; build it with keras.layers.Input",
            )
        return found

    def given(self, at_least: int = 1) -> list[Tensor]:
        """The tensors that the layer is called with, one after the other or as one list."""
        calls = [args for args, _ in self._calls(())]
        if len({len(call) for call in calls}) != 1 or len(calls[0]) < at_least:
            raise ValueError(f"it is called with {[len(call) for call in calls]} tensors")
        return [list(tensor) for tensor in zip(*calls, strict=True)]

    def arguments(self, names: tuple[str, ...]) -> dict[str, Tensor]:
        """The tensors that the layer is called with, by position or by ``names``, of which the first one is there."""
        calls = []
        for args, kwargs in self._calls(names):
            both = dict(zip(names, args, strict=False)) | {
                name: kwargs[name] for name in names[len(args) :] if name in kwargs
            }
            calls.append({name: tensor for name, tensor in both.items() if tensor is not None})
            if len(args) > len(names):
                raise ValueError(f"it is called with {len(args)} tensors")
        if any(set(call) != set(calls[0]) or names[0] not in call for call in calls) or not calls:
            raise ValueError(f"it is called with {[sorted(call) for call in calls][:4]}")
        return {name: [call[name] for call in calls] for name in calls[0]}

    def _calls(self, names: tuple[str, ...]) -> list[tuple[list[Json], dict[str, Json]]]:
        """The arguments of each call, of which those beside tensors and ``names`` say nothing."""
        calls = []
        for node in self.nodes:
            args, kwargs = (node.get(key) for key in ("args", "kwargs")) if isinstance(node, dict) else (None, None)
            if not isinstance(args, list) or not isinstance(kwargs, dict):
                raise TypeError(f"a call of it is {str(node)[:60]}")
            odd = [key for key, value in kwargs.items() if value not in (None, False) and key not in names]
            if odd:
                raise self.part.refused(
                    f"it is called with {odd[0][:40]}", "allowed are calls with tensors alone; leave it out"
                )
            calls.append((args[0] if len(args) == 1 and isinstance(args[0], list) else args, kwargs))
        return calls

    def add(self, stage: Stage, *reads: Tensor, named: str = "") -> Tensor:
        """What a layer makes of ``reads``; of an operator the second operand goes by the argument ``named``."""
        kind, settings, arrays = stage
        settings = dict(settings)
        name = f"{self.part.name}_part{len(self.entries)}"
        apart = bool(named) or len(reads) == 1
        calls = [list(call) for call in zip(*reads, strict=True)]
        entry: dict[str, Json] = {"class_name": kind, "name": name}
        entry["held"] = Held(tuple(arrays), settings.pop("options", {}), named)
        entry["inbound_nodes"] = [call_of(call if apart else [call]) for call in calls]
        entry["config"] = {**settings, "name": name}
        self.entries.append(entry)
        return [tensor_of(name, call) for call in range(len(calls))]

    def chain(self, source: Tensor, *stages: Stage) -> Tensor:
        """What layers one after the other make of ``source``."""
        for stage in stages:
            source = self.add(stage, source)
        return source

    def finished(self) -> list[Json]:
        """The layers, the last one under the name of the whole."""
        last = self.entries[-1]
        last["name"] = last["config"]["name"] = self.part.name
        return list(self.entries)


def call_of(args: list[Json]) -> Json:
    """A call with ``args``, as Keras 3 writes it."""
    return {"args": args, "kwargs": {}}


def tensor_of(name: str, call: int) -> Json:
    """What a call of a layer gives, as Keras 3 writes it."""
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, 0]}}


def operator(function: str, **options: Json) -> Stage:
    """An operator of TensorFlow."""
    return ("TFOpLambda", {"function": function, "options": options}, [])


def scaled(scale: float) -> Stage:
    """A factor."""
    return ("Rescaling", {"scale": scale, "offset": 0.0}, [])
