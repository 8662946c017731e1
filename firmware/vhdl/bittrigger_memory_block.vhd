-- bittrigger_memory_block: a memory of 2**PLACES words that is written at one place and read at another, in two cycles.
--
-- At each rising edge of clk the word at row becomes data where write is high, and q, an edge later, what the word at place was before.
-- There is no reset: what is held stays.
--
-- The same as bittrigger_memory_block.sv.
library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;

entity bittrigger_memory_block is
    generic (
        WIDTH : positive := 32;
        PLACES : positive := 9 -- bits of row and place
    );
    port (
        clk : in std_logic;
        write : in std_logic;
        row : in std_logic_vector(PLACES - 1 downto 0);
        data : in std_logic_vector(WIDTH - 1 downto 0);
        place : in std_logic_vector(PLACES - 1 downto 0);
        q : out std_logic_vector(WIDTH - 1 downto 0)
    );
end entity;

architecture behavioural of bittrigger_memory_block is
    type memory is array (0 to 2 ** PLACES - 1) of std_logic_vector(WIDTH - 1 downto 0);
    signal words : memory;
    attribute ram_style : string;
    attribute ram_style of words : signal is "block";
    signal word : std_logic_vector(WIDTH - 1 downto 0);
begin
    process (clk)
    begin
        if rising_edge(clk) then
            if write = '1' then
                words(to_integer(unsigned(row))) <= data;
            end if;
            word <= words(to_integer(unsigned(place)));
            q <= word;
        end if;
    end process;
end architecture;
