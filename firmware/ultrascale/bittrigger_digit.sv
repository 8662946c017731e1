// bittrigger_digit: a digit of a sum that is added from its lowest digit on, WIDTH bits a cycle.
//
// Combinational. One LUT6_2 for two bits, whose outputs are the higher bit of the sum and the carry above it (UltraScale,
// UltraScale+, Versal by retargeting): they read two bits of each operand and a carry, the five inputs that both may share. The
// lower bit of the sum takes a LUT of its own. A last bit on its own has sum and carry in one LUT6_2. Inversions are in the tables.
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

    localparam int PAIRS = WIDTH / 2;

    // the truth tables over (a, b, carry, a of the bit above, b of the bit above)
    localparam logic [31:0] A = 32'haaaaaaaa ^ {32{INVERT[0]}};
    localparam logic [31:0] B = 32'hcccccccc ^ {32{INVERT[1]}};
    localparam logic [31:0] CARRY = 32'hf0f0f0f0;
    localparam logic [31:0] UPPER_A = 32'hff00ff00 ^ {32{INVERT[0]}};
    localparam logic [31:0] UPPER_B = 32'hffff0000 ^ {32{INVERT[1]}};
    localparam logic [31:0] SUM = A ^ B ^ CARRY;
    localparam logic [31:0] KEPT = (A & B) | ((A ^ B) & CARRY);
    localparam logic [31:0] UPPER_SUM = UPPER_A ^ UPPER_B ^ KEPT;
    localparam logic [31:0] UPPER_KEPT = (UPPER_A & UPPER_B) | ((UPPER_A ^ UPPER_B) & KEPT);

    wire [PAIRS:0] carries;

    assign carries[0] = carry;
    for (genvar k = 0; k < PAIRS; k++) begin : pairs
        assign sum[2*k] = a[2*k] ^ b[2*k] ^ carries[k] ^ INVERT[0] ^ INVERT[1];
        LUT6_2 #(
            .INIT({UPPER_SUM, UPPER_KEPT})
        ) lut (
            .I0(a[2*k]),
            .I1(b[2*k]),
            .I2(carries[k]),
            .I3(a[2*k+1]),
            .I4(b[2*k+1]),
            .I5(1'b1),
            .O5(carries[k+1]),
            .O6(sum[2*k+1])
        );
    end
    if (WIDTH % 2 == 1) begin : odd
        LUT6_2 #(
            .INIT({SUM, KEPT})
        ) lut (
            .I0(a[WIDTH-1]),
            .I1(b[WIDTH-1]),
            .I2(carries[PAIRS]),
            .I3(1'b0),
            .I4(1'b0),
            .I5(1'b1),
            .O5(above),
            .O6(sum[WIDTH-1])
        );
    end else begin : even
        assign above = carries[PAIRS];
    end

endmodule

`default_nettype wire
