-- bittrigger_memory: a memory of 2**PLACES words that is written at one place and read at another.
--
-- LUTs of SLICEM (UltraScale, UltraScale+, Versal by retargeting), eight that share one write address: up to 32 words in RAM32M16, 14
-- bits of each, up to 64 in RAM64M8, 7 bits; and a flip-flop for each bit that is read. The eighth LUT is read at the write address,
-- and left out.
-- To be read in the place of the file of the same name one folder up, which says what it is.
library ieee;
use ieee.std_logic_1164.all;
library unisim;
use unisim.vcomponents.all;

entity bittrigger_memory is
    generic (
        WIDTH : positive := 32;
        PLACES : positive := 5 -- bits of row and place, 6 at most
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

architecture ultrascale of bittrigger_memory is
    -- bits of eight LUTs
    function each return positive is
    begin
        if PLACES > 5 then
            return 7;
        end if;
        return 14;
    end function;
    constant BLOCKS : positive := (WIDTH + each - 1) / each;

    signal to_row, from_row : std_logic_vector(5 downto 0);
    signal written, taken : std_logic_vector(each * BLOCKS - 1 downto 0);
begin
    to_row <= (5 downto PLACES => '0') & row;
    from_row <= (5 downto PLACES => '0') & place;
    written <= (each * BLOCKS - 1 downto WIDTH => '0') & data;

    blocks_of : for k in 0 to BLOCKS - 1 generate
        deep : if PLACES > 5 generate
            ram : RAM64M8 port map (
                DOA => taken(7 * k + 0),
                ADDRA => from_row(5 downto 0),
                DIA => written(7 * k + 0),
                DOB => taken(7 * k + 1),
                ADDRB => from_row(5 downto 0),
                DIB => written(7 * k + 1),
                DOC => taken(7 * k + 2),
                ADDRC => from_row(5 downto 0),
                DIC => written(7 * k + 2),
                DOD => taken(7 * k + 3),
                ADDRD => from_row(5 downto 0),
                DID => written(7 * k + 3),
                DOE => taken(7 * k + 4),
                ADDRE => from_row(5 downto 0),
                DIE => written(7 * k + 4),
                DOF => taken(7 * k + 5),
                ADDRF => from_row(5 downto 0),
                DIF => written(7 * k + 5),
                DOG => taken(7 * k + 6),
                ADDRG => from_row(5 downto 0),
                DIG => written(7 * k + 6),
                DOH => open,
                ADDRH => to_row(5 downto 0),
                DIH => '0',
                WCLK => clk,
                WE => write
            );
        end generate;
        shallow : if PLACES <= 5 generate
            ram : RAM32M16 port map (
                DOA => taken(14 * k + 1 downto 14 * k + 0),
                ADDRA => from_row(4 downto 0),
                DIA => written(14 * k + 1 downto 14 * k + 0),
                DOB => taken(14 * k + 3 downto 14 * k + 2),
                ADDRB => from_row(4 downto 0),
                DIB => written(14 * k + 3 downto 14 * k + 2),
                DOC => taken(14 * k + 5 downto 14 * k + 4),
                ADDRC => from_row(4 downto 0),
                DIC => written(14 * k + 5 downto 14 * k + 4),
                DOD => taken(14 * k + 7 downto 14 * k + 6),
                ADDRD => from_row(4 downto 0),
                DID => written(14 * k + 7 downto 14 * k + 6),
                DOE => taken(14 * k + 9 downto 14 * k + 8),
                ADDRE => from_row(4 downto 0),
                DIE => written(14 * k + 9 downto 14 * k + 8),
                DOF => taken(14 * k + 11 downto 14 * k + 10),
                ADDRF => from_row(4 downto 0),
                DIF => written(14 * k + 11 downto 14 * k + 10),
                DOG => taken(14 * k + 13 downto 14 * k + 12),
                ADDRG => from_row(4 downto 0),
                DIG => written(14 * k + 13 downto 14 * k + 12),
                DOH => open,
                ADDRH => to_row(4 downto 0),
                DIH => "00",
                WCLK => clk,
                WE => write
            );
        end generate;
    end generate;

    bits_of : for i in 0 to WIDTH - 1 generate
        word : FDRE port map (C => clk, CE => '1', D => taken(i), Q => q(i), R => '0');
    end generate;
end architecture;
