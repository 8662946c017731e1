// bittrigger_clip: a code limited to WIDTH bits: all zeros where `zero` is high, else all ones where a bit of `over` is.
//
// Combinational. One LUT6_2 for two bits (UltraScale, UltraScale+, Versal by retargeting): both read `zero` and `over`, so
// that they have five inputs together, which is what the two outputs of one LUT may share.
`default_nettype none

module bittrigger_clip #(
    parameter int WIDTH = 8,
    parameter int OVER = 1  // 1 or 2
) (
    input  wire [WIDTH-1:0] code,
    input  wire             zero,
    input  wire [ OVER-1:0] over,
    output wire [WIDTH-1:0] clipped
);

    localparam int PAIRS = (WIDTH + 1) / 2;

    // the truth tables over (first bit, second bit, zero, over[0], over[1])
    localparam logic [31:0] FIRST = 32'haaaaaaaa;
    localparam logic [31:0] SECOND = 32'hcccccccc;
    localparam logic [31:0] ZERO = 32'hf0f0f0f0;
    localparam logic [31:0] FULL = 32'hffffff00;
    localparam logic [63:0] TABLE = {~ZERO & (FULL | SECOND), ~ZERO & (FULL | FIRST)};

    wire [2*PAIRS-1:0] bits;
    wire [2*PAIRS-1:0] limited;

    if (WIDTH % 2 == 1) begin : odd
        assign bits = {1'b0, code};
    end else begin : even
        assign bits = code;
    end
    assign clipped = limited[WIDTH-1:0];

    for (genvar k = 0; k < PAIRS; k++) begin : pairs
        LUT6_2 #(
            .INIT(TABLE)
        ) lut (
            .I0(bits[2*k]),
            .I1(bits[2*k+1]),
            .I2(zero),
            .I3(over[0]),
            .I4(OVER > 1 ? over[OVER-1] : 1'b0),
            .I5(1'b1),
            .O5(limited[2*k]),
            .O6(limited[2*k+1])
        );
    end

endmodule

`default_nettype wire
