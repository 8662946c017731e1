// bittrigger_cross: carries a request into another clock, and its answer back.
//
// Protocol
//   bus_clk     of the side that asks. clk is that of the side that answers; nothing is assumed of their phase or ratio.
//   idle        a request may start.
//   start       takes bus_write, bus_address and bus_data. done is high one cycle when refused and answer are those of it.
//   request     write, address and data are valid, and stand until finish has been high for a cycle. address is a register of clk:
//               the contents of a block memory suffer from an address that changes at any time, though nothing is written.
//   finish      takes request_refused and request_answer.
//
// There is no reset: whatever started ends, and its answer may be passed over. Two levels cross, each through two registers
// (ASYNC_REG); the buses beside them stand while they are looked at. Constrain what crosses to one period of the faster clock:
//   set_max_delay -datapath_only from asks and taken_* to cells of clk, and from answers and given_* to cells of bus_clk.
`default_nettype none

module bittrigger_cross #(
    parameter int ADDRESS_BITS = 8
) (
    input  wire                    bus_clk,
    output wire                    idle,
    input  wire                    start,
    input  wire                    bus_write,
    input  wire [ADDRESS_BITS-1:0] bus_address,
    input  wire [            31:0] bus_data,
    output reg                     done,
    output reg                     refused,
    output reg  [            31:0] answer,
    input  wire                    clk,
    output reg                     request,
    output wire                    write,
    output reg  [ADDRESS_BITS-1:0] address,
    output wire [            31:0] data,
    input  wire                    finish,
    input  wire                    request_refused,
    input  wire [            31:0] request_answer
);

    // in bus_clk
    reg asks;
    reg taken_write;
    reg [ADDRESS_BITS-1:0] taken_address;
    reg [31:0] taken_data;
    (* async_reg = "true" *) reg [1:0] answered;

    // in clk
    reg answers;
    reg given_refused;
    reg [31:0] given_answer;
    (* async_reg = "true" *) reg [1:0] asked;

    initial begin
        asks = 1'b0;
        answered = 2'b00;
        done = 1'b0;
        answers = 1'b0;
        asked = 2'b00;
        request = 1'b0;
        address = '0;
    end

    assign idle = !asks && !answered[1] && !done;
    always_ff @(posedge bus_clk) begin
        answered <= {answered[0], answers};
        done <= asks && answered[1];
        if (asks && answered[1]) begin
            asks <= 1'b0;
            refused <= given_refused;
            answer <= given_answer;
        end
        if (idle && start) begin
            asks <= 1'b1;
            taken_write <= bus_write;
            taken_address <= bus_address;
            taken_data <= bus_data;
        end
    end

    assign write = taken_write;
    assign data  = taken_data;
    always_ff @(posedge clk) begin
        asked <= {asked[0], asks};
        request <= asked[1] && !answers;
        if (asked[1]) address <= taken_address;
        if (request && finish) begin
            request <= 1'b0;
            answers <= 1'b1;
            given_refused <= request_refused;
            given_answer <= request_answer;
        end
        if (!asked[1]) answers <= 1'b0;
    end

endmodule

`default_nettype wire
