// bittrigger_memory_block: a memory of 2**PLACES words that is written at one place and read at another, in two cycles.
//
// At each rising edge of clk the word at row becomes data where write is high, and q, an edge later, what the word at place was before.
// There is no reset: what is held stays.
//
// The behavioural form, for any fabric and for simulation; ultrascale/bittrigger_memory_block.sv is the same module in a block RAM.
`default_nettype none

module bittrigger_memory_block #(
    parameter int WIDTH = 32,
    parameter int PLACES = 9  // bits of row and place
) (
    input  wire              clk,
    input  wire              write,
    input  wire [PLACES-1:0] row,
    input  wire [ WIDTH-1:0] data,
    input  wire [PLACES-1:0] place,
    output wire [ WIDTH-1:0] q
);

    (* ram_style = "block" *) reg [WIDTH-1:0] words[2**PLACES];
    reg [WIDTH-1:0] word;
    reg [WIDTH-1:0] late;
    always_ff @(posedge clk) begin
        if (write) words[row] <= data;
        word <= words[place];
        late <= word;
    end
    assign q = late;

endmodule

`default_nettype wire
