// bittrigger_emp_gather: collects an event from packets on LINKS links of the CMS EMP framework.
//
// Protocol
//   clk, rst      rising edge; rst is synchronous and active high. A packet that is under way is dropped.
//   d_*           one 64-bit word a link and cycle, link 0 in the lowest bits. A frame counts if its strobe is high. A packet
//                 begins with a frame that has valid and start, and goes on with valid frames; all links run in step.
//   event_valid   high for one cycle, one cycle after the frame with word WORDS - 1 of a packet. event_data then holds its
//                 first WORDS words: frame 0 in the lowest bits, link 0 in the lowest 64 of these. event_orbit is high if
//                 start_of_orbit came with the first word on any link. Words beyond WORDS are passed over.
//   packet_error  high for one cycle, one cycle after a frame that breaks these rules:
//                   last before word WORDS - 1, or valid low within those words: the packet is dropped;
//                   start within those words: the packet is dropped, and another begins;
//                   links whose strobe, valid, start or last differ: the packet is dropped.
//                 A dropped packet gives no event. Valid words without a start in front of them are passed over.
`default_nettype none

module bittrigger_emp_gather #(
    parameter int LINKS = 1,
    parameter int WORDS = 1
) (
    input  wire                      clk,
    input  wire                      rst,
    input  wire [      64*LINKS-1:0] d_data,
    input  wire [         LINKS-1:0] d_valid,
    input  wire [         LINKS-1:0] d_start,
    input  wire [         LINKS-1:0] d_last,
    input  wire [         LINKS-1:0] d_start_of_orbit,
    input  wire [         LINKS-1:0] d_strobe,
    output reg                       event_valid,
    output reg  [64*LINKS*WORDS-1:0] event_data,
    output reg                       event_orbit,
    output reg                       packet_error
);

    localparam int INDEX_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam bit [INDEX_BITS-1:0] FINAL = INDEX_BITS'(WORDS - 1);

    // Link 0 speaks for all, as long as all agree.
    wire in_step = d_strobe == {LINKS{d_strobe[0]}} && d_valid == {LINKS{d_valid[0]}}
                && d_start == {LINKS{d_start[0]}} && d_last == {LINKS{d_last[0]}};
    wire frame = |d_strobe;
    wire valid = d_valid[0];
    wire start = d_start[0];
    wire last = d_last[0];

    reg                   collecting;  // words 0 to index - 1 of a packet are there, word index is awaited
    reg  [INDEX_BITS-1:0] index;
    wire [INDEX_BITS-1:0] word = start ? '0 : index;
    wire                  taken = frame && in_step && valid && (start || collecting);
    wire                  complete = taken && word == FINAL;
    wire                  short_packet = taken && last && word != FINAL;
    wire                  broken = frame && collecting && (!valid || start);
    wire                  out_of_step = frame && !in_step && (collecting || |d_valid);

    always_ff @(posedge clk) begin
        if (taken) index <= word + INDEX_BITS'(1);
        if (frame) collecting <= taken && !complete && !last;
        event_valid <= complete;
        packet_error <= short_packet || broken || out_of_step;
        if (taken && start) event_orbit <= |d_start_of_orbit;
        if (rst) begin
            collecting <= 1'b0;
            event_valid <= 1'b0;
            packet_error <= 1'b0;
        end
    end

    // Words move down from the top, so that the first of WORDS arrives in the lowest bits.
    if (WORDS == 1) begin : g_one
        always_ff @(posedge clk) if (taken) event_data <= d_data;
    end else begin : g_many
        always_ff @(posedge clk) if (taken) event_data <= {d_data, event_data[64*LINKS*WORDS-1:64*LINKS]};
    end

endmodule

`default_nettype wire
