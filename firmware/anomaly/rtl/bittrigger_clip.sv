// bittrigger_clip: a code limited to WIDTH bits: all zeros where `zero` is high, else all ones where a bit of `over` is.
//
// Combinational. The behavioural form, for any fabric and for simulation; ultrascale/bittrigger_clip.sv is the same module
// in one LUT6_2 for two bits, and proven equal.
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

    assign clipped = zero ? {WIDTH{1'b0}} : |over ? {WIDTH{1'b1}} : code;

endmodule

`default_nettype wire
