"""Recurrent layers, unrolled: each step is hardware of its own, and its state is codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.chains import Apply
from bittrigger.frontend.elementwise.functions import functions_from_spec
from bittrigger.frontend.elementwise.functions.function import Function
from bittrigger.frontend.kernels import (
    Float32Array,
    IntegerKernel,
    aligned,
    check_finite,
    common_fraction_bits,
    factor_kernel,
    to_integers,
)
from bittrigger.frontend.lower.kernels import operand_ranges
from bittrigger.frontend.lower.products import product
from bittrigger.frontend.lower.walk import Walk
from bittrigger.frontend.nodes.casts import assigned
from bittrigger.frontend.nodes.elementwise import lower_elementwise
from bittrigger.frontend.nodes.signal import Signal
from bittrigger.ir.fixed import FLOAT32_BITS, IntArray
from bittrigger.settings.declared import CELL

Functions = tuple[Function, ...]
"""Functions of each code, one behind the other."""

Terms = Sequence[tuple[str, IntArray]]
"""Nodes, each with the integer matrix `(codes, results)` that it is multiplied with."""


@dataclass(frozen=True, eq=False)
class _Cell:
    """What all steps share.

    Attributes:
        kernel, again: integers for the event and for the state, `(features, gates * units)` and `(units, gates * units)`.
        frac: fractional bits of both.
        bias: float, in exact binary; for the event, and for the state apart where ``reset_after``.
    """

    walk: Walk
    name: str
    known_as: str
    units: int
    kernel: IntArray
    again: IntArray
    frac: int
    bias: Any
    activation: Functions
    gate: Functions | None
    state: Functions | None
    reset_after: bool

    def columns(self, *gates: int) -> list[int]:
        """The columns of some gates, by number."""
        return [gate * self.units + k for gate in gates for k in range(self.units)]


@dataclass(frozen=True)
class _State:
    """The nodes that a step hands on: what it delivers, and the carry of an LSTM; None before the first."""

    hidden: str | None = None
    carry: str | None = None


def recurrent(walk: Walk, node: Any) -> Signal:
    """The results of all steps, or of the last."""
    (source,) = walk.operands(node)
    facts: Mapping[str, Any] = attributes.read(node, attributes.CELL)
    cell = _cell(walk, node, facts)
    part = walk.builder.joined(f"{node.name}_operand", source.parts)
    steps, features = source.shape
    state, results = _State(), []
    for number, place in enumerate(reversed(range(steps)) if facts["backwards"] else range(steps)):
        taken = np.arange(place * features, (place + 1) * features)
        event = walk.builder.wire(f"{node.name}_operand_{place}", (part,), taken)
        state = _STEPS[facts["kind"]](cell, event, _quantised(cell, state, number), number)
        results.append(str(state.hidden))
    shape = tuple(int(n) for n in attributes.read(node, attributes.SHAPE))
    if not facts["sequences"]:
        return Signal((results[-1],), shape)
    return Signal((walk.builder.joined(f"{node.name}_sequence", results),), shape)


def _cell(walk: Walk, node: Any, facts: Mapping[str, Any]) -> _Cell:
    kernels = [
        np.asarray(attributes.read(node, key), dtype=np.float32)
        for key in (attributes.KERNEL, attributes.RECURRENT_KERNEL)
    ]
    bias = np.asarray(attributes.read(node, attributes.BIAS), dtype=np.float32)
    check_finite(node.name, "bias", bias)
    found = _integers(node, np.concatenate(kernels), walk.weight_bits, facts["known_as"])
    functions = [
        None if facts[key] is None else functions_from_spec(node.name, facts[key])
        for key in ("activation", "gate", "state")
    ]
    activation, gate, state = functions
    if activation is None:
        raise UnsupportedModelError(f"layer {node.name!r}: it has no activation; allowed are functions; use 'linear'")
    if state is not None and state[-1].apply(np.zeros(1, dtype=np.float32))[0] != 0:
        raise UnsupportedModelError(
            f"layer {node.name!r}: its state quantizer {state[-1].text} makes something else of 0, with which the states begin; "
            "allowed are quantisers with a code for 0; use quantized_bits"
        )
    rows, frac = len(kernels[0]), max(found.frac, 0)
    values = found.values << (frac - found.frac)
    return _Cell(
        *(
            walk,
            node.name,
            facts["known_as"],
            len(values) - rows,
            values[:rows],
            values[rows:],
            frac,
            bias,
            activation,
            gate,
            state,
        ),
        reset_after=bool(facts["reset_after"]),
    )


def _integers(node: Any, kernels: Float32Array, most: int, known_as: str) -> IntegerKernel:
    """Both kernels as integers of one grid, of ``most`` bits."""
    quantizers = str(attributes.read(node, attributes.QUANTIZER))
    allowed = (
        "allowed within a recurrent layer are kernels on a power-of-two grid; round them with --weight-precision 'fixed<8,2>', "
        f"and its sigmoid and tanh with {_way_out(known_as)}, or use the layer of QKeras with kernel_quantizer and "
        "recurrent_quantizer, and alpha=1 or 'auto_po2'"
    )
    try:
        found = factor_kernel(node.name, kernels, quantizers, most=most)
    except UnsupportedModelError as error:
        if "needs" not in str(error):
            raise
        raise UnsupportedModelError(f"{str(error).split('; ')[0]}; {allowed}") from error
    if found.scale is not None:
        raise UnsupportedModelError(
            f"layer {node.name!r}: kernel quantizers {quantizers} have scales that are no powers of two; {allowed}"
        )
    return found


def _way_out(name: str) -> str:
    return f"--layer-precision '{name}{CELL}=fixed<12,4>'"


def _quantised(cell: _Cell, state: _State, number: int) -> _State:
    """The state as the next step reads it."""
    if cell.state is None or state.hidden is None:
        return state
    hidden = _applied(cell, Signal((state.hidden,), (cell.units,)), cell.state, f"{cell.name}_state_{number}")
    if state.carry is None:
        return _State(hidden)
    return _State(
        hidden, _applied(cell, Signal((state.carry,), (cell.units,)), cell.state, f"{cell.name}_kept_{number}")
    )


def _simple(cell: _Cell, event: str, state: _State, number: int) -> _State:
    total = _sums(cell, f"{cell.name}_{number}", _terms(cell, event, state.hidden, 0), cell.bias)
    return _State(_applied(cell, total, cell.activation, f"{cell.name}_{number}"))


def _lstm(cell: _Cell, event: str, state: _State, number: int) -> _State:
    """Gates in Keras' order: input, forget, carry, output; without a carry there is nothing to forget."""
    units, name = cell.units, cell.name
    wanted = (0, 3) if state.carry is None else (0, 3, 1)
    gates = _gated(cell, number, _terms(cell, event, state.hidden, *wanted), cell.bias[cell.columns(*wanted)])
    total = _sums(cell, f"{name}_carried_{number}", _terms(cell, event, state.hidden, 2), cell.bias[cell.columns(2)])
    candidate = _applied(cell, total, cell.activation, f"{name}_candidate_{number}")
    added = [_times(cell, f"{name}_added_{number}", gates, candidate, 0)]
    if state.carry is not None:
        added.append(_times(cell, f"{name}_remembered_{number}", gates, state.carry, 2 * units))
    carry = _settled(cell, _sums(cell, f"{name}_carry_{number}", _ones(cell, added), np.zeros(units, np.float32), 0))
    shown = _applied(cell, Signal((carry,), (units,)), cell.activation, f"{name}_shown_{number}")
    return _State(_times(cell, f"{name}_{number}", gates, shown, units), carry)


def _gru(cell: _Cell, event: str, state: _State, number: int) -> _State:
    """Gates in Keras' order: update, reset, candidate."""
    units, name = cell.units, cell.name
    inner = np.atleast_2d(cell.bias)[-1] if cell.reset_after else np.zeros(3 * units, np.float32)
    outer = np.atleast_2d(cell.bias)[0]
    none = np.zeros(units, np.float32)
    both = cell.columns(0, 1)
    gates = _gated(cell, number, _terms(cell, event, state.hidden, 0, 1), outer[both] + inner[both])
    own = cell.columns(2)
    terms, frac = [(event, cell.kernel[:, own])], cell.frac
    if cell.reset_after and (state.hidden is not None or inner[own].any()):
        terms.append(
            (_reset_after(cell, gates, state.hidden, inner[own], number), np.eye(units, dtype=np.int64) << frac)
        )
    elif state.hidden is not None:
        kept = _times(cell, f"{name}_reset_{number}", gates, state.hidden, units)
        terms.append((kept, cell.again[:, own]))
    candidate = _applied(
        cell, _sums(cell, f"{name}_carried_{number}", terms, outer[own]), cell.activation, f"{name}_candidate_{number}"
    )
    rest = _settled(cell, _sums(cell, f"{name}_rest_{number}", [(gates, _rest(cell))], none + 1, 0))
    parts = [_times(cell, f"{name}_new_{number}", rest, candidate, 0)]
    if state.hidden is not None:
        parts.append(_times(cell, f"{name}_old_{number}", gates, state.hidden, 0))
    return _State(_settled(cell, _sums(cell, f"{name}_{number}", _ones(cell, parts), none, 0)))


def _reset_after(cell: _Cell, gates: str, hidden: str | None, bias: Any, number: int) -> str:
    """``r * (h @ U + b)``, of which ``h`` is 0 before the first step."""
    if hidden is None:
        places = common_fraction_bits(bias)
        weights = np.zeros((2 * cell.units, cell.units), dtype=np.int64)
        weights[cell.units :] = np.diag(to_integers(bias, places))
        none = np.zeros(cell.units, np.float32)
        return _settled(cell, _sums(cell, f"{cell.name}_reset_{number}", [(gates, weights)], none, places))
    inner = _settled(cell, _sums(cell, f"{cell.name}_inner_{number}", [(hidden, cell.again[:, cell.columns(2)])], bias))
    return _times(cell, f"{cell.name}_reset_{number}", gates, inner, cell.units)


_STEPS = {"SimpleRNN": _simple, "LSTM": _lstm, "GRU": _gru}


def _terms(cell: _Cell, event: str, hidden: str | None, *gates: int) -> list[tuple[str, IntArray]]:
    """The event, and the state if there is one, with the columns of some gates."""
    columns = cell.columns(*gates)
    found = [(event, cell.kernel[:, columns])]
    return found if hidden is None else [*found, (hidden, cell.again[:, columns])]


def _ones(cell: _Cell, parts: Sequence[str]) -> list[tuple[str, IntArray]]:
    return [(part, np.eye(cell.units, dtype=np.int64)) for part in parts]


def _rest(cell: _Cell) -> IntArray:
    """Minus the update gates."""
    return np.concatenate([-np.eye(cell.units, dtype=np.int64), np.zeros((cell.units, cell.units), dtype=np.int64)])


def _gated(cell: _Cell, number: int, terms: Terms, bias: Any) -> str:
    """The node of the gates of one step."""
    name = f"{cell.name}_gates_{number}"
    return _applied(cell, _sums(cell, name, terms, bias), cell.gate or cell.activation, name)


def _sums(cell: _Cell, name: str, terms: Terms, bias: Any, places: int | None = None) -> Signal:
    """The sum of each node times its matrix, and of a bias.

    Args:
        places: fractional bits of the matrices; by default those of the kernels.
    """
    builder, sources = cell.walk.builder, [part for part, _ in terms]
    fracs = builder.fracs(sources)
    weights = aligned(cell.name, np.concatenate([matrix for _, matrix in terms]), fracs)
    frac = int(fracs.max()) + (cell.frac if places is None else places)
    finer = max(common_fraction_bits(bias) - frac, 0)
    if finer > FLOAT32_BITS:
        raise UnsupportedModelError(
            f"layer {cell.name!r}: its bias has {frac + finer} fractional bits, and the sums that it is added to have {frac}; "
            f"Keras' float32 holds {FLOAT32_BITS} bits; set bias_quantizer, for example to quantized_bits(8, 2, alpha=1)"
        )
    weights, frac = weights << finer, frac + finer
    added = to_integers(bias, frac)
    source = Signal(tuple(sources), (weights.shape[1],))
    ideal = cell.walk.beyond_float32(cell.name, weights, added, operand_ranges(builder, source))
    return replace(source, linear=builder.linear(name, sources, weights, added, frac), ideal=ideal)


def _applied(cell: _Cell, signal: Signal, functions: Functions, name: str) -> str:
    """The node of functions of each code; a type in front of them rounds the sums themselves, however wide they are."""
    first, rest, builder = functions[0], functions[1:], cell.walk.builder
    if first.cast is not None:
        cut = assigned(builder, f"{name}_cut" if rest else name, _settled(cell, signal), first.cast)
        if not rest:
            return cut
        ideal = signal.ideal or bool(builder.account.ideal)  # one precision for all functions of a step
        return _applied(cell, Signal((cut,), (builder[cut].size,), ideal=ideal), rest, name)
    if first.text == "linear":
        return _settled(cell, signal)
    try:
        return _settled(cell, replace(signal, steps=tuple(Apply(name, function) for function in functions)))
    except UnsupportedModelError as error:
        if functions[-1].grid is not None:
            raise
        raise UnsupportedModelError(
            f"layer {cell.name!r}: its {first.text} gives values on no grid, with which it goes on; allowed within a "
            f"recurrent layer are quantised functions, and relu; round what is in it with {_way_out(cell.known_as)}, or use "
            "quantized_tanh, quantized_sigmoid and quantized_bits in a layer of QKeras"
        ) from error


def _settled(cell: _Cell, signal: Signal) -> str:
    made = lower_elementwise(cell.walk.builder, signal)
    return cell.walk.builder.joined(f"{cell.name}_joined", made.parts)


def _times(cell: _Cell, name: str, gates: str, values: str, first: int) -> str:
    """The products of the gates from number ``first`` on, and as many values."""
    numbers = np.arange(cell.units)
    return product(cell.walk, name, gates, values, np.stack([first + numbers, numbers], axis=1))
