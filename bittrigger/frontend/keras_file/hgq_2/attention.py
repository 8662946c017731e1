"""Attention of HGQ2: projections, products of two tensors, and a softmax of two tables, each between quantisers."""

from __future__ import annotations

import math
from typing import Any

from bittrigger.frontend.keras_file.hgq_2.einsum import product, sizes
from bittrigger.frontend.keras_file.hgq_2.layers import core
from bittrigger.frontend.keras_file.hgq_2.net import Net, Tensor, operator
from bittrigger.frontend.keras_file.hgq_2.parts import WAY_OUT, Part, Stage
from bittrigger.frontend.keras_file.hgq_2.tables import (
    exponential,
    negative_exponential,
    reciprocal,
    sound_scale,
    table,
)

Json = Any

_LINFORMER = "QLinformerAttention"
ATTENTION = ("QMultiHeadAttention", _LINFORMER)
"""The layers of attention that are read."""

_ARGUMENTS = ("query", "value", "key")
_PROJECTION, _OUTPUT, _ALONG = "abc,cde->abde", "abcd,cde->abe", "abc,bd->adc"
_SCORES, _WEIGHTED = "aecd,abcd->acbe", "acbe,aecd->abcd"
_SETTINGS = {
    "attention_axes": ([1],),
    "use_gate": (False, None),
    "sliding_window": (None,),
    "fuse": ("none", "qkv", "kv"),
    "enable_oq": (False,),  # with which HGQ2 builds none
    "lin_kv_proj_mode": ("dense", None),
}
"""Settings that change what is computed, each with the values that are followed."""


def softmax(part: Part) -> list[Json]:
    """A QSoftmax."""
    net = Net(part)
    (given,) = net.given()
    _softmax(net, part, given, part.config, enable_oq=bool(part.config.get("enable_oq")))
    return net.finished()


def _softmax(net: Net, part: Part, given: Tensor, conf: Json, *, enable_oq: bool) -> Tensor:
    """Exponentials, from a table, times the reciprocal of their sum, from another."""
    axes, stable = conf.get("axes"), conf.get("stable")
    if not isinstance(axes, list) or not axes or not all(type(axis) is int and axis > 0 for axis in axes):
        raise part.refused(f"a softmax along {str(axes)[:40]}", WAY_OUT)
    scale, read = sound_scale(conf.get("input_scaler", 1.0)), None
    if conf.get("enable_iq"):
        read = part.of_values(conf.get("iq_conf"), "iq/")
        given = net.add(part.as_stage(read), given)
    if stable:
        most = net.add(operator("math.reduce_max", axis=axes, keepdims=True), given)
        given = net.add(("Subtract", {}, []), most, given)
        read = part.of_values(conf.get("exp_iq_conf"), "exp_table/iq/")
        given = net.add(part.as_stage(read), given)
    if read is None:
        raise part.refused(
            f"{part.kind} with stable={stable} and no quantiser before it", "allowed is enable_iq=True; train it so"
        )
    function = (negative_exponential if stable else exponential)(scale)
    given = net.add(table(part, read, part.of_values(conf.get("exp_oq_conf"), "exp_table/oq/"), function), given)
    total = net.add(operator("math.reduce_sum", axis=axes, keepdims=True), given)
    read = part.of_values(conf.get("inv_iq_conf"), "inv_table/iq/")
    inverse = table(part, read, part.of_values(conf.get("inv_oq_conf"), "inv_table/oq/"), reciprocal, exact=True)
    made = net.add(("Multiply", {}, []), given, net.chain(total, part.as_stage(read), inverse))
    for inner in (part, part.within("exp_table"), part.within("inv_table")):
        inner.own(0)
    return net.add(part.quantiser(conf.get("oq_conf"), "oq/"), made) if enable_oq else made


def attention(part: Part) -> list[Json]:
    """A QMultiHeadAttention or QLinformerAttention of sequences."""
    net, conf = Net(part), part.config
    for setting, allowed in _SETTINGS.items():
        if conf.get(setting, allowed[0]) not in allowed:
            raise part.refused(
                f"{part.kind} with {setting}={str(conf[setting])[:40]}", f"allowed is {allowed[0]}; build it so"
            )
    read = net.arguments(_ARGUMENTS)
    query, value = read["query"], read.get("value", read["query"])
    key = read.get("key", value)
    heads, size, depth = (_count(conf, key) for key in ("num_heads", "key_dim", "value_dim"))
    (steps, features), (others_steps, _), _ = _shapes(part)
    part.own(0)
    if part.kind == _LINFORMER:
        (others_steps,) = _counts(conf.get("lin_kv_proj_dim"))
        key, value = _projected(net, part, key, value, others_steps)
    query, keys, values = _reads(net, part, query, key, value)
    bias = "de" if conf.get("use_bias") else None
    query = _dense(net, part, "query_dense", query, (_PROJECTION, [steps, heads, size], bias))
    keys = _dense(net, part, "key_dense", keys, (_PROJECTION, [others_steps, heads, size], None))
    values = _dense(net, part, "value_dense", values, (_PROJECTION, [others_steps, heads, depth], bias))
    shapes = [(others_steps, heads, size), (steps, heads, size)]
    scores = product(net, _SCORES, (keys, query), shapes)
    settings = {key.removeprefix("softmax_"): value for key, value in conf.items() if key.startswith("softmax_")}
    settings |= {"axes": [3], "stable": conf.get("stable_softmax"), "input_scaler": 1.0 / math.sqrt(float(size))}
    scores = _softmax(net, part.within("_softmax"), scores, settings, enable_oq=True)
    shapes = [(heads, steps, others_steps), (others_steps, heads, depth)]
    made = product(net, _WEIGHTED, (scores, values), shapes)
    width = _counts(conf.get("output_shape") or features)
    if len(width) != 1:
        raise part.refused(f"{part.kind} with output_shape={str(width)[:40]}", "allowed is one size")
    made = _front(net, part, "output_dense", made)
    bias = "e" if bias else None
    _dense(net, part, "output_dense", made, (_OUTPUT, [steps, *width], bias), enable_oq=False)
    return net.finished()


def _count(conf: Json, key: str) -> int:
    (found,) = _counts(conf.get(key))
    return found


def _counts(value: Json) -> list[int]:
    found = value if isinstance(value, list) else [value]
    if not all(type(n) is int and 0 < n < 1 << 16 for n in found):
        raise ValueError(f"a size is {str(value)[:40]}")
    return list(found)


def _shapes(part: Part) -> list[tuple[int, ...]]:
    """The sizes of query, value and key."""
    found = part.built.get("shapes_dict")
    found = found if isinstance(found, dict) else {"query_shape": part.input_shape}
    query = sizes(found.get("query_shape"))
    value = sizes(found["value_shape"]) if found.get("value_shape") else query
    key = sizes(found["key_shape"]) if found.get("key_shape") else value
    if not len(query) == len(value) == len(key) == 2:
        raise part.refused(
            f"{part.kind} of tensors of the shapes {query}, {value}, {key}", "allowed are steps x features"
        )
    return [query, value, key]


def _projected(net: Net, part: Part, key: Tensor, value: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Keys and values with fewer steps."""
    _, (_, value_features), (_, key_features) = _shapes(part)
    shared = bool(part.config.get("share_kv_proj"))
    found: list[Tensor] = []
    for place, tensor, features in (("_lin_k_proj", key, key_features), ("_lin_v_proj", value, value_features)):
        if shared and found and value == key:
            found.append(found[0])
            continue
        if shared and found:
            raise part.refused("one projection of two tensors", "allowed is share_kv_proj=False; train it so")
        read = _front(net, part, place, tensor)
        found.append(_dense(net, part, place, read, (_ALONG, [count, features], None), enable_oq=False))
    return found[0], found[1]


def _reads(net: Net, part: Part, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values behind their quantisers, of which several may be one."""
    shared = {"qkv": ("query_dense", "key_dense", "value_dense"), "kv": ("key_dense", "value_dense")}
    alike = shared.get(str(part.config.get("fuse")), ())
    stage = (
        part.quantiser(part.config.get("qkvo_iq_conf"), "key_dense/iq/")
        if alike and part.holds("key_dense/iq/")
        else None
    )
    made: list[tuple[Tensor, Tensor]] = []
    found = []
    for place, tensor in (("query_dense", query), ("key_dense", key), ("value_dense", value)):
        if place not in alike or stage is None:
            found.append(_front(net, part, place, tensor))
            continue
        before = next((behind for read, behind in made if read == tensor), None)
        made.append((tensor, net.add(stage, tensor) if before is None else before))
        found.append(made[-1][1])
    return found[0], found[1], found[2]


def _front(net: Net, part: Part, place: str, tensor: Tensor) -> Tensor:
    """A tensor behind the quantiser of what reads it, where there is one."""
    if not part.holds(f"{place}/iq/"):
        return tensor
    return net.add(part.quantiser(part.config.get("qkvo_iq_conf"), f"{place}/iq/"), tensor)


def _dense(
    net: Net, part: Part, place: str, tensor: Tensor, how: tuple[str, list[int], str | None], *, enable_oq: bool = True
) -> Tensor:
    """A projection, with a quantiser behind it."""
    equation, shape, bias = how
    confs = {f"{which}_conf": part.config.get(f"qkvo_{which}_conf") for which in ("kq", "bq", "oq")}
    inner = part.within(place, "QEinsumDense", equation=equation, output_shape=shape, bias_axes=bias, **confs)
    dense: Stage
    (dense,) = core(inner)
    made = net.add(dense, tensor)
    return net.add(inner.quantiser(confs["oq_conf"], "oq/"), made) if enable_oq else made
