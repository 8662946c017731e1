// bittrigger_adder2_carry: the sum of two operands that are narrower than it, at most one of them negated, modulo 2**WIDTH.
//
// Combinational. One LUT a bit and a carry chain, but no LUT for the top bit, as in bittrigger_adder3_carry: what the operands bring
// to the two top bits, with 2 more if the sum is signed, is u, which is 0, 1 or 2 whatever the operands. A single step of the
// chain adds it, and its carry out is the top bit, inverted if the sum is signed. A tool that infers the sum takes a LUT for
// each bit, for a slice's LUT drives the S input beside it and no other.
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

    localparam bit SIGN = (|SIGNED) | (|NEGATE);  // of the sum
    localparam int BLOCKS = (WIDTH + 7) / 8;

    // what an operand brings to the last bit that has a LUT and above
    function automatic int part(bit high, bit is_signed, bit negated);
        part = is_signed ? -int'(high) : int'(high);
        if (negated) part = -1 - part;
    endfunction

    // the table of that bit over (a, b): generate (O5) and propagate (O6)
    function automatic logic [63:0] last_table();
        int total;
        last_table = 64'b0;
        for (int row = 0; row < 4; row++) begin
            total = (SIGN ? 2 : 0) + part(row[0], SIGNED[0], NEGATE[0]) + part(row[1], SIGNED[1], NEGATE[1]);
            last_table[row] = total == 2;
            last_table[32+row] = total == 1;
        end
    endfunction

    wire [WIDTH-2:0] wide_a = {{(WIDTH - 1 - A) {SIGNED[0] ? a[A-1] : 1'b0}}, a};
    wire [WIDTH-2:0] wide_b = {{(WIDTH - 1 - B) {SIGNED[1] ? b[B-1] : 1'b0}}, b};
    wire [8*BLOCKS-1:0] generated;
    wire [8*BLOCKS-1:0] propagate;
    wire [8*BLOCKS:0] carry;
    wire [8*BLOCKS-1:0] total;

    assign carry[0] = |NEGATE;
    assign sum = total[WIDTH-1:0];

    for (genvar i = 0; i < 8 * BLOCKS; i++) begin : bits
        if (i < WIDTH - 2) begin : used
            assign generated[i] = NEGATE[0] ? wide_b[i] : wide_a[i];
            assign propagate[i] = wide_a[i] ^ wide_b[i] ^ (|NEGATE);
        end else if (i == WIDTH - 2) begin : last
            LUT6_2 #(
                .INIT(last_table())
            ) lut (
                .I0(wide_a[i]),
                .I1(wide_b[i]),
                .I2(1'b0),
                .I3(1'b0),
                .I4(1'b0),
                .I5(1'b1),
                .O5(generated[i]),
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
