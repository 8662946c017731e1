"""Why a design is of the ideal grade, and what was chosen for it: collected while a network is lowered."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from bittrigger.errors import Float32RoundsError
from bittrigger.ir.basis import Basis
from bittrigger.ir.fixed import FixedPoint

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Account:
    """The sentences of a ``Basis``, in the order in which they were found.

    Attributes:
        exact: whether nothing but the exact grade will do.
        framework: whose model it is, which stands in the sentences in the place of Keras.
    """

    exact: bool = True
    framework: str = "Keras"
    ideal: list[str] = field(default_factory=list)
    chosen: list[str] = field(default_factory=list)

    def rounds(self, refusal: Float32RoundsError) -> None:
        """Note that float32 rounds somewhere, so that the definition decides.

        Raises:
            Float32RoundsError: ``refusal``, if the design has to be exact.
        """
        if self.exact:
            raise refusal
        fact = self._told(refusal.fact)
        if fact not in self.ideal:
            self.ideal.append(fact)

    def choose(self, sentence: str) -> None:
        """Note what was chosen, and say it."""
        sentence = self._told(sentence)
        _log.warning("%s", sentence)
        self.chosen.append(sentence)

    def _told(self, sentence: str) -> str:
        return sentence.replace("Keras", self.framework)

    def basis(self, rounded: tuple[FixedPoint | None, ...] = ()) -> Basis:
        """What the graph stands on."""
        return Basis(tuple(self.ideal), tuple(self.chosen), rounded if any(rounded) else ())
