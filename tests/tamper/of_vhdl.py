"""Tamperings of the VHDL: of what it means, and of text that tools read each in their way."""

from __future__ import annotations

from pathlib import Path

from tamper.edits import Rows, both, new_file, text

TOP = "example"
BUS, COLUMN = f"vhdl/{TOP}_settings.vhd", f"vhdl/{TOP}_held_dense_0_terms.vhd"
RELU, LAYER, TOP_VHD = f"vhdl/{TOP}_requantize_relu_0.vhd", f"vhdl/{TOP}_bitlinear_dense_1.vhd", f"vhdl/{TOP}.vhd"
LOGIC = "vhdl/bittrigger_logic.vhd"


def held_vhdl_kinds() -> dict[str, Rows]:
    """Of a design that holds weights."""
    return {
        "vhdl: meaning": (
            ("a layer switches with the first", text(BUS, r"turn => turn\(2\)", "turn => turn(0)")),
            ("a write hits the next word", text(BUS, r'equal\(place, "00010"\)', 'equal(place, "00011")')),
            ("a write is taken while layers switch", text(BUS, r"bit_of\(write\) and \(not waits\)", "bit_of(write)")),
            ("busy is low", text(BUS, r"busy <= waits\(0\)", "busy <= '0'")),
            ("what counts is lost", text(COLUMN, r"choice\(bit_of\(turn\), written0, counts0\)", "written0")),
            ("the falling edge", text(COLUMN, r"rising_edge", "falling_edge")),
            ("rounding", text(RELU, r"x0\(2 downto 2\) and some", "x0(2 downto 2) or some")),
            ("a digit of a shift", text(RELU, r"sign_shifted_right\(x0, 3\)", "sign_shifted_right(x0, 2)")),
            ("a sign", text(LAYER, r'NEGATE => "(\d*)0"', r'NEGATE => "\g<1>1"')),
            ("an operand", text(LAYER, r"x\(7 downto 0\)", "x(15 downto 8)")),
            ("valid a cycle early", text(TOP_VHD, r"out_valid <= valid\(3\)", "out_valid <= valid(2)")),
            ("no reset", text(TOP_VHD, r"if rst = '1' then", "if rst = '1' and in_valid = '1' then")),
            ("a register less", text(TOP_VHD, r"relu_0_codes_d1 <= relu_0_codes;", "null;")),
            ("an event writes", text(TOP_VHD, r"write => settings_write", "write => in_valid")),
            ("a function of all", text(LOGIC, r"if test\(0\) = '1' then", "if test(0) = '0' then")),
            ("the library", text("vhdl/bittrigger_weigh2.vhd", r"wide xor", "not wide xor")),
            ("the library in primitives", text("vhdl/ultrascale/bittrigger_weigh2.vhd", r'X"48B7B748', 'X"48B7B749')),
        ),
        "vhdl: text for some tools": (
            ("translate_off", text(BUS, r"    busy <= waits\(0\);", "    -- pragma translate_off\n    -- pragma translate_on\n    busy <= waits(0);")),
            ("synthesis off", text(TOP_VHD, r"    out_valid <=", "    -- synthesis translate_off\n    -- synthesis translate_on\n    out_valid <=")),
            ("a second architecture", text(RELU, r"\Z", _OTHER)),
            ("a second entity in a file", text(LAYER, r"\Z", "\nentity spy is end entity;\n")),
            ("a value at the declaration", text(BUS, r"(signal turn : std_logic_vector\(2 downto 0\));", r'\1 := "111";')),
            ("a second driver", text(TOP_VHD, r"^end architecture;", "    out_valid <= in_valid;\nend architecture;")),
            ("an external name", text(TOP_VHD, r"^end architecture;", "    process (clk)\n    begin\n        << signal .example.u_example_settings.turn : std_logic_vector(2 downto 0) >> <= force \"111\";\n    end process;\nend architecture;")),
            ("an attribute", text(TOP_VHD, r"^begin", "    attribute keep : string;\n    attribute keep of valid : signal is \"true\";\nbegin")),
            ("a file that is opened", text(LOGIC, r"^package body bittrigger_logic is", "package body bittrigger_logic is\n    type lines is file of integer;\n    file spy : lines open write_mode is \"spy\";")),
            ("a foreign function", text(LOGIC, r"^end package;", "    attribute foreign : string;\n    attribute foreign of zeros [natural return bits] : function is \"VHPIDIRECT system\";\nend package;")),
            ("another standard", text("vhdl/example_vhdl.f", r"\A", "--std=93\n")),
            ("another order", text("vhdl/example_vhdl.f", r"^(bittrigger_logic\.vhd)\n(.*)\n", r"\2\n\1\n")),
            ("a foreign file", new_file("vhdl/spy.vhd", "entity spy is end entity;\n")),
            ("a foreign file in the list", both(new_file("vhdl/spy.vhd", "entity spy is end entity;\n"), text("vhdl/example_vhdl.f", r"\Z", "spy.vhd\n"))),
            ("it is gone", _gone),
        ),
    }  # fmt: skip


def words_vhdl_kinds() -> dict[str, Rows]:
    """Of a design whose events come word by word."""
    guard, top = "vhdl/stream_interval.vhd", "vhdl/stream.vhd"
    return {
        "vhdl: words": (
            ("any word starts an event", text(guard, r"\(bit_of\(in_valid\) and bit_of\(in_start\)\)", "bit_of(in_valid)")),
            ("whole a word early", text(guard, r'equal\(due, "01"\)', 'equal(due, "10")')),
            ("a missing word is not told", text(guard, r" or \(under_way and \(not goes_on\)\)", "")),
            ("two words exchanged", text(top, r"jet_stream_d2 & jet_stream_d3", "jet_stream_d3 & jet_stream_d2")),
            ("valid for what lacks words", text(top, r"& whole\)", "& accept)")),
        ),
    }  # fmt: skip


def digits_vhdl_kinds() -> dict[str, Rows]:
    """Of layers that are multiplied digit by digit."""
    first, top = "vhdl/digits_bitlinear_first.vhd", "vhdl/digits.vhd"
    return {
        "vhdl: digits": (
            ("a pass is a cycle short", text(first, r'ends <= equal\(phase, "1000"\)', 'ends <= equal(phase, "0111")')),
            ("no zeros above a code", text(first, r'x3 <= choice\(fills, "0", p3_0\)', "x3 <= p3_0")),
            ("a digit is subtracted", text(first, r'INVERT => "00"', 'INVERT => "10"')),
            ("carries are not cleared", text(first, r"carry_0 <= choice\(begins, zeros\(29\), above_0\)", "carry_0 <= above_0")),
            ("a bit of a bias", text(first, r'(b0_0 <= "\d*)0"', r'\g<1>1"')),
            ("results are held a cycle late", text(top, r"valid\(10 downto 10\)", "valid(11 downto 11)")),
            ("the second layer a cycle early", text(top, r"load => valid\(19\)", "load => valid(18)")),
        ),
    }  # fmt: skip


_OTHER = """
architecture other of example_requantize_relu_0 is
begin
    y <= (others => '0');
end architecture;
"""


def _gone(folder: Path) -> None:
    (folder / COLUMN).unlink()
