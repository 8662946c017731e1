-- bittrigger_memory_block: a memory of 2**PLACES words that is written at one place and read at another, in two cycles.
--
-- At each rising edge of clk the word at row becomes data where write is high, and q, an edge later, what the word at place was before.
-- There is no reset: what is held stays.
--
-- One RAMB18E2 (UltraScale, UltraScale+, Versal by retargeting) as a simple dual port of 512 words, read through port A and its output
-- register, written through port B.
-- To be read in the place of the file of the same name one folder up, which says what it is.
library ieee;
use ieee.std_logic_1164.all;
library unisim;
use unisim.vcomponents.all;

entity bittrigger_memory_block is
    generic (
        WIDTH : positive := 32; -- 32 at most
        PLACES : positive := 9 -- bits of row and place, 9 at most
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

architecture ultrascale of bittrigger_memory_block is
    signal to_row, from_place : std_logic_vector(13 downto 0);
    signal written, taken : std_logic_vector(31 downto 0);
    signal writes : std_logic_vector(3 downto 0);
begin
    to_row <= (8 downto PLACES => '0') & row & "00000";
    from_place <= (8 downto PLACES => '0') & place & "00000";
    written <= (31 downto WIDTH => '0') & data;
    writes <= (others => write);
    q <= taken(WIDTH - 1 downto 0);

    ram : RAMB18E2
        generic map (
            CLOCK_DOMAINS => "COMMON",
            DOA_REG => 1,
            DOB_REG => 1,
            READ_WIDTH_A => 36,
            WRITE_WIDTH_B => 36,
            WRITE_MODE_A => "READ_FIRST",
            WRITE_MODE_B => "READ_FIRST"
        )
        port map (
            CLKARDCLK => clk,
            CLKBWRCLK => clk,
            ENARDEN => '1',
            ENBWREN => '1',
            ADDRENA => '1',
            ADDRENB => '1',
            REGCEAREGCE => '1',
            REGCEB => '1',
            RSTRAMARSTRAM => '0',
            RSTRAMB => '0',
            RSTREGARSTREG => '0',
            RSTREGB => '0',
            SLEEP => '0',
            WEA => "00",
            WEBWE => writes,
            ADDRARDADDR => from_place,
            ADDRBWRADDR => to_row,
            DINADIN => written(15 downto 0),
            DINBDIN => written(31 downto 16),
            DINPADINP => "00",
            DINPBDINP => "00",
            DOUTADOUT => taken(15 downto 0),
            DOUTBDOUT => taken(31 downto 16),
            DOUTPADOUTP => open,
            DOUTPBDOUTP => open,
            CASDIMUXA => '0',
            CASDIMUXB => '0',
            CASDINA => (others => '0'),
            CASDINB => (others => '0'),
            CASDINPA => "00",
            CASDINPB => "00",
            CASDOMUXA => '0',
            CASDOMUXB => '0',
            CASDOMUXEN_A => '0',
            CASDOMUXEN_B => '0',
            CASOREGIMUXA => '0',
            CASOREGIMUXB => '0',
            CASOREGIMUXEN_A => '0',
            CASOREGIMUXEN_B => '0',
            CASDOUTA => open,
            CASDOUTB => open,
            CASDOUTPA => open,
            CASDOUTPB => open
        );
end architecture;
