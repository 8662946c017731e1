// bittrigger_emp_send: sends each result as a packet on links of the CMS EMP framework.
//
// Protocol
//   clk, rst      rising edge; rst is synchronous and active high. A packet that is under way is cut off.
//   result_valid  result_data holds a result, result_orbit whether it starts an orbit. Its first word comes out one cycle
//                 later, the others in the cycles that follow: WORDS in all, the lowest bits first, link 0 in the lowest 64.
//   q_*           flags are the same for all links: valid with each word, start with the first, last with the last,
//                 start_of_orbit with the first if result_orbit was high. Between packets all are low and the data zero.
//   overrun       high for one cycle, one cycle after a result that came while a packet was under way. That result is dropped;
//                 it cannot happen if results are WORDS cycles or more apart.
`default_nettype none

module bittrigger_emp_send #(
    parameter int LINKS = 1,
    parameter int WORDS = 1
) (
    input  wire                      clk,
    input  wire                      rst,
    input  wire                      result_valid,
    input  wire                      result_orbit,
    input  wire [64*LINKS*WORDS-1:0] result_data,
    output reg  [      64*LINKS-1:0] q_data,
    output reg                       q_valid,
    output reg                       q_start,
    output reg                       q_last,
    output reg                       q_start_of_orbit,
    output reg                       overrun
);

    if (WORDS == 1) begin : g_one
        always_ff @(posedge clk) begin
            q_data <= result_valid ? result_data : '0;
            {q_valid, q_start, q_last} <= {3{result_valid && !rst}};
            q_start_of_orbit <= result_valid && result_orbit && !rst;
            overrun <= 1'b0;
        end
    end else begin : g_many
        localparam int LEFT_BITS = $clog2(WORDS);
        reg [LEFT_BITS-1:0] left;  // words that are still to come
        reg [64*LINKS*(WORDS-1)-1:0] rest;  // the next of them in the lowest bits
        wire more = left != '0;
        wire begins = result_valid && !more;

        always_ff @(posedge clk) begin
            if (begins) rest <= result_data[64*LINKS*WORDS-1:64*LINKS];
            else rest <= rest >> (64 * LINKS);
            q_data <= begins ? result_data[64*LINKS-1:0] : more ? rest[64*LINKS-1:0] : '0;
            q_valid <= begins || more;
            q_start <= begins;
            q_start_of_orbit <= begins && result_orbit;
            q_last <= left == LEFT_BITS'(1);
            left <= begins ? LEFT_BITS'(WORDS - 1) : more ? left - LEFT_BITS'(1) : '0;
            overrun <= result_valid && more;
            if (rst) begin
                left <= '0;
                {q_valid, q_start, q_last, q_start_of_orbit, overrun} <= '0;
            end
        end
    end

endmodule

`default_nettype wire
