// bittrigger_credit_fifo: a FIFO behind a pipeline that cannot be halted, with a place for every event that is under way.
//
// Protocol
//   clk, rst   rising edge; rst is synchronous and active high, and empties the FIFO.
//   room       fewer than DEPTH events are between launch and pop. It comes from a register.
//   launch     an event enters the pipeline; allowed while room is high. Its result must be pushed once.
//   push       a result leaves the pipeline; there is always a place for it.
//   pop        takes the oldest result, which is on head while empty is low. head is read in the same cycle.
`default_nettype none

module bittrigger_credit_fifo #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 16  // a power of two, at least 2
) (
    input  wire             clk,
    input  wire             rst,
    output wire             room,
    input  wire             launch,
    input  wire             push,
    input  wire [WIDTH-1:0] push_data,
    output wire             empty,
    output wire [WIDTH-1:0] head,
    input  wire             pop
);

    localparam int ADDRESS_BITS = $clog2(DEPTH);

    (* ram_style = "distributed" *)
    reg [       WIDTH-1:0] places [DEPTH];
    reg [  ADDRESS_BITS:0] used;  // events between launch and pop
    reg [ADDRESS_BITS-1:0] first;
    reg [ADDRESS_BITS-1:0] next;
    reg                    filled;  // results are there

    assign room = !used[ADDRESS_BITS];
    assign empty = !filled;
    assign head = places[first];
    wire [ADDRESS_BITS-1:0] second = first + ADDRESS_BITS'(1);

    always_ff @(posedge clk) begin
        if (push) places[next] <= push_data;
        if (push) next <= next + ADDRESS_BITS'(1);
        if (pop) first <= second;
        if (push != pop) filled <= push || second != next;
        if (launch != pop) used <= launch ? used + (ADDRESS_BITS + 1)'(1) : used - (ADDRESS_BITS + 1)'(1);
        if (rst) begin
            used <= '0;
            first <= '0;
            next <= '0;
            filled <= 1'b0;
        end
    end

endmodule

`default_nettype wire
