// bittrigger_pick: the one of eight bits that index names, inverted where its bit of INVERT is 1.
//
// Combinational. The behavioural form, for any fabric and for simulation; ultrascale/bittrigger_pick.sv is the same module
// in two LUTs and the multiplexer beside them, and proven equal.
`default_nettype none

module bittrigger_pick #(
    parameter bit [7:0] INVERT = 8'b00000000
) (
    input  wire [7:0] choices,
    input  wire [2:0] index,
    output wire       chosen
);

    wire [7:0] given = choices ^ INVERT;

    assign chosen = given[index];

endmodule

`default_nettype wire
