-- bittrigger_adder3: the sum of three operands, any of them negated, modulo 2**WIDTH.
--
-- Combinational; the same as bittrigger_adder3.sv. Bit k of NEGATE is that of the k-th operand.
library ieee;
use ieee.std_logic_1164.all;
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

architecture behavioural of bittrigger_adder3 is
    function operand(x : bits; negative : std_logic) return bits is
    begin
        if negative = '1' then
            return minus(x);
        end if;
        return x;
    end function;
begin
    sum <= add(add(operand(a, NEGATE(0)), operand(b, NEGATE(1))), operand(c, NEGATE(2)));
end architecture;
