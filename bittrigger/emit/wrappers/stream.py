"""How the bits of an event lie in the beats of an AXI4-Stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError

MAX_BEAT_BITS = 4096


@dataclass(frozen=True)
class Stream:
    """A bus of ``bits`` bits in beats of ``beat_bits``, the lowest first; the last beat is filled up with zeros.

    Raises:
        ConfigError: if the width of a beat is no whole number of bytes, or out of range.
    """

    bits: int
    beat_bits: int

    def __post_init__(self) -> None:
        if not 8 <= self.beat_bits <= MAX_BEAT_BITS or self.beat_bits % 8:
            raise ConfigError(f"beats of {self.beat_bits} bits; allowed are multiples of 8 from 8 to {MAX_BEAT_BITS}")

    @property
    def beat_bytes(self) -> int:
        """Bytes of a beat."""
        return self.beat_bits // 8

    @property
    def beats(self) -> int:
        """Beats of an event."""
        return -(-self.bits // self.beat_bits)

    @property
    def last_bytes(self) -> int:
        """Bytes of the last beat that hold bits of the event."""
        return -(-self.bits // 8) - (self.beats - 1) * self.beat_bytes

    @property
    def keep(self) -> str:
        """TKEEP of the last beat, as a Verilog literal."""
        return f"{self.beat_bytes}'b{'0' * (self.beat_bytes - self.last_bytes)}{'1' * self.last_bytes}"


def to_beats(events: npt.NDArray[np.uint8], stream: Stream) -> npt.NDArray[np.uint8]:
    """Beats `(events, beats, beat_bytes)` of packed little-endian events `(events, bytes)`."""
    padded = np.zeros((events.shape[0], stream.beats * stream.beat_bytes), dtype=np.uint8)
    padded[:, : events.shape[1]] = events
    return padded.reshape(events.shape[0], stream.beats, stream.beat_bytes)
