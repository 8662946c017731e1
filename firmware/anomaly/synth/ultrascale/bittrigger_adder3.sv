// bittrigger_adder3: the sum of three operands, at most two of them negated, modulo 2**WIDTH.
//
// Combinational. One LUT6_2 a bit and a carry chain (UltraScale, UltraScale+, Versal by retargeting): the LUT of bit i forms
// the sum of the three operand bits and the carry saved from bit i - 1, and saves its own carry for bit i + 1; the chain adds
// both. A negated operand is inverted in the table, and its +1 enters as the first carry or as the first saved carry.
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

    localparam int BLOCKS = (WIDTH + 7) / 8;

    // the truth tables over (a, b, c): the carry saved (O5), and the sum, with the saved carry as fourth input (O6)
    localparam logic [7:0] A = 8'b10101010 ^ {8{NEGATE[0]}};
    localparam logic [7:0] B = 8'b11001100 ^ {8{NEGATE[1]}};
    localparam logic [7:0] C = 8'b11110000 ^ {8{NEGATE[2]}};
    localparam logic [7:0] CARRY = (A & B) | (A & C) | (B & C);
    localparam logic [7:0] ODD = A ^ B ^ C;
    localparam logic [63:0] TABLE = {{2{~ODD, ODD}}, {4{CARRY}}};

    wire [8*BLOCKS:0] saved;
    wire [8*BLOCKS-1:0] propagate;
    wire [8*BLOCKS:0] carry;
    wire [8*BLOCKS-1:0] total;

    assign saved[0] = (NEGATE[0] & NEGATE[1]) | (NEGATE[0] & NEGATE[2]) | (NEGATE[1] & NEGATE[2]);
    assign carry[0] = |NEGATE;
    assign sum = total[WIDTH-1:0];

    for (genvar i = 0; i < 8 * BLOCKS; i++) begin : bits
        if (i < WIDTH) begin : used
            LUT6_2 #(
                .INIT(TABLE)
            ) lut (
                .I0(a[i]),
                .I1(b[i]),
                .I2(c[i]),
                .I3(saved[i]),
                .I4(1'b0),
                .I5(1'b1),
                .O5(saved[i+1]),
                .O6(propagate[i])
            );
        end else begin : spare
            assign saved[i+1] = 1'b0;
            assign propagate[i] = 1'b0;
        end
    end

    for (genvar k = 0; k < BLOCKS; k++) begin : blocks
        wire [7:0] chain;
        CARRY8 carry8 (
            .CI(carry[8*k]),
            .CI_TOP(1'b0),
            .DI(saved[8*k+:8]),
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
