-- bittrigger_clip: a code limited to WIDTH bits: all zeros where `zero` is high, else all ones where a bit of `over` is.
--
-- Combinational. One LUT6_2 for two bits.
-- To be read in the place of the file of the same name one folder up, which says what it is.
library ieee;
use ieee.std_logic_1164.all;
library unisim;
use unisim.vcomponents.all;
use work.bittrigger_logic.all;

entity bittrigger_clip is
    generic (
        WIDTH : positive := 8;
        OVERS : positive := 1 -- bits of over: 1 or 2
    );
    port (
        code : in std_logic_vector(WIDTH - 1 downto 0);
        zero : in std_logic;
        over : in std_logic_vector(OVERS - 1 downto 0);
        clipped : out std_logic_vector(WIDTH - 1 downto 0)
    );
end entity;

architecture ultrascale of bittrigger_clip is
    constant PAIRS : positive := (WIDTH + 1) / 2;

    -- over (first bit, second bit, zero, two bits of over): O5 is the first, O6 the second
    function limits return bit_vector is
        variable result : bit_vector(63 downto 0) := (others => '0');
    begin
        for row in 0 to 31 loop
            if row / 4 mod 2 = 0 then
                if row / 8 > 0 or row mod 2 = 1 then
                    result(row) := '1';
                end if;
                if row / 8 > 0 or row / 2 mod 2 = 1 then
                    result(32 + row) := '1';
                end if;
            end if;
        end loop;
        return result;
    end function;

    signal both : std_logic_vector(1 downto 0);
    signal whole, limited : std_logic_vector(2 * PAIRS - 1 downto 0);
begin
    both <= extended(over, 2);
    whole <= extended(code, 2 * PAIRS);
    clipped <= limited(WIDTH - 1 downto 0);

    each : for k in 0 to PAIRS - 1 generate
        lut : LUT6_2
            generic map (INIT => limits)
            port map (
                I0 => whole(2 * k), I1 => whole(2 * k + 1), I2 => zero, I3 => both(0), I4 => both(1), I5 => '1',
                O5 => limited(2 * k), O6 => limited(2 * k + 1));
    end generate;
end architecture;
