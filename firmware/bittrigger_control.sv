// bittrigger_control: registers of a control computer in front of the bus by which a design takes numbers.
//
// Protocol
//   clk         rising edge; the clock of the design. There is no reset: after configuration all registers are 0, and what is held stays.
//   request     an access waits, with write, address (of a word) and data, until finish is high for a cycle; then refused says
//               whether it was refused, and answer is what was read.
//   settings_*  the bus of the design. Where something is to count, all words go there in the order of their addresses, a word a
//               cycle, and behind them the command; at no other time does anything go there, and nothing while settings_busy is high.
//
// Addresses: the two highest bits choose the window.
//   0  registers:
//       0 kind         "BTRG" as a number
//       1 version      1, of this map
//       2 words        numbers are at offsets 1 to this one of the windows 1 and 2
//       3 status       bit 0 busy; bit 1 a word was written that does not count yet; bit 2 the last apply_if was refused
//       4 apply        a 1 written here makes all that was written count
//       5 apply_if     the same, if what is written here is the CRC-32 of all words that were written; else nothing changes
//       6 label        a number of your own, which goes with what is written
//       7 live_label   that of what counts
//       8 crc          CRC-32 of what was written at the last apply or apply_if
//       9 live_crc     that of what counts
//      10 applied      how often something was made to count
//      11 refusals     how often an apply_if was refused
//      16-23 network   SHA-256 of all that is not held, the first 32 bits at 16; that of the weight file
//   1  what was written; words can be written and read
//   2  what counts; words can only be read
// All else is refused and changes nothing: other addresses, writes to what is only read, an apply other than 1. While busy is high, for
// twice as many cycles as there are words and a few more, an access waits; one that reads status is answered at once.
// What is read is a copy, beside what the layers use, of every word that was written, with bits that no layer has; words that were never
// written read as anything, and count as anything. CRC-32 is that of zlib and Ethernet, over the words in the order of their offsets, the low byte first.
`default_nettype none

module bittrigger_control #(
    parameter int WORDS = 1,
    parameter int SETTINGS_BITS = 1,  // of an address of the design
    parameter int WINDOW_BITS = 5,  // of an offset: at least 5, and SETTINGS_BITS
    parameter bit [255:0] NETWORK = '0
) (
    input  wire                     clk,
    input  wire                     request,
    input  wire                     write,
    input  wire [  WINDOW_BITS+1:0] address,
    input  wire [             31:0] data,
    output reg                      finish,
    output reg                      refused,
    output reg  [             31:0] answer,
    output reg                      settings_write,
    output reg  [SETTINGS_BITS-1:0] settings_address,
    output reg  [             31:0] settings_data,
    input  wire                     settings_busy
);

    localparam bit [2:0] READY = 3'd0;
    localparam bit [2:0] FETCH = 3'd1;  // a word is read
    localparam bit [2:0] SCAN = 3'd2;  // the CRC of all that was written
    localparam bit [2:0] JUDGE = 3'd3;
    localparam bit [2:0] COPY = 3'd4;  // what was written goes to the design, and then counts
    localparam bit [2:0] SETTLE = 3'd5;  // until all layers have switched
    localparam bit [SETTINGS_BITS-1:0] LAST = SETTINGS_BITS'(WORDS);

    reg [2:0] state;
    reg conditional, changed, rejected;
    reg [31:0] wanted, label, live_label, crc, live_crc, applied, refusals;

    wire [1:0] window = address[WINDOW_BITS+1:WINDOW_BITS];
    wire [WINDOW_BITS-1:0] offset = address[WINDOW_BITS-1:0];
    wire holds = offset != '0 && offset <= WINDOW_BITS'(WORDS);  // a word
    wire opens = request && !finish;

    // registers that can be read
    reg known;
    reg [31:0] value;
    always_comb begin
        known = 1'b1;
        value = 32'd0;
        case (offset)
            WINDOW_BITS'(0): value = 32'h42545247;
            WINDOW_BITS'(1): value = 32'd1;
            WINDOW_BITS'(2): value = 32'(WORDS);
            WINDOW_BITS'(3): value = {29'd0, rejected, changed, state != READY && state != FETCH};
            WINDOW_BITS'(4), WINDOW_BITS'(5): value = 32'd0;
            WINDOW_BITS'(6): value = label;
            WINDOW_BITS'(7): value = live_label;
            WINDOW_BITS'(8): value = crc;
            WINDOW_BITS'(9): value = live_crc;
            WINDOW_BITS'(10): value = applied;
            WINDOW_BITS'(11): value = refusals;
            WINDOW_BITS'(16): value = NETWORK[255:224];
            WINDOW_BITS'(17): value = NETWORK[223:192];
            WINDOW_BITS'(18): value = NETWORK[191:160];
            WINDOW_BITS'(19): value = NETWORK[159:128];
            WINDOW_BITS'(20): value = NETWORK[127:96];
            WINDOW_BITS'(21): value = NETWORK[95:64];
            WINDOW_BITS'(22): value = NETWORK[63:32];
            WINDOW_BITS'(23): value = NETWORK[31:0];
            default: known = 1'b0;
        endcase
    end

    // what an access in the state READY is
    wire to_register = write && window == 2'd0;
    wire names = to_register && offset == WINDOW_BITS'(6);
    wire applies = to_register && (offset == WINDOW_BITS'(4) && data == 32'd1 || offset == WINDOW_BITS'(5));
    wire stores = write && window == 2'd1 && holds;
    wire fetches = !write && (window == 2'd1 || window == 2'd2) && holds;
    wire looks = !write && window == 2'd0 && known;
    wire polls = !write && window == 2'd0 && offset == WINDOW_BITS'(3);
    wire opened = opens && state == READY && !settings_busy;

    // the words, and a walk over them: index, and one and two cycles later what is there
    reg [31:0] written[WORDS+1];
    reg [31:0] live[WORDS+1];
    reg [31:0] written_word, live_word, word;
    reg [SETTINGS_BITS-1:0] index, index_1, index_2;
    reg walks, walks_1, walks_2;
    wire copies = walks_2 && state == COPY;
    wire [SETTINGS_BITS-1:0] place = offset[SETTINGS_BITS-1:0];
    always_ff @(posedge clk) begin
        if (opened && stores) written[place] <= data;
        if (copies) live[index_2] <= word;
        written_word <= written[walks ? index : place];
        live_word <= live[place];
        word <= written_word;
    end

    function automatic logic [31:0] crc_of(logic [31:0] sofar, logic [31:0] next);
        crc_of = sofar ^ next;
        for (int k = 0; k < 32; k++) crc_of = {1'b0, crc_of[31:1]} ^ (crc_of[0] ? 32'hedb88320 : 32'd0);
    endfunction

    reg [31:0] sum;
    wire agrees = !conditional || ~sum == wanted;
    wire ended = !walks && !walks_1 && !walks_2;
    initial begin
        state = READY;
        {finish, settings_write, changed, rejected, walks, walks_1, walks_2} = 7'd0;
        {label, live_label, crc, live_crc, applied, refusals} = 192'd0;
    end

    always_ff @(posedge clk) begin
        finish <= 1'b0;
        settings_write <= copies;
        settings_address <= index_2;
        settings_data <= word;
        {walks_1, index_1} <= {walks, index};
        {walks_2, index_2} <= {walks_1, index_1};
        index <= index + SETTINGS_BITS'(1);
        if (index == LAST) walks <= 1'b0;
        if (walks_2) sum <= crc_of(sum, word);
        if (opens && polls || opened && !fetches) begin
            finish <= 1'b1;
            refused <= !(names || applies || stores || looks);
            answer <= looks ? value : 32'd0;
        end
        if (opened && names) label <= data;
        if (opened && stores) changed <= 1'b1;
        case (state)
            READY: begin
                sum <= 32'hffffffff;
                if (opened && fetches) state <= FETCH;
                if (opened && applies) begin
                    state <= SCAN;
                    conditional <= offset == WINDOW_BITS'(5);
                    wanted <= data;
                    {walks, index} <= {1'b1, SETTINGS_BITS'(1)};
                end
            end
            FETCH: begin
                state <= READY;
                finish <= 1'b1;
                refused <= 1'b0;
                answer <= window == 2'd1 ? written_word : live_word;
            end
            SCAN: if (ended) state <= JUDGE;
            JUDGE: begin
                crc <= ~sum;
                rejected <= !agrees;
                state <= agrees ? COPY : READY;
                if (agrees) {walks, index} <= {1'b1, SETTINGS_BITS'(1)};
                else refusals <= refusals + 32'd1;
            end
            COPY: if (ended) begin
                state <= SETTLE;
                settings_write <= 1'b1;
                settings_address <= '0;
                settings_data <= 32'd1;
                walks_1 <= 1'b1;  // two cycles, after which the design is busy
            end
            default: if (ended && !settings_busy) begin
                state <= READY;
                changed <= 1'b0;
                live_crc <= crc;
                live_label <= label;
                applied <= applied + 32'd1;
            end
        endcase
    end

endmodule

`default_nettype wire
