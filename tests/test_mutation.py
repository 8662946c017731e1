"""Mutation: what is broken, and that a break is seen; ``make mutants`` breaks everything."""

from functools import cache

import pytest
from mutation.campaign import ALONE, SCOPE, Workplace, all_mutants
from mutation.designs import write_designs
from mutation.mutants import Mutant, mutants_of

PYTHON = '''"""One + one."""


def wide(bits: int | None) -> str:
    """Two - one."""
    low = 1 << bits
    if low >= 4 and bits:
        raise ValueError(f"{bits} > 3")
    return f"{low} - signed"
'''
TEMPLATE = """// a + b
{% if x > 1 %}
assign y = a + {{ width - 1 }}'d3;  // sum - 1
{% endif %}
"""


def broken(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return [(m.line, m.old, m.new) for m in mutants_of(tmp_path, path)]


def test_tokens_of_python_and_of_the_code_in_its_strings_are_broken(tmp_path):
    assert broken(tmp_path, "a.py", PYTHON) == [
        (6, "1", "0"),
        (6, "<<", ">>"),
        (7, ">=", ">"),
        (7, "4", "3"),
        (7, "and", "or"),
        (9, "-", "+"),
        (9, "signed", ""),
    ]


def test_code_of_templates_is_broken_but_no_comment(tmp_path):
    assert broken(tmp_path, "a.sv.j2", TEMPLATE) == [
        (2, ">", ">="),
        (2, "1", "0"),
        (3, "+", "-"),
        (3, "-", "+"),
        (3, "1", "0"),
    ]


def test_vhdl_is_broken_but_no_assignment_and_no_comment(tmp_path):
    text = "library ieee;\ny <= a + \"01\" when n = 3 and c /= '0' else b;  -- b - a\n"
    assert broken(tmp_path, "a.vhd", text) == [
        (2, "+", "-"),
        (2, "=", "/="),
        (2, "3", "2"),
        (2, "and", "or"),
        (2, "/=", "="),
        (2, "'0'", "'1'"),
    ]


def test_a_mutant_changes_one_place():
    assert Mutant("f", 1, 4, "+", "-").apply("a + + b") == "a + - b"


def test_every_pattern_of_the_scope_names_files():
    paths = {mutant.path for mutant, _ in mutants()}
    for pattern in SCOPE:
        assert any(path.startswith(pattern.split("*")[0]) for path in paths), pattern


EMITTED = ("verilog", "vhdl", "hls", "emulator")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutation")
    write_designs(folder / "designs")
    return Workplace(folder / "copy", folder / "designs")


@pytest.fixture(scope="module")
def right(workplace):
    """The digests of what the copy emits while nothing in it is broken."""
    digests = workplace.digests(*EMITTED)
    assert digests is not None, "the copy emits nothing, so that every mutant would seem to be caught"
    return digests


mutants = cache(all_mutants)


def chosen(path, old, new, line_has):
    """The first mutant of ``path`` on a line with this text."""
    for mutant, targets in mutants():
        if mutant.path == path and (mutant.old, mutant.new) == (old, new):
            text = (Workplace.root() / path).read_text().splitlines()[mutant.line - 1]
            if line_has in text:
                return mutant, targets
    raise AssertionError(f"no such mutant of {path}")


@pytest.mark.parametrize(
    ("path", "old", "new", "line_has"),
    [
        ("bittrigger/emit/verilog/requantize.py", "-", "+", "node.shift - 1"),
        ("hls_templates/top.sv.j2", "2", "1", 'else {{ name }} <= {{ "{%s['),
        ("hls_templates/requantize.cpp.j2", "+", "-", "+"),
        ("bittrigger/emit/emulator/requantize.py", "<<", ">>", "half = 1 <<"),
        ("firmware/ultrascale/bittrigger_adder3.sv", "&", "|", "assign saved[0]"),
        ("firmware/ultrascale/bittrigger_adder2_carry.sv", "^", "|", "wide_a[i] ^ wide_b[i]"),
        ("firmware/vhdl/ultrascale/bittrigger_clip.vhd", ">", ">=", "row / 8 > 0 or row mod 2"),
        ("hls_templates/engine_lane.sv.j2", "+", "-", "= sum + added"),
        ("bittrigger/emit/vhdl/expression.py", "-", "+", "high - 1, low, constant"),
    ],
)
def test_a_sign_a_stage_and_a_rounding_are_caught(workplace, right, *, path, old, new, line_has):
    mutant, targets = chosen(path, old, new, line_has)
    before = (workplace.folder / path).read_bytes()
    assert {target for target in targets if target not in ALONE} <= set(EMITTED)
    assert workplace.judge(mutant, targets, right).outcome == "caught"
    assert (workplace.folder / path).read_bytes() == before


def test_the_copy_emits_what_it_did_before_it_was_broken(workplace, right):
    assert all(right[target] for target in EMITTED)
    assert workplace.digests(*EMITTED) == right
