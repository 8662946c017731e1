"""That a module computes one function of each event: the same in every batch, call and precision that it is run in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.pytorch.values import Call, Tensor
from bittrigger.frontend.qonnx.file import OnnxModel, OnnxNode

Node = Any

_COMPARISONS = ("gt", "ge", "lt", "le")


def check_alike(model: OnnxModel, other: OnnxModel) -> None:
    """Refuse a module that batches of two sizes make two graphs of.

    Raises:
        UnsupportedModelError: if they differ.
    """
    for one, two in zip(model.nodes, other.nodes, strict=False):
        if _plain(one) != _plain(two) or any(_differ(model, other, name) for name in one.inputs):
            raise _hangs(repr(one.name))
    if len(model.nodes) != len(other.nodes) or model.outputs != other.outputs:
        raise _hangs("its outputs")


def _plain(node: OnnxNode) -> tuple[object, ...]:
    return node.name, node.kind, node.inputs, node.outputs, dict(node.attributes)


def _differ(model: OnnxModel, other: OnnxModel, name: str) -> bool:
    """Whether numbers that both read under a name are not the same."""
    one, two = model.constants.get(name), other.constants.get(name)
    if one is None or two is None:
        return one is not two
    return (one.shape, one.dtype, one.tobytes()) != (two.shape, two.dtype, two.tobytes())


def _hangs(place: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"PyTorch module: what it computes at {place} depends on how many events a batch has; allowed is the same for each "
        "event; take sizes of axes behind that of the batch, as x.shape[1]"
    )


def check_unchanged(torch: Any, held: Mapping[str, Tensor], copies: Mapping[str, Tensor]) -> None:
    """Refuse a module that changes its own numbers when it is called, so that each call gives something else.

    Args:
        held: its parameters and buffers.
        copies: these as a call leaves them.

    Raises:
        UnsupportedModelError: if one differs.
    """
    for name, copy in copies.items():
        if not torch.equal(held[name].nan_to_num(), copy.nan_to_num()):
            raise UnsupportedModelError(
                f"PyTorch module: a call changes its {name[:80]!r}, so that each gives other values; allowed are fixed numbers "
                "at inference; change them in training alone"
            )


def check_fixed(torch: Any, node: Node, kind: str, args: Any) -> None:
    """Refuse numbers that are drawn at random.

    Raises:
        UnsupportedModelError: if an operator draws them.
    """
    drops_nothing = "dropout" in kind and len(args) > 2 and not args[2]
    if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()) and not drops_nothing:
        raise UnsupportedModelError(
            f"PyTorch operator {kind!r}: it draws at random, so that each call gives other values; allowed are fixed numbers "
            "at inference; keep them in a buffer"
        )


def check_dtype(torch: Any, call: Call, value: Any) -> None:
    """Refuse values of an event that are no float32: casts cut them off or round them.

    Args:
        value: what the trace says of the result, or of several.

    Raises:
        UnsupportedModelError: if the result is of another kind, or the first one is.
    """
    first = value[0] if isinstance(value, tuple | list) and value else value
    kind = getattr(first, "dtype", torch.float32)
    if kind is not torch.float32 and not (kind is torch.bool and call.kind in _COMPARISONS):
        raise call.refused(
            f"it gives values of {kind}",
            "allowed are those of torch.float32; write floor, round or clamp where a cast cuts off",
        )
