"""A random network on its way through Keras and every executor, what is run of it, and what is recorded."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bittrigger.build.folder import Build
from bittrigger.errors import BittriggerError, ConfigError, MismatchError, UnsupportedModelError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Graph
from fuzz import live
from fuzz.child import cpu_seconds
from fuzz.natives import KINDS
from fuzz.spec import Spec, digest

REFUSALS = (UnsupportedModelError, ConfigError)
"""What a network that is not supported may raise."""


@dataclass(frozen=True)
class Plan:
    """Which executors run. Every network goes through Keras and the oracle.

    Attributes:
        build_every: one network in so many is saved, loaded, solved, emitted, run and proven; of the others the model object is
            lowered and compared with Keras.
        predict_every: of one network in so many Keras' ``predict`` gives the reference, compared with its eager calls, which
            give that of the others in a tenth of the time.
        natives: those of ``fuzz.natives.KINDS`` that run on every network.
        gates_every: the netlist of one network in so many is simulated; 0 for none.
        product_every: one network in so many also runs through every executor of the command line (RTL under cocotb); 0 for
            none.
        proves: whether the Verilog is proven.
    """

    build_every: int = 1
    predict_every: int = 50
    natives: tuple[str, ...] = KINDS
    gates_every: int = 1
    product_every: int = 50
    proves: bool = True


@dataclass(frozen=True)
class Record:
    """What happened to one network.

    Attributes:
        outcome: ``equal``, ``unbuildable`` (by Keras), ``refused``, ``mismatch``, ``crash`` or ``failed`` (a tool).
        where: executor, class of the error or place of the crash; with ``outcome`` it tells one failure from another.
        executors: those that ran and agree.
        words: what the network is made of.
        cpu_s: CPU seconds of each stage.
    """

    seed: int
    digest: str
    outcome: str
    where: str = ""
    detail: str = ""
    executors: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    cpu_s: dict[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether this must not happen."""
        return self.outcome in ("mismatch", "crash", "failed")

    @property
    def kind(self) -> tuple[str, str]:
        """What a smaller network must share to fail in the same way."""
        return self.outcome, self.where


def as_json(record: Record) -> dict[str, Any]:
    """``record`` in types of JSON."""
    return asdict(record)


@dataclass
class Case:
    """One network on its way."""

    spec: Spec
    graph: Graph | None = None
    build: Build | None = None
    codes: IntArray | None = None
    wanted: IntArray | None = None
    executors: list[str] = field(default_factory=list)
    failure: tuple[str, str, str] | None = None
    cpu_s: Counter[str] = field(default_factory=Counter)

    @property
    def alive(self) -> bool:
        return self.failure is None

    @property
    def built(self) -> bool:
        return self.alive and self.build is not None

    @contextmanager
    def stage(self, name: str, where: str = "") -> Iterator[None]:
        """Time the block; what it raises is how this network fails."""
        started = cpu_seconds()
        try:
            yield
            if where:
                self.executors.append(where)
        except MismatchError as error:
            self.failure = ("mismatch", where or "keras", str(error))
        except REFUSALS as error:
            self.failure = ("refused" if not where else "failed", where or type(error).__name__, str(error))
        except BittriggerError as error:
            self.failure = ("failed", where or type(error).__name__, str(error))
        except Exception as error:  # noqa: BLE001 - a crash is what is looked for
            self.failure = ("crash", f"{type(error).__name__} in {_place(error)}", traceback.format_exc(limit=-6))
        finally:
            self.cpu_s[name] += cpu_seconds() - started

    def _made_as(self) -> set[str]:
        """Words for how the design is built."""
        words = set() if self.graph is None else {self.graph.basis.grade.value}
        if self.build is None:
            return words
        modules = self.build.pipeline.modules
        for word, holds in {
            "folded": any(module.is_folded for module in modules),
            "step by step": any(module.engine for module in modules),
            "digit by digit": any(module.serial for module in modules),
            "sums in turns": any(module.tally for module in modules),
            "vhdl": self.spec.hdl == "vhdl",
        }.items():
            words |= {word} if holds else set()
        return words | live.words_of(self.build)

    def record(self) -> Record:
        """What happened."""
        outcome, where, detail = self.failure or ("equal", "", "")
        words = tuple(sorted({*self.spec.words(), *self._made_as()})) if self.graph is not None else ()
        seconds = {name: round(value, 4) for name, value in self.cpu_s.items()}
        return Record(
            self.spec.seed, digest(self.spec), outcome, where, detail[:3000], tuple(self.executors), words, seconds
        )


def _place(error: Exception) -> str:
    """The innermost function of bittrigger in the traceback of ``error``."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/bittrigger/" in frame.filename]
    return f"{Path(frames[-1].filename).stem}.{frames[-1].name}" if frames else "fuzz"
