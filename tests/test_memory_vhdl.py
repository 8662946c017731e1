"""The memories of the VHDL library: their forms in primitives give, cycle by cycle, what the plain ones give, in GHDL."""

import shutil
import subprocess

import pytest
from library import analysed

pytestmark = pytest.mark.skipif(shutil.which("ghdl") is None, reason="GHDL is not installed")

FORMS = [("bittrigger_memory", width, places) for width, places in ((14, 5), (15, 3), (7, 6), (9, 6))]
FORMS += [("bittrigger_memory_block", width, places) for width, places in ((32, 9), (17, 6))]
CYCLES = 3000

BENCH = """library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;
use ieee.math_real.all;
library plain;
library cells;

entity bench is end entity;

architecture both of bench is
    constant WIDTH : positive := {width};
    constant PLACES : positive := {places};
    signal clk, write : std_logic := '0';
    signal row, place : std_logic_vector(PLACES - 1 downto 0) := (others => '0');
    signal data, first, second : std_logic_vector(WIDTH - 1 downto 0) := (others => '0');
begin
    one : entity plain.{module} generic map (WIDTH, PLACES) port map (clk, write, row, data, place, first);
    two : entity cells.{module} generic map (WIDTH, PLACES) port map (clk, write, row, data, place, second);

    process
        variable seed, other : positive := {width};
        variable differ : natural := 0;

        impure function drawn(bits : positive) return std_logic_vector is
            variable number : real;
            variable found : std_logic_vector(bits - 1 downto 0);
        begin
            for k in found'range loop
                uniform(seed, other, number);
                if number < 0.5 then
                    found(k) := '0';
                else
                    found(k) := '1';
                end if;
            end loop;
            return found;
        end function;
    begin
        for k in 0 to 2 ** PLACES + {cycles} loop
            if k < 2 ** PLACES then
                row <= std_logic_vector(to_unsigned(k, PLACES));
                write <= '1';
            else
                row <= drawn(PLACES);
                write <= drawn(1)(0);
            end if;
            data <= drawn(WIDTH);
            place <= drawn(PLACES);
            wait for 1 ns;
            if drawn(1) = "1" then
                place <= row;
            end if;
            wait for 1 ns;
            clk <= '1';
            wait for 1 ns;
            clk <= '0';
            wait for 1 ns;
            if k > 2 ** PLACES + 2 and first /= second then
                differ := differ + 1;
            end if;
        end loop;
        report "differ " & integer'image(differ);
        wait;
    end process;
end architecture;
"""


def differing(root, folder, form, change=lambda text: text):
    """The cycles in which the two forms differ."""
    module, width, places = form
    library = root / "firmware" / "vhdl"
    (folder / "cells.vhd").write_text(change((library / "ultrascale" / f"{module}.vhd").read_text()))
    (folder / "bench.vhd").write_text(BENCH.format(module=module, width=width, places=places, cycles=CYCLES))
    options = analysed(
        folder,
        ("unisim", root / "tests" / "unisim.vhd"),
        ("plain", library / f"{module}.vhd"),
        ("cells", folder / "cells.vhd"),
        ("work", folder / "bench.vhd"),
    )
    command = ["ghdl", "--elab-run", *options, "bench", "--ieee-asserts=disable"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    return int((done.stdout + done.stderr).rsplit("differ ", 1)[1])


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_primitives_are_the_memory(root, tmp_path, form):
    assert differing(root, tmp_path, form) == 0


CHANGES = {
    "read where it is written": (FORMS[0], "ADDRB => from_row", "ADDRB => to_row"),
    "two bits exchanged": (FORMS[2], "DOC => taken(7 * k + 2)", "DOC => taken(7 * k + 1)"),
    "never written": (FORMS[0], "WE => write", "WE => '0'"),
    "a cycle early": (FORMS[4], "DOA_REG => 1", "DOA_REG => 0"),
    "half a word": (FORMS[4], "WEBWE => writes", 'WEBWE => "0011"'),
    "another place": (FORMS[5], "ADDRARDADDR => from_place", "ADDRARDADDR => to_row"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen(root, tmp_path, name):
    form, old, new = CHANGES[name]
    assert old in (root / "firmware" / "vhdl" / "ultrascale" / f"{form[0]}.vhd").read_text()
    assert differing(root, tmp_path, form, lambda text: text.replace(old, new)) > 0
