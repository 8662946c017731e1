// bittrigger_weigh2: the sum of two operands, each times a weight that is a signal, modulo 2**WIDTH.
//
// weights: two bits for each operand, 01 is +1, 11 the complement, which is -1 less one, and all others are 0.
//
// Combinational. The behavioural form, for any fabric and for simulation; ultrascale/bittrigger_weigh2.sv is the same module
// in one LUT6_2 a bit, and proven equal.
`default_nettype none

module bittrigger_weigh2 #(
    parameter int WIDTH = 10,
    parameter int X = 8,               // width of a and b, less than WIDTH
    parameter bit [0:0] SIGNED = 1'b0  // whether they are two's complement
) (
    input  wire [    X-1:0] a,
    input  wire [    X-1:0] b,
    input  wire [      3:0] weights,
    output wire [WIDTH-1:0] sum
);

    wire [WIDTH-1:0] wide_a = {{(WIDTH - X) {SIGNED[0] & a[X-1]}}, a};
    wire [WIDTH-1:0] wide_b = {{(WIDTH - X) {SIGNED[0] & b[X-1]}}, b};
    wire [WIDTH-1:0] term_a = {WIDTH{weights[0]}} & (wide_a ^ {WIDTH{weights[1]}});
    wire [WIDTH-1:0] term_b = {WIDTH{weights[2]}} & (wide_b ^ {WIDTH{weights[3]}});

    assign sum = term_a + term_b;

endmodule

`default_nettype wire
