-- bittrigger_adder3: the sum of three operands, at most two of them negated, modulo 2**WIDTH.
--
-- Combinational. One LUT6_2 a bit and a carry chain (UltraScale, UltraScale+, Versal by retargeting): the LUT of bit i forms
-- the sum of the three operand bits and the carry saved from bit i - 1, and saves its own carry for bit i + 1; the chain adds
-- both. A negated operand is inverted in the table, and its +1 enters as the first carry or as the first saved carry.
-- To be read in the place of the file of the same name one folder up, which says what it is.
library ieee;
use ieee.std_logic_1164.all;
library unisim;
use unisim.vcomponents.all;
use work.bittrigger_logic.all;

entity bittrigger_adder3 is
    generic (
        WIDTH : positive := 8;
        NEGATE : std_logic_vector(2 downto 0) := "000"
    );
    port (
        a : in std_logic_vector(WIDTH - 1 downto 0);
        b : in std_logic_vector(WIDTH - 1 downto 0);
        c : in std_logic_vector(WIDTH - 1 downto 0);
        sum : out std_logic_vector(WIDTH - 1 downto 0)
    );
end entity;

architecture ultrascale of bittrigger_adder3 is
    constant COUNT : positive := (WIDTH + 7) / 8;

    signal saved, carry : std_logic_vector(8 * COUNT downto 0);
    signal propagate, total : std_logic_vector(8 * COUNT - 1 downto 0);
begin
    saved(0) <= (NEGATE(0) and NEGATE(1)) or (NEGATE(0) and NEGATE(2)) or (NEGATE(1) and NEGATE(2));
    carry(0) <= NEGATE(0) or NEGATE(1) or NEGATE(2);
    sum <= total(WIDTH - 1 downto 0);

    places : for i in 0 to 8 * COUNT - 1 generate
        used : if i < WIDTH generate
            lut : LUT6_2
                generic map (INIT => sum_table(NEGATE))
                port map (
                    I0 => a(i), I1 => b(i), I2 => c(i), I3 => saved(i), I4 => '0', I5 => '1',
                    O5 => saved(i + 1), O6 => propagate(i));
        end generate;
        spare : if i >= WIDTH generate
            saved(i + 1) <= '0';
            propagate(i) <= '0';
        end generate;
    end generate;

    blocks : for k in 0 to COUNT - 1 generate
        carry8_k : CARRY8
            port map (
                CI => carry(8 * k), CI_TOP => '0',
                DI => saved(8 * k + 7 downto 8 * k), S => propagate(8 * k + 7 downto 8 * k),
                CO => carry(8 * k + 8 downto 8 * k + 1), O => total(8 * k + 7 downto 8 * k));
    end generate;
end architecture;
