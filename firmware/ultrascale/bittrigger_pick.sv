// bittrigger_pick: the one of eight bits that index names, inverted where its bit of INVERT is 1.
//
// Combinational. Two LUTs, each of which chooses one of four bits, and the multiplexer MUXF7 behind them (UltraScale,
// UltraScale+, Versal by retargeting): synthesis on its own takes three LUTs and more.
`default_nettype none

module bittrigger_pick #(
    parameter bit [7:0] INVERT = 8'b00000000
) (
    input  wire [7:0] choices,
    input  wire [2:0] index,
    output wire       chosen
);

    // over (four bits, two bits of index), for each half
    localparam logic [63:0] ONE_OF_FOUR = 64'hff00f0f0ccccaaaa;
    localparam logic [63:0] LOWER = {{16{INVERT[3]}}, {16{INVERT[2]}}, {16{INVERT[1]}}, {16{INVERT[0]}}};
    localparam logic [63:0] UPPER = {{16{INVERT[7]}}, {16{INVERT[6]}}, {16{INVERT[5]}}, {16{INVERT[4]}}};

    wire [1:0] halves;

    for (genvar k = 0; k < 2; k++) begin : each
        LUT6 #(
            .INIT(ONE_OF_FOUR ^ (k == 0 ? LOWER : UPPER))
        ) lut (
            .I0(choices[4*k]),
            .I1(choices[4*k+1]),
            .I2(choices[4*k+2]),
            .I3(choices[4*k+3]),
            .I4(index[0]),
            .I5(index[1]),
            .O(halves[k])
        );
    end
    MUXF7 mux (
        .I0(halves[0]),
        .I1(halves[1]),
        .S (index[2]),
        .O (chosen)
    );

endmodule

`default_nettype wire
