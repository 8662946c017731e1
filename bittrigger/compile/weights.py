"""What a build has to hold to be a retrained network of the same shape: compared with Keras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bittrigger.build.folder import Build
from bittrigger.compile.foreign import foreign_graph
from bittrigger.compile.read import EMULATED, Stages, check_reading, holding, read
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.ir.fixed import FloatArray
from bittrigger.ir.graph import Graph, Linear, Node, Requantize, frozen_array
from bittrigger.ir.held.bus import held_nodes
from bittrigger.ir.held.weight_file import node_facts, weights_text
from bittrigger.ir.nodes.held import layer_name
from bittrigger.passes.rewrite import readers
from bittrigger.passes.simplify import simplify
from bittrigger.schedule.engine import columns_apart_as


def retrained(model: Path, build: Build, *, inputs: FloatArray | None = None, stages: Stages | None = None) -> Graph:
    """What ``build`` has to hold to be the network in the file ``model``.

    The model is lowered with the settings of the build and compared with Keras on every bit, as ``convert`` does. It is refused
    unless all that is no held number is that of the build.

    Args:
        inputs: real events `(events, n_inputs)` on which Keras and the integers are compared, besides random ones.

    Returns:
        The graph of the build, with the numbers of the model.

    Raises:
        ConfigError: if the build holds nothing.
        UnsupportedModelError: if the model has another shape, or a bias does not fit its register.
        MismatchError: if Keras and the integers differ in a bit.
    """
    stages = stages or Stages()
    wanted = build.pipeline.emulation.graph
    weights_text(wanted)  # or it holds nothing
    settings = replace(build.settings, name=wanted.name, emulator_weights=False)
    held = EMULATED if build.settings.emulator_weights else holding(settings)
    if held is None:
        raise ConfigError(f"{build.folder}: was not converted with --reloadable or --tunable; convert the model again")
    held = replace(held, given={layer_name(node): node.bits for node in held_nodes(wanted)})
    own = foreign_graph(model, settings, inputs)
    if own is not None:
        return like(simplify(aligned(own, wanted), held=held), wanted, str(model))
    settings = replace(settings, tunable=None, reloadable=None, bias_bits=None)
    reading = read(model, settings, inputs=inputs, check=False, stages=stages)
    graph = like(simplify(aligned(reading.lowered.graph, wanted), held=held), wanted, str(model))
    with stages("check"):
        check_reading(replace(reading, graph=replace(graph, basis=reading.graph.basis)), settings, inputs)
    return graph


def aligned(graph: Graph, wanted: Graph) -> Graph:
    """``graph`` with the codes of its layers in the steps of those of ``wanted``, where these are finer; they are powers of two.

    A layer of coarser biases than those of the build has smaller codes; they grow, and what reads them drops as many bits more.

    Raises:
        UnsupportedModelError: if the codes of a layer come in finer steps than those of the build.
    """
    steps = {node.name: node.frac for node in wanted.nodes if isinstance(node, Linear)}
    read = readers(graph)
    changed: dict[str, Node] = {}
    for node in graph.nodes:
        more = steps.get(node.name, node.frac) - node.frac
        if more < 0 and isinstance(node, Linear):
            raise UnsupportedModelError(
                f"model {graph.name}: the codes of layer {node.name!r} come in steps of 2^{-node.frac}, those of the build in "
                f"2^{-steps[node.name]}; allowed are the same, or coarser ones; train with the same quantizers, or convert anew"
            )
        behind = read[node.name]
        if not isinstance(node, Linear) or more <= 0 or not all(isinstance(other, Requantize) for other in behind):
            continue
        grown = replace(
            node,
            weights=frozen_array(node.weights << more),
            bias=frozen_array(node.bias << more),
            frac=node.frac + more,
        )
        changed[node.name] = grown
        for other in behind:
            if isinstance(other, Requantize):
                changed[other.name] = replace(other, shift=other.shift + more, offset=other.offset << more)
    return replace(graph, nodes=tuple(changed.get(node.name, node) for node in graph.nodes))


def like(graph: Graph, wanted: Graph, name: str) -> Graph:
    """``wanted`` with the numbers that ``graph``, which is called ``name``, holds.

    Raises:
        UnsupportedModelError: naming the first node that is another one.
    """
    graph = columns_apart_as(graph, wanted)
    pairs = list(zip(graph.nodes, wanted.nodes, strict=False))
    for node, other in pairs:
        differing = [key for (key, a), (_, b) in zip(node_facts(node), node_facts(other), strict=False) if a != b]
        if differing or type(node) is not type(other):
            what = differing[0] if differing else "kind"
            values = [str(dict(node_facts(one)).get(what, type(one).__name__))[:60] for one in (node, other)]
            raise UnsupportedModelError(
                f"model {name}: node {node.name!r} has the {what} {values[0]}, the build has {values[1]} at {other.name!r}; "
                "allowed is a network of the same shape and scales; train with the same quantizers, or convert the model anew"
            )
    if len(graph.nodes) != len(wanted.nodes) or graph.outputs != wanted.outputs:
        raise UnsupportedModelError(
            f"model {name}: {len(graph.nodes)} nodes, the build has {len(wanted.nodes)}; allowed is a network of the same shape; "
            "convert the model anew"
        )
    return replace(wanted, nodes=graph.nodes)


def held_counts(graph: Graph) -> dict[str, int]:
    """How many numbers each layer of ``graph`` holds."""
    return {
        layer_name(node): int(getattr(node, "weights", np.empty(0)).size + node.bias.size) for node in held_nodes(graph)
    }
