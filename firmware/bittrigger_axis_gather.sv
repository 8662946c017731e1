// bittrigger_axis_gather: collects an event from the beats of an AXI4-Stream packet.
//
// Protocol
//   clk, rst      rising edge; rst is synchronous and active high. A packet that is under way is forgotten.
//   room          whether another event may be started; held until launch. s_tready is room, but for cycles in which an event
//                 waits for its turn; it never waits for s_tvalid.
//   s_*           a beat is taken where s_tvalid and s_tready are high. A packet ends with s_tlast. It should have BEATS beats,
//                 the lowest bits of the event first, and each byte that the event needs should have its bit of s_tkeep set:
//                 all bytes of a beat, in the last beat those of LAST_KEEP.
//   launch        the beat that ends a packet is being taken: from now on the event needs its place.
//   event_valid   high for one cycle, one cycle after launch, or later, so that events are INTERVAL cycles apart: each packet gives
//                 one event. event_bad says that the packet had fewer or more beats than BEATS, or lacked a byte; event_data has
//                 no meaning then.
`default_nettype none

module bittrigger_axis_gather #(
    parameter int BEAT_BYTES = 8,
    parameter int BEATS = 1,
    parameter int INTERVAL = 1,
    parameter bit [BEAT_BYTES-1:0] LAST_KEEP = '1
) (
    input  wire                          clk,
    input  wire                          rst,
    input  wire                          room,
    input  wire                          s_tvalid,
    output wire                          s_tready,
    input  wire [      8*BEAT_BYTES-1:0] s_tdata,
    input  wire [        BEAT_BYTES-1:0] s_tkeep,
    input  wire                          s_tlast,
    output wire                          launch,
    output wire                          event_valid,
    output reg                           event_bad,
    output reg  [8*BEAT_BYTES*BEATS-1:0] event_data
);

    localparam int COUNT_BITS = $clog2(BEATS + 1);
    localparam bit [COUNT_BITS-1:0] FINAL = COUNT_BITS'(BEATS - 1);

    reg  there;  // an event is collected
    wire waits;  // and has to wait
    assign event_valid = there && !waits;
    assign s_tready = room && !waits;
    wire taken = s_tvalid && s_tready;
    assign launch = taken && s_tlast;

    reg  [COUNT_BITS-1:0] count;  // beats of this packet so far, at most BEATS
    reg                   bad;  // one of them lacked a byte
    wire                  final_beat = count == FINAL;
    wire                  complete = &(s_tkeep | (final_beat ? ~LAST_KEEP : '0));

    always_ff @(posedge clk) begin
        there <= launch || waits;
        if (!waits) event_bad <= bad || !final_beat || !complete;
        if (taken) begin
            count <= s_tlast ? '0 : count == COUNT_BITS'(BEATS) ? count : count + COUNT_BITS'(1);
            bad <= !s_tlast && (bad || !complete);
        end
        if (rst) begin
            there <= 1'b0;
            count <= '0;
            bad <= 1'b0;
        end
    end

    if (INTERVAL == 1) begin : g_each
        assign waits = 1'b0;
    end else begin : g_apart
        localparam int LEFT_BITS = $clog2(INTERVAL);
        reg [LEFT_BITS-1:0] left;  // cycles that have still to pass until an event may come
        assign waits = there && left != '0;
        always_ff @(posedge clk) begin
            left <= event_valid ? LEFT_BITS'(INTERVAL - 1) : left == '0 ? '0 : left - LEFT_BITS'(1);
            if (rst) left <= '0;
        end
    end

    // Beats move down from the top, so that the first of BEATS arrives in the lowest bits.
    if (BEATS == 1) begin : g_one
        always_ff @(posedge clk) if (taken) event_data <= s_tdata;
    end else begin : g_many
        always_ff @(posedge clk) if (taken) event_data <= {s_tdata, event_data[8*BEAT_BYTES*BEATS-1:8*BEAT_BYTES]};
    end

endmodule

`default_nettype wire
