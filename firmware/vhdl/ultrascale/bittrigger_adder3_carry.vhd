-- bittrigger_adder3_carry: the sum of three operands that are narrower than it, at most two of them negated, modulo 2**WIDTH.
--
-- Combinational. As bittrigger_adder3, but for the topmost bit, which the carry chain gives.
-- To be read in the place of the file of the same name one folder up, which says what it is.
library ieee;
use ieee.std_logic_1164.all;
library unisim;
use unisim.vcomponents.all;
use work.bittrigger_logic.all;

entity bittrigger_adder3_carry is
    generic (
        WIDTH : positive := 10;
        WIDTH_A : positive := 8;
        WIDTH_B : positive := 8;
        WIDTH_C : positive := 8;
        SIGNED : std_logic_vector(2 downto 0) := "111";
        NEGATE : std_logic_vector(2 downto 0) := "000"
    );
    port (
        a : in std_logic_vector(WIDTH_A - 1 downto 0);
        b : in std_logic_vector(WIDTH_B - 1 downto 0);
        c : in std_logic_vector(WIDTH_C - 1 downto 0);
        sum : out std_logic_vector(WIDTH - 1 downto 0)
    );
end entity;

architecture ultrascale of bittrigger_adder3_carry is
    constant COUNT : positive := (WIDTH + 7) / 8;
    constant has_carry : std_logic := NEGATE(0) or NEGATE(1) or NEGATE(2);
    constant has_sign : std_logic := SIGNED(0) or SIGNED(1) or SIGNED(2) or has_carry; -- of the sum

    -- what an operand brings to the last bit that has a LUT and above
    function part(row, operand : natural) return integer is
        variable result : integer := row / 2 ** operand mod 2;
    begin
        if SIGNED(operand) = '1' then
            result := -result;
        end if;
        if NEGATE(operand) = '1' then
            result := -1 - result;
        end if;
        return result;
    end function;

    -- the table of that bit: O5 generates, O6 propagates
    function last return bit_vector is
        variable result : bit_vector(63 downto 0) := (others => '0');
        variable total : integer;
    begin
        for row in 0 to 15 loop
            total := row / 8 + part(row, 0) + part(row, 1) + part(row, 2);
            if has_sign = '1' then
                total := total + 2;
            end if;
            if total = 2 then
                result(row) := '1';
            end if;
            if total = 1 then
                result(32 + row) := '1';
            end if;
        end loop;
        return result;
    end function;

    function table(topmost : boolean) return bit_vector is
    begin
        if topmost then
            return last;
        end if;
        return sum_table(NEGATE);
    end function;

    function wide(x : bits; is_signed : std_logic) return bits is
    begin
        if is_signed = '1' then
            return sign_extended(x, WIDTH - 1);
        end if;
        return extended(x, WIDTH - 1);
    end function;

    signal wide_a, wide_b, wide_c : std_logic_vector(WIDTH - 2 downto 0);
    signal saved : std_logic_vector(WIDTH - 1 downto 0);
    signal generated, propagate, total : std_logic_vector(8 * COUNT - 1 downto 0);
    signal carry : std_logic_vector(8 * COUNT downto 0);
begin
    wide_a <= wide(a, SIGNED(0));
    wide_b <= wide(b, SIGNED(1));
    wide_c <= wide(c, SIGNED(2));
    saved(0) <= (NEGATE(0) and NEGATE(1)) or (NEGATE(0) and NEGATE(2)) or (NEGATE(1) and NEGATE(2));
    carry(0) <= has_carry;
    sum <= total(WIDTH - 1 downto 0);

    places : for i in 0 to 8 * COUNT - 1 generate
        used : if i < WIDTH - 1 generate
            lut : LUT6_2
                generic map (INIT => table(i = WIDTH - 2))
                port map (
                    I0 => wide_a(i), I1 => wide_b(i), I2 => wide_c(i), I3 => saved(i), I4 => '0', I5 => '1',
                    O5 => saved(i + 1), O6 => propagate(i));
        end generate;
        -- O5 is the carry saved for the next bit, but in the last LUT what its own bit generates
        below : if i < WIDTH - 2 generate
            generated(i) <= saved(i);
        end generate;
        topmost : if i = WIDTH - 2 generate
            generated(i) <= saved(i + 1);
        end generate;
        carried : if i = WIDTH - 1 generate
            generated(i) <= '0';
            propagate(i) <= has_sign;
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
