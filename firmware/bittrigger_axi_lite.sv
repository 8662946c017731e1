// bittrigger_axi_lite: an AXI4-Lite slave that turns accesses into requests, one at a time.
//
// Protocol
//   aclk, aresetn   rising edge; aresetn is synchronous and active low, and forgets every access that has no answer yet.
//   s_axi_*         words of 32 bits at addresses in bytes. Address and data of a write come in any order. No valid waits for a
//                   ready, and a response stands until it is taken. Reads and writes that wait take turns.
//                   A write without all four bits of WSTRB, and an address that is no multiple of 4, change nothing and are
//                   answered with SLVERR, as is whatever the other side refuses; data of a refused read are 0.
//   start           a request, with write, address (of the word) and data, which stand until done; only while idle is high.
//   done            its answer is there: refused and answer. One cycle.
`default_nettype none

module bittrigger_axi_lite #(
    parameter int ADDRESS_BITS = 8  // of the address of a word
) (
    input  wire                     aclk,
    input  wire                     aresetn,
    input  wire                     s_axi_awvalid,
    output wire                     s_axi_awready,
    input  wire [ADDRESS_BITS+1:0]  s_axi_awaddr,
    input  wire                     s_axi_wvalid,
    output wire                     s_axi_wready,
    input  wire [             31:0] s_axi_wdata,
    input  wire [              3:0] s_axi_wstrb,
    output reg                      s_axi_bvalid,
    input  wire                     s_axi_bready,
    output reg  [              1:0] s_axi_bresp,
    input  wire                     s_axi_arvalid,
    output wire                     s_axi_arready,
    input  wire [ADDRESS_BITS+1:0]  s_axi_araddr,
    output reg                      s_axi_rvalid,
    input  wire                     s_axi_rready,
    output reg  [             31:0] s_axi_rdata,
    output reg  [              1:0] s_axi_rresp,
    input  wire                     idle,
    output wire                     start,
    output wire                     write,
    output wire [ ADDRESS_BITS-1:0] address,
    output wire [             31:0] data,
    input  wire                     done,
    input  wire                     refused,
    input  wire [             31:0] answer
);

    localparam bit [1:0] OKAY = 2'b00;
    localparam bit [1:0] SLVERR = 2'b10;

    // what came and has no answer yet
    reg aw_there, w_there, ar_there;
    reg [ADDRESS_BITS+1:0] aw_address, ar_address;
    reg [31:0] w_data;
    reg        w_whole;
    assign s_axi_awready = !aw_there;
    assign s_axi_wready  = !w_there;
    assign s_axi_arready = !ar_there;

    // which access is served: one whose response has a place
    reg waits;  // for an answer
    reg writes;  // and to what
    wire may_write = aw_there && w_there && !s_axi_bvalid;
    wire may_read = ar_there && !s_axi_rvalid;
    wire chosen = may_write && !(may_read && writes);  // a write; the other kind than the last if both are there
    wire sound = chosen ? w_whole && aw_address[1:0] == 2'b00 : ar_address[1:0] == 2'b00;
    wire serve = aresetn && !waits && idle && (may_write || may_read);
    assign start = serve && sound;
    assign write = waits ? writes : chosen;
    assign address = write ? aw_address[ADDRESS_BITS+1:2] : ar_address[ADDRESS_BITS+1:2];
    assign data = w_data;

    wire ends = waits ? done : serve && !sound;
    wire [1:0] response = waits && !refused ? OKAY : SLVERR;
    always_ff @(posedge aclk) begin
        if (s_axi_awvalid && s_axi_awready) begin
            aw_there <= 1'b1;
            aw_address <= s_axi_awaddr;
        end
        if (s_axi_wvalid && s_axi_wready) begin
            w_there <= 1'b1;
            w_data <= s_axi_wdata;
            w_whole <= &s_axi_wstrb;
        end
        if (s_axi_arvalid && s_axi_arready) begin
            ar_there <= 1'b1;
            ar_address <= s_axi_araddr;
        end
        if (s_axi_bready) s_axi_bvalid <= 1'b0;
        if (s_axi_rready) s_axi_rvalid <= 1'b0;
        if (serve) writes <= chosen;
        if (start) waits <= 1'b1;
        if (ends) waits <= 1'b0;
        if (ends && write) begin
            aw_there <= 1'b0;
            w_there <= 1'b0;
            s_axi_bvalid <= 1'b1;
            s_axi_bresp <= response;
        end
        if (ends && !write) begin
            ar_there <= 1'b0;
            s_axi_rvalid <= 1'b1;
            s_axi_rdata <= response == OKAY ? answer : 32'd0;
            s_axi_rresp <= response;
        end
        if (!aresetn) begin
            aw_there <= 1'b0;
            w_there <= 1'b0;
            ar_there <= 1'b0;
            s_axi_bvalid <= 1'b0;
            s_axi_rvalid <= 1'b0;
            waits <= 1'b0;
            writes <= 1'b0;
        end
    end

endmodule

`default_nettype wire
