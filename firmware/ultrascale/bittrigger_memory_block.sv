// bittrigger_memory_block: a memory of 2**PLACES words that is written at one place and read at another, in two cycles.
//
// At each rising edge of clk the word at row becomes data where write is high, and q, an edge later, what the word at place was before.
// There is no reset: what is held stays.
//
// One RAMB18E2 (UltraScale, UltraScale+, Versal by retargeting) as a simple dual port of 512 words, read through port A and its output
// register, written through port B.
`default_nettype none

module bittrigger_memory_block #(
    parameter int WIDTH = 32,  // 32 at most
    parameter int PLACES = 9  // bits of row and place, 9 at most
) (
    input  wire              clk,
    input  wire              write,
    input  wire [PLACES-1:0] row,
    input  wire [ WIDTH-1:0] data,
    input  wire [PLACES-1:0] place,
    output wire [ WIDTH-1:0] q
);

    wire [8:0] to = 9'(row);
    wire [8:0] from = 9'(place);
    wire [31:0] written = 32'(data);
    wire [31:0] read;
    assign q = read[WIDTH-1:0];

    RAMB18E2 #(
        .CLOCK_DOMAINS("COMMON"),
        .DOA_REG(1),
        .DOB_REG(1),
        .READ_WIDTH_A(36),
        .WRITE_WIDTH_B(36),
        .WRITE_MODE_A("READ_FIRST"),
        .WRITE_MODE_B("READ_FIRST")
    ) ram (
        .CLKARDCLK(clk),
        .CLKBWRCLK(clk),
        .ENARDEN(1'b1),
        .ENBWREN(1'b1),
        .ADDRENA(1'b1),
        .ADDRENB(1'b1),
        .REGCEAREGCE(1'b1),
        .REGCEB(1'b1),
        .RSTRAMARSTRAM(1'b0),
        .RSTRAMB(1'b0),
        .RSTREGARSTREG(1'b0),
        .RSTREGB(1'b0),
        .SLEEP(1'b0),
        .WEA(2'd0),
        .WEBWE({4{write}}),
        .ADDRARDADDR({from, 5'd0}),
        .ADDRBWRADDR({to, 5'd0}),
        .DINADIN(written[15:0]),
        .DINBDIN(written[31:16]),
        .DINPADINP(2'd0),
        .DINPBDINP(2'd0),
        .DOUTADOUT(read[15:0]),
        .DOUTBDOUT(read[31:16]),
        .DOUTPADOUTP(),
        .DOUTPBDOUTP(),
        .CASDIMUXA(1'b0),
        .CASDIMUXB(1'b0),
        .CASDINA(16'd0),
        .CASDINB(16'd0),
        .CASDINPA(2'd0),
        .CASDINPB(2'd0),
        .CASDOMUXA(1'b0),
        .CASDOMUXB(1'b0),
        .CASDOMUXEN_A(1'b0),
        .CASDOMUXEN_B(1'b0),
        .CASOREGIMUXA(1'b0),
        .CASOREGIMUXB(1'b0),
        .CASOREGIMUXEN_A(1'b0),
        .CASOREGIMUXEN_B(1'b0),
        .CASDOUTA(),
        .CASDOUTB(),
        .CASDOUTPA(),
        .CASDOUTPB()
    );

endmodule

`default_nettype wire
