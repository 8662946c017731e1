-- bittrigger_axi_lite: an AXI4-Lite slave that turns accesses into requests, one at a time; the same as bittrigger_axi_lite.sv.
library ieee;
use ieee.std_logic_1164.all;

entity bittrigger_axi_lite is
    generic (
        ADDRESS_BITS : positive := 8  -- of the address of a word
    );
    port (
        aclk : in std_logic;
        aresetn : in std_logic;
        s_axi_awvalid : in std_logic;
        s_axi_awready : out std_logic;
        s_axi_awaddr : in std_logic_vector(ADDRESS_BITS + 1 downto 0);
        s_axi_wvalid : in std_logic;
        s_axi_wready : out std_logic;
        s_axi_wdata : in std_logic_vector(31 downto 0);
        s_axi_wstrb : in std_logic_vector(3 downto 0);
        s_axi_bvalid : out std_logic;
        s_axi_bready : in std_logic;
        s_axi_bresp : out std_logic_vector(1 downto 0);
        s_axi_arvalid : in std_logic;
        s_axi_arready : out std_logic;
        s_axi_araddr : in std_logic_vector(ADDRESS_BITS + 1 downto 0);
        s_axi_rvalid : out std_logic;
        s_axi_rready : in std_logic;
        s_axi_rdata : out std_logic_vector(31 downto 0);
        s_axi_rresp : out std_logic_vector(1 downto 0);
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

architecture behavioural of bittrigger_axi_lite is
    constant OKAY : std_logic_vector(1 downto 0) := "00";
    constant SLVERR : std_logic_vector(1 downto 0) := "10";

    -- what came and has no answer yet
    signal aw_there, w_there, ar_there, w_whole : std_logic := '0';
    signal aw_address, ar_address : std_logic_vector(ADDRESS_BITS + 1 downto 0) := (others => '0');
    signal w_data : std_logic_vector(31 downto 0) := (others => '0');

    -- which access is served: one whose response has a place
    signal waits, writes : std_logic := '0';  -- for an answer, and to what
    signal may_write, may_read, chosen, sound, serve, starts, ends, is_write : std_logic;
    signal response : std_logic_vector(1 downto 0);
begin
    s_axi_awready <= not aw_there;
    s_axi_wready <= not w_there;
    s_axi_arready <= not ar_there;

    may_write <= aw_there and w_there and not s_axi_bvalid;
    may_read <= ar_there and not s_axi_rvalid;
    chosen <= may_write and not (may_read and writes);  -- a write; the other kind than the last if both are there
    sound <= w_whole and not (aw_address(1) or aw_address(0)) when chosen = '1' else not (ar_address(1) or ar_address(0));
    serve <= aresetn and not waits and idle and (may_write or may_read);
    starts <= serve and sound;
    is_write <= writes when waits = '1' else chosen;
    start <= starts;
    write <= is_write;
    address <= aw_address(ADDRESS_BITS + 1 downto 2) when is_write = '1' else ar_address(ADDRESS_BITS + 1 downto 2);
    data <= w_data;
    ends <= done when waits = '1' else serve and not sound;
    response <= OKAY when waits = '1' and refused = '0' else SLVERR;

    process (aclk)
    begin
        if rising_edge(aclk) then
            if s_axi_awvalid = '1' and aw_there = '0' then
                aw_there <= '1';
                aw_address <= s_axi_awaddr;
            end if;
            if s_axi_wvalid = '1' and w_there = '0' then
                w_there <= '1';
                w_data <= s_axi_wdata;
                w_whole <= and s_axi_wstrb;
            end if;
            if s_axi_arvalid = '1' and ar_there = '0' then
                ar_there <= '1';
                ar_address <= s_axi_araddr;
            end if;
            if s_axi_bready = '1' then
                s_axi_bvalid <= '0';
            end if;
            if s_axi_rready = '1' then
                s_axi_rvalid <= '0';
            end if;
            if serve = '1' then
                writes <= chosen;
            end if;
            if starts = '1' then
                waits <= '1';
            end if;
            if ends = '1' then
                waits <= '0';
                if is_write = '1' then
                    aw_there <= '0';
                    w_there <= '0';
                    s_axi_bvalid <= '1';
                    s_axi_bresp <= response;
                else
                    ar_there <= '0';
                    s_axi_rvalid <= '1';
                    s_axi_rdata <= answer when response = OKAY else (others => '0');
                    s_axi_rresp <= response;
                end if;
            end if;
            if aresetn = '0' then
                aw_there <= '0';
                w_there <= '0';
                ar_there <= '0';
                s_axi_bvalid <= '0';
                s_axi_rvalid <= '0';
                waits <= '0';
                writes <= '0';
            end if;
        end if;
    end process;
end architecture;
