// bittrigger_adder3_carry: the sum of three operands that are narrower than it, at most two of them negated, modulo 2**WIDTH.
//
// Combinational. As bittrigger_adder3, one LUT6_2 a bit and a carry chain, but none for the top bit. What the operands bring to
// the two top bits is a small number: each is 0 or -1 of the bit below the top, or 0 or 1 if it is unsigned. Two more make the
// sum of a signed result positive. Where the total u with the saved carry, but without the chain's, is 0, 1 or 2 whatever the
// operands, a single step of the chain adds it: propagate where it is 1, generate where it is 2. Its carry out is the top bit,
// inverted if the sum is signed: the chain brings it out where S is constant.
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

    localparam bit SIGN = (|SIGNED) | (|NEGATE);  // of the sum
    localparam int BLOCKS = (WIDTH + 7) / 8;

    // the truth tables over (a, b, c): the carry saved (O5), and the sum, with the saved carry as fourth input (O6)
    localparam logic [7:0] BIT_A = 8'b10101010 ^ {8{NEGATE[0]}};
    localparam logic [7:0] BIT_B = 8'b11001100 ^ {8{NEGATE[1]}};
    localparam logic [7:0] BIT_C = 8'b11110000 ^ {8{NEGATE[2]}};
    localparam logic [7:0] CARRY = (BIT_A & BIT_B) | (BIT_A & BIT_C) | (BIT_B & BIT_C);
    localparam logic [7:0] ODD = BIT_A ^ BIT_B ^ BIT_C;
    localparam logic [63:0] TABLE = {{2{~ODD, ODD}}, {4{CARRY}}};

    // what an operand brings to the last bit that has a LUT and above
    function automatic int part(bit high, bit is_signed, bit negated);
        part = is_signed ? -int'(high) : int'(high);
        if (negated) part = -1 - part;
    endfunction

    // the table of that bit over (a, b, c, saved carry): generate (O5) and propagate (O6)
    function automatic logic [63:0] last_table();
        int total;
        last_table = 64'b0;
        for (int row = 0; row < 16; row++) begin
            total = (SIGN ? 2 : 0) + row / 8 + part(row[0], SIGNED[0], NEGATE[0]);
            total = total + part(row[1], SIGNED[1], NEGATE[1]) + part(row[2], SIGNED[2], NEGATE[2]);
            last_table[row] = total == 2;
            last_table[32+row] = total == 1;
        end
    endfunction
    localparam logic [63:0] LAST_TABLE = last_table();

    wire [WIDTH-2:0] wide_a = {{(WIDTH - 1 - A) {SIGNED[0] ? a[A-1] : 1'b0}}, a};
    wire [WIDTH-2:0] wide_b = {{(WIDTH - 1 - B) {SIGNED[1] ? b[B-1] : 1'b0}}, b};
    wire [WIDTH-2:0] wide_c = {{(WIDTH - 1 - C) {SIGNED[2] ? c[C-1] : 1'b0}}, c};
    wire [WIDTH-1:0] saved;
    wire [8*BLOCKS-1:0] generated;
    wire [8*BLOCKS-1:0] propagate;
    wire [8*BLOCKS:0] carry;
    wire [8*BLOCKS-1:0] total;

    assign saved[0] = (NEGATE[0] & NEGATE[1]) | (NEGATE[0] & NEGATE[2]) | (NEGATE[1] & NEGATE[2]);
    assign carry[0] = |NEGATE;
    assign sum = total[WIDTH-1:0];

    for (genvar i = 0; i < 8 * BLOCKS; i++) begin : bits
        if (i < WIDTH - 1) begin : used
            // O5 is the carry saved for the next bit, but in the last LUT what its own bit generates
            assign generated[i] = i == WIDTH - 2 ? saved[i+1] : saved[i];
            LUT6_2 #(
                .INIT(i == WIDTH - 2 ? LAST_TABLE : TABLE)
            ) lut (
                .I0(wide_a[i]),
                .I1(wide_b[i]),
                .I2(wide_c[i]),
                .I3(saved[i]),
                .I4(1'b0),
                .I5(1'b1),
                .O5(saved[i+1]),
                .O6(propagate[i])
            );
        end else begin : spare
            assign generated[i] = 1'b0;
            assign propagate[i] = i == WIDTH - 1 && SIGN;
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
