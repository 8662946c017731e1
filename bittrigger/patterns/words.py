"""How the bits of an event lie in the words of several links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError
from bittrigger.patterns.packets import WordArray

WORD_BITS = 64


@dataclass(frozen=True)
class Layout:
    """An event of ``bits`` bits on ``links`` links, ``words`` frames long; bits beyond the event are zero.

    The first frame carries the lowest bits, link 0 the lowest of these: bit ``b`` lies in frame ``b // (64 * links)`` on
    link ``b // 64 % links`` at bit ``b % 64``.
    """

    bits: int
    links: int

    def __post_init__(self) -> None:
        if self.bits < 1 or self.links < 1:
            raise ConfigError(f"{self.bits} bits on {self.links} links; each must be at least 1")

    @property
    def words(self) -> int:
        """Words of an event on each link."""
        return -(-self.bits // (WORD_BITS * self.links))


def least_links(bits: int, packet_frames: int) -> int:
    """The fewest links that carry ``bits`` bits in packets of ``packet_frames`` words."""
    return -(-bits // (WORD_BITS * packet_frames))


def to_words(events: npt.NDArray[np.uint8], layout: Layout) -> WordArray:
    """Link words `(events, links, words)` of packed little-endian events `(events, ceil(bits / 8))`.

    Raises:
        ConfigError: if the shape is wrong.
    """
    if events.ndim != 2 or events.dtype != np.uint8 or events.shape[1] != -(-layout.bits // 8):
        raise ConfigError(
            f"events of shape {events.shape} and type {events.dtype}; expected (events, {-(-layout.bits // 8)}) uint8"
        )
    size = 8 * layout.links * layout.words
    padded = np.zeros((events.shape[0], size), dtype=np.uint8)
    padded[:, : events.shape[1]] = events
    frames = padded.view("<u8").astype(np.uint64).reshape(-1, layout.words, layout.links)
    return np.ascontiguousarray(frames.transpose(0, 2, 1))


def from_words(words: WordArray, layout: Layout) -> npt.NDArray[np.uint8]:
    """Packed little-endian events of link words `(events, links, words)`; the inverse of ``to_words``.

    Raises:
        ConfigError: if the shape is wrong, or a bit beyond the event is set.
    """
    if words.ndim != 3 or words.shape[1:] != (layout.links, layout.words):
        raise ConfigError(f"words of shape {words.shape}; expected (events, {layout.links}, {layout.words})")
    frames = np.ascontiguousarray(words.transpose(0, 2, 1)).astype("<u8")
    flat = frames.reshape(words.shape[0], layout.links * layout.words).view(np.uint8)
    size = -(-layout.bits // 8)
    padding = flat[:, size:].any(axis=1)
    if layout.bits % 8:
        padding |= (flat[:, size - 1] >> (layout.bits % 8)) != 0
    if padding.any():
        raise ConfigError(f"event {int(np.flatnonzero(padding)[0])}: a bit beyond the {layout.bits} of an event is set")
    return np.ascontiguousarray(flat[:, :size])
