"""A failing network made small: every step keeps the failure, and the steps stop when none of them does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from fuzz.case import Plan, Record
from fuzz.check import run_batch
from fuzz.natives import KINDS
from fuzz.spec import Node, Options, Spec, digest

MAX_TRIES = 300
"""Most networks that are tried; each takes about a second."""

_FIRST_NUMBER = re.compile(r"(?<=\()\d+")
_SIMPLE = {
    "kernel": ("ternary(alpha=1)", "quantized_bits(3,2,alpha=1)"),
    "quantizer": ("quantized_bits(2,1,alpha=1)", "quantized_relu(2,2)", "quantized_bits(4,3,alpha=1)"),
    "bias": (None, "quantized_bits(4,3,alpha=1)"),
    "activation": (None,),
    "function": ("linear",),
}
_PLAIN: Options = {
    "weights": "normal",
    "spread": 1.0,
    "use_bias": False,
    "scale": False,
    "center": False,
    "epsilon": 1e-3,
}


def plan_for(record: Record) -> Plan:
    """Only what is needed to see the failure of ``record`` again."""
    if record.outcome == "crash" or record.where in ("keras", "oracle"):
        return Plan(
            build_every=record.seed + 1 if record.where == "keras" else 1, natives=(), gates_every=0, product_every=0
        )
    if record.where in KINDS:
        return Plan(natives=(record.where,), gates_every=0, product_every=0, proves=False)
    if record.where == "gates":
        return Plan(natives=(), gates_every=1, product_every=0)
    if record.where == "compiler":
        return Plan(gates_every=0, product_every=0)
    return Plan(natives=(), gates_every=0, product_every=1)


def shrink(spec: Spec, record: Record, folder: Path, tries: int = MAX_TRIES) -> Spec:
    """A small network that fails as ``record`` says that ``spec`` does; ``spec`` itself if it no longer fails."""
    plan = plan_for(record)

    def fails(candidate: Spec) -> bool:
        return run_batch([candidate], folder / "shrink", plan)[0].kind == record.kind

    return reduce_while(spec, fails, tries)


def reduce_while(spec: Spec, fails: Callable[[Spec], bool], tries: int = MAX_TRIES) -> Spec:
    """The smallest network for which ``fails`` is true that single steps from ``spec`` lead to."""
    seen = {digest(spec)}
    improved = True
    while improved and tries > 0:
        improved = False
        for candidate in candidates(spec):
            key = digest(candidate)
            if key in seen or tries <= 0:
                continue
            seen.add(key)
            tries -= 1
            if fails(candidate):
                spec, improved = candidate, True
                break
    return spec


def candidates(spec: Spec) -> Iterator[Spec]:
    """Networks that are a step simpler than ``spec``, the largest steps first; some cannot be built."""
    yield from _fewer_outputs(spec)
    yield from _fewer_layers(spec)
    yield from _narrower(spec)
    yield from _simpler_settings(spec)
    yield from _simpler_layers(spec)


def _fewer_outputs(spec: Spec) -> Iterator[Spec]:
    if len(spec.outputs) > 1:
        for place in spec.outputs:
            yield _pruned(replace(spec, outputs=(place,)))
    for place in range(1, len(spec.nodes)):
        if spec.outputs != (place,):
            yield _pruned(replace(spec, outputs=(place,)))


def _fewer_layers(spec: Spec) -> Iterator[Spec]:
    for place, node in enumerate(spec.nodes):
        for source in node.inputs:
            moved = tuple(
                replace(other, inputs=tuple(source if k == place else k for k in other.inputs)) for other in spec.nodes
            )
            outputs = tuple(source if k == place else k for k in spec.outputs)
            yield _pruned(replace(spec, nodes=moved, outputs=outputs))


def _pruned(spec: Spec) -> Spec:
    """``spec`` without the layers that no output needs."""
    needed, waiting = set[int](), list(spec.outputs)
    while waiting:
        place = waiting.pop()
        if place not in needed:
            needed.add(place)
            waiting += spec.nodes[place].inputs
    number = {place: k for k, place in enumerate(sorted(needed))}
    nodes = tuple(_moved(spec.nodes[place], number) for place in sorted(needed))
    return replace(spec, nodes=nodes, outputs=tuple(number[place] for place in spec.outputs))


def _moved(node: Node, number: dict[int, int]) -> Node:
    """``node`` among fewer; a layer that is used again becomes one of its own where the first use is gone."""
    options = {key: value for key, value in node.options.items() if key != "shared" or value in number}
    if "shared" in options:
        options["shared"] = number[options["shared"]]
    return replace(node, inputs=tuple(number[k] for k in node.inputs), options=options)


def _narrower(spec: Spec) -> Iterator[Spec]:
    for place, node in enumerate(spec.nodes):
        units = node.options.get("units")
        for smaller in _smaller(units) if units else ():
            yield spec.with_node(place, node.changed(units=smaller))
        shape = node.options.get("shape")
        if node.kind == "input" and shape:
            for smaller in _smaller(shape[0]):
                yield spec.with_node(place, node.changed(shape=[smaller, *shape[1:]]))
            if len(shape) > 1:
                yield spec.with_node(place, node.changed(shape=shape[:1]))


def _smaller(size: int) -> list[int]:
    return sorted({1, size // 2, size - 1} - {0, size})


def _simpler_settings(spec: Spec) -> Iterator[Spec]:
    plain = Spec(spec.seed, spec.name, (), ())
    for key in ("sequential", "suffix", "logits", "input_precision", "effort", "clock_mhz", "ii", "hdl"):
        if getattr(spec, key) != getattr(plain, key):
            yield replace(spec, **{key: getattr(plain, key)})
    named = tuple(replace(node, name=f"{node.kind}_{place}") for place, node in enumerate(spec.nodes))
    if named != spec.nodes:
        yield replace(spec, nodes=named)
    for place, node in enumerate(spec.nodes):
        yield spec.with_node(place, replace(node, name=f"{node.kind}_{place}"))


def _simpler_layers(spec: Spec) -> Iterator[Spec]:
    for place, node in enumerate(spec.nodes):
        options = node.options
        for key, value in _PLAIN.items():
            if key in options and options[key] != value:
                yield spec.with_node(place, node.changed(**{key: value}))
        for key, texts in _SIMPLE.items():
            value = options.get(key)
            if value is None or value in texts:
                continue
            for text in texts:
                yield spec.with_node(place, node.changed(**{key: text}))
            yield from _fewer_bits(spec, place, key, value)
        if node.kind in ("qdense", "dense"):
            for kept in _smaller(options.get("kept", 64)):
                yield spec.with_node(place, node.changed(kept=kept))


def _fewer_bits(spec: Spec, place: int, key: str, text: str) -> Iterator[Spec]:
    found = _FIRST_NUMBER.search(text)
    for smaller in _smaller(int(found[0])) if found else ():
        yield spec.with_node(place, spec.nodes[place].changed(**{key: _FIRST_NUMBER.sub(str(smaller), text, count=1)}))
