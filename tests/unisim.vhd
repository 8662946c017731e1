-- The cells of AMD's library that the firmware library instantiates, in their meaning, for tests without that library.
-- Source: AMD UG974, "UltraScale Architecture Libraries Guide": LUT6_2, LUT6, MUXF7, CARRY8, FDRE, RAM32M16,
-- RAM64M8, RAMB18E2 (the last as the library uses it alone: 36 bits, read first, one clock).
library ieee;
use ieee.std_logic_1164.all;

package vcomponents is
    component LUT6_2 is
        generic (INIT : bit_vector(63 downto 0) := X"0000000000000000");
        port (O5, O6 : out std_logic; I0, I1, I2, I3, I4, I5 : in std_logic);
    end component;

    component LUT6 is
        generic (INIT : bit_vector(63 downto 0) := X"0000000000000000");
        port (O : out std_logic; I0, I1, I2, I3, I4, I5 : in std_logic);
    end component;

    component MUXF7 is
        port (O : out std_logic; I0, I1, S : in std_logic);
    end component;

    component CARRY8 is
        generic (CARRY_TYPE : string := "SINGLE_CY8");
        port (
            CO, O : out std_logic_vector(7 downto 0);
            CI, CI_TOP : in std_logic;
            DI, S : in std_logic_vector(7 downto 0)
        );
    end component;

    component FDRE is
        generic (INIT : bit := '0');
        port (Q : out std_logic; C, CE, D, R : in std_logic);
    end component;

    component RAM32M16 is
        port (
            DOA, DOB, DOC, DOD, DOE, DOF, DOG, DOH : out std_logic_vector(1 downto 0);
            DIA, DIB, DIC, DID, DIE, DIF, DIG, DIH : in std_logic_vector(1 downto 0);
            ADDRA, ADDRB, ADDRC, ADDRD, ADDRE, ADDRF, ADDRG, ADDRH : in std_logic_vector(4 downto 0);
            WCLK, WE : in std_logic
        );
    end component;

    component RAM64M8 is
        port (
            DOA, DOB, DOC, DOD, DOE, DOF, DOG, DOH : out std_logic;
            DIA, DIB, DIC, DID, DIE, DIF, DIG, DIH : in std_logic;
            ADDRA, ADDRB, ADDRC, ADDRD, ADDRE, ADDRF, ADDRG, ADDRH : in std_logic_vector(5 downto 0);
            WCLK, WE : in std_logic
        );
    end component;

    component RAMB18E2 is
        generic (
            CLOCK_DOMAINS : string := "INDEPENDENT";
            DOA_REG, DOB_REG : integer := 1;
            READ_WIDTH_A, WRITE_WIDTH_B : integer := 0;
            WRITE_MODE_A, WRITE_MODE_B : string := "NO_CHANGE"
        );
        port (
            CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, ADDRENA, ADDRENB, REGCEAREGCE, REGCEB : in std_logic;
            RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB, SLEEP : in std_logic;
            WEA : in std_logic_vector(1 downto 0);
            WEBWE : in std_logic_vector(3 downto 0);
            ADDRARDADDR, ADDRBWRADDR : in std_logic_vector(13 downto 0);
            DINADIN, DINBDIN, CASDINA, CASDINB : in std_logic_vector(15 downto 0);
            DINPADINP, DINPBDINP, CASDINPA, CASDINPB : in std_logic_vector(1 downto 0);
            CASDIMUXA, CASDIMUXB, CASDOMUXA, CASDOMUXB, CASDOMUXEN_A, CASDOMUXEN_B : in std_logic;
            CASOREGIMUXA, CASOREGIMUXB, CASOREGIMUXEN_A, CASOREGIMUXEN_B : in std_logic;
            DOUTADOUT, DOUTBDOUT, CASDOUTA, CASDOUTB : out std_logic_vector(15 downto 0);
            DOUTPADOUTP, DOUTPBDOUTP, CASDOUTPA, CASDOUTPB : out std_logic_vector(1 downto 0)
        );
    end component;
end package;

library ieee;
use ieee.std_logic_1164.all;

entity LUT6_2 is
    generic (INIT : bit_vector(63 downto 0) := X"0000000000000000");
    port (O5, O6 : out std_logic; I0, I1, I2, I3, I4, I5 : in std_logic);
end entity;

architecture meaning of LUT6_2 is
    constant rows : std_logic_vector(63 downto 0) := to_stdlogicvector(INIT);
    signal by1 : std_logic_vector(31 downto 0);
    signal by2 : std_logic_vector(15 downto 0);
    signal by3 : std_logic_vector(7 downto 0);
    signal by4 : std_logic_vector(3 downto 0);
    signal by5 : std_logic_vector(1 downto 0);
begin
    a : for k in by1'range generate
        by1(k) <= (rows(2 * k + 1) and I0) or (rows(2 * k) and not I0);
    end generate;
    b : for k in by2'range generate
        by2(k) <= (by1(2 * k + 1) and I1) or (by1(2 * k) and not I1);
    end generate;
    c : for k in by3'range generate
        by3(k) <= (by2(2 * k + 1) and I2) or (by2(2 * k) and not I2);
    end generate;
    d : for k in by4'range generate
        by4(k) <= (by3(2 * k + 1) and I3) or (by3(2 * k) and not I3);
    end generate;
    e : for k in by5'range generate
        by5(k) <= (by4(2 * k + 1) and I4) or (by4(2 * k) and not I4);
    end generate;
    O5 <= by5(0);
    O6 <= (by5(1) and I5) or (by5(0) and not I5);
end architecture;

library ieee;
use ieee.std_logic_1164.all;

entity CARRY8 is
    generic (CARRY_TYPE : string := "SINGLE_CY8");
    port (
        CO, O : out std_logic_vector(7 downto 0);
        CI, CI_TOP : in std_logic;
        DI, S : in std_logic_vector(7 downto 0)
    );
end entity;

architecture meaning of CARRY8 is
    signal carry : std_logic_vector(8 downto 0);
begin
    carry(0) <= CI;
    places : for k in 0 to 7 generate
        carry(k + 1) <= (carry(k) and S(k)) or (DI(k) and not S(k));
        O(k) <= S(k) xor carry(k);
    end generate;
    CO <= carry(8 downto 1);
end architecture;

library ieee;
use ieee.std_logic_1164.all;

entity LUT6 is
    generic (INIT : bit_vector(63 downto 0) := X"0000000000000000");
    port (O : out std_logic; I0, I1, I2, I3, I4, I5 : in std_logic);
end entity;

architecture meaning of LUT6 is
begin
    both : entity work.LUT6_2
        generic map (INIT => INIT)
        port map (O5 => open, O6 => O, I0 => I0, I1 => I1, I2 => I2, I3 => I3, I4 => I4, I5 => I5);
end architecture;

library ieee;
use ieee.std_logic_1164.all;

entity MUXF7 is
    port (O : out std_logic; I0, I1, S : in std_logic);
end entity;

architecture meaning of MUXF7 is
begin
    O <= (I1 and S) or (I0 and not S);
end architecture;

library ieee;
use ieee.std_logic_1164.all;

entity FDRE is
    generic (INIT : bit := '0');
    port (Q : out std_logic; C, CE, D, R : in std_logic);
end entity;

architecture meaning of FDRE is
    signal held : std_logic := to_stdulogic(INIT);
begin
    Q <= held;
    process (C)
    begin
        if rising_edge(C) then
            if R = '1' then
                held <= '0';
            elsif CE = '1' then
                held <= D;
            end if;
        end if;
    end process;
end architecture;

library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;

entity RAM32M16 is
    port (
        DOA, DOB, DOC, DOD, DOE, DOF, DOG, DOH : out std_logic_vector(1 downto 0);
        DIA, DIB, DIC, DID, DIE, DIF, DIG, DIH : in std_logic_vector(1 downto 0);
        ADDRA, ADDRB, ADDRC, ADDRD, ADDRE, ADDRF, ADDRG, ADDRH : in std_logic_vector(4 downto 0);
        WCLK, WE : in std_logic
    );
end entity;

architecture meaning of RAM32M16 is
    type words is array (0 to 31) of std_logic_vector(1 downto 0);
    signal held_A, held_B, held_C, held_D, held_E, held_F, held_G, held_H : words := (others => (others => '0'));
begin
    DOA <= held_A(to_integer(unsigned(ADDRA)));
    DOB <= held_B(to_integer(unsigned(ADDRB)));
    DOC <= held_C(to_integer(unsigned(ADDRC)));
    DOD <= held_D(to_integer(unsigned(ADDRD)));
    DOE <= held_E(to_integer(unsigned(ADDRE)));
    DOF <= held_F(to_integer(unsigned(ADDRF)));
    DOG <= held_G(to_integer(unsigned(ADDRG)));
    DOH <= held_H(to_integer(unsigned(ADDRH)));
    process (WCLK)
    begin
        if rising_edge(WCLK) then
            if WE = '1' then
                held_A(to_integer(unsigned(ADDRH))) <= DIA;
                held_B(to_integer(unsigned(ADDRH))) <= DIB;
                held_C(to_integer(unsigned(ADDRH))) <= DIC;
                held_D(to_integer(unsigned(ADDRH))) <= DID;
                held_E(to_integer(unsigned(ADDRH))) <= DIE;
                held_F(to_integer(unsigned(ADDRH))) <= DIF;
                held_G(to_integer(unsigned(ADDRH))) <= DIG;
                held_H(to_integer(unsigned(ADDRH))) <= DIH;
            end if;
        end if;
    end process;
end architecture;

library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;

entity RAM64M8 is
    port (
        DOA, DOB, DOC, DOD, DOE, DOF, DOG, DOH : out std_logic;
        DIA, DIB, DIC, DID, DIE, DIF, DIG, DIH : in std_logic;
        ADDRA, ADDRB, ADDRC, ADDRD, ADDRE, ADDRF, ADDRG, ADDRH : in std_logic_vector(5 downto 0);
        WCLK, WE : in std_logic
    );
end entity;

architecture meaning of RAM64M8 is
    type words is array (0 to 63) of std_logic;
    signal held_A, held_B, held_C, held_D, held_E, held_F, held_G, held_H : words := (others => '0');
begin
    DOA <= held_A(to_integer(unsigned(ADDRA)));
    DOB <= held_B(to_integer(unsigned(ADDRB)));
    DOC <= held_C(to_integer(unsigned(ADDRC)));
    DOD <= held_D(to_integer(unsigned(ADDRD)));
    DOE <= held_E(to_integer(unsigned(ADDRE)));
    DOF <= held_F(to_integer(unsigned(ADDRF)));
    DOG <= held_G(to_integer(unsigned(ADDRG)));
    DOH <= held_H(to_integer(unsigned(ADDRH)));
    process (WCLK)
    begin
        if rising_edge(WCLK) then
            if WE = '1' then
                held_A(to_integer(unsigned(ADDRH))) <= DIA;
                held_B(to_integer(unsigned(ADDRH))) <= DIB;
                held_C(to_integer(unsigned(ADDRH))) <= DIC;
                held_D(to_integer(unsigned(ADDRH))) <= DID;
                held_E(to_integer(unsigned(ADDRH))) <= DIE;
                held_F(to_integer(unsigned(ADDRH))) <= DIF;
                held_G(to_integer(unsigned(ADDRH))) <= DIG;
                held_H(to_integer(unsigned(ADDRH))) <= DIH;
            end if;
        end if;
    end process;
end architecture;

library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;

entity RAMB18E2 is
    generic (
        CLOCK_DOMAINS : string := "INDEPENDENT";
        DOA_REG, DOB_REG : integer := 1;
        READ_WIDTH_A, WRITE_WIDTH_B : integer := 0;
        WRITE_MODE_A, WRITE_MODE_B : string := "NO_CHANGE"
    );
    port (
        CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, ADDRENA, ADDRENB, REGCEAREGCE, REGCEB : in std_logic;
        RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB, SLEEP : in std_logic;
        WEA : in std_logic_vector(1 downto 0);
        WEBWE : in std_logic_vector(3 downto 0);
        ADDRARDADDR, ADDRBWRADDR : in std_logic_vector(13 downto 0);
        DINADIN, DINBDIN, CASDINA, CASDINB : in std_logic_vector(15 downto 0);
        DINPADINP, DINPBDINP, CASDINPA, CASDINPB : in std_logic_vector(1 downto 0);
        CASDIMUXA, CASDIMUXB, CASDOMUXA, CASDOMUXB, CASDOMUXEN_A, CASDOMUXEN_B : in std_logic;
        CASOREGIMUXA, CASOREGIMUXB, CASOREGIMUXEN_A, CASOREGIMUXEN_B : in std_logic;
        DOUTADOUT, DOUTBDOUT, CASDOUTA, CASDOUTB : out std_logic_vector(15 downto 0);
        DOUTPADOUTP, DOUTPBDOUTP, CASDOUTPA, CASDOUTPB : out std_logic_vector(1 downto 0)
    );
end entity;

architecture meaning of RAMB18E2 is
    type words is array (0 to 511) of std_logic_vector(31 downto 0);
    signal held : words := (others => (others => '0'));
    signal taken, late : std_logic_vector(31 downto 0) := (others => '0');
begin
    assert CLOCK_DOMAINS = "COMMON" and READ_WIDTH_A = 36 and WRITE_WIDTH_B = 36 severity failure;
    assert WRITE_MODE_A = "READ_FIRST" and WRITE_MODE_B = "READ_FIRST" severity failure;
    DOUTADOUT <= late(15 downto 0) when DOA_REG = 1 else taken(15 downto 0);
    DOUTBDOUT <= late(31 downto 16) when DOA_REG = 1 else taken(31 downto 16);
    process (CLKARDCLK)
    begin
        if rising_edge(CLKARDCLK) then
            if REGCEAREGCE = '1' then
                late <= taken;
            end if;
            if ENARDEN = '1' and ADDRENA = '1' and SLEEP = '0' then
                taken <= held(to_integer(unsigned(ADDRARDADDR(13 downto 5))));
            end if;
        end if;
    end process;
    process (CLKBWRCLK)
    begin
        if rising_edge(CLKBWRCLK) then
            if ENBWREN = '1' and ADDRENB = '1' and SLEEP = '0' then
                for k in 0 to 3 loop
                    if WEBWE(k) = '1' and k < 2 then
                        held(to_integer(unsigned(ADDRBWRADDR(13 downto 5))))(8 * k + 7 downto 8 * k) <= DINADIN(8 * k + 7 downto 8 * k);
                    elsif WEBWE(k) = '1' then
                        held(to_integer(unsigned(ADDRBWRADDR(13 downto 5))))(8 * k + 7 downto 8 * k) <= DINBDIN(8 * k - 9 downto 8 * k - 16);
                    end if;
                end loop;
            end if;
        end if;
    end process;
end architecture;
