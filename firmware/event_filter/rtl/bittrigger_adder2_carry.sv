// bittrigger_adder2_carry: the sum of two operands that are narrower than it, one of them perhaps negated, modulo 2**WIDTH.
//
// Combinational. The behavioural form, for any fabric and for simulation; ultrascale/bittrigger_adder2_carry.sv is the same module
// without a LUT for the top bit, and proven equal in every form that a design uses.
`default_nettype none

module bittrigger_adder2_carry #(
    parameter int WIDTH = 9,
    parameter int A = 8,                 // widths of a and b, at most WIDTH - 1
    parameter int B = 8,
    parameter bit [1:0] SIGNED = 2'b11,  // bit 0: a, bit 1: b
    parameter bit [1:0] NEGATE = 2'b00
) (
    input  wire [    A-1:0] a,
    input  wire [    B-1:0] b,
    output wire [WIDTH-1:0] sum
);

    wire [WIDTH-1:0] wide_a = {{(WIDTH - A) {SIGNED[0] ? a[A-1] : 1'b0}}, a};
    wire [WIDTH-1:0] wide_b = {{(WIDTH - B) {SIGNED[1] ? b[B-1] : 1'b0}}, b};

    assign sum = (NEGATE[0] ? -wide_a : wide_a) + (NEGATE[1] ? -wide_b : wide_b);

endmodule

`default_nettype wire
