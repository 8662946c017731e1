"""A random network as plain data: what is generated, shrunk, saved in the corpus and replayed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

Options = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """One layer.

    Attributes:
        kind: one of the keys of ``fuzz.model.LAYERS``.
        name: of the Keras layer; may be hostile.
        inputs: positions of the layers that it reads.
        options: JSON values, by kind.
    """

    kind: str
    name: str
    inputs: tuple[int, ...] = ()
    options: Options = field(default_factory=dict)

    def changed(self, **options: Any) -> Node:
        """This layer with other ``options``."""
        return replace(self, options=self.options | options)


@dataclass(frozen=True)
class Spec:
    """One network and how it is converted.

    Attributes:
        seed: of the weights and events.
        name: of the design.
        nodes: in an order in which each reads earlier ones only.
        outputs: positions of the outputs.
        sequential: whether it is built as a Sequential model, if it is a chain.
        suffix: ``h5`` or ``keras``.
        ii: cycles from one event to the next at least.
        require: the least grade that will do.
        hdl: what the hardware is written in.
        port: ``whole``, or ``stream`` for positions that come word by word.
        reloadable: ``weights`` to hold them in registers.
        tunable: ``bias`` to hold biases in registers.
    """

    seed: int
    name: str
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    sequential: bool = False
    suffix: str = "h5"
    logits: bool = False
    input_precision: str | None = None
    effort: str = "fast"
    clock_mhz: float = 360.0
    ii: int = 1
    require: str = "exact"
    hdl: str = "verilog"
    port: str = "whole"
    reloadable: str | None = None
    tunable: str | None = None

    @property
    def is_chain(self) -> bool:
        """Whether each layer reads the one before it and the last one is the only output."""
        links = all(node.inputs == (place,) for place, node in enumerate(self.nodes[1:]))
        return links and self.outputs == (len(self.nodes) - 1,)

    def with_node(self, place: int, node: Node) -> Spec:
        """This network with ``node`` in the place of layer ``place``."""
        return replace(self, nodes=(*self.nodes[:place], node, *self.nodes[place + 1 :]))

    def readers(self, place: int) -> list[int]:
        """Positions of the layers that read layer ``place``."""
        return [k for k, node in enumerate(self.nodes) if place in node.inputs]

    def words(self) -> Iterator[str]:
        """The kinds of layers, quantisers and activations in it, for the table of what was covered."""
        for node in self.nodes:
            yield node.kind
            if "shared" in node.options:
                yield f"shared {node.kind}"
            for key in ("kernel", "bias", "quantizer", "activation", "function", "overflow"):
                value = node.options.get(key)
                if isinstance(value, str):
                    yield f"{key} {value.split('(', maxsplit=1)[0]}"


def to_json(spec: Spec) -> str:
    """``spec`` as one line of JSON."""
    return json.dumps(asdict(spec), sort_keys=True)


def from_json(text: str) -> Spec:
    """What ``to_json`` wrote."""
    data = json.loads(text)
    nodes = tuple(Node(**item | {"inputs": tuple(item["inputs"])}) for item in data["nodes"])
    return Spec(**data | {"nodes": nodes, "outputs": tuple(data["outputs"])})


def digest(spec: Spec) -> str:
    """A short hash of ``spec``."""
    return hashlib.sha256(to_json(spec).encode()).hexdigest()[:12]


def save(spec: Spec, path: Path, why: str) -> None:
    """Write ``spec`` to ``path``, readable, with the reason that it is kept for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"why": why, "spec": asdict(spec)}, indent=1, ensure_ascii=True)
    path.write_text(text + "\n", encoding="utf-8")


def load(path: Path) -> Spec:
    """What ``save`` wrote."""
    return from_json(json.dumps(json.loads(path.read_text(encoding="utf-8"))["spec"]))
