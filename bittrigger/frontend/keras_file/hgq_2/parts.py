"""A layer of HGQ2 in a file: its settings, its quantisers and its arrays, at the places where Keras 3 keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file.hgq_2.types import Types, quantised, read_types
from bittrigger.frontend.keras_file.keras_3 import numbered, refused

Array = npt.NDArray[Any]
Arrays = dict[str, dict[str, Array]]
Json = Any

Stage = tuple[str, dict[str, Json], list[Array]]
"""A layer of Keras: its class, its settings and the arrays that it holds."""

WAY_OUT = (
    "hls4ml.converters.convert_from_keras_model(model, backend='Vitis', output_dir='hls', bit_exact=True, "
    "hls_config={'Model': {'Precision': 'fixed<16,6>', 'ReuseFactor': 1, 'Strategy': 'latency'}}).write() in Python, then "
    "`bittrigger import-hls4ml hls`"
)


@dataclass(frozen=True, eq=False)
class Part:
    """A layer of HGQ2, or one within it, and where its arrays lie.

    Attributes:
        said: what the report tells of the file, a sentence each.
    """

    where: str
    entry: Mapping[str, Json]
    place: str
    weights: Arrays
    said: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Its class."""
        return str(self.entry["class_name"])

    @property
    def config(self) -> Mapping[str, Json]:
        """Its settings."""
        found: Mapping[str, Json] = self.entry["config"]
        return found

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.config.get("name"))

    def within(self, attribute: str, kind: str = "", **settings: Json) -> Part:
        """A layer that this one keeps under ``attribute``, of the class ``kind`` if it is another."""
        entry = {"class_name": kind or self.kind, "config": {"name": self.name, **settings}}
        return Part(self.where, entry, f"{self.place}{attribute}/", self.weights, self.said)

    def refused(self, what: str, way_out: str) -> UnsupportedModelError:
        """The error about this layer."""
        return refused(self.where, self.config.get("name"), what, way_out)

    def own(self, count: int) -> list[Array]:
        """The layer's own arrays, without what counts in training."""
        found = [array for array in numbered(self.weights.pop(f"{self.place}vars", {})) if array.shape]
        if len(found) != count or not all(array.dtype == np.float32 and np.isfinite(array).all() for array in found):
            raise self.refused(
                f"{self.kind} has {len(found)} arrays, expected {count} of finite float32", "save it again"
            )
        return found

    def holds(self, place: str) -> bool:
        """Whether the file has a quantiser at ``place``."""
        return f"{self.place}{place}quantizer/vars" in self.weights

    def types(self, conf: Json, place: str) -> Types:
        """The types of a quantiser, which lie in the file as arrays."""
        try:
            return read_types(conf, numbered(self.weights.pop(f"{self.place}{place}quantizer/vars", {})))
        except ValueError as error:
            raise self.refused(
                f"the quantiser of HGQ2 at {place!r}: {error}", "save the model again with these"
            ) from error

    def quantiser(self, conf: Json, place: str) -> Stage:
        """A quantiser of values as a layer with a type for each code."""
        return self.as_stage(self.of_values(conf, place))

    def of_values(self, conf: Json, place: str) -> Types:
        """The types of a quantiser of values."""
        types = self.types(conf, place)
        if types.bits.shape[:1] != (1,):
            raise self.refused(
                f"its quantiser has types of the shape {types.bits.shape}", "allowed is one for all events"
            )
        if types.free:
            raise self.refused(
                "a quantiser of weights, which limits nothing, stands before values of the event",
                "allowed is one with place='datalane'; train it with that",
            )
        return types

    def as_stage(self, types: Types) -> Stage:
        """The layer that gives each code its type."""
        settings = {"shape": list(types.bits.shape), "RND": types.rounding, "SAT": types.overflow}
        whole = np.where(types.bits > 0, types.signs + types.integers, 0)
        return ("FixedPointQuantizer", settings, [types.signs, types.bits, whole])

    def quantised(self, values: Array, which: str) -> Array:
        """Weights with the numbers that HGQ2 gives them at inference."""
        types = self.types(self.config.get(f"{which}_conf"), f"{which}/")
        if types.bits.ndim != values.ndim or np.broadcast_shapes(values.shape, types.bits.shape) != values.shape:
            raise self.refused(f"{which} has types of the shape {types.bits.shape} for {values.shape}", "save it again")
        return quantised(values, types)

    @property
    def built(self) -> Mapping[str, Json]:
        """What the layer was built for."""
        found = self.entry.get("build_config")
        return found if isinstance(found, dict) else {}

    @property
    def input_shape(self) -> list[Json]:
        """The shape that the layer was built for, or those."""
        shape = self.built.get("input_shape")
        return shape if isinstance(shape, list) else []
