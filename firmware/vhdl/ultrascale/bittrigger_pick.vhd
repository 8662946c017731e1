-- bittrigger_pick: the one of eight bits that index names, inverted where its bit of INVERT is 1.
--
-- Combinational. Two LUTs, each of which chooses one of four bits, and the multiplexer MUXF7 behind them.
-- To be read in the place of the file of the same name one folder up, which says what it is.
library ieee;
use ieee.std_logic_1164.all;
library unisim;
use unisim.vcomponents.all;

entity bittrigger_pick is
    generic (
        INVERT : std_logic_vector(7 downto 0) := "00000000"
    );
    port (
        choices : in std_logic_vector(7 downto 0);
        index : in std_logic_vector(2 downto 0);
        chosen : out std_logic
    );
end entity;

architecture ultrascale of bittrigger_pick is
    -- over (four bits, two bits of index): the one that is picked, inverted where it has to be
    function one_of_four(half : natural) return bit_vector is
        variable result : bit_vector(63 downto 0) := (others => '0');
        variable which : natural;
    begin
        for row in 0 to 63 loop
            which := row / 16;
            if (row / 2 ** which mod 2 = 1) /= (INVERT(4 * half + which) = '1') then
                result(row) := '1';
            end if;
        end loop;
        return result;
    end function;

    signal halves : std_logic_vector(1 downto 0);
begin
    each : for k in 0 to 1 generate
        lut : LUT6
            generic map (INIT => one_of_four(k))
            port map (
                I0 => choices(4 * k), I1 => choices(4 * k + 1), I2 => choices(4 * k + 2), I3 => choices(4 * k + 3),
                I4 => index(0), I5 => index(1), O => halves(k));
    end generate;

    mux : MUXF7
        port map (I0 => halves(0), I1 => halves(1), S => index(2), O => chosen);
end architecture;
