// bittrigger_ipbus: an IPbus slave that turns accesses into requests, one at a time.
//
// Protocol
//   ipb_clk, ipb_rst   rising edge; ipb_rst is synchronous and active high.
//   ipb_*              as in the records ipb_wbus and ipb_rbus: strobe, write, address and wdata stand until ack or err is high, for
//                      one cycle; a strobe in the cycle behind that one is the next access. Addresses are of words; the fabric
//                      has looked at the bits above them. Whoever lowers strobe before that, as a master does that waits no
//                      longer, gets no answer; a write may then be done nevertheless.
//   start              a request, with write, address and data, which stand in that cycle; only while idle is high.
//   done               its answer is there: refused and answer. One cycle.
`default_nettype none

module bittrigger_ipbus #(
    parameter int ADDRESS_BITS = 8
) (
    input  wire                    ipb_clk,
    input  wire                    ipb_rst,
    input  wire                    ipb_strobe,
    input  wire                    ipb_write,
    input  wire [            31:0] ipb_addr,
    input  wire [            31:0] ipb_wdata,
    output reg  [            31:0] ipb_rdata,
    output reg                     ipb_ack,
    output reg                     ipb_err,
    input  wire                    idle,
    output wire                    start,
    output wire                    write,
    output wire [ADDRESS_BITS-1:0] address,
    output wire [            31:0] data,
    input  wire                    done,
    input  wire                    refused,
    input  wire [            31:0] answer
);

    reg waits;  // for an answer that somebody wants
    assign start = ipb_strobe && !ipb_rst && !waits && !ipb_ack && !ipb_err && idle;
    assign write = ipb_write;
    assign address = ipb_addr[ADDRESS_BITS-1:0];
    assign data = ipb_wdata;
    wire unused = &{1'b0, ipb_addr[31:ADDRESS_BITS]};

    wire wanted = waits && done && ipb_strobe && !ipb_rst;
    always_ff @(posedge ipb_clk) begin
        ipb_ack <= wanted && !refused;
        ipb_err <= wanted && refused;
        ipb_rdata <= wanted && !refused ? answer : 32'd0;
        if (start) waits <= 1'b1;
        if (done || (waits && !ipb_strobe) || ipb_rst) waits <= 1'b0;
    end

endmodule

`default_nettype wire
