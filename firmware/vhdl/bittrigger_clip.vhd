-- bittrigger_clip: a code limited to WIDTH bits: all zeros where `zero` is high, else all ones where a bit of `over` is.
--
-- Combinational; the same as bittrigger_clip.sv, whose parameter OVER is OVERS here.
library ieee;
use ieee.std_logic_1164.all;
use work.bittrigger_logic.all;

entity bittrigger_clip is
    generic (
        WIDTH : positive := 8;
        OVERS : positive := 1 -- bits of over: 1 or 2
    );
    port (
        code : in std_logic_vector(WIDTH - 1 downto 0);
        zero : in std_logic;
        over : in std_logic_vector(OVERS - 1 downto 0);
        clipped : out std_logic_vector(WIDTH - 1 downto 0)
    );
end entity;

architecture behavioural of bittrigger_clip is
begin
    clipped <= choice(bit_of(zero), zeros(WIDTH), choice(some(over), copies(WIDTH, "1"), code));
end architecture;
