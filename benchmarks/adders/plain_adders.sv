// The adders with carry-out of the firmware library as tools infer such sums: one LUT for every bit where two signals meet, the top
// one too. Yosys on its own would give one LUT to the two top bits of two signed operands, which a slice cannot: its LUTs drive
// the S input beside them and no other.
`default_nettype none

module bittrigger_adder3_carry #(
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

module bittrigger_adder2_carry #(
    parameter int WIDTH = 9,
    parameter int A = 8,
    parameter int B = 8,
    parameter bit [1:0] SIGNED = 2'b11,
    parameter bit [1:0] NEGATE = 2'b00
) (
    input  wire [    A-1:0] a,
    input  wire [    B-1:0] b,
    output wire [WIDTH-1:0] sum
);

    localparam int BLOCKS = (WIDTH + 7) / 8;

    wire [WIDTH-1:0] wide_a = {{(WIDTH - A) {SIGNED[0] ? a[A-1] : 1'b0}}, a};
    wire [WIDTH-1:0] wide_b = {{(WIDTH - B) {SIGNED[1] ? b[B-1] : 1'b0}}, b};
    wire [8*BLOCKS-1:0] generated;
    wire [8*BLOCKS-1:0] propagate;
    wire [8*BLOCKS:0] carry;
    wire [8*BLOCKS-1:0] total;

    assign carry[0] = |NEGATE;
    assign sum = total[WIDTH-1:0];

    for (genvar i = 0; i < 8 * BLOCKS; i++) begin : bits
        if (i == WIDTH - 1 && &SIGNED) begin : top
            assign generated[i] = 1'b0;
            LUT6_2 #(
                .INIT({2{{8{|NEGATE ? 4'b1001 : 4'b0110}}}})
            ) lut (
                .I0(wide_a[i]),
                .I1(wide_b[i]),
                .I2(1'b0),
                .I3(1'b0),
                .I4(1'b0),
                .I5(1'b1),
                .O5(),
                .O6(propagate[i])
            );
        end else if (i < WIDTH) begin : used
            assign generated[i] = NEGATE[0] ? wide_b[i] : wide_a[i];
            assign propagate[i] = wide_a[i] ^ wide_b[i] ^ (|NEGATE);
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
