"""Equivalence of two combinational circuits, decided by ABC's SAT sweeping for every input."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bittrigger.errors import ToolNotFoundError
from bittrigger.prove.circuits.aig import Aig
from bittrigger.prove.circuits.bits import input_nets, literals
from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import Netlist
from bittrigger.system.kept import Kept, key_of
from bittrigger.system.toolchain import run_tool

PROOFS = Kept("proofs", room_bytes=1 << 25)
BEFORE = ", proven before"
"""What a claim says of an answer that was kept."""

_EQUAL = b"equal"
_MARK = "== question "
_ASK = '&r "{0}/gold.aig"; &cec "{0}/gate.aig"'
TIMEOUT_S = 900.0
"""Longest run of ABC on one module."""


def abc() -> Path:
    """The program ``yosys-abc`` of the installed pyosys.

    Raises:
        ToolNotFoundError: if there is none.
    """
    spec = importlib.util.find_spec("pyosys")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (Path(folder) / "yosys-abc").is_file():
            return Path(folder) / "yosys-abc"
    raise ToolNotFoundError(
        "program 'yosys-abc' not found; looked in the package pyosys; install it with `pip install pyosys`"
    )


def same_ports(gold: Netlist, gate: Netlist) -> None:
    """Raise ``Unproven`` unless both have the same ports, but for the clock."""
    for kind, one, two in (("input", gold.inputs, gate.inputs), ("output", gold.outputs, gate.outputs)):
        first, second = ({port: len(bits) for port, bits in ports.items() if port != "clk"} for ports in (one, two))
        if first != second:
            raise Unproven(f"{kind}s differ: {first} and {second}")


def prove_equal(gold: Netlist, gate: Netlist, work: Path) -> str:
    """Prove that two modules give the same outputs for every input, registers taken as wires.

    Args:
        work: folder for ABC's files; they bear the name of ``gold``.

    Raises:
        Unproven: if an input exists for which they differ, or ABC cannot tell.
        ToolError: if ABC fails.
    """
    figures = pose(gold, gate, work)
    return figures + (BEFORE if decide(work) else "")


def pose(gold: Netlist, gate: Netlist, work: Path) -> str:
    """Write the question whether ``gold`` equals ``gate``, registers taken as wires, to ``work``; its size in words.

    Raises:
        Unproven: if their ports differ, or a cell is not known.
    """
    same_ports(gold, gate)
    sizes = []
    for name, netlist in (("gold", gold), ("gate", gate)):
        aig = Aig(len(input_nets(netlist)))
        outputs = tuple(net for port in sorted(netlist.outputs) for net in netlist.outputs[port])
        found = literals(aig, netlist, outputs)
        aig.write(work / f"{name}.aig", found)
        sizes.append(len(outputs))
    return f"{sizes[0]} outputs, {len(gate.cells)} cells"


def decide(work: Path) -> bool:
    """Ask ABC whether ``gold.aig`` and ``gate.aig`` in ``work`` are equal; whether the answer was known before.

    Raises:
        Unproven: if they differ, or ABC cannot tell.
        ToolError: if ABC fails.
    """
    (answer,) = answers([work], work)
    if isinstance(answer, Unproven):
        raise answer
    return answer


def answers(questions: Sequence[Path], work: Path) -> list[bool | Unproven]:
    """Whether ``gold.aig`` and ``gate.aig`` are equal in each of the folders ``questions``, from one process of ABC.

    That two graphs are equal is kept under their own bytes, the version of ABC and what it was told; nothing else is.

    Args:
        work: folder for the log.

    Returns:
        For each question why it is not proven; or else whether it was proven before.

    Raises:
        ToolError: if ABC fails.
    """
    keys = [_key(question) for question in questions]
    found: list[bool | Unproven] = [PROOFS.find(key) == _EQUAL for key in keys]
    asked = [k for k, known in enumerate(found) if not known]
    if not asked:
        return found
    script = "".join(f"echo {_MARK}{k}\n{_ASK.format(questions[k].absolute().as_posix())}\n" for k in asked)
    (work / "abc.script").write_text(script, encoding="utf-8")
    output = run_tool([str(abc()), "-f", "abc.script"], log=work / "abc.log", cwd=work, timeout_s=TIMEOUT_S)
    said = {int(part.split("\n", 1)[0]): part for part in output.split(_MARK)[1:]}
    for k in asked:
        found[k] = _verdict(said.get(k, ""), work / "abc.log") or False
    PROOFS.keep({keys[k]: _EQUAL for k in asked if found[k] is False})
    return found


def _key(question: Path) -> str:
    graphs = [(question / f"{name}.aig").read_bytes() for name in ("gold", "gate")]
    return key_of(version("pyosys"), _ASK, *graphs)


def _verdict(said: str, log: Path) -> Unproven | None:
    """What keeps an answer of ABC from being a proof, or None."""
    if "NOT EQUIVALENT" in said.upper():
        line = next((text.strip() for text in said.splitlines() if "equivalent" in text.lower()), "")
        return Unproven(f"an input exists for which they differ ({line})")
    if "Networks are equivalent" in said:
        return None
    return Unproven(f"ABC could not tell; its log is {log}", refuted=False)
