"""Changed files of a build are refused by prove: by bytes each of them, by structure those that no meaning could excuse."""

import contextlib
import shutil
import signal

import pytest
from designs import build_of, solved
from tamper.edits import both, cell_of, netlist, rewire, text, verilog
from tamper.equivalent import argument
from tamper.kinds import SOUND, tamperings

from bittrigger.build.manifest import seal
from bittrigger.cli import main
from bittrigger.errors import ConfigError, MismatchError, ToolError
from bittrigger.prove import Verdict
from bittrigger.prove.sources.files import copy_build, file_claims
from bittrigger.prove.sources.structure import UNREAD, read_structure
from bittrigger.simulate.executors.csim import CSim
from bittrigger.simulate.executors.emulator import Emulator
from bittrigger.synth.netlist_text import check_text
from bittrigger.synth.strict import NetlistFault, check_module, load_module, reached_bits, read_strict

ALL = [item for item in tamperings() if item.build == "plain"]
"""Those of the campaign that change the small build; here the first and the last of each kind are enough."""

_LAST = {item.kind: item for item in ALL}
_FIRST = {item.kind: item for item in reversed(ALL)}
SOME = [item for kind in _LAST for item in dict.fromkeys((_FIRST[kind], _LAST[kind]))]
STRUCTURAL = (
    "rtl: two drivers",
    "rtl: references into modules",
    "rtl: ports",
    "rtl: text for some tools",
    "rtl: initial values",
    "netlist: two drivers",
    "netlist: power-up",
    "netlist: other cells",
    "netlist: parameters",
    "netlist: pins",
    "netlist: one form alone",
)
"""Kinds that the structure refutes, whoever wrote the file; of undefined bits some are found where Yosys reads the text."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A sealed, synthesised build."""
    folder = tmp_path_factory.mktemp("sound")
    build_of(solved((9, 6, 3)), folder, synth=True)
    return folder


@pytest.fixture
def broken(sound, tmp_path):
    """``broken(apply)`` is a copy with one change, sealed anew."""

    def make(apply):
        folder = shutil.copytree(sound, tmp_path / "build")
        apply(folder)
        with contextlib.suppress(ConfigError):
            seal(folder)
        return folder

    return make


def refuted(claims):
    return {claim.kind for claim in claims if claim.verdict is not Verdict.PROVEN}


@pytest.mark.parametrize("tampering", SOME, ids=lambda item: f"{item.kind}: {item.name}")
def test_every_change_is_refuted_before_any_meaning_is_looked_at(broken, tmp_path, monkeypatch, tampering):
    """What is left to meaning are netlists that are whole, and say the same in both forms."""
    monkeypatch.setattr("bittrigger.prove.sources.structure.read_rtl", lambda *_: UNREAD)
    folder = broken(tampering.apply)
    try:
        copy = copy_build(folder, tmp_path / "work")
    except ConfigError:
        return
    claims, _ = read_structure(copy, tmp_path / "work", netlist=True)
    found = refuted([*file_claims(copy), *claims])
    if tampering.kind in STRUCTURAL:
        assert "structure" in found
    if tampering.kind not in ("netlist: a bit of INIT", "netlist: connections"):
        assert found


def test_the_sound_build_is_not(sound, tmp_path):
    copy = copy_build(sound, tmp_path)
    claims, setting = read_structure(copy, tmp_path, netlist=True)
    assert refuted([*file_claims(copy), *claims]) == set()
    assert set(setting.gates) == {
        "example",
        "example_bitlinear_dense_0",
        "example_bitlinear_dense_1",
        "example_requantize_relu_0",
    }


def test_the_seal_tells_that_a_file_was_changed(sound, tmp_path):
    folder = shutil.copytree(sound, tmp_path / "build")
    text("synth/example.json", r"\Z", "\n")(folder)  # no emission, and its meaning stays
    (claim,) = (c for c in file_claims(copy_build(folder, tmp_path / "work")) if c.verdict is not Verdict.PROVEN)
    assert claim.detail.startswith("synth/example.json: changed since it was written; convert the model again")


def test_an_error_names_the_file_and_the_line(sound, broken, tmp_path):
    text_of = (sound / "rtl" / "example_bitlinear_dense_1.sv").read_text()
    folder = broken(text("rtl/example_bitlinear_dense_1.sv", "5'd9", "5'd8"))
    (claim,) = (c for c in file_claims(copy_build(folder, tmp_path / "work")) if c.verdict is not Verdict.PROVEN)
    assert claim.subject == "rtl/"
    line = next(k for k, row in enumerate(text_of.splitlines(), 1) if "5'd9" in row)
    assert claim.detail == f"rtl/example_bitlinear_dense_1.sv: differs from what is emitted, first in line {line}"


def test_what_cannot_be_caught_is_argued(sound):
    """A flipped bit of INIT that no input reaches, and a LUT whose inputs may be exchanged; ``prove`` finds the same."""
    argued = {item.name: why for item in ALL if (why := argument(item, sound)) is not None}
    assert len(argued) == 15
    assert argued["two inputs of a LUT"] == "its table, 11100000, is the same with both exchanged"
    assert argued["bit 452 of LUT6_2 0 of example_bitlinear_dense_0"].startswith(
        "row 4 of the table is never addressed, as I"
    )


def test_a_register_that_need_not_wait_is_argued_by_another_solver(tmp_path):
    """Its code is read in the first turn; that two others are read later is found by the same argument."""
    SOUND["folded"](tmp_path / "folded")
    queues = [item for item in tamperings() if item.kind == "netlist: folded, queues"]
    argued = {item.name: argument(item, tmp_path / "folded") for item in queues}
    assert {name for name, why in argued.items() if why} == {"a register that does not wait"}
    assert argued["a register that does not wait"] == (
        "folded_queue_each: the same outputs from any state, in cycles 2 to 4"
    )


@pytest.mark.parametrize(
    ("inputs", "rows"),
    [
        (["0", "1", 5], {2, 6}),
        ([5, 5, 6], {0, 3, 4, 7}),
        ([5, 6, 7], set(range(8))),
    ],
)
def test_rows_of_a_table_that_are_addressed(inputs, rows):
    pins = {f"I{k}": [net] for k, net in enumerate(inputs)}
    ways = dict.fromkeys(pins, "input") | {"O": "output"}
    assert reached_bits({"connections": pins | {"O": [9]}, "port_directions": ways}) == rows


# the two forms of a netlist


@pytest.mark.parametrize(
    "name", ["example", "example_bitlinear_dense_0", "example_bitlinear_dense_1", "example_requantize_relu_0"]
)
def test_a_netlist_says_the_same_in_both_forms(sound, name):
    module = load_module(sound / "synth" / f"{name}.json")
    check_text((sound / "synth" / f"{name}.v").read_text(), name, module)
    check_text(verilog(name, module), name, module)


@pytest.mark.parametrize(
    ("pattern", "new", "why"),
    [
        (r"\.D\(in_valid\)", ".D(rst)", "pin D of cell .* is connected otherwise"),
        (r"\.Q\(valid\[1\]\)", ".Q(valid[0])", "pin Q of cell .* drives"),
        (r"1'h0", "1'h2", "no constant of its width"),
        (r"valid\[1\]", "valid[9]", "out of range"),
        (r"valid\[1\]", "other", "no net of it"),
        (r"    \.CE\(1'h1\),\n", "", "its pins are others"),
        (r"    \.CE\(1'h1\),\n", "    .CE(1'h1),\n    .CE(1'h1),\n", "a pin or a parameter twice"),
        (r"INIT\(1'h0\)", "INIT(1'h1)", "its parameters are others"),
        (r" _01_ \(", " _00_ (", "cell _00_ is declared twice"),
        (r"  wire \[2:0\] valid;\n", "  wire [2:0] valid;\n  wire valid;\n", "wire valid is declared twice"),
        (r"  output out_valid;", "  inout out_valid;", "not of a netlist"),
        (r"module example\(clk, ", "module example(", "its ports are not those of its head"),
        (r"FDRE #", "FDSE #", "its cells are others"),
        (r"endmodule\n", "", "not of a netlist"),
    ],
)
def test_verilog_that_says_otherwise_is_refused(sound, tmp_path, pattern, new, why):
    folder = shutil.copytree(sound / "synth", tmp_path / "synth")
    text("synth/example.v", pattern, new)(tmp_path)
    with pytest.raises(NetlistFault, match=why):
        check_text((folder / "example.v").read_text(), "example", load_module(folder / "example.json"))


def test_a_damaged_netlist_is_refused_by_the_gate_level_executor(broken):
    def damage(module):
        cell_of(module, "CARRY8")["connections"].pop("CI")

    folder = broken(netlist("example_bitlinear_dense_0", damage))
    names = ("example_bitlinear_dense_0", "example_requantize_relu_0", "example_bitlinear_dense_1", "example")
    with pytest.raises(
        ToolError, match=r"example_bitlinear_dense_0.json: cell .* \(CARRY8\): pin .* convert the model again"
    ):
        read_strict([folder / "synth" / f"{name}.json" for name in names])


def test_two_drivers_are_named(sound):
    module = load_module(sound / "synth" / "example.json")
    codes = cell_of(module, "example_requantize")["connections"]["y"]
    rewire(module, codes[0], codes[1])
    ports = {
        name: {port: (value["direction"], len(value["bits"])) for port, value in load_module(path)["ports"].items()}
        for path in (sound / "synth").glob("example_*.json")
        for name in (path.stem,)
    }
    with pytest.raises(NetlistFault, match=r"net \d+ is driven by pin y of cell .* and by pin y of cell"):
        check_module(module, ports)


# what executors notice besides results


@pytest.mark.parametrize(
    "tampering",
    [item for item in ALL if item.kind in ("emulator: real numbers", "emulator: counts and sizes", "emulator: Python")][
        ::4
    ],
    ids=lambda item: f"{item.kind}: {item.name}",
)
def test_entries_of_the_emulator_are_compared(broken, tmp_path, tampering):
    folder = broken(tampering.apply)
    with pytest.raises(MismatchError, match="emulator: entry"):
        Emulator(solved((9, 6, 3)).graph, folder / "emulator", tmp_path / "cache").check_entries()


def test_entries_of_a_sound_emulator_and_project_agree(sound, tmp_path):
    graph = solved((9, 6, 3)).graph
    Emulator(graph, sound / "emulator", tmp_path / "emulator").check_entries()
    CSim(graph, sound / "hls", tmp_path / "csim").check_entries()


@pytest.mark.parametrize(
    ("apply", "why"),
    [
        (text("hls/tb_data/tb_output.dat", r"\A(\d)", r"1\1"), "is not what the oracle gives"),
        (text("hls/tb_data/tb_output.dat", r"\A\S+", "x"), "not readable as events"),
        (
            text("hls/firmware/example_bitlinear_dense_1.cpp", r"\Z", "#ifdef __SYNTHESIS__\n#endif\n"),
            "asks for __SYNTHESIS__",
        ),
    ],
)
def test_what_an_hls_project_promises_is_checked(broken, tmp_path, apply, why):
    folder = broken(apply)
    with pytest.raises(MismatchError, match=why):
        CSim(solved((9, 6, 3)).graph, folder / "hls", tmp_path / "csim").check_entries()


def test_the_types_of_ports_are_checked_by_the_compiler(broken, tmp_path):
    folder = broken(
        both(
            text("hls/firmware/example.h", "typedef ap_fixed<8,4>", "typedef ap_fixed<8,5>"),
            text("hls/firmware/example.h", "typedef ap_fixed<10,6>", "typedef ap_fixed<10,7>"),
        )
    )
    with pytest.raises(ToolError, match="x_in is no ap_fixed<8,4>"):
        CSim(solved((9, 6, 3)).graph, folder / "hls", tmp_path / "csim").build()


# netlists that are made to hang or to crash whoever reads them


def _bits(module, port):
    return module["ports"][port]["bits"]


def _straight_through(folder):
    """The limiter hands its inputs out, and the top wires them back."""

    def inside(module):
        _bits(module, "y")[:] = _bits(module, "x")[: len(_bits(module, "y"))]
        drop(module)

    def outside(module):
        pins = cell_of(module, "example_requantize")["connections"]
        pins["x"][: len(pins["y"])] = pins["y"]

    netlist("example_requantize_relu_0", inside)(folder)
    netlist("example", outside)(folder)


def drop(module):
    """Leave out every cell of a module."""
    module["cells"].clear()


def _one_in_the_other(folder):
    """Two modules that hold each other."""
    names = ("example_bitlinear_dense_0", "example_bitlinear_dense_1")
    for one, other in (names, names[::-1]):
        cell = {"type": other, "parameters": {}, "attributes": {}, "port_directions": {}, "connections": {}}
        netlist(one, lambda module, cell=cell: module["cells"].update(inner=cell), forms="json")(folder)


def _table_on_itself(module):
    pins = cell_of(module, "LUT", 0)["connections"]
    pins["I0"] = list(pins.get("O") or pins["O6"])


HOSTILE = {
    "a net that drives itself": _straight_through,
    "modules within each other": _one_in_the_other,
    "a table that reads itself": netlist("example_bitlinear_dense_0", _table_on_itself, forms="json"),
    "names for what is no net": netlist("example", lambda m: m["netnames"].update(a={"bits": ["quantized_bits(4"]})),
    "names that are numbers": netlist("example", lambda m: m.update(netnames=3), forms="json"),
    "no attributes": netlist("example", lambda m: m.pop("attributes"), forms="json"),
    "nets of another kind": netlist("example_bitlinear_dense_1", lambda m: m["ports"].update(y=[[]]), forms="json"),
    "too deep": lambda folder: (folder / "synth" / "example.json").write_text("[" * 100_000),
}  # fmt: skip


@pytest.mark.parametrize("verb", ["timing", "simulate", "prove", "report"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_netlist_ends_in_one_sentence(broken, capsys, name, verb):
    folder = broken(HOSTILE[name])
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it hangs"))
    signal.alarm(600)
    try:
        code = main([verb, str(folder), *(["-x", "gates", "-n", "3"] if verb == "simulate" else [])])
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        signal.alarm(0)
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert code in ((1, 2, 3) if verb != "report" else (0, 1, 2, 3))
    if verb == "prove":
        assert "Proven for every input" not in said.out


def test_what_is_said_of_a_netlist_is_bounded():
    """Whatever the length of a name in it; the beginning, which names the place, and the end, which says what to do, stay."""
    said = str(NetlistFault(f"name {'x' * 9999} stands for nothing; allowed are nets"))
    assert len(said) < 700
    assert said.startswith("name xxx")
    assert said.endswith("allowed are nets")
