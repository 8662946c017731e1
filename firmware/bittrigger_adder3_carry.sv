// bittrigger_adder3_carry: the sum of three operands that are narrower than it, any of them negated, modulo 2**WIDTH.
//
// Combinational. The behavioural form, for any fabric and for simulation; ultrascale/bittrigger_adder3_carry.sv is the same module
// without a LUT for the top bit, and proven equal in every form that a design uses.
`default_nettype none

module bittrigger_adder3_carry #(
    parameter int WIDTH = 10,
    parameter int A = 8,                  // widths of a, b and c, at most WIDTH - 1
    parameter int B = 8,
    parameter int C = 8,
    parameter bit [2:0] SIGNED = 3'b111,  // bit 0: a, bit 1: b, bit 2: c
    parameter bit [2:0] NEGATE = 3'b000
) (
    input  wire [    A-1:0] a,
    input  wire [    B-1:0] b,
    input  wire [    C-1:0] c,
    output wire [WIDTH-1:0] sum
);

    wire [WIDTH-1:0] wide_a = {{(WIDTH - A) {SIGNED[0] ? a[A-1] : 1'b0}}, a};
    wire [WIDTH-1:0] wide_b = {{(WIDTH - B) {SIGNED[1] ? b[B-1] : 1'b0}}, b};
    wire [WIDTH-1:0] wide_c = {{(WIDTH - C) {SIGNED[2] ? c[C-1] : 1'b0}}, c};

    assign sum = (NEGATE[0] ? -wide_a : wide_a) + (NEGATE[1] ? -wide_b : wide_b) + (NEGATE[2] ? -wide_c : wide_c);

endmodule

`default_nettype wire
