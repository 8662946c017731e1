"""The VHDL adapter of an EMP wrapper in GHDL: EMP's records around it, and inside, a wrapper that hands on each bit elsewhere."""

from __future__ import annotations

import re
import subprocess

PACKAGE = """library ieee;
use ieee.std_logic_1164.all;
package emp_data_types is
  type lword is record
    data : std_logic_vector(63 downto 0);
    valid, start, last, start_of_orbit, strobe : std_logic;
  end record;
  type ldata is array (natural range <>) of lword;
end package;
"""
SINGLE = ("d_valid", "d_start", "d_last", "d_start_of_orbit", "d_strobe")
"""Flags of the links that come in, in the order in which the inner wrapper hands them out: each as the next one."""

INNER = """library ieee;
use ieee.std_logic_1164.all;
entity {name}_emp is
  port (
    clk, rst : in std_logic;
    d_data : in std_logic_vector({data_in} downto 0);
    d_valid, d_start, d_last, d_start_of_orbit, d_strobe : in std_logic_vector({last_in} downto 0);
    q_data : out std_logic_vector({data_out} downto 0);
    q_valid, q_start, q_last, q_start_of_orbit, q_strobe : out std_logic_vector({last_out} downto 0);
    {bus}packet_error, overrun : out std_logic
  );
end entity;
architecture turned of {name}_emp is
begin
  each : for k in 0 to {last_out} generate
    q_data(64 * k + 63 downto 64 * k) <= not d_data(64 * (k mod {links_in}) + 63 downto 64 * (k mod {links_in}));
    q_start(k) <= d_valid(k mod {links_in});
    q_last(k) <= d_start(k mod {links_in});
    q_start_of_orbit(k) <= d_last(k mod {links_in});
    q_strobe(k) <= d_start_of_orbit(k mod {links_in});
    q_valid(k) <= d_strobe(k mod {links_in});
  end generate;
  packet_error <= d_valid({last_in}) xor rst{told};
  overrun <= d_last(0) xor clk;{busy}
end architecture;
"""
BENCH = """library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;
use work.emp_data_types.all;
entity bench is end entity;
architecture plays of bench is
  signal d : ldata({last_in} downto 0);
  signal q : ldata({last_out} downto 0);
  signal clk, rst, packet_error, overrun{bus_flags} : std_logic := '0';
  {bus_words}
begin
  adapter : entity work.{name}_emp_links port map (
    clk_p => clk, rst => rst, d => d, q => q, packet_error => packet_error, overrun => overrun{bus_map});
  process
    variable seed : unsigned(31 downto 0) := x"12345678";
    impure function bit_of_chance return std_logic is
    begin
      seed := resize(seed * to_unsigned(1664525, 32) + 1013904223, 32);
      return seed(31);
    end function;
    variable from : natural;
  begin
    for turn in 1 to 40 loop
      for k in d'range loop
        for b in 63 downto 0 loop
          d(k).data(b) <= bit_of_chance;
        end loop;
        d(k).valid <= bit_of_chance; d(k).start <= bit_of_chance; d(k).last <= bit_of_chance;
        d(k).start_of_orbit <= bit_of_chance; d(k).strobe <= bit_of_chance;
      end loop;
      clk <= bit_of_chance; rst <= bit_of_chance;{bus_drive}
      wait for 1 ns;
      for k in q'range loop
        from := k mod {links_in};
        assert q(k).data = not d(from).data and q(k).start = d(from).valid and q(k).last = d(from).start
          and q(k).start_of_orbit = d(from).last and q(k).strobe = d(from).start_of_orbit and q(k).valid = d(from).strobe
          report "a link is another one" severity failure;
      end loop;
      assert packet_error = (d({last_in}).valid xor rst{expected}) and overrun = (d(0).last xor clk)
        report "a flag is another one" severity failure;{bus_check}
    end loop;
    wait;
  end process;
end architecture;
"""


def check_adapter(folder, name, work):
    """Play random records through the adapter in ``folder``, of the design ``name``; fail where a bit of a link is another's."""
    adapter = folder / f"{name}_emp_links.vhd"
    text = adapter.read_text()
    links = [int(re.search(rf"\b{port}\s*: \w+\s+ldata\((\d+) downto 0\)", text)[1]) + 1 for port in "dq"]
    facts = {"name": name, "links_in": links[0], "last_in": links[0] - 1, "last_out": links[1] - 1}
    facts |= {"data_in": 64 * links[0] - 1, "data_out": 64 * links[1] - 1}
    width = re.search(r"settings_address\s*: in\s+std_logic_vector\((\d+) downto 0\)", text)
    facts |= _bus(int(width[1])) if width else dict.fromkeys(_bus(0), "")
    work.mkdir(parents=True)
    names = []
    for stem, source in (("package", PACKAGE), ("inner", INNER), ("adapter", text), ("bench", BENCH)):
        names.append(f"{stem}.vhd")
        (work / names[-1]).write_text(source if stem in ("package", "adapter") else source.format(**facts))
    for words in (["-a", "--std=08", *names], ["-e", "--std=08", "bench"], ["-r", "--std=08", "bench"]):
        done = subprocess.run(["ghdl", *words], cwd=work, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]


def _bus(last):
    """What is added where the design holds weights: the bus goes through, and busy comes back."""
    return {
        "bus": f"settings_write : in std_logic; settings_address : in std_logic_vector({last} downto 0);\n"
        "    settings_data : in std_logic_vector(31 downto 0); settings_busy : out std_logic;\n    ",
        "told": " xor settings_write xor (xor settings_address)",
        "busy": "\n  settings_busy <= (xor settings_data) xor settings_address(0);",
        "bus_flags": ", settings_write, settings_busy",
        "bus_words": f"signal settings_address : std_logic_vector({last} downto 0) := (others => '0');\n"
        "  signal settings_data : std_logic_vector(31 downto 0) := (others => '0');",
        "bus_map": ",\n    settings_write => settings_write, settings_address => settings_address,\n    "
        "settings_data => settings_data, settings_busy => settings_busy",
        "bus_drive": " settings_write <= bit_of_chance;\n"
        f"      for b in {last} downto 0 loop settings_address(b) <= bit_of_chance; end loop;\n"
        "      for b in 31 downto 0 loop settings_data(b) <= bit_of_chance; end loop;",
        "expected": " xor settings_write xor (xor settings_address)",
        "bus_check": "\n      assert settings_busy = ((xor settings_data) xor settings_address(0)) "
        'report "the bus" severity failure;',
    }
