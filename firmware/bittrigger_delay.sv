// bittrigger_delay: WIDTH bits, CYCLES rising edges of clk later. No reset: what comes out in the first CYCLES is undefined.
`default_nettype none

module bittrigger_delay #(
    parameter int WIDTH = 1,
    parameter int CYCLES = 1  // at least 1
) (
    input  wire             clk,
    input  wire [WIDTH-1:0] d,
    output wire [WIDTH-1:0] q
);

    reg [WIDTH-1:0] steps [CYCLES];
    always_ff @(posedge clk) begin
        steps[0] <= d;
        for (int k = 1; k < CYCLES; k++) steps[k] <= steps[k-1];
    end
    assign q = steps[CYCLES-1];

endmodule

`default_nettype wire
