-- bittrigger_ipbus: an IPbus slave that turns accesses into requests, one at a time; the same as bittrigger_ipbus.sv.
library ieee;
use ieee.std_logic_1164.all;

entity bittrigger_ipbus is
    generic (
        ADDRESS_BITS : positive := 8
    );
    port (
        ipb_clk : in std_logic;
        ipb_rst : in std_logic;
        ipb_strobe : in std_logic;
        ipb_write : in std_logic;
        ipb_addr : in std_logic_vector(31 downto 0);
        ipb_wdata : in std_logic_vector(31 downto 0);
        ipb_rdata : out std_logic_vector(31 downto 0);
        ipb_ack : out std_logic;
        ipb_err : out std_logic;
        idle : in std_logic;
        start : out std_logic;
        write : out std_logic;
        address : out std_logic_vector(ADDRESS_BITS - 1 downto 0);
        data : out std_logic_vector(31 downto 0);
        done : in std_logic;
        refused : in std_logic;
        answer : in std_logic_vector(31 downto 0)
    );
end entity;

architecture behavioural of bittrigger_ipbus is
    signal waits : std_logic := '0';  -- for an answer that somebody wants
    signal starts, wanted : std_logic;
begin
    starts <= ipb_strobe and not ipb_rst and not waits and not ipb_ack and not ipb_err and idle;
    start <= starts;
    write <= ipb_write;
    address <= ipb_addr(ADDRESS_BITS - 1 downto 0);
    data <= ipb_wdata;
    wanted <= waits and done and ipb_strobe and not ipb_rst;

    process (ipb_clk)
    begin
        if rising_edge(ipb_clk) then
            ipb_ack <= wanted and not refused;
            ipb_err <= wanted and refused;
            ipb_rdata <= answer when wanted = '1' and refused = '0' else (others => '0');
            if starts = '1' then
                waits <= '1';
            end if;
            if done = '1' or (waits = '1' and ipb_strobe = '0') or ipb_rst = '1' then
                waits <= '0';
            end if;
        end if;
    end process;
end architecture;
