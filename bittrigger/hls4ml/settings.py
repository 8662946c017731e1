"""What a configuration of hls4ml says of a design, and what of it means nothing here."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from bittrigger.errors import ConfigError
from bittrigger.hls4ml.declared import DEFAULT, NAMES, RESULT, in_ap_fixed, in_lower_case
from bittrigger.ir.fixed import parse_fixed
from bittrigger.settings import AUTO, DEFAULT_INPUT, Settings
from bittrigger.settings.declared import CELL, DEPTHWISE, SUMS

_log = logging.getLogger(__name__)


def settings_of(model_graph: Any) -> Settings:
    """The settings of a conversion; what it says and means nothing here is said in one warning.

    Raises:
        ConfigError: if a setting is out of range.
    """
    config = model_graph.config
    period_ns = float(config.get_config_value("ClockPeriod"))
    if not period_ns > 0:
        raise ConfigError(f"clock_period {period_ns:g}: expected nanoseconds above 0, for example 2.78 for 360 MHz")
    declared = config.get_config_value("Declared") or {}
    ignored = list(_ignored(model_graph))
    if ignored:
        _log.warning(
            "hls4ml's configuration holds what BitTrigger does not need, and ignores: %s; what a quantiser of the model types "
            "keeps that type, and sums keep every bit",
            ", ".join(ignored),
        )
    return Settings.given(
        part=config.get_config_value("Part"),
        clock_mhz=1000.0 / period_ns,
        input_precision=config.get_config_value("InputPrecision") or _type_of_inputs(model_graph),
        input_default=_default_of(_hls(model_graph).get("Model", {})),
        output_precision=config.get_config_value("OutputPrecision", AUTO),
        logits=bool(config.get_config_value("OutputLogits", False)),
        ii=_interval(config),
        keep_activation=bool(config.get_config_value("KeepActivation", False)),
        require=config.get_config_value("Require", "ideal"),
        weight_precision=declared.get("Weights", {}),
        layer_precision=declared.get("Results", {}),
    )


def _hls(model_graph: Any) -> Mapping[str, Any]:
    found = model_graph.config.config.get("HLSConfig") or {}
    return found if isinstance(found, Mapping) else {}


def _layers(model_graph: Any) -> Mapping[str, Any]:
    found = _hls(model_graph).get("LayerName") or {}
    return found if isinstance(found, Mapping) else {}


def _result(layer: object) -> str | None:
    """The type of the results in the configuration of a layer, unless it is left open."""
    precision = layer.get("Precision") if isinstance(layer, Mapping) else None
    found = precision.get("result", precision.get("default")) if isinstance(precision, Mapping) else precision
    return None if found is None or str(found) == AUTO else in_ap_fixed(str(found))


def _other_types(node: Any, layer: object, taken: Collection[str]) -> Iterator[str]:
    """The types of a layer in the configuration that mean nothing: neither taken, nor those with which hls4ml itself fills it.

    Args:
        taken: the names of what was rounded, as in ``Settings``.
    """
    precision = layer.get("Precision") if isinstance(layer, Mapping) else layer
    given = precision if isinstance(precision, Mapping) else {DEFAULT: precision}
    if node.class_name == "Input":
        return
    rounded = set(_rounded(node, taken))
    for what, kind in given.items():
        if kind is None or str(kind) == AUTO:
            continue
        used = bool(rounded) if what == DEFAULT else what in rounded
        own = node.get_attr(f"{'activation' if what == 'result' else what}_quantizer")
        filled = str(kind) == str(_filled(node, what)) or (
            own is not None and parse_fixed(in_ap_fixed(str(kind))).width == _width(own)
        )
        if not used and not filled:
            yield "result" if what == DEFAULT else str(what)


def _rounded(node: Any, taken: Collection[str]) -> Iterator[str]:
    """hls4ml's names for what was rounded of a layer."""
    for array, names in NAMES.items():
        if f"{node.name}.{array}" in taken:
            yield from names
    if f"{node.name}{DEPTHWISE}" in taken:
        yield "depthwise_result"
    if f"{node.name}{CELL}" in taken:
        yield from (*RESULT, "accum")
    before, _, _ = node.name.rpartition("_")
    if {node.name, f"{node.name}{SUMS}", before} & set(taken):
        yield from RESULT


def _filled(node: Any, what: str) -> object:
    """The type that hls4ml has for a variable that nobody types, where it has one."""
    attributes = {attribute.name: attribute.default for attribute in node.expected_attributes}
    return attributes.get(f"{what}_t", attributes.get(what))


def _width(quantizer: Any) -> int:
    """The bits of a quantiser as hls4ml keeps it: an object for weights, a dictionary for activations."""
    if not isinstance(quantizer, Mapping):
        return int(getattr(quantizer.hls_type, "width", quantizer.bits))
    return int(quantizer["config"].get("bits", 2))  # ternary and binary have no number


def _default_of(model: Mapping[str, Any]) -> str:
    precision = model.get("Precision", DEFAULT_INPUT)
    found = precision.get("default", DEFAULT_INPUT) if isinstance(precision, Mapping) else precision
    return in_ap_fixed(str(found))


def _type_of_inputs(model_graph: Any) -> str | None:
    """The type that ``LayerName`` gives the inputs.

    Raises:
        ConfigError: if it gives them different ones.
    """
    names = [variable.name for variable in model_graph.get_input_variables()]
    layers = in_lower_case("LayerName", _layers(model_graph))
    ports = [node.name for node in model_graph.get_layers() if node.class_name == "Input"] or names
    types = {name: kind for name in ports if (kind := _result(layers.get(name.lower()))) is not None}
    if len(set(types.values())) > 1:
        raise ConfigError(
            f"the inputs have different precisions in the configuration ({types}); allowed is one for all of them; put a "
            "quantizer behind each input, or give one type"
        )
    return next(iter(types.values()), None)


def _interval(config: Any) -> int:
    """Cycles between events at least: the ``ReuseFactor`` of the whole model, as hls4ml calls it."""
    factor = config.model_rf
    if factor is not None and type(factor) is not int:
        raise ConfigError(f"ReuseFactor {factor!r} of the model; expected a number of clock cycles between events")
    return factor or 1


def _is_part(name: str, nodes: Collection[str]) -> bool:
    """Whether hls4ml may have split ``name`` off a layer: its activation, one of its kernels, or a constant."""
    return any(name.lower().startswith(f"{node}_") for node in nodes)


def _ignored(model_graph: Any) -> Iterator[str]:
    """Settings that were asked for and mean nothing here."""
    hls, config = _hls(model_graph), model_graph.config.config
    if str(hls.get("Model", {}).get("Strategy", "Latency")).lower() != "latency":
        yield f"Strategy {hls['Model']['Strategy']}"
    nodes = {node.name.lower(): node for node in model_graph.get_layers()}
    layers = _layers(model_graph)
    declared = config.get("Declared") or {}
    taken = {*declared.get("Weights", ()), *declared.get("Results", ())}
    found = {
        name: list(_other_types(nodes[name.lower()], layers[name], taken)) for name in layers if name.lower() in nodes
    }
    typed = [f"{name} ({', '.join(kinds)})" for name, kinds in found.items() if kinds]
    if typed:
        yield f"the Precision of {', '.join(typed)}"
    unknown = [name for name in layers if name.lower() not in nodes and not _is_part(name, nodes)]
    if unknown:
        yield f"{', '.join(unknown)}, of which the model has no layer"
    strategies = [name for name, layer in layers.items() if isinstance(layer, Mapping) and "Strategy" in layer]
    if strategies:
        yield f"the Strategy of {', '.join(strategies)}"
    for key, name in (("InputData", "input_data_tb"), ("OutputPredictions", "output_data_tb")):
        if config.get(key):
            yield f"{name}={config[key]!r}"
    yield from config.get("Ignored") or ()
