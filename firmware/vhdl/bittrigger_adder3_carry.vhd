-- bittrigger_adder3_carry: the sum of three operands that are narrower than it, any of them negated, modulo 2**WIDTH.
--
-- Combinational; the same as bittrigger_adder3_carry.sv, whose parameters A, B, C are WIDTH_A, WIDTH_B, WIDTH_C here. Bit k of SIGNED and NEGATE is
-- that of the k-th operand; each is narrower than the sum.
library ieee;
use ieee.std_logic_1164.all;
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

architecture behavioural of bittrigger_adder3_carry is
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
    sum <= add(add(operand(a, SIGNED(0), NEGATE(0)), operand(b, SIGNED(1), NEGATE(1))), operand(c, SIGNED(2), NEGATE(2)));
end architecture;
