"""What proofs rest on: forms mean the integers that their bits say, and cells mean what Yosys says that they mean."""

import subprocess
import sys

import numpy as np
import pytest

from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.prove.circuits.aig import Aig
from bittrigger.prove.circuits.bits import input_nets, literals
from bittrigger.prove.circuits.equivalence import abc, prove_equal
from bittrigger.prove.circuits.forms import Symbols, Value, combine
from bittrigger.prove.claims import Unproven
from bittrigger.synth.netlist import read_netlist
from bittrigger.synth.worker import WORKER

# what forms mean


def test_a_value_that_wraps_is_read_as_what_its_bits_say():
    symbols = Symbols([Interval(0, 7)])
    wrapped = symbols.value({0: 1, -1: 28}, Interval(28, 35), 5)  # x - 4, modulo 32
    assert symbols.exact(wrapped, signed=True) == Value({0: 1, -1: -4}, Interval(-4, 3), 5)
    with pytest.raises(Unproven, match=r"a value in \[28, 35\] is read as 5 unsigned bits"):
        symbols.exact(wrapped, signed=False)


def test_floors_of_one_form_cancel():
    symbols = Symbols([Interval(-8, 7)])
    value = symbols.value({0: 3, -1: 5}, Interval(-19, 26), 6)
    twice = symbols.floor(symbols.floor(value, 1), 2)
    assert twice.form == symbols.floor(value, 3).form
    low = symbols.integer(Value(value.form, value.span, 3), signed=False)
    assert low.span == Interval(0, 7)
    assert combine((low.form, 1), (symbols.floor(value, 3).form, 8)) == value.form


@pytest.mark.parametrize("seed", range(40))
def test_floors_are_floors(seed):
    """Whatever rules rewrite a floor, its value is that of the form, for random forms of narrow and wide codes."""
    rng = np.random.default_rng(seed)
    spans = [Interval(-8, 7), Interval(0, 1), Interval(0, 7), Interval(-64, 62), Interval(3, 3), Interval(-3, -1)]
    symbols = Symbols(list(spans))
    codes = {k: rng.integers(span.lo, span.hi + 1, 200) for k, span in enumerate(spans)}
    values = {k: Value({k: 1}, span, 60) for k, span in enumerate(spans)}
    for step in range(12):
        parts = rng.choice(list(values), size=3)
        factors = rng.choice([-33, -7, -2, -1, 1, 2, 3, 8, 16, 64], size=3)
        form = combine(
            *((values[k].form, int(c)) for k, c in zip(parts, factors, strict=True)),
            ({-1: int(rng.integers(-99, 99))}, 1),
        )
        total = symbols.evaluate(form, codes)
        cut = int(rng.integers(1, 7))
        floor = symbols.floor(symbols.value(form, symbols.hull(form), 60), cut)
        assert np.array_equal(symbols.evaluate(floor.form, codes), total >> cut)
        assert floor.span.lo <= (total >> cut).min()
        assert (total >> cut).max() <= floor.span.hi
        values[len(spans) + step] = floor


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [1, 2, 3, 9])
def test_an_integer_read_from_bits_is_that_of_its_bits(signed, width):
    """Whatever the form: the integer is congruent to it and has the range of its bits."""
    symbols = Symbols([Interval(-100, 90)])
    value = symbols.value({0: 5, -1: 3}, Interval(-497, 453), width)
    found = symbols.integer(value, signed=signed)
    assert FixedPoint(signed, width, 0).interval.union(found.span) == FixedPoint(signed, width, 0).interval
    assert all(c % (1 << width) == 0 for c in combine((found.form, 1), (value.form, -1)).values())


# what cells mean

CELLS = """
module cells(input [23:0] x, output [{top}:0] y);
{body}
endmodule
"""


def word_cells():
    """Every word-level operator on signed and unsigned operands of several widths."""
    wires, terms = [], []
    for a, b in [("x[4:0]", "x[9:5]"), ("x[6:0]", "x[9:7]"), ("x[2:0]", "x[10:3]")]:
        for sign in ("$signed", "$unsigned"):
            p, q = f"{sign}({a})", f"{sign}({b})"
            terms += [("w", 9, f"{p} {op} {q}") for op in "+-&|^"]
            terms += [("c", 1, f"{p} {op} {q}") for op in ("<", "<=", ">", ">=", "==", "!=")]
            for by in (0, 1, 3, 9):
                terms += [("s", 9, f"{p} << {by}"), ("s", 4, f"{p} >>> {by}"), ("s", 9, f"{p} >>> {by}")]
                terms.append(("s", 4, f"$unsigned({a}) >> {by}"))
            terms += [("n", 9, f"-{p}"), ("n", 9, f"~{p}"), ("n", 9, f"{p}"), ("r", 1, f"&{a}"), ("r", 1, f"|{a}")]
            terms += [
                ("l", 1, f"!{a}"),
                ("l", 1, f"{a} && {b}"),
                ("l", 1, f"{a} || {b}"),
                ("m", 7, f"x[23] ? {p} : {q}"),
            ]
    total = 0
    for k, (_, width, text) in enumerate(terms):
        wires.append(f"  wire [{width - 1}:0] v{k} = {text}; assign y[{total} +: {width}] = v{k};")
        total += width
    return CELLS.format(top=total - 1, body="\n".join(wires))


def fpga_cells():
    rng = np.random.default_rng(5)
    init = lambda bits: "".join(map(str, rng.integers(0, 2, bits)))  # noqa: E731
    lines, total = [], 0
    for size in range(1, 7):
        pins = ", ".join(f".I{k}(x[{k + size}])" for k in range(size))
        lines.append(f"  LUT{size} #(.INIT({1 << size}'b{init(1 << size)})) l{size}({pins}, .O(y[{total}]));")
        total += 1
    pins = ", ".join(f".I{k}(x[{k}])" for k in range(6))
    lines.append(f"  LUT6_2 #(.INIT(64'b{init(64)})) d({pins}, .O6(y[{total}]), .O5(y[{total + 1}]));")
    lines.append(f"  INV i(.I(x[0]), .O(y[{total + 2}]));")
    for k, kind in enumerate(("MUXF7", "MUXF8", "MUXF9")):
        lines.append(f"  {kind} m{k}(.I0(x[{k}]), .I1(x[5]), .S(x[9]), .O(y[{total + 3 + k}]));")
    total += 6
    lines.append(
        f"  CARRY4 c4(.CI(x[0]), .CYINIT(x[1]), .DI(x[5:2]), .S(x[9:6]), .O(y[{total} +: 4]), .CO(y[{total + 4} +: 4]));"
    )
    total += 8
    lines.append(
        f"  CARRY8 c8(.CI(x[0]), .CI_TOP(1'b0), .DI(x[8:1]), .S(x[16:9]), .O(y[{total} +: 8]), .CO(y[{total + 8} +: 8]));"
    )
    return CELLS.format(top=total + 15, body="\n".join(lines))


def yosys(folder, name, commands):
    (folder / f"{name}.ys").write_text("\n".join(commands) + "\n")
    done = subprocess.run(
        [sys.executable, WORKER, f"{name}.ys"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


@pytest.mark.parametrize("source", [word_cells, fpga_cells])
def test_cells_mean_what_yosys_makes_of_them(tmp_path, source):
    (tmp_path / "cells.v").write_text(source())
    read = ["read_verilog -lib +/xilinx/cells_sim.v", "read_verilog -sv cells.v", "hierarchy -top cells", "proc"]
    yosys(tmp_path, "ours", [*read, "json -o cells.json"])
    logic = ["read_verilog -overwrite +/xilinx/cells_sim.v", "hierarchy -top cells", "proc", "flatten"]
    yosys(tmp_path, "theirs", [*read, *logic, "techmap", "opt_clean", "aigmap", "write_aiger gate.aig"])
    netlist = read_netlist("cells", [tmp_path / "cells.json"])
    aig = Aig(len(input_nets(netlist)))
    aig.write(tmp_path / "gold.aig", literals(aig, netlist, netlist.outputs["y"]))
    command = [abc(), "-c", "&r gold.aig; &cec gate.aig"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Networks are equivalent" in done.stdout, done.stdout


def test_two_modules_that_differ_in_one_pattern_are_told_apart(tmp_path):
    for name, text in (("one", "&x"), ("two", "&x[23:1]")):
        (tmp_path / f"{name}.v").write_text(CELLS.format(top=0, body=f"assign y = {text};"))
        yosys(tmp_path, name, [f"read_verilog -sv {name}.v", "hierarchy -top cells", "proc", f"json -o {name}.json"])
    one, two = (read_netlist("cells", [tmp_path / f"{name}.json"]) for name in ("one", "two"))
    prove_equal(one, one, tmp_path)
    with pytest.raises(Unproven, match="an input exists for which they differ"):
        prove_equal(one, two, tmp_path)
