-- bittrigger_pick: the one of eight bits that index names.
--
-- Combinational. Two LUTs, each of which chooses one of four bits, and the multiplexer MUXF7 behind them.
-- To be read in the place of the file of the same name one folder up, which says what it is.
library ieee;
use ieee.std_logic_1164.all;
library unisim;
use unisim.vcomponents.all;

entity bittrigger_pick is
    port (
        choices : in std_logic_vector(7 downto 0);
        index : in std_logic_vector(2 downto 0);
        chosen : out std_logic
    );
end entity;

architecture ultrascale of bittrigger_pick is
    constant ONE_OF_FOUR : bit_vector(63 downto 0) := X"ff00f0f0ccccaaaa";

    signal halves : std_logic_vector(1 downto 0);
begin
    each : for k in 0 to 1 generate
        lut : LUT6
            generic map (INIT => ONE_OF_FOUR)
            port map (
                I0 => choices(4 * k), I1 => choices(4 * k + 1), I2 => choices(4 * k + 2), I3 => choices(4 * k + 3),
                I4 => index(0), I5 => index(1), O => halves(k));
    end generate;

    mux : MUXF7
        port map (I0 => halves(0), I1 => halves(1), S => index(2), O => chosen);
end architecture;
