"""The weights of a layer as a small picture, and how many of them are zero."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Linear
from bittrigger.ir.nodes.held import Weigh, layer_name
from bittrigger.ir.pipeline import Pipeline

LARGEST = 1 << 20
"""Entries of a matrix that is drawn whole; larger ones are thinned out."""

_LEVELS = 4
"""Shades of each sign."""


@dataclass(frozen=True)
class Weights:
    """A matrix for the page.

    Attributes:
        picture: a PNG as a data URI; rows are inputs.
        shares: of negative, zero and positive weights.
        largest: magnitude.
    """

    name: str
    kind: str
    n_in: int
    n_out: int
    picture: str
    shares: tuple[float, float, float]
    largest: int


def weights_of(pipeline: Pipeline) -> tuple[Weights, ...]:
    """The matrix of each linear layer; where weights are held, what they are in the beginning, and not what adds them up."""
    found = []
    for module in pipeline.modules:
        node = module.node
        sums = isinstance(node, Linear) and isinstance(pipeline.graph[node.inputs[0]], Weigh)
        if isinstance(node, Linear | Weigh) and not sums:
            matrix = node.weights
            n_in, n_out = matrix.shape
            shares = float(np.mean(matrix < 0)), float(np.mean(matrix == 0)), float(np.mean(matrix > 0))
            picture = data_uri(_palette_png(_shades(matrix)), "image/png")
            largest = int(np.abs(matrix).max(initial=0))
            name, kind = (layer_name(node), "held") if isinstance(node, Weigh) else (node.name, module.kind)
            found.append(Weights(name, kind, n_in, n_out, picture, shares, largest))
    return tuple(found)


def data_uri(data: bytes, kind: str) -> str:
    """``data`` inside the page."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _shades(matrix: IntArray) -> npt.NDArray[np.uint8]:
    """Palette entries: 0 for zero, then ``_LEVELS`` shades for negative and as many for positive weights, by magnitude."""
    while matrix.size > LARGEST:
        matrix = matrix[::2, ::2]
    peak = max(int(np.abs(matrix).max(initial=0)), 1)
    level = np.ceil(np.abs(matrix) * _LEVELS / peak).astype(np.int64)
    return np.where(matrix == 0, 0, level + np.where(matrix > 0, _LEVELS, 0)).astype(np.uint8)


def _palette_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """An 8-bit palette PNG; entry 0 is transparent, so that the page shows through."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def shade(colour: tuple[int, int, int], level: int) -> bytes:
        share = 0.4 + 0.6 * level / _LEVELS
        return bytes(round(255 - (255 - part) * share) for part in colour)

    levels = range(1, _LEVELS + 1)
    palette = (
        bytes(3)
        + b"".join(shade((214, 96, 49), k) for k in levels)
        + b"".join(shade((43, 123, 186), k) for k in levels)
    )
    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, data)
        for kind, data in (
            (b"IHDR", head), (b"PLTE", palette), (b"tRNS", b"\0"), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""),
        )
    )  # fmt: skip
