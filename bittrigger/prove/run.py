"""All claims about a build, and the run that decides them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from bittrigger import __version__
from bittrigger.build import Build
from bittrigger.emit.emit_verilog.top import Vectors
from bittrigger.errors import ConfigError, ProofError
from bittrigger.graph import Linear
from bittrigger.pipeline import Module, Pipeline
from bittrigger.prove.claims import Claim, Unproven, Verdict, attempt
from bittrigger.prove.elementwise import MOST_CODES, prove_channel
from bittrigger.prove.equivalence import prove_equal, prove_wide_channel
from bittrigger.prove.linear import prove_matrix, prove_verilog, prove_widths
from bittrigger.prove.order import check_ports
from bittrigger.prove.rtl import Rtl, read_rtl
from bittrigger.prove.stages import prove_latency
from bittrigger.prove.wiring import prove_valid, prove_wiring
from bittrigger.synth.netlist import Netlist, flatten, read_modules, read_netlist
from bittrigger.synth.yosys import design_sources, tool_version

TESTED_ONLY = (
    "Keras equals the integer graph (compared by `bittrigger convert`)",
    "the HLS C++ and the C++ emulator (compared by `bittrigger simulate`)",
    "the netlist of Vivado (made outside)",
)
"""What no claim covers."""

ASSUMED = (
    "input codes lie in the ranges of their ports",
    "rst is high at one rising edge or more after configuration",
    "Yosys reads SystemVerilog as the standard has it, and ABC's SAT solver is right",
)
"""What every claim rests on."""


@dataclass(frozen=True)
class Proof:
    """The outcome for a whole build.

    Attributes:
        design: its name.
        sources_sha256: of the Verilog and the netlists that the claims are about.
        yosys: version of Yosys.
        seconds: wall time.
    """

    design: str
    sources_sha256: str
    yosys: str
    claims: tuple[Claim, ...]
    seconds: float

    @property
    def proven(self) -> bool:
        """Whether every claim is proven."""
        return all(claim.verdict is Verdict.PROVEN for claim in self.claims)

    def raise_unless_proven(self) -> None:
        """Raise ``ProofError`` with the first claim that is refuted, or else open."""
        failed = sorted((c for c in self.claims if c.verdict is not Verdict.PROVEN), key=_refuted_first)
        if failed:
            worst = failed[0]
            raise ProofError(
                f"{worst.subject}: {worst.statement}: {worst.verdict.value}: {worst.detail}; "
                f"{len(failed)} of {len(self.claims)} claims are not proven"
            )


def _refuted_first(claim: Claim) -> bool:
    return claim.verdict is not Verdict.REFUTED


@dataclass(frozen=True)
class _Task:
    """A claim that is yet to be decided."""

    subject: str
    kind: str
    statement: str
    method: str
    proof: Callable[[], str]

    def run(self) -> Claim:
        """Decide it."""
        return attempt(self.subject, self.kind, self.statement, self.method, self.proof)


@dataclass(frozen=True)
class _Setting:
    """What the claims of a build are about."""

    pipeline: Pipeline
    vectors: Vectors
    rtl: Rtl
    primitive: Rtl | None
    synth: Path
    work: Path

    def verilog(self, module: Module) -> Netlist:
        """The Verilog of ``module``, whose ports are those that are due."""
        netlist = self.rtl.module(module.name)
        inputs = {bus.name: bus.width for bus in self.vectors.operands(module)}
        check_ports(netlist, inputs, {"y": self.vectors.result(module).width})
        return netlist

    def netlist(self, module: str) -> Netlist:
        """The synthesised netlist of one module."""
        return read_netlist(module, [self.synth / f"{module}.json"])

    def scratch(self) -> Path:
        """A new folder for the files of one run of ABC."""
        return Path(tempfile.mkdtemp(dir=self.work))


def prove(
    build: Build,
    *,
    netlist: bool = True,
    jobs: int | None = None,
    on_claim: Callable[[int, int], None] = lambda *_: None,
) -> Proof:
    """Decide every claim about ``build``.

    Args:
        netlist: whether the synthesised netlist is proven as well.
        jobs: proofs at a time; by default one a core.
        on_claim: told how many claims are decided, and how many there are.

    Raises:
        ConfigError: if a netlist is wanted and the build was not synthesised.
        ToolNotFoundError: if Yosys is not installed.
        ToolError: if Yosys or ABC fails.
    """
    import time

    started = time.perf_counter()
    synth = build.folder / "synth"
    if netlist and not (synth / f"{build.graph.name}.json").is_file():
        raise ConfigError(
            f"{synth}: no netlist; convert without --no-synth, or leave the netlist out with --no-netlist"
        )
    cache = build.folder / "sim"
    cache.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="prove.") as scratch:
        setting = _setting(build, synth, Path(scratch), netlist=netlist)
        tasks = list(_tasks(setting))
        claims: dict[int, Claim] = {}
        with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
            futures = {pool.submit(task.run): k for k, task in enumerate(tasks)}
            try:
                for future in as_completed(futures):
                    claims[futures[future]] = future.result()
                    on_claim(len(claims), len(tasks))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    ordered = tuple(claims[k] for k in range(len(tasks)))
    return Proof(
        build.graph.name, _digest(build, netlist=netlist), tool_version(), ordered, time.perf_counter() - started
    )


def _setting(build: Build, synth: Path, work: Path, *, netlist: bool) -> _Setting:
    sources = sorted((build.folder / "rtl").glob("*.sv"))
    rtl = read_rtl(build.pipeline, sources, work / "rtl")
    primitive = None
    if netlist:
        primitive = read_rtl(build.pipeline, design_sources(build.folder / "rtl", synth), work / "primitive")
    return _Setting(build.pipeline, Vectors.of(build.pipeline), rtl, primitive, synth, work)


def _tasks(setting: _Setting) -> Iterator[_Task]:
    """Every claim, the longest proofs first."""
    if setting.primitive is not None:
        yield from _netlist_tasks(setting, setting.primitive)
    for module in setting.pipeline.modules:
        yield from _module_tasks(setting, module)
    yield from _top_tasks(setting)


def _module_tasks(setting: _Setting, module: Module) -> Iterator[_Task]:
    name = module.name
    if isinstance(module.node, Linear) and module.adders is not None:
        yield _Task(
            name,
            "weights",
            "the adder graph computes the matrix and the bias",
            "linear forms",
            partial(prove_matrix, module.node, module.adders),
        )
        yield _Task(
            name,
            "widths",
            "no value of the adder graph leaves its width",
            "intervals of linear forms",
            partial(prove_widths, module.adders),
        )
        yield _Task(
            name,
            "verilog",
            "each wire of the Verilog is its adder, and each result its column of the matrix",
            "linear forms of the Verilog as Yosys reads it",
            lambda: prove_verilog(module, setting.vectors, setting.verilog(module)),
        )
    else:
        yield _Task(
            name,
            "verilog",
            "each channel of the Verilog is what the node defines",
            f"every code; SAT for channels of more than {MOST_CODES} codes",
            partial(_prove_channels, setting, module),
        )
    yield _Task(
        name,
        "latency",
        f"every path has {module.cycles} registers, without reset, enable or feedback",
        "induction over the cells",
        lambda: prove_latency(setting.verilog(module), module.cycles),
    )


def _prove_channels(setting: _Setting, module: Module) -> str:
    netlist = setting.verilog(module)
    codes = wide = 0
    for channel, span in enumerate(module.source):
        if span.hi - span.lo < MOST_CODES:
            codes += prove_channel(module, setting.vectors, netlist, channel)
        else:
            prove_wide_channel(module, setting.vectors, netlist, channel, setting.scratch())
            wide += 1
    return f"{len(module.source)} channels, {codes} codes" + (f", {wide} channels by SAT" if wide else "")


def _top_tasks(setting: _Setting) -> Iterator[_Task]:
    name, latency = setting.pipeline.graph.name, setting.pipeline.latency_cycles
    yield _Task(
        name,
        "verilog",
        "each module reads the codes of its operands, in its cycle",
        "tracing every bit",
        lambda: prove_wiring(setting.pipeline, setting.rtl.module(name)),
    )
    yield _Task(
        name,
        "latency",
        f"out_valid is in_valid {latency} cycles later, for every pattern of gaps, unless reset in between",
        "tracing the valid chain",
        lambda: prove_valid(setting.pipeline, setting.rtl.module(name)),
    )


def _netlist_tasks(setting: _Setting, primitive: Rtl) -> Iterator[_Task]:
    method = "SAT sweeping (ABC), registers proven in step"

    def equal(module: Module) -> str:
        gates = setting.netlist(module.name)
        prove_latency(gates, module.cycles)
        return prove_equal(primitive.module(module.name), gates, setting.scratch())

    by_size = sorted(setting.pipeline.modules, key=lambda m: len(m.adders.adders) if m.adders else 0, reverse=True)
    for module in by_size:
        yield _Task(
            module.name, "netlist", "the synthesised netlist equals the Verilog", method, partial(equal, module)
        )
    yield _Task(
        setting.pipeline.graph.name,
        "netlist",
        "the netlist of the top connects the same bits, in the same cycles",
        "tracing every bit",
        lambda: _prove_top_netlist(setting),
    )
    library = setting.rtl.library()
    if library:
        yield _Task(
            "bittrigger_adder3",
            "netlist",
            f"the three-input adder in primitives equals a + b + c, in each of the {len(library)} forms that occur",
            "SAT sweeping (ABC)",
            lambda: _prove_library(setting, primitive, library),
        )


def _prove_top_netlist(setting: _Setting) -> str:
    name = setting.pipeline.graph.name
    top = read_modules([setting.synth / f"{name}.json"])
    gates = flatten(name, {name: top[name]})
    wiring = prove_wiring(setting.pipeline, gates)
    return f"{wiring}; valid chain: {prove_valid(setting.pipeline, gates)}"


def _prove_library(setting: _Setting, primitive: Rtl, library: list[str]) -> str:
    for name in library:
        try:
            prove_equal(setting.rtl.module(name), primitive.module(name), setting.scratch())
        except Unproven as failure:
            raise Unproven(f"{name}: {failure}", refuted=failure.refuted) from failure
    return f"{len(library)} forms"


def _digest(build: Build, *, netlist: bool) -> str:
    total = hashlib.sha256()
    files = sorted((build.folder / "rtl").glob("*.sv"))
    if netlist:
        files += sorted((build.folder / "synth").glob("*.json"))
    for path in files:
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def to_json(proof: Proof) -> str:
    """``proof`` as JSON: schema 1, one object a claim, what was only tested, and what everything rests on."""
    data = {
        "schema": 1,
        "bittrigger": __version__,
        "yosys": proof.yosys,
        "design": proof.design,
        "sources_sha256": proof.sources_sha256,
        "proven": proof.proven,
        "seconds": round(proof.seconds, 3),
        "claims": [asdict(c) | {"verdict": c.verdict.value, "seconds": round(c.seconds, 3)} for c in proof.claims],
        "tested_only": TESTED_ONLY,
        "assumed": ASSUMED,
    }
    return json.dumps(data, indent=2) + "\n"


def save_proof(proof: Proof, path: Path) -> None:
    """Write ``proof`` to ``path``.

    Raises:
        ConfigError: if it cannot be written.
    """
    try:
        path.write_text(to_json(proof), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"proof cannot be written to {path}: {error.strerror}") from error
