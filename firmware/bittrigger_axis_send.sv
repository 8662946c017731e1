// bittrigger_axis_send: sends each result as an AXI4-Stream packet.
//
// Protocol
//   clk, rst     rising edge; rst is synchronous and active high. A packet that is under way is cut off.
//   take         result_data and result_bad, which are valid while result_there is high, are being taken.
//   m_*          BEATS beats a packet, the lowest bits first, m_tlast with the last. m_tuser is result_bad, in each beat.
//                m_tkeep is all ones, in the last beat LAST_KEEP. All come from registers; m_tvalid never waits for m_tready,
//                and nothing changes while m_tvalid is high and m_tready is low. Packets follow without a gap.
`default_nettype none

module bittrigger_axis_send #(
    parameter int BEAT_BYTES = 8,
    parameter int BEATS = 1,
    parameter bit [BEAT_BYTES-1:0] LAST_KEEP = '1
) (
    input  wire                          clk,
    input  wire                          rst,
    input  wire                          result_there,
    input  wire                          result_bad,
    input  wire [8*BEAT_BYTES*BEATS-1:0] result_data,
    output wire                          take,
    output reg                           m_tvalid,
    input  wire                          m_tready,
    output reg  [      8*BEAT_BYTES-1:0] m_tdata,
    output reg  [        BEAT_BYTES-1:0] m_tkeep,
    output reg                           m_tlast,
    output reg                           m_tuser
);

    wire free = !m_tvalid || m_tready;  // the register in front of the port may change

    if (BEATS == 1) begin : g_one
        assign take = free && result_there;
        always_ff @(posedge clk) begin
            if (take) begin
                m_tdata <= result_data;
                m_tuser <= result_bad;
            end
            m_tkeep <= LAST_KEEP;
            m_tlast <= 1'b1;
        end
        always_ff @(posedge clk) begin
            if (rst) m_tvalid <= 1'b0;
            else if (free) m_tvalid <= result_there;
        end
    end else begin : g_many
        localparam int LEFT_BITS = $clog2(BEATS);
        reg [LEFT_BITS-1:0] left;  // beats that are still to come
        reg [8*BEAT_BYTES*(BEATS-1)-1:0] rest;  // the next of them in the lowest bits
        wire more = left != '0;
        assign take = free && !more && result_there;

        always_ff @(posedge clk) begin
            if (take) begin
                m_tdata <= result_data[8*BEAT_BYTES-1:0];
                rest <= result_data[8*BEAT_BYTES*BEATS-1:8*BEAT_BYTES];
                m_tuser <= result_bad;
                m_tkeep <= '1;
                m_tlast <= 1'b0;
                left <= LEFT_BITS'(BEATS - 1);
            end else if (free && more) begin
                m_tdata <= rest[8*BEAT_BYTES-1:0];
                rest <= rest >> (8 * BEAT_BYTES);
                m_tkeep <= left == LEFT_BITS'(1) ? LAST_KEEP : '1;
                m_tlast <= left == LEFT_BITS'(1);
                left <= left - LEFT_BITS'(1);
            end
            if (free) m_tvalid <= more || result_there;
            if (rst) begin
                m_tvalid <= 1'b0;
                left <= '0;
            end
        end
    end

endmodule

`default_nettype wire
