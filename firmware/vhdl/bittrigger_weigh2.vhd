-- bittrigger_weigh2: the sum of two operands, each times a weight that is a signal, modulo 2**WIDTH.
--
-- Combinational; the same as bittrigger_weigh2.sv. weights: two bits for each operand, 01 is +1, 11 the complement, which is -1
-- less one, and all others are 0.
library ieee;
use ieee.std_logic_1164.all;
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

architecture behavioural of bittrigger_weigh2 is
    function term(code : bits; counts, flips : std_logic) return bits is
        variable wide : bits(WIDTH - 1 downto 0) := extended(code, WIDTH);
    begin
        if SIGNED(0) = '1' then
            wide := sign_extended(code, WIDTH);
        end if;
        return copies(WIDTH, bit_of(counts)) and (wide xor copies(WIDTH, bit_of(flips)));
    end function;
begin
    sum <= add(term(a, weights(0), weights(1)), term(b, weights(2), weights(3)));
end architecture;
