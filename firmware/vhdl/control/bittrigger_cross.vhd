-- bittrigger_cross: carries a request into another clock, and its answer back; the same as bittrigger_cross.sv.
library ieee;
use ieee.std_logic_1164.all;

entity bittrigger_cross is
    generic (
        ADDRESS_BITS : positive := 8
    );
    port (
        bus_clk : in std_logic;
        idle : out std_logic;
        start : in std_logic;
        bus_write : in std_logic;
        bus_address : in std_logic_vector(ADDRESS_BITS - 1 downto 0);
        bus_data : in std_logic_vector(31 downto 0);
        done : out std_logic := '0';
        refused : out std_logic := '0';
        answer : out std_logic_vector(31 downto 0) := (others => '0');
        clk : in std_logic;
        request : out std_logic := '0';
        write : out std_logic;
        address : out std_logic_vector(ADDRESS_BITS - 1 downto 0) := (others => '0');
        data : out std_logic_vector(31 downto 0);
        finish : in std_logic;
        request_refused : in std_logic;
        request_answer : in std_logic_vector(31 downto 0)
    );
end entity;

architecture behavioural of bittrigger_cross is
    attribute async_reg : string;

    -- in bus_clk
    signal asks : std_logic := '0';
    signal taken_write : std_logic := '0';
    signal taken_address : std_logic_vector(ADDRESS_BITS - 1 downto 0) := (others => '0');
    signal taken_data : std_logic_vector(31 downto 0) := (others => '0');
    signal answered : std_logic_vector(1 downto 0) := "00";
    attribute async_reg of answered : signal is "true";

    -- in clk
    signal answers : std_logic := '0';
    signal given_refused : std_logic := '0';
    signal given_answer : std_logic_vector(31 downto 0) := (others => '0');
    signal asked : std_logic_vector(1 downto 0) := "00";
    attribute async_reg of asked : signal is "true";
begin
    idle <= not asks and not answered(1) and not done;
    process (bus_clk)
    begin
        if rising_edge(bus_clk) then
            answered <= answered(0) & answers;
            done <= asks and answered(1);
            if asks = '1' and answered(1) = '1' then
                asks <= '0';
                refused <= given_refused;
                answer <= given_answer;
            end if;
            if idle = '1' and start = '1' then
                asks <= '1';
                taken_write <= bus_write;
                taken_address <= bus_address;
                taken_data <= bus_data;
            end if;
        end if;
    end process;

    write <= taken_write;
    data <= taken_data;
    process (clk)
    begin
        if rising_edge(clk) then
            asked <= asked(0) & asks;
            request <= asked(1) and not answers;
            if asked(1) = '1' then
                address <= taken_address;
            end if;
            if request = '1' and finish = '1' then
                request <= '0';
                answers <= '1';
                given_refused <= request_refused;
                given_answer <= request_answer;
            end if;
            if asked(1) = '0' then
                answers <= '0';
            end if;
        end if;
    end process;
end architecture;
