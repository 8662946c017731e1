// bittrigger_event_words: hands an event to a design with a stream port, word after word.
//
// Protocol
//   clk, rst     rising edge; rst is synchronous and active high. An event that is under way is cut off.
//   event_valid  event_words holds an event, its first word in the lowest bits. That word goes on in the same cycle, the others in
//                the cycles that follow, WORDS in all, without a gap.
//   word_*       word_start is high with the first word of an event.
//   late         high for one cycle, one cycle after an event that came while another was under way. It is dropped; that cannot
//                happen if events are WORDS cycles or more apart.
`default_nettype none

module bittrigger_event_words #(
    parameter int WORD_BITS = 8,
    parameter int WORDS = 2  // at least 2
) (
    input  wire                       clk,
    input  wire                       rst,
    input  wire                       event_valid,
    input  wire [WORD_BITS*WORDS-1:0] event_words,
    output wire                       word_valid,
    output wire                       word_start,
    output wire [      WORD_BITS-1:0] word_data,
    output reg                        late
);

    localparam int LEFT_BITS = $clog2(WORDS);

    reg [LEFT_BITS-1:0] left;  // words that are still to come
    reg [WORD_BITS*(WORDS-1)-1:0] rest;  // the next of them in the lowest bits
    wire under_way = left != '0;

    assign word_start = event_valid && !under_way;
    assign word_valid = word_start || under_way;
    assign word_data = under_way ? rest[WORD_BITS-1:0] : event_words[WORD_BITS-1:0];

    always_ff @(posedge clk) begin
        late <= event_valid && under_way && !rst;
        left <= rst ? '0 : word_start ? LEFT_BITS'(WORDS - 1) : under_way ? left - LEFT_BITS'(1) : '0;
    end

    if (WORDS == 2) begin : g_two
        always_ff @(posedge clk) if (word_start) rest <= event_words[2*WORD_BITS-1:WORD_BITS];
    end else begin : g_more
        always_ff @(posedge clk) begin
            if (word_start) rest <= event_words[WORD_BITS*WORDS-1:WORD_BITS];
            else rest <= {{WORD_BITS{1'b0}}, rest[WORD_BITS*(WORDS-1)-1:WORD_BITS]};
        end
    end

endmodule

`default_nettype wire
