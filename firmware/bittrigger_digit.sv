// bittrigger_digit: a digit of a sum that is added from its lowest digit on, WIDTH bits a cycle.
//
// sum and above are a + b + carry, above the bit on top of sum: the carry of the next digit, for a register outside. An operand whose
// bit of INVERT is 1 enters as its complement, digit by digit, which is minus itself less one.
// Combinational. The behavioural form, for any fabric and for simulation; ultrascale/bittrigger_digit.sv is the same module
// in one LUT6_2 for one bit or two, and proven equal.
`default_nettype none

module bittrigger_digit #(
    parameter int WIDTH = 1,
    parameter bit [1:0] INVERT = 2'b00  // bit 0: a, bit 1: b
) (
    input  wire [WIDTH-1:0] a,
    input  wire [WIDTH-1:0] b,
    input  wire             carry,
    output wire [WIDTH-1:0] sum,
    output wire             above
);

    wire [WIDTH-1:0] first = a ^ {WIDTH{INVERT[0]}};
    wire [WIDTH-1:0] second = b ^ {WIDTH{INVERT[1]}};
    wire [WIDTH:0] carries;

    assign carries[0] = carry;
    for (genvar k = 0; k < WIDTH; k++) begin : bits
        assign sum[k] = first[k] ^ second[k] ^ carries[k];
        assign carries[k+1] = (first[k] & second[k]) | ((first[k] ^ second[k]) & carries[k]);
    end
    assign above = carries[WIDTH];

endmodule

`default_nettype wire
