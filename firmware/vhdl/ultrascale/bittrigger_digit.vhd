-- bittrigger_digit: a digit of a sum that is added from its lowest digit on, WIDTH bits a cycle.
--
-- Combinational. One LUT6_2 for two bits: the higher bit of the sum and the carry above it; the lower bit has a LUT of its own.
-- To be read in the place of the file of the same name one folder up, which says what it is.
library ieee;
use ieee.std_logic_1164.all;
library unisim;
use unisim.vcomponents.all;
use work.bittrigger_logic.all;

entity bittrigger_digit is
    generic (
        WIDTH : positive := 1;
        INVERT : std_logic_vector(1 downto 0) := "00"
    );
    port (
        a : in std_logic_vector(WIDTH - 1 downto 0);
        b : in std_logic_vector(WIDTH - 1 downto 0);
        carry : in std_logic;
        sum : out std_logic_vector(WIDTH - 1 downto 0);
        above : out std_logic
    );
end entity;

architecture ultrascale of bittrigger_digit is
    constant PAIRS : natural := WIDTH / 2;

    -- a bit of an operand in row `row` of a table, inverted where the operand is
    function entry(row, place, operand : natural) return natural is
        constant set : natural := row / 2 ** place mod 2;
    begin
        if INVERT(operand) = '1' then
            return 1 - set;
        end if;
        return set;
    end function;

    -- over (a, b, carry, a and b of the bit above): O5 is the carry, O6 the sum, of the first bit or of the second
    function sums(second : boolean) return bit_vector is
        variable result : bit_vector(63 downto 0) := (others => '0');
        variable ones : natural;
    begin
        for row in 0 to 31 loop
            ones := entry(row, 0, 0) + entry(row, 1, 1) + row / 4 mod 2;
            if second then
                ones := ones / 2 + entry(row, 3, 0) + entry(row, 4, 1);
            end if;
            if ones > 1 then
                result(row) := '1';
            end if;
            if ones mod 2 = 1 then
                result(32 + row) := '1';
            end if;
        end loop;
        return result;
    end function;

    signal carries : std_logic_vector(PAIRS downto 0);
begin
    carries(0) <= carry;

    each : for k in 0 to PAIRS - 1 generate
        sum(2 * k) <= a(2 * k) xor b(2 * k) xor carries(k) xor INVERT(0) xor INVERT(1);
        lut : LUT6_2
            generic map (INIT => sums(true))
            port map (
                I0 => a(2 * k), I1 => b(2 * k), I2 => carries(k), I3 => a(2 * k + 1), I4 => b(2 * k + 1), I5 => '1',
                O5 => carries(k + 1), O6 => sum(2 * k + 1));
    end generate;

    odd : if WIDTH mod 2 = 1 generate
        lut : LUT6_2
            generic map (INIT => sums(false))
            port map (
                I0 => a(WIDTH - 1), I1 => b(WIDTH - 1), I2 => carries(PAIRS), I3 => '0', I4 => '0', I5 => '1',
                O5 => above, O6 => sum(WIDTH - 1));
    end generate;

    even : if WIDTH mod 2 = 0 generate
        above <= carries(PAIRS);
    end generate;
end architecture;
