// bittrigger_adder3: the sum of three operands, any of them negated, modulo 2**WIDTH.
//
// Combinational. The behavioural form, for any fabric and for simulation; ultrascale/bittrigger_adder3.sv is the same module
// in one LUT6_2 a bit, and proven equal.
`default_nettype none

module bittrigger_adder3 #(
    parameter int WIDTH = 8,
    parameter bit [2:0] NEGATE = 3'b000  // bit 0: a, bit 1: b, bit 2: c
) (
    input  wire [WIDTH-1:0] a,
    input  wire [WIDTH-1:0] b,
    input  wire [WIDTH-1:0] c,
    output wire [WIDTH-1:0] sum
);

    assign sum = (NEGATE[0] ? -a : a) + (NEGATE[1] ? -b : b) + (NEGATE[2] ? -c : c);

endmodule

`default_nettype wire
