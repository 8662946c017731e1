"""A module of PyTorch, traced by ``torch.export`` in the process of its owner, becomes a graph of ONNX' operators.

What depends on weights alone is computed by PyTorch itself, so that any quantiser of weights may stand in the module.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.frontend.pytorch.folding import folded, is_straight
from bittrigger.frontend.pytorch.operators import OPERATORS
from bittrigger.frontend.pytorch.steadiness import check_alike, check_dtype, check_fixed, check_unchanged
from bittrigger.frontend.pytorch.values import WAY_OUT, Call, Codes, Compared, Half, Known, Scaled, Value, Wire
from bittrigger.frontend.pytorch.writer import Writer
from bittrigger.frontend.qonnx.file import OnnxModel
from bittrigger.ir.fixed import FloatArray

Module = Any
Node = Any

TRACED = (7, 11)
"""Events of the two traces: what depends on them differs, and few networks have an axis of such a length."""

_READING = (TypeError, ValueError, OverflowError, IndexError, KeyError, AttributeError, RuntimeError)
"""What reading arguments raises that are of another kind than is expected."""

Shape = tuple[int, ...]


def is_module(source: object) -> bool:
    """Whether ``source`` is a module of PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)


def events_of(inputs: Any) -> list[Any]:
    """The tensors or arrays that a module is called with, one for each argument.

    Raises:
        ConfigError: if there are none, or they are of no numbers.
    """
    given = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
    arrays = [value.detach().cpu().numpy() if is_tensor(value) else value for value in given if value is not None]
    if not arrays or not all(isinstance(array, np.ndarray) and array.ndim > 1 for array in arrays):
        raise ConfigError(
            "inputs of a PyTorch module: it does not say the shape of its events; expected inputs=x, events in the shape that "
            "the module is called with, `(events, ...)`, as an array or a tensor; a tuple where it has several arguments"
        )
    return arrays


def is_tensor(value: object) -> bool:
    """Whether ``value`` is a tensor of PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


@dataclass(frozen=True, eq=False)
class ModuleSource:
    """A module, and what it is called with.

    Attributes:
        shapes: of an event of each argument, without the batch.
    """

    module: Module
    shapes: tuple[Shape, ...]

    @property
    def name(self) -> str:
        """What the design is called for want of another name."""
        return type(self.module).__name__

    def outputs(self, events: FloatArray) -> FloatArray:
        """What the module itself gives in float32, side by side.

        Args:
            events: real events `(events, n_inputs)`, the arguments side by side.
        """
        import torch

        sizes = np.cumsum([math.prod(shape) for shape in self.shapes])[:-1]
        parts = np.split(np.asarray(events, dtype=np.float32), sizes, axis=1)
        given = [
            torch.from_numpy(part.reshape(-1, *shape).copy()) for part, shape in zip(parts, self.shapes, strict=True)
        ]
        with torch.no_grad():
            leaves = torch.utils._pytree.tree_leaves(self.module(*given))
        return np.concatenate([leaf.detach().double().numpy().reshape(len(events), -1) for leaf in leaves], axis=1)


@dataclass(frozen=True, eq=False)
class Traced:
    """A module as a graph.

    Attributes:
        straight: the operators at which ``x + (q - x)``, as a gradient passes straight through ``q``, was read as ``q``.
    """

    model: OnnxModel
    straight: tuple[str, ...]


def traced(module: Module, shapes: Sequence[Shape]) -> Traced:
    """The graph of a module at inference.

    Args:
        shapes: of an event of each argument, without the batch.

    Raises:
        UnsupportedModelError: if it cannot be traced, or an operator is not read.
    """
    import torch

    if module.training:
        raise UnsupportedModelError(
            f"PyTorch module {type(module).__name__}: it is in training; allowed is inference; call model.eval()"
        )
    found, other = (_of_batch(torch, module, shapes, events) for events in TRACED)
    check_alike(found.model, other.model)
    return found


def _of_batch(torch: Any, module: Module, shapes: Sequence[Shape], events: int) -> Traced:
    """The graph as a batch of so many events gives it."""
    example = tuple(torch.zeros(events, *shape, dtype=torch.float32) for shape in shapes)
    try:
        with torch.no_grad():
            program = torch.export.export(module, example)
    except Exception as error:
        # torch.export raises whatever the code of the module does
        reason = " ".join(str(error).split())[:300]
        raise UnsupportedModelError(
            f"PyTorch module {type(module).__name__}: torch.export cannot trace it ({type(error).__name__}: {reason}); "
            "allowed are modules that compute the same for every event, without branches on values; see docs/front-ends.md"
        ) from error
    own = frozenset(name for name, _ in module.named_modules())
    return _Walk(torch, program, Writer(reserved=own)).graph()


@dataclass(eq=False)
class _Walk:
    """The state of one reading."""

    torch: Any
    program: Any
    writer: Writer
    values: dict[str, Value | list[Value | None]] = field(default_factory=dict)
    straight: list[str] = field(default_factory=list)
    origins: dict[str, Half | Scaled | Codes] = field(default_factory=dict)

    def graph(self) -> Traced:
        """The whole network."""
        constants: Mapping[str, Any] = {**self.program.state_dict, **self.program.constants}
        targets = {spec.arg.name: spec.target for spec in self.program.graph_signature.input_specs}
        outputs: tuple[str, ...] = ()
        held = {name: constants[name].detach() for name in targets.values() if name is not None}
        copies = {name: array.clone() for name, array in held.items()}
        for node in self.program.graph.nodes:
            match node.op:
                case "placeholder" if targets.get(node.name) is not None:
                    self.values[node.name] = Known(copies[targets[node.name]])
                case "placeholder":
                    shape = _shape(node)
                    self.writer.inputs[node.name] = shape
                    self.values[node.name] = Wire(node.name, shape)
                case "get_attr":
                    self.values[node.name] = Known(getattr(self.program.graph_module, node.target))
                case "call_function":
                    self.values[node.name] = self._made(node)
                case "output":
                    outputs = tuple(self._end(name) for name in self.program.graph_signature.user_outputs)
        check_unchanged(self.torch, held, copies)
        return Traced(self.writer.model(outputs), tuple(dict.fromkeys(self.straight)))

    def _end(self, name: str) -> str:
        value = self.values.get(name)
        if not isinstance(value, Wire):
            raise UnsupportedModelError(
                f"PyTorch module: its output {str(name)[:80]!r} is no value of the event; allowed are tensors of the event"
            )
        if len({*self.program.graph_signature.user_outputs}) < len(self.program.graph_signature.user_outputs):
            raise UnsupportedModelError(f"PyTorch module: it delivers {name[:80]!r} twice; allowed is once")
        return value.name

    def _made(self, node: Node) -> Value | list[Value | None]:
        if node.target is operator.getitem:
            parts, place = self.values[node.args[0].name], node.args[1]
            part = parts[place] if isinstance(parts, list) else None
            if part is None and node.users:
                raise UnsupportedModelError(
                    f"PyTorch operator {node.args[0].name!r}: the places of the largest are used; allowed are values; "
                    "sort behind the design"
                )
            return part if part is not None else Known(self.torch.zeros(()))
        kind = _kind(node)
        if kind in ("sym_size", "_assert_tensor_metadata", "_assert_scalar", "_assert_async"):
            return Known(self.torch.zeros(()))
        args = self.torch.fx.node.map_arg(node.args, lambda one: self.values[one.name])
        named = self.torch.fx.node.map_arg(dict(node.kwargs), lambda one: self.values[one.name])
        straight = is_straight(node)
        if straight is not None and self._shape_of(straight) == _shape(node):
            self.straight.append(_owner(node, kind))
            return self.values[straight.name]
        if not _depends(args) and not _depends(tuple(named.values())):
            check_fixed(self.torch, node, kind, args)
            return folded(self.torch, node, kind, args, named)
        handler = OPERATORS.get(kind)
        owner = _owner(node, kind)
        if handler is None:
            raise UnsupportedModelError(
                f"PyTorch operator {kind!r} at {owner!r} is not read; allowed are {', '.join(sorted(set(OPERATORS)))}; {WAY_OUT}"
            )
        call = Call(self.writer, kind, owner, _shape(node), tuple(args), named, self.origins)
        check_dtype(self.torch, call, node.meta.get("val"))
        try:
            return handler(call)
        except _READING as error:
            raise call.refused(f"it is called in a form that is not read ({str(error)[:120]})") from error

    def _shape_of(self, node: Node) -> Shape:
        value = self.values[node.name]
        return value.shape if isinstance(value, Wire) else tuple(getattr(getattr(value, "tensor", None), "shape", ()))


def _depends(args: Any) -> bool:
    """Whether a value of the event is among arguments, or in a list among them."""
    if isinstance(args, tuple | list):
        return any(_depends(part) for part in args)
    return isinstance(args, Wire | Compared)


def _kind(node: Node) -> str:
    """The name of an operator, without what it is called for other types."""
    name = str(node.target)
    parts = name.split(".")
    return parts[1] if len(parts) > 2 and parts[0] in ("aten", "prims") else name


def _shape(node: Node) -> Shape:
    """The shape of what a node makes, or of the first of several."""
    value = node.meta.get("val")
    first = value[0] if isinstance(value, tuple | list) and value else value
    return tuple(int(n) for n in getattr(first, "shape", ()))


def _owner(node: Node, kind: str) -> str:
    """What users call a node: the path of its module, and the operator where the module is none of PyTorch's own."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind_of = stack[-1] if stack else ("", "")
    own = str(kind_of).startswith("torch.nn.modules.") and "container" not in str(kind_of)
    if path and (own or kind in ("linear", "conv1d", "conv2d", "conv3d")):
        return str(path)
    return f"{path}.{kind}" if path else kind
