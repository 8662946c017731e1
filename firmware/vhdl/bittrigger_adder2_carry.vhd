-- bittrigger_adder2_carry: the sum of two operands that are narrower than it, one of them perhaps negated, modulo 2**WIDTH.
--
-- Combinational; the same as bittrigger_adder2_carry.sv, whose parameters A, B are WIDTH_A, WIDTH_B here. Bit k of SIGNED and NEGATE is
-- that of the k-th operand; each is narrower than the sum.
library ieee;
use ieee.std_logic_1164.all;
use work.bittrigger_logic.all;

entity bittrigger_adder2_carry is
    generic (
        WIDTH : positive := 9;
        WIDTH_A : positive := 8;
        WIDTH_B : positive := 8;
        SIGNED : std_logic_vector(1 downto 0) := "11";
        NEGATE : std_logic_vector(1 downto 0) := "00"
    );
    port (
        a : in std_logic_vector(WIDTH_A - 1 downto 0);
        b : in std_logic_vector(WIDTH_B - 1 downto 0);
        sum : out std_logic_vector(WIDTH - 1 downto 0)
    );
end entity;

architecture behavioural of bittrigger_adder2_carry is
    function operand(x : bits; has_sign, negative : std_logic) return bits is
        variable wide : bits(WIDTH - 1 downto 0) := extended(x, WIDTH);
    begin
        if has_sign = '1' then
            wide := sign_extended(x, WIDTH);
        end if;
        if negative = '1' then
            return minus(wide);
        end if;
        return wide;
    end function;
begin
    sum <= add(operand(a, SIGNED(0), NEGATE(0)), operand(b, SIGNED(1), NEGATE(1)));
end architecture;
