-- bittrigger_logic: the functions that the entities of a design are written in.
--
-- All of them are combinational, on vectors whose last bit is the lowest. A condition is a vector of one bit.
library ieee;
use ieee.std_logic_1164.all;
use ieee.numeric_std.all;

package bittrigger_logic is

    subtype bits is std_logic_vector;

    -- as many zeros
    function zeros(size : natural) return bits;
    -- x, as many times
    function copies(count : natural; x : bits) return bits;
    -- x in `size` bits: cut, or extended by zeros, or by its sign
    function extended(x : bits; size : natural) return bits;
    function sign_extended(x : bits; size : natural) return bits;
    -- sums, differences and products modulo 2**size, where both operands have `size` bits
    function add(a, b : bits) return bits;
    function subtract(a, b : bits) return bits;
    function multiply(a, b : bits) return bits;
    function minus(x : bits) return bits;
    -- x in its width, shifted; the last keeps the sign
    function shifted_left(x : bits; places : natural) return bits;
    function shifted_right(x : bits; places : natural) return bits;
    function sign_shifted_right(x : bits; places : natural) return bits;
    -- whether a bit is set, all bits are, an odd number is
    function some(x : bits) return bits;
    function all_of(x : bits) return bits;
    function parity(x : bits) return bits;
    -- comparisons of operands of one width, unsigned and two's complement
    function equal(a, b : bits) return bits;
    function less(a, b : bits) return bits;
    function sign_less(a, b : bits) return bits;
    -- yes where the condition holds, else no
    function choice(condition, yes, no : bits) return bits;
    -- a condition from one bit
    function bit_of(x : std_logic) return bits;
    -- the bit of a table that an index names; 0 beyond its end
    function bit_at(x, index : bits) return bits;
    -- the LUT6_2 of one bit of a sum of three operands, over (a, b, c, saved carry): O5 is the carry saved, O6 the sum; an
    -- operand is inverted where `negate`, which is (c, b, a), says so
    function sum_table(negate : bits) return bit_vector;

end package;

package body bittrigger_logic is

    function zeros(size : natural) return bits is
        constant result : bits(size - 1 downto 0) := (others => '0');
    begin
        return result;
    end function;

    function copies(count : natural; x : bits) return bits is
        constant operand : bits(x'length - 1 downto 0) := x;
        variable result : bits(count * x'length - 1 downto 0);
    begin
        for k in 0 to count - 1 loop
            result((k + 1) * x'length - 1 downto k * x'length) := operand;
        end loop;
        return result;
    end function;

    function extended(x : bits; size : natural) return bits is
        constant operand : bits(x'length - 1 downto 0) := x;
        variable result : bits(size - 1 downto 0) := (others => '0');
    begin
        if size <= x'length then
            return operand(size - 1 downto 0);
        end if;
        result(x'length - 1 downto 0) := operand;
        return result;
    end function;

    -- numeric_std's resize of a signed number keeps the sign where it cuts; here the low bits stay as they are
    function sign_extended(x : bits; size : natural) return bits is
        constant operand : bits(x'length - 1 downto 0) := x;
        variable result : bits(size - 1 downto 0) := (others => operand(x'length - 1));
    begin
        if size <= x'length then
            return operand(size - 1 downto 0);
        end if;
        result(x'length - 1 downto 0) := operand;
        return result;
    end function;

    function add(a, b : bits) return bits is
    begin
        return bits(unsigned(a) + unsigned(b));
    end function;

    function subtract(a, b : bits) return bits is
    begin
        return bits(unsigned(a) - unsigned(b));
    end function;

    function multiply(a, b : bits) return bits is
    begin
        return bits(resize(unsigned(a) * unsigned(b), a'length));
    end function;

    function minus(x : bits) return bits is
    begin
        return bits(unsigned(zeros(x'length)) - unsigned(x));
    end function;

    function shifted_left(x : bits; places : natural) return bits is
    begin
        return bits(shift_left(unsigned(x), places));
    end function;

    function shifted_right(x : bits; places : natural) return bits is
    begin
        return bits(shift_right(unsigned(x), places));
    end function;

    function sign_shifted_right(x : bits; places : natural) return bits is
        constant operand : bits(x'length - 1 downto 0) := x;
        variable result : bits(x'length - 1 downto 0) := (others => operand(x'length - 1));
    begin
        if places < x'length then
            result(x'length - 1 - places downto 0) := operand(x'length - 1 downto places);
        end if;
        return result;
    end function;

    function some(x : bits) return bits is
        variable result : bits(0 downto 0) := "0";
    begin
        for k in x'range loop
            result(0) := result(0) or x(k);
        end loop;
        return result;
    end function;

    function all_of(x : bits) return bits is
        variable result : bits(0 downto 0) := "1";
    begin
        for k in x'range loop
            result(0) := result(0) and x(k);
        end loop;
        return result;
    end function;

    function parity(x : bits) return bits is
        variable result : bits(0 downto 0) := "0";
    begin
        for k in x'range loop
            result(0) := result(0) xor x(k);
        end loop;
        return result;
    end function;

    function condition_of(x : boolean) return bits is
        variable result : bits(0 downto 0) := "0";
    begin
        if x then
            result := "1";
        end if;
        return result;
    end function;

    function equal(a, b : bits) return bits is
    begin
        return condition_of(unsigned(a) = unsigned(b));
    end function;

    function less(a, b : bits) return bits is
    begin
        return condition_of(unsigned(a) < unsigned(b));
    end function;

    function sign_less(a, b : bits) return bits is
    begin
        return condition_of(signed(a) < signed(b));
    end function;

    function choice(condition, yes, no : bits) return bits is
        constant test : bits(0 downto 0) := condition;
        variable result : bits(yes'length - 1 downto 0);
    begin
        if test(0) = '1' then
            result := yes;
        else
            result := no;
        end if;
        return result;
    end function;

    function bit_of(x : std_logic) return bits is
        variable result : bits(0 downto 0);
    begin
        result(0) := x;
        return result;
    end function;

    function bit_at(x, index : bits) return bits is
        constant address : bits(index'length - 1 downto 0) := index;
        variable rest : bits(2 ** index'length - 1 downto 0) := extended(x, 2 ** index'length);
    begin
        for k in index'length - 1 downto 0 loop
            if address(k) = '1' then
                rest(2 ** k - 1 downto 0) := rest(2 ** (k + 1) - 1 downto 2 ** k);
            end if;
        end loop;
        return rest(0 downto 0);
    end function;

    function sum_table(negate : bits) return bit_vector is
        variable result : bit_vector(63 downto 0) := (others => '0');
        variable ones : natural;
    begin
        for row in 0 to 31 loop
            ones := 0;
            for operand in 0 to 2 loop
                if (row / 2 ** operand mod 2 = 1) /= (negate(operand) = '1') then
                    ones := ones + 1;
                end if;
            end loop;
            if ones > 1 then
                result(row) := '1';
            end if;
            if (ones + row / 8) mod 2 = 1 then
                result(32 + row) := '1';
            end if;
        end loop;
        return result;
    end function;

end package body;
