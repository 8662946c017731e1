"""Recurrent layers of HGQ2, step by step: each is the dense layers, products and sums of its cell between its quantisers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bittrigger.frontend.keras_file.hgq_2.net import Net, Tensor
from bittrigger.frontend.keras_file.hgq_2.parts import Array, Part, Stage
from bittrigger.frontend.keras_file.hgq_2.types import Types, quantised
from bittrigger.frontend.keras_layers.recurrent import MAX_STEPS

Json = Any

Step = Callable[[Tensor, Tensor | None], Tensor]
"""From the event of one step, and the state before it, to the state behind it."""

RECURRENT = ("QSimpleRNN", "QGRU")
"""The recurrent layers that are read."""

_SETTINGS = {"return_state": False, "stateful": False, "enable_oq": False}  # with an output quantiser HGQ2 builds none
_FUNCTIONS = ("linear", "relu")
_HARD = {"HardTanhConfig": None, "HardSigmoidConfig": (0.25, 0.5)}
"""Quantisers that saturate at 1, and what is done with their codes behind them."""


@dataclass(frozen=True, eq=False)
class _Cell:
    """What all steps share.

    Attributes:
        kernel, again: for the event and for the state, `(features, units)` of each gate after the other.
        bias: the same for the event and, in a second row, for the state.
    """

    net: Net
    part: Part
    units: int
    kernel: Array
    again: Array
    bias: Array

    def columns(self, values: Array, gate: int) -> Array:
        """The part of an array that belongs to a gate."""
        return np.ascontiguousarray(values[..., gate * self.units : (gate + 1) * self.units])

    def dense(self, kernel: Array, bias: Array, source: Tensor) -> Tensor:
        """A matrix and a bias."""
        settings = {"units": kernel.shape[1], "use_bias": bool(bias.any())}
        return self.net.add(("Dense", settings, [kernel, bias] if bias.any() else [kernel]), source)

    def function(self, name: str) -> list[Stage]:
        """A function before or behind a quantiser."""
        found = self.part.config.get(name, "linear")
        if found not in _FUNCTIONS:
            raise self.part.refused(
                f"{self.part.kind} with {name}={str(found)[:40]}", f"allowed are {', '.join(_FUNCTIONS)}; build it so"
            )
        return [] if found == "linear" else [("Activation", {"activation": found}, [])]


def recurrent(part: Part) -> list[Json]:
    """A QSimpleRNN or a QGRU."""
    net, conf = Net(part), part.config
    for setting, allowed in _SETTINGS.items():
        if conf.get(setting, allowed) is not allowed:
            raise part.refused(
                f"{part.kind} with {setting}={str(conf[setting])[:40]}", f"allowed is {allowed}; build it so"
            )
    given = net.given()
    if len(given) != 1:
        raise part.refused(
            f"{part.kind} called with states", "allowed is a sequence alone, with states that begin at 0"
        )
    steps, features = _shape(part)
    part.own(0)
    inner = Part(part.where, {"class_name": part.kind, "config": conf}, f"{part.place}cell/", part.weights, part.said)
    cell, step = (_simple if part.kind == "QSimpleRNN" else _gru)(net, inner, features)
    sequence = given[0]
    if conf.get("enable_iq"):
        types = inner.of_values(conf.get("iq_conf"), "iq/")
        sequence = net.add(inner.as_stage(_with(types, lambda array: array.reshape(1, 1, -1))), sequence)
    state: Tensor | None = None
    results: list[Tensor] = []
    for place in reversed(range(steps)) if conf.get("go_backwards") else range(steps):
        crop: Stage = ("Cropping1D", {"cropping": [place, steps - 1 - place]}, [])
        state = step(net.chain(sequence, crop, ("Reshape", {"target_shape": [features]}, [])), state)
        results.append(state)
    if conf.get("return_sequences"):
        rows = [net.add(("Reshape", {"target_shape": [1, cell.units]}, []), result) for result in results]
        net.add(("Concatenate", {"axis": 1}, []), *rows)
    return net.finished()


def _shape(part: Part) -> tuple[int, int]:
    """Steps and features of the sequences."""
    shape = part.built.get("sequences_shape") or part.input_shape
    if not isinstance(shape, list) or len(shape) != 3 or not all(type(n) is int and n > 0 for n in shape[1:]):
        raise part.refused(f"{part.kind} of sequences {str(shape)[:60]}", "allowed are steps x features, both fixed")
    if shape[1] > MAX_STEPS:
        raise part.refused(
            f"{part.kind} of {shape[1]} steps, each of which becomes hardware of its own",
            f"allowed are up to {MAX_STEPS}; use shorter sequences",
        )
    return shape[1], shape[2]


def _arrays(net: Net, part: Part, features: int, gates: int) -> _Cell:
    """The quantised arrays of a cell."""
    conf, units = part.config, part.config.get("units")
    biased = bool(conf.get("use_bias"))
    kernel, again, *rest = part.own(2 + biased)
    if type(units) is not int or kernel.shape != (features, gates * units) or again.shape != (units, gates * units):
        raise ValueError(
            f"its kernels have the shapes {kernel.shape} and {again.shape}, and its settings ask for {units}"
        )
    kernel, again = part.quantised(kernel, "kq"), part.quantised(again, "rkq")
    bias = np.zeros((2, gates * units), np.float32)
    if biased:
        made = part.quantised(rest[0], "bq")
        if made.shape not in ((gates * units,), (2, gates * units)):
            raise ValueError(f"its bias has the shape {made.shape}")
        bias[: made.size // (gates * units)] = made
    return _Cell(net, part, units, kernel, again, bias)


def _simple(net: Net, part: Part, features: int) -> tuple[_Cell, Step]:
    cell = _arrays(net, part, features, 1)
    before = _quantiser(part, "sq") if part.holds("sq/") else []
    behind = [*_quantiser(part, "paq"), *cell.function("activation")]

    def step(event: Tensor, state: Tensor | None) -> Tensor:
        total = cell.dense(cell.kernel, cell.bias[0], event)
        if state is not None:
            again = cell.dense(cell.again, np.zeros(cell.units), net.chain(state, *before))
            total = net.add(("Add", {}, []), total, again)
        return net.chain(total, *behind)

    return cell, step


def _gru(net: Net, part: Part, features: int) -> tuple[_Cell, Step]:
    """Gates in Keras' order: update, reset, candidate; a state that begins at 0 leaves biases alone of its products."""
    cell = _arrays(net, part, features, 3)
    before, candidate = _quantiser(part, "sq"), [*cell.function("activation"), *_quantiser(part, "paq")]
    gated = [[*cell.function("recurrent_activation"), *stages] for stages in _quantisers(part, "praq", cell.units)]
    hidden, reset_after = part.of_values(part.config.get("rhq_conf"), "rhq/"), bool(part.config.get("reset_after"))
    kernels, agains, biases = (
        [cell.columns(array, k) for k in range(3)] for array in (cell.kernel, cell.again, cell.bias)
    )

    def reset(gate: Tensor, state: Tensor | None) -> Tensor | None:
        if state is None:
            fixed = quantised(biases[2][1], hidden).ravel()
            return cell.dense(np.diag(fixed), np.zeros(cell.units), gate) if reset_after and fixed.any() else None
        if reset_after:
            inner = net.chain(cell.dense(agains[2], biases[2][1], state), part.as_stage(hidden))
            return net.add(("Multiply", {}, []), gate, inner)
        kept = net.add(part.as_stage(hidden), net.add(("Multiply", {}, []), gate, state))
        return cell.dense(agains[2], np.zeros(cell.units), kept)

    def step(event: Tensor, state: Tensor | None) -> Tensor:
        state = None if state is None else net.chain(state, *before)
        gates = []
        for k in range(2):
            total = cell.dense(kernels[k], biases[k][0] + biases[k][1] if reset_after else biases[k][0], event)
            if state is not None:
                total = net.add(("Add", {}, []), total, cell.dense(agains[k], np.zeros(cell.units), state))
            gates.append(net.chain(total, *gated[k]))
        total = cell.dense(kernels[2], biases[2][0], event)
        inner = reset(gates[1], state)
        total = total if inner is None else net.add(("Add", {}, []), total, inner)
        new = net.chain(total, *candidate)
        rest = net.add(("Rescaling", {"scale": -1.0, "offset": 1.0}, []), gates[0])
        made = net.add(("Multiply", {}, []), rest, new)
        if state is None:
            return made
        return net.add(("Add", {}, []), net.add(("Multiply", {}, []), gates[0], state), made)

    return cell, step


def _with(types: Types, change: Callable[[Array], Array]) -> Types:
    """``types`` of which each array is changed."""
    signs, integers, fractions = (change(array) for array in (types.signs, types.integers, types.fractions))
    return replace(types, signs=signs, integers=integers, fractions=fractions)


def _quantiser(part: Part, which: str) -> list[Stage]:
    """A quantiser of what flows in the cell."""
    (stages,) = _quantisers(part, which, None)
    return stages


def _quantisers(part: Part, which: str, units: int | None) -> list[list[Stage]]:
    """That, or one for each gate of ``units`` that it serves."""
    conf = part.config.get(f"{which}_conf")
    behind: list[Stage] = []
    if isinstance(conf, dict) and conf.get("class_name") in _HARD:
        conf = {**conf, "config": {**conf["config"], "overflow_mode": "SAT"}}
        factors = _HARD[str(conf["class_name"])]
        behind = [] if factors is None else [("Rescaling", {"scale": factors[0], "offset": factors[1]}, [])]
    types = part.of_values(conf, f"{which}/")
    size = types.bits.shape[-1]
    if units is None or size == 1:
        return [[part.as_stage(types), *behind]] * (1 if units is None else 2)
    if size % units:
        raise ValueError(f"{which} has types of the shape {types.bits.shape}")
    taken = [_with(types, lambda array, k=k: array[..., k : k + units]) for k in range(0, size, units)]  # type: ignore[misc]
    return [[part.as_stage(each), *behind] for each in taken]
