-- bittrigger_weigh2: the sum of two operands, each times a weight that is a signal, modulo 2**WIDTH.
--
-- Combinational. One LUT6_2 a bit and a carry chain (UltraScale, UltraScale+, Versal by retargeting). The LUT of a bit reads both
-- operand bits and both weights, six signals. Its output O6 is the propagate signal, which is the first term where the second weight
-- does not count; that weight's lower bit is input I5, so that O5, which is O6 where I5 is 0, is the first term always, and what
-- the chain generates.
-- To be read in the place of the file of the same name one folder up, which says what it is.
library ieee;
use ieee.std_logic_1164.all;
library unisim;
use unisim.vcomponents.all;
use work.bittrigger_logic.all;

entity bittrigger_weigh2 is
    generic (
        WIDTH : positive := 10;
        X : positive := 8;
        SIGNED : std_logic_vector(0 downto 0) := "0"
    );
    port (
        a : in std_logic_vector(X - 1 downto 0);
        b : in std_logic_vector(X - 1 downto 0);
        weights : in std_logic_vector(3 downto 0);
        sum : out std_logic_vector(WIDTH - 1 downto 0)
    );
end entity;

architecture ultrascale of bittrigger_weigh2 is
    constant COUNT : positive := (WIDTH + 7) / 8;

    function wide(code : bits) return bits is
    begin
        if SIGNED(0) = '1' then
            return sign_extended(code, WIDTH);
        end if;
        return extended(code, WIDTH);
    end function;

    signal wide_a, wide_b : std_logic_vector(WIDTH - 1 downto 0);
    signal carry : std_logic_vector(8 * COUNT downto 0);
    signal generated, propagate, total : std_logic_vector(8 * COUNT - 1 downto 0);
begin
    wide_a <= wide(a);
    wide_b <= wide(b);
    carry(0) <= '0';
    sum <= total(WIDTH - 1 downto 0);

    places : for i in 0 to 8 * COUNT - 1 generate
        used : if i < WIDTH generate
            lut : LUT6_2
                generic map (INIT => X"48B7B74848484848")
                port map (
                    I0 => wide_a(i), I1 => weights(0), I2 => weights(1), I3 => wide_b(i), I4 => weights(3), I5 => weights(2),
                    O5 => generated(i), O6 => propagate(i));
        end generate;
        spare : if i >= WIDTH generate
            generated(i) <= '0';
            propagate(i) <= '0';
        end generate;
    end generate;

    blocks : for k in 0 to COUNT - 1 generate
        carry8_k : CARRY8
            port map (
                CI => carry(8 * k), CI_TOP => '0',
                DI => generated(8 * k + 7 downto 8 * k), S => propagate(8 * k + 7 downto 8 * k),
                CO => carry(8 * k + 8 downto 8 * k + 1), O => total(8 * k + 7 downto 8 * k));
    end generate;
end architecture;
