-- The cells of AMD's library that the firmware library instantiates, in their meaning, for tests without that library.
-- Source: AMD UG974, "UltraScale Architecture Libraries Guide": LUT6_2, LUT6, MUXF7, CARRY8.
library ieee;
use ieee.std_logic_1164.all;

package vcomponents is
    component LUT6_2 is
        generic (INIT : bit_vector(63 downto 0) := X"0000000000000000");
        port (O5, O6 : out std_logic; I0, I1, I2, I3, I4, I5 : in std_logic);
    end component;

    component LUT6 is
        generic (INIT : bit_vector(63 downto 0) := X"0000000000000000");
        port (O : out std_logic; I0, I1, I2, I3, I4, I5 : in std_logic);
    end component;

    component MUXF7 is
        port (O : out std_logic; I0, I1, S : in std_logic);
    end component;

    component CARRY8 is
        generic (CARRY_TYPE : string := "SINGLE_CY8");
        port (
            CO, O : out std_logic_vector(7 downto 0);
            CI, CI_TOP : in std_logic;
            DI, S : in std_logic_vector(7 downto 0)
        );
    end component;
end package;

library ieee;
use ieee.std_logic_1164.all;

entity LUT6_2 is
    generic (INIT : bit_vector(63 downto 0) := X"0000000000000000");
    port (O5, O6 : out std_logic; I0, I1, I2, I3, I4, I5 : in std_logic);
end entity;

architecture meaning of LUT6_2 is
    constant rows : std_logic_vector(63 downto 0) := to_stdlogicvector(INIT);
    signal by1 : std_logic_vector(31 downto 0);
    signal by2 : std_logic_vector(15 downto 0);
    signal by3 : std_logic_vector(7 downto 0);
    signal by4 : std_logic_vector(3 downto 0);
    signal by5 : std_logic_vector(1 downto 0);
begin
    a : for k in by1'range generate
        by1(k) <= (rows(2 * k + 1) and I0) or (rows(2 * k) and not I0);
    end generate;
    b : for k in by2'range generate
        by2(k) <= (by1(2 * k + 1) and I1) or (by1(2 * k) and not I1);
    end generate;
    c : for k in by3'range generate
        by3(k) <= (by2(2 * k + 1) and I2) or (by2(2 * k) and not I2);
    end generate;
    d : for k in by4'range generate
        by4(k) <= (by3(2 * k + 1) and I3) or (by3(2 * k) and not I3);
    end generate;
    e : for k in by5'range generate
        by5(k) <= (by4(2 * k + 1) and I4) or (by4(2 * k) and not I4);
    end generate;
    O5 <= by5(0);
    O6 <= (by5(1) and I5) or (by5(0) and not I5);
end architecture;

library ieee;
use ieee.std_logic_1164.all;

entity CARRY8 is
    generic (CARRY_TYPE : string := "SINGLE_CY8");
    port (
        CO, O : out std_logic_vector(7 downto 0);
        CI, CI_TOP : in std_logic;
        DI, S : in std_logic_vector(7 downto 0)
    );
end entity;

architecture meaning of CARRY8 is
    signal carry : std_logic_vector(8 downto 0);
begin
    carry(0) <= CI;
    places : for k in 0 to 7 generate
        carry(k + 1) <= (carry(k) and S(k)) or (DI(k) and not S(k));
        O(k) <= S(k) xor carry(k);
    end generate;
    CO <= carry(8 downto 1);
end architecture;

library ieee;
use ieee.std_logic_1164.all;

entity LUT6 is
    generic (INIT : bit_vector(63 downto 0) := X"0000000000000000");
    port (O : out std_logic; I0, I1, I2, I3, I4, I5 : in std_logic);
end entity;

architecture meaning of LUT6 is
begin
    both : entity work.LUT6_2
        generic map (INIT => INIT)
        port map (O5 => open, O6 => O, I0 => I0, I1 => I1, I2 => I2, I3 => I3, I4 => I4, I5 => I5);
end architecture;

library ieee;
use ieee.std_logic_1164.all;

entity MUXF7 is
    port (O : out std_logic; I0, I1, S : in std_logic);
end entity;

architecture meaning of MUXF7 is
begin
    O <= (I1 and S) or (I0 and not S);
end architecture;
