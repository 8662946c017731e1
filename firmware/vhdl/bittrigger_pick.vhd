-- bittrigger_pick: the one of eight bits that index names, inverted where its bit of INVERT is 1.
--
-- Combinational; the same as bittrigger_pick.sv.
library ieee;
use ieee.std_logic_1164.all;
use work.bittrigger_logic.all;

entity bittrigger_pick is
    generic (
        INVERT : std_logic_vector(7 downto 0) := "00000000"
    );
    port (
        choices : in std_logic_vector(7 downto 0);
        index : in std_logic_vector(2 downto 0);
        chosen : out std_logic
    );
end entity;

architecture behavioural of bittrigger_pick is
    signal found : std_logic_vector(0 downto 0);
begin
    found <= bit_at(choices xor INVERT, index);
    chosen <= found(0);
end architecture;
