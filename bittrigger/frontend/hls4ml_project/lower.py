"""A project's calls become nodes of the integer graph, with the rounding and the overflow of every assignment in its C++."""

from __future__ import annotations

from collections.abc import Callable

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.hls4ml_project import activations, casts, distributed, einsum, kernels, merges
from bittrigger.frontend.hls4ml_project.project import Call, Project
from bittrigger.frontend.hls4ml_project.walk import Signal, Walk
from bittrigger.ir.basis import Basis, Reference
from bittrigger.ir.checks import verify
from bittrigger.ir.graph import Graph
from bittrigger.ir.naming import identifier

Lowering = Callable[[Walk, Call], None]

LOWERINGS: dict[str, Lowering] = {
    "dense": kernels.dense,
    "pointwise_conv_1d_cl": kernels.convolution_1d,
    "conv_1d_cl": kernels.convolution_1d,
    "pointwise_conv_2d_cl": kernels.convolution_2d,
    "conv_2d_cl": kernels.convolution_2d,
    "normalize": kernels.normalize,
    "linear": activations.linear,
    "relu": activations.relu,
    "relu1": activations.relu,
    "relu6": activations.relu,
    "binary_tanh": activations.steps,
    "ternary_tanh": activations.steps,
    "sigmoid": activations.table,
    "tanh": activations.table,
    "unary_lut": activations.stored_table,
    "add": merges.add,
    "subtract": merges.subtract,
    "multiply": merges.multiply,
    "dot1d": merges.dot,
    "concatenate1d": merges.concatenate,
    "einsum_dense": einsum.einsum_dense,
    "transpose": einsum.transpose,
    "global_pooling1d_cl": merges.global_pooling,
    "global_pooling2d_cl": merges.global_pooling,
}
"""What each function of hls4ml's ``nnet`` computes."""

AT_OUTPUT = ("sigmoid", "softmax")
"""Functions that ``logits`` leaves out at the output; a softmax always is."""


def lower_project(project: Project, *, name: str | None = None, logits: bool = False) -> Graph:
    """The integer graph of a project.

    Args:
        name: of the design; by default that of the top function.
        logits: whether a softmax or sigmoid at an output is left out.

    Raises:
        UnsupportedModelError: if a call is not known, or cannot be computed in integers here.
    """
    walk = Walk(project, identifier(name or project.name))
    outputs = output_ports(project)
    for port in project.ports:
        if port.name not in outputs:
            node = walk.builder.add_input(port.name, port.size, port.type.fixed, port.type.fixed.interval)
            walk.signals[port.name] = Signal(node, port.type)
    left_out: list[str] = []
    for call in project.calls:
        if (logits or call.function == "softmax") and call.function in AT_OUTPUT and call.arguments[1] in outputs:
            left_out.append(
                f"{call.function} at the output {call.arguments[1]!r} is left out: its order is that of its operands"
            )
            walk.signals[call.arguments[1]] = walk.read(call.arguments[0], walk.owner(call))
            continue
        if distributed.FUNCTION.fullmatch(call.function):
            distributed.dense(walk, call)
            continue
        if call.function not in LOWERINGS and casts.is_written_out(walk, call):
            casts.cast_each(walk, call)
            continue
        if call.function not in LOWERINGS:
            raise UnsupportedModelError(
                f"hls4ml project: call of nnet::{call.function} is not supported; allowed are {', '.join(LOWERINGS)}"
                + ("; leave it out with --logits" if call.function in AT_OUTPUT else "")
            )
        LOWERINGS[call.function](walk, call)
    nodes = []
    for output in outputs:
        signal = walk.read(output, f"output {output!r}")
        size = walk.builder[signal.node].size
        wanted = project.variables[output].size
        if size != wanted:
            raise UnsupportedModelError(
                f"hls4ml project: output {output!r} has {wanted} elements, and {size} are computed"
            )
        nodes.append(walk.copy(signal.node) if signal.node in nodes else signal.node)
    graph = Graph(
        walk.name, walk.builder.nodes, tuple(nodes), Basis(chosen=tuple(left_out), reference=Reference.HLS4ML)
    )
    verify(graph)
    return graph


def output_ports(project: Project) -> list[str]:
    """The ports that a call writes, in order."""
    written = {argument for call in project.calls for argument in call.arguments[1:]}
    read = {call.arguments[0] for call in project.calls} | set(project.weights)
    found = [port.name for port in project.ports if port.name in written - read]
    if not project.calls or not found or len(found) == len(project.ports):
        raise UnsupportedModelError(
            f"hls4ml project: function {project.name!r} reads or writes none of its arguments; expected inputs and outputs"
        )
    return found
