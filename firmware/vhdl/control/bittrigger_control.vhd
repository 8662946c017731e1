-- bittrigger_control: registers of a control computer in front of the bus by which a design takes numbers; the same as
-- bittrigger_control.sv, which says what lies where.
library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;

entity bittrigger_control is
    generic (
        WORDS : positive := 1;
        SETTINGS_BITS : positive := 1;  -- of an address of the design
        WINDOW_BITS : positive := 5;  -- of an offset: at least 5, and SETTINGS_BITS
        NETWORK : std_logic_vector(255 downto 0) := (others => '0')
    );
    port (
        clk : in std_logic;
        request : in std_logic;
        write : in std_logic;
        address : in std_logic_vector(WINDOW_BITS + 1 downto 0);
        data : in std_logic_vector(31 downto 0);
        finish : out std_logic := '0';
        refused : out std_logic := '0';
        answer : out std_logic_vector(31 downto 0) := (others => '0');
        settings_write : out std_logic := '0';
        settings_address : out std_logic_vector(SETTINGS_BITS - 1 downto 0) := (others => '0');
        settings_data : out std_logic_vector(31 downto 0) := (others => '0');
        settings_busy : in std_logic
    );
end entity;

architecture behavioural of bittrigger_control is
    subtype word_type is std_logic_vector(31 downto 0);
    type words_type is array (0 to 2 ** SETTINGS_BITS - 1) of word_type;
    type state_type is (READY, FETCH, SCAN, JUDGE, COPY, SETTLE);
    constant ONE : word_type := x"00000001";

    function crc_of(sofar, following : word_type) return word_type is
        variable sum : word_type := sofar xor following;
    begin
        for k in 0 to 31 loop
            if sum(0) = '1' then
                sum := ('0' & sum(31 downto 1)) xor x"edb88320";
            else
                sum := '0' & sum(31 downto 1);
            end if;
        end loop;
        return sum;
    end function;

    signal state : state_type := READY;
    signal conditional, changed, rejected, busy : std_logic := '0';
    signal wanted, label_word, live_label, crc, live_crc : word_type := (others => '0');
    signal applied, refusals : unsigned(31 downto 0) := (others => '0');
    signal sum : word_type := (others => '1');

    signal window : std_logic_vector(1 downto 0);
    signal offset : unsigned(WINDOW_BITS - 1 downto 0);
    signal holds, opens, opened : boolean;
    signal known : boolean;
    signal value : word_type;
    signal names, applies, stores, fetches, looks, polls, agrees, ended, copies : boolean;

    -- the words, and a walk over them: index, and one and two cycles later what is there
    signal written, live : words_type := (others => (others => '0'));
    signal written_word, live_word, word : word_type := (others => '0');
    signal index, index_1, index_2 : unsigned(SETTINGS_BITS - 1 downto 0) := (others => '0');
    signal walks, walks_1, walks_2 : std_logic := '0';
    signal place, at : unsigned(SETTINGS_BITS - 1 downto 0);
begin
    window <= address(WINDOW_BITS + 1 downto WINDOW_BITS);
    offset <= unsigned(address(WINDOW_BITS - 1 downto 0));
    place <= offset(SETTINGS_BITS - 1 downto 0);
    at <= index when walks = '1' else place;
    holds <= offset /= 0 and offset <= WORDS;
    opens <= request = '1' and finish = '0';
    opened <= opens and state = READY and settings_busy = '0';
    busy <= '0' when state = READY or state = FETCH else '1';
    agrees <= conditional = '0' or (not sum) = wanted;
    copies <= walks_2 = '1' and state = COPY;
    ended <= walks = '0' and walks_1 = '0' and walks_2 = '0';

    process (all)
    begin
        known <= true;
        value <= (others => '0');
        case to_integer(offset) is
            when 0 => value <= x"42545247";
            when 1 => value <= ONE;
            when 2 => value <= std_logic_vector(to_unsigned(WORDS, 32));
            when 3 => value(2 downto 0) <= rejected & changed & busy;
            when 4 | 5 => null;
            when 6 => value <= label_word;
            when 7 => value <= live_label;
            when 8 => value <= crc;
            when 9 => value <= live_crc;
            when 10 => value <= std_logic_vector(applied);
            when 11 => value <= std_logic_vector(refusals);
            when 16 => value <= NETWORK(255 downto 224);
            when 17 => value <= NETWORK(223 downto 192);
            when 18 => value <= NETWORK(191 downto 160);
            when 19 => value <= NETWORK(159 downto 128);
            when 20 => value <= NETWORK(127 downto 96);
            when 21 => value <= NETWORK(95 downto 64);
            when 22 => value <= NETWORK(63 downto 32);
            when 23 => value <= NETWORK(31 downto 0);
            when others => known <= false;
        end case;
    end process;

    -- what an access in the state READY is
    names <= write = '1' and window = "00" and offset = 6;
    applies <= write = '1' and window = "00" and ((offset = 4 and data = ONE) or offset = 5);
    stores <= write = '1' and window = "01" and holds;
    fetches <= write = '0' and (window = "01" or window = "10") and holds;
    looks <= write = '0' and window = "00" and known;
    polls <= write = '0' and window = "00" and offset = 3;

    process (clk)
    begin
        if rising_edge(clk) then
            if opened and stores then
                written(to_integer(place)) <= data;
            end if;
            if copies then
                live(to_integer(index_2)) <= word;
            end if;
            written_word <= written(to_integer(at));
            live_word <= live(to_integer(place));
            word <= written_word;
        end if;
    end process;

    process (clk)
    begin
        if rising_edge(clk) then
            finish <= '0';
            settings_write <= '1' when copies else '0';
            settings_address <= std_logic_vector(index_2);
            settings_data <= word;
            walks_1 <= walks;
            walks_2 <= walks_1;
            index_1 <= index;
            index_2 <= index_1;
            index <= index + 1;
            if index = WORDS then
                walks <= '0';
            end if;
            if walks_2 = '1' then
                sum <= crc_of(sum, word);
            end if;
            if (opens and polls) or (opened and not fetches) then
                finish <= '1';
                refused <= '0' when names or applies or stores or looks else '1';
                answer <= value when looks else (others => '0');
            end if;
            if opened and names then
                label_word <= data;
            end if;
            if opened and stores then
                changed <= '1';
            end if;
            case state is
                when READY =>
                    sum <= (others => '1');
                    if opened and fetches then
                        state <= FETCH;
                    end if;
                    if opened and applies then
                        state <= SCAN;
                        conditional <= '1' when offset = 5 else '0';
                        wanted <= data;
                        walks <= '1';
                        index <= to_unsigned(1, SETTINGS_BITS);
                    end if;
                when FETCH =>
                    state <= READY;
                    finish <= '1';
                    refused <= '0';
                    answer <= written_word when window = "01" else live_word;
                when SCAN =>
                    if ended then
                        state <= JUDGE;
                    end if;
                when JUDGE =>
                    crc <= not sum;
                    if agrees then
                        rejected <= '0';
                        state <= COPY;
                        walks <= '1';
                        index <= to_unsigned(1, SETTINGS_BITS);
                    else
                        rejected <= '1';
                        state <= READY;
                        refusals <= refusals + 1;
                    end if;
                when COPY =>
                    if ended then
                        state <= SETTLE;
                        settings_write <= '1';
                        settings_address <= (others => '0');
                        settings_data <= ONE;
                        walks_1 <= '1'; -- two cycles, after which the design is busy
                    end if;
                when SETTLE =>
                    if ended and settings_busy = '0' then
                        state <= READY;
                        changed <= '0';
                        live_crc <= crc;
                        live_label <= label_word;
                        applied <= applied + 1;
                    end if;
            end case;
        end if;
    end process;
end architecture;
