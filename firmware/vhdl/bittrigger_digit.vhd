-- bittrigger_digit: a digit of a sum that is added from its lowest digit on, WIDTH bits a cycle.
--
-- Combinational; the same as bittrigger_digit.sv. Bit k of INVERT is that of the k-th operand.
library ieee;
use ieee.std_logic_1164.all;
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

architecture behavioural of bittrigger_digit is
    signal first, second : std_logic_vector(WIDTH - 1 downto 0);
    signal carries : std_logic_vector(WIDTH downto 0);
begin
    first <= a xor copies(WIDTH, INVERT(0 downto 0));
    second <= b xor copies(WIDTH, INVERT(1 downto 1));
    carries(0) <= carry;

    each : for k in 0 to WIDTH - 1 generate
        sum(k) <= first(k) xor second(k) xor carries(k);
        carries(k + 1) <= (first(k) and second(k)) or ((first(k) xor second(k)) and carries(k));
    end generate;
    above <= carries(WIDTH);
end architecture;
