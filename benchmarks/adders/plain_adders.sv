// bittrigger_grow3 as tools infer a sum of three operands: one LUT for every bit, the top one too.
`default_nettype none

module bittrigger_grow3 #(
    parameter int WIDTH = 10,
    parameter int A = 8,
    parameter int B = 8,
    parameter int C = 8,
    parameter bit [2:0] SIGNED = 3'b111,
    parameter bit [2:0] NEGATE = 3'b000
) (
    input  wire [    A-1:0] a,
    input  wire [    B-1:0] b,
    input  wire [    C-1:0] c,
    output wire [WIDTH-1:0] sum
);

    bittrigger_adder3 #(.WIDTH(WIDTH), .NEGATE(NEGATE)) adder (
        .a({{(WIDTH - A) {SIGNED[0] ? a[A-1] : 1'b0}}, a}),
        .b({{(WIDTH - B) {SIGNED[1] ? b[B-1] : 1'b0}}, b}),
        .c({{(WIDTH - C) {SIGNED[2] ? c[C-1] : 1'b0}}, c}),
        .sum(sum)
    );

endmodule

`default_nettype wire
