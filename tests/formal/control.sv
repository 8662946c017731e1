// What bittrigger_control reads back is what the bus of the design took, for every word, whatever is asked in whatever order.
module formal_control #(
    parameter int WORDS = 2
) (
    input wire clk,
    input wire request,
    input wire write,
    input wire [6:0] address,
    input wire [31:0] data,
    input wire stays_busy,
    input wire [1:0] watched
);
    wire finish, refused, settings_write;
    wire [31:0] answer, settings_data;
    wire [1:0] settings_address;

    // the design: busy from the second edge behind a command on, for as long as it likes
    reg applies = 1'b0, switches = 1'b0;
    wire settings_busy = applies || switches;
    always @(posedge clk) begin
        applies <= settings_write && !settings_busy && settings_address == 2'd0 && settings_data[0];
        switches <= applies || (switches && stays_busy);
    end

    bittrigger_control #(
        .WORDS(WORDS),
        .SETTINGS_BITS(2)
    ) dut (
        .clk(clk),
        .request(request),
        .write(write),
        .address(address),
        .data(data),
        .finish(finish),
        .refused(refused),
        .answer(answer),
        .settings_write(settings_write),
        .settings_address(settings_address),
        .settings_data(settings_data),
        .settings_busy(settings_busy)
    );

    // a request stands until its finish, and lowers for a cycle
    reg asked = 1'b0, ended = 1'b0, was_write = 1'b0;
    reg [6:0] was_address = 7'd0;
    reg [31:0] was_data = 32'd0;
    reg [1:0] word = 2'd0;
    reg started = 1'b0;
    always @(posedge clk) begin
        asked <= request && !finish;
        ended <= finish;
        {was_write, was_address, was_data} <= {write, address, data};
        started <= 1'b1;
        word <= watched;
    end
    always @* begin
        if (asked) assume (request && write == was_write && address == was_address && data == was_data);
        if (ended) assume (!request);
        if (started) assume (watched == word);
        assume (watched != 2'd0);
        assume (data[31:2] == 30'd0);  // bits of a word are all alike
    end

    // the watched word: as it was written, as the design took it, and as it counts
    reg known = 1'b0, took = 1'b0, live_known = 1'b0;
    reg [31:0] held = 32'd0, taken = 32'd0, live = 32'd0;
    reg [1:0] due = 2'd1;  // all words go to the design in their order, and then the command
    always @(posedge clk) begin
        if (finish && request && write && !refused && address == {2'd1, 3'd0, watched}) {known, held} <= {1'b1, data};
        if (settings_write && !settings_busy && settings_address == watched) {took, taken} <= {1'b1, settings_data};
        if (applies) {live_known, live} <= {took && known, taken};
        if (settings_write) due <= settings_address == 2'd0 ? 2'd1 : settings_address == 2'(WORDS) ? 2'd0 : settings_address + 2'd1;
    end

    wire reads = finish && request && !write && !refused && address[4:0] == {3'd0, watched};
    always @* begin
        assert (!(settings_write && settings_busy));  // so that no word is left out
        if (settings_write && settings_address == 2'd0) assert (settings_data == 32'd1);
        if (settings_write) assert (settings_address == due);
        if (applies && known) assert (took && taken == held);
        if (reads && address[6:5] == 2'd1 && known) assert (answer == held);
        if (reads && address[6:5] == 2'd2 && live_known) assert (answer == live);
        if (finish && address[6:5] == 2'd3) assert (refused);
        if (finish && write && address[6:5] == 2'd2) assert (refused);
        if (finish && address[6:5] != 2'd0 && (address[4:0] == 5'd0 || address[4:0] > 5'(WORDS))) assert (refused);
    end
endmodule
