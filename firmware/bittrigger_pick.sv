// bittrigger_pick: the one of eight bits that index names.
//
// Combinational. The behavioural form, for any fabric and for simulation; ultrascale/bittrigger_pick.sv is the same module
// in two LUTs and the multiplexer beside them, and proven equal.
`default_nettype none

module bittrigger_pick (
    input  wire [7:0] choices,
    input  wire [2:0] index,
    output wire       chosen
);

    assign chosen = choices[index];

endmodule

`default_nettype wire
