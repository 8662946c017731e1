"""Some of the values of an event, and tensors put together."""

from __future__ import annotations

from bittrigger.frontend.pytorch.operators.arguments import places
from bittrigger.frontend.pytorch.values import Call, Known, Made, Value, Wire

_LAST = 1 << 40
"""Where a slice without an end stops."""


def sliced(call: Call) -> Value:
    """A range along one axis; that of all events is all."""
    source = call.wire(call.args[0])
    axis = int(call.argument(1, "dim", 0)) % len(source.shape)
    start, end, step = call.argument(2, "start"), call.argument(3, "end"), call.argument(4, "step", 1)
    if axis == 0 and (call.shape != source.shape or start):
        raise call.refused("it takes some of the events of a batch", "allowed are axes behind that of the batch")
    if axis == 0:
        return source
    bounds = [0 if start is None else int(start), _LAST if end is None else int(end)]
    reads = [places([value]) for value in (*bounds, axis, int(step))]
    return call.made("Slice", source, *reads)


def selected(call: Call) -> Value:
    """One place along an axis, or those of a list."""
    source = call.wire(call.args[0])
    index = call.args[2]
    alone = len(call.shape) == 1  # one value of each event keeps an axis in the graph
    wanted = index if isinstance(index, Known) else places([int(index)] if alone else int(index))
    return call.made("Gather", source, wanted, axis=int(call.args[1]) % len(source.shape))


def indexed(call: Call) -> Value:
    """The places of a list along one axis."""
    source, given = call.wire(call.args[0]), list(call.args[1])
    named = [axis for axis, index in enumerate(given) if index is not None]
    if len(named) != 1 or not isinstance(given[named[0]], Known):
        raise call.refused("it takes values by several lists, or by values of the event", "allowed is one fixed list")
    return call.made("Gather", source, given[named[0]], axis=named[0])


def joined(call: Call) -> Value:
    """Tensors one behind the other along an axis."""
    return call.made("Concat", *call.args[0], axis=_joining_axis(call))


def stacked(call: Call) -> Value:
    """Tensors one behind the other along an axis of their own."""
    tensors, new = list(call.args[0]), _joining_axis(call)
    shape = tuple(1 if axis == new else n for axis, n in enumerate(call.shape))
    if len(call.shape) > 2:  # one value of each event has its axis already
        tensors = [call.step("Unsqueeze", shape, tensor, places([new])) for tensor in tensors]
    return call.made("Concat", *tensors, axis=new)


def _joining_axis(call: Call) -> int:
    return int(call.argument(1, "dim", 0)) % len(call.shape)


def split(call: Call) -> Made:
    """Parts of sizes that are given, or of one size and what is left."""
    source = call.wire(call.args[0])
    axis = int(call.argument(2, "dim", 0)) % len(source.shape)
    given = call.args[1]
    listed = isinstance(given, list | tuple)
    sizes = [int(n) for n in given] if listed else _of_one_size(source.shape[axis], int(given))
    return [*_parts(call, source, axis, sizes)]


def chunked(call: Call) -> Made:
    """So many parts, the last perhaps a smaller one."""
    source = call.wire(call.args[0])
    axis = int(call.argument(2, "dim", 0)) % len(source.shape)
    size = source.shape[axis]
    return [*_parts(call, source, axis, _of_one_size(size, -(-size // int(call.args[1]))))]


def unbound(call: Call) -> Made:
    """Each place along an axis, without that axis; one value of each event keeps it in the graph."""
    source = call.wire(call.args[0])
    axis = int(call.argument(1, "dim", 0)) % len(source.shape)
    wires = _parts(call, source, axis, [1] * source.shape[axis])
    if len(source.shape) == 2:
        return [Wire(wire.name, wire.shape[:-1]) for wire in wires]
    gone = places([axis])
    shape = (*source.shape[:axis], *source.shape[axis + 1 :])
    return [call.step("Squeeze", shape, wire, gone) for wire in wires]


def _of_one_size(size: int, each: int) -> list[int]:
    return [min(each, size - start) for start in range(0, size, each)]


def _parts(call: Call, source: Wire, axis: int, sizes: list[int]) -> list[Wire]:
    if axis == 0:
        raise call.refused("it parts the batch", "allowed are axes behind that of the batch")
    split_at = call.read(places(sizes))
    names = call.writer.add(call.owner, "Split", source.name, split_at, outputs=len(sizes), axis=axis)
    shapes = [(*source.shape[:axis], n, *source.shape[axis + 1 :]) for n in sizes]
    return [Wire(name, shape) for name, shape in zip(names, shapes, strict=True)]
