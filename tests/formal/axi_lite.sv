// What bittrigger_axi_lite keeps to, whatever a master does that keeps to AXI4-Lite, and however late the other side answers.
module formal_axi_lite (
    input wire clk,
    input wire awvalid, wvalid, arvalid, bready, rready,
    input wire [3:0] awaddr, araddr,
    input wire [31:0] wdata,
    input wire [3:0] wstrb,
    input wire idle, done, refused,
    input wire [31:0] answer
);
    wire awready, wready, arready, bvalid, rvalid, start, write;
    wire [1:0] bresp, rresp, address;
    wire [31:0] rdata, data;
    reg  aresetn = 1'b0;
    always @(posedge clk) aresetn <= 1'b1;
    bittrigger_axi_lite #(
        .ADDRESS_BITS(2)
    ) dut (
        .aclk(clk),
        .aresetn(aresetn),
        .s_axi_awvalid(awvalid),
        .s_axi_awready(awready),
        .s_axi_awaddr(awaddr),
        .s_axi_wvalid(wvalid),
        .s_axi_wready(wready),
        .s_axi_wdata(wdata),
        .s_axi_wstrb(wstrb),
        .s_axi_bvalid(bvalid),
        .s_axi_bready(bready),
        .s_axi_bresp(bresp),
        .s_axi_arvalid(arvalid),
        .s_axi_arready(arready),
        .s_axi_araddr(araddr),
        .s_axi_rvalid(rvalid),
        .s_axi_rready(rready),
        .s_axi_rdata(rdata),
        .s_axi_rresp(rresp),
        .idle(idle),
        .start(start),
        .write(write),
        .address(address),
        .data(data),
        .done(done),
        .refused(refused),
        .answer(answer)
    );

    // the other side: one request at a time, idle where there is none
    reg asked = 1'b0;
    always @(posedge clk) begin
        if (start) asked <= 1'b1;
        if (done) asked <= 1'b0;
    end
    always @* begin
        assume (!done || asked);
        assume (idle == !asked);
    end

    // what was taken and has no response yet, and whether it may be passed on
    reg b_stood = 1'b0, r_stood = 1'b0;
    wire b_new = bvalid && !b_stood;
    wire r_new = rvalid && !r_stood;
    reg aw = 1'b0, w = 1'b0, ar = 1'b0, whole = 1'b0;
    reg [3:0] aw_was = 4'd0, ar_was = 4'd0;
    reg [31:0] w_was = 32'd0;
    wire write_sound = whole && aw_was[1:0] == 2'b00;
    wire read_sound = ar_was[1:0] == 2'b00;
    always @(posedge clk) begin
        if (b_new) {aw, w} <= 2'b00;
        if (r_new) ar <= 1'b0;
        if (awvalid && awready) {aw, aw_was} <= {1'b1, awaddr};
        if (wvalid && wready) {w, w_was, whole} <= {1'b1, wdata, wstrb == 4'hf};
        if (arvalid && arready) {ar, ar_was} <= {1'b1, araddr};
        if (!aresetn) {aw, w, ar} <= 3'b000;
    end

    reg [1:0] b_was = 2'b00, r_was = 2'b00;
    reg [31:0] d_was = 32'd0, answered = 32'd0;
    reg  agreed = 1'b0, done_was = 1'b0;
    always @(posedge clk) begin
        b_stood <= bvalid && !bready && aresetn;
        r_stood <= rvalid && !rready && aresetn;
        {b_was, r_was, d_was} <= {bresp, rresp, rdata};
        {done_was, agreed, answered} <= {done, !refused, answer};
    end

    always @* begin
        if (aresetn) begin
            if (b_stood) assert (bvalid && bresp == b_was);  // a response stands until it is taken
            if (r_stood) assert (rvalid && rresp == r_was && rdata == d_was);
            if (b_new) assert (aw && w && bresp == (write_sound && agreed ? 2'b00 : 2'b10));  // and there is one for each access
            if (b_new && write_sound) assert (done_was);
            if (r_new) assert (ar && rresp == (read_sound && agreed ? 2'b00 : 2'b10));
            if (r_new) assert (rdata == (rresp == 2'b00 ? answered : 32'd0));
            if (r_new && read_sound) assert (done_was);
            if (start) assert (idle);
            if (start && write) assert (aw && w && write_sound && address == aw_was[3:2] && data == w_was && !bvalid);
            if (start && !write) assert (ar && read_sound && address == ar_was[3:2] && !rvalid);
        end
    end
endmodule
