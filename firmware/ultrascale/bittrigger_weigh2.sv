// bittrigger_weigh2: the sum of two operands, each times a weight that is a signal, modulo 2**WIDTH.
//
// weights: two bits for each operand, 01 is +1, 11 the complement, which is -1 less one, and all others are 0.
//
// Combinational. One LUT6_2 a bit and a carry chain (UltraScale, UltraScale+, Versal by retargeting). The LUT of a bit reads both
// operand bits and both weights, six signals. Its output O6 is the propagate signal, which is the first term where the second weight
// does not count; that weight's lower bit is input I5, so that O5, which is O6 where I5 is 0, is the first term always, and what
// the chain generates.
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

    localparam int BLOCKS = (WIDTH + 7) / 8;

    // the truth tables over (a, weights[0], weights[1], b, weights[3])
    localparam logic [31:0] TERM_A = 32'h48484848;
    localparam logic [31:0] TERM_B = 32'h00FFFF00;
    localparam logic [63:0] TABLE = {TERM_A ^ TERM_B, TERM_A};

    wire [WIDTH-1:0] wide_a = {{(WIDTH - X) {SIGNED[0] & a[X-1]}}, a};
    wire [WIDTH-1:0] wide_b = {{(WIDTH - X) {SIGNED[0] & b[X-1]}}, b};
    wire [8*BLOCKS-1:0] generated;
    wire [8*BLOCKS-1:0] propagate;
    wire [8*BLOCKS:0] carry;
    wire [8*BLOCKS-1:0] total;

    assign carry[0] = 1'b0;
    assign sum = total[WIDTH-1:0];

    for (genvar i = 0; i < 8 * BLOCKS; i++) begin : bits
        if (i < WIDTH) begin : used
            LUT6_2 #(
                .INIT(TABLE)
            ) lut (
                .I0(wide_a[i]),
                .I1(weights[0]),
                .I2(weights[1]),
                .I3(wide_b[i]),
                .I4(weights[3]),
                .I5(weights[2]),
                .O5(generated[i]),
                .O6(propagate[i])
            );
        end else begin : spare
            assign generated[i] = 1'b0;
            assign propagate[i] = 1'b0;
        end
    end

    for (genvar k = 0; k < BLOCKS; k++) begin : blocks
        wire [7:0] chain;
        CARRY8 carry8 (
            .CI(carry[8*k]),
            .CI_TOP(1'b0),
            .DI(generated[8*k+:8]),
            .S(propagate[8*k+:8]),
            .CO(chain),
            .O(total[8*k+:8])
        );
        for (genvar i = 0; i < 8; i++) begin : carries
            assign carry[8*k+i+1] = chain[i];
        end
    end

endmodule

`default_nettype wire
